/* vard-engine-loader.h - creates an engine by its name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine.h"

G_BEGIN_DECLS

VardEngine *vard_load_engine (const char *name, guint threads, GError **error);

G_END_DECLS
