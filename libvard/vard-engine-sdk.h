/* vard-engine-sdk.h - what a plugin with an engine includes beside <vard.h>
 *
 * docs/api-stability.md says what this header promises.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard.h>

#include "base/vard-random.h"
#include "base/vard-trace.h"
#include "engine/vard-engine-class.h"
#include "engine/vard-fusion.h"
