/* vard-internal.h - what the project's own tests reach; not installed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard-engine-sdk.h>

#include "adapters/vard-lora-file.h"
#include "algorithms/vard/vard-value-net.h"
#include "base/vard-json-parse.h"
#include "comm/vard-communicator.h"
#include "comm/vard-solo-communicator.h"
#include "engine/vard-engine-buffers.h"
#include "engine/vard-executable.h"
#include "engine/vard-reference-engine.h"
#include "graph/vard-graph.h"
#include "graph/vard-ops.h"
#include "models/vard-model-class.h"
#include "nn/vard-lora.h"
#include "nn/vard-module.h"
