/* vard-reference-engine.h - computes every operation with its reference loop
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine-buffers.h"

G_BEGIN_DECLS

#define VARD_TYPE_REFERENCE_ENGINE (vard_reference_engine_get_type ())
G_DECLARE_FINAL_TYPE (VardReferenceEngine,
                      vard_reference_engine,
                      VARD,
                      REFERENCE_ENGINE,
                      VardEngine)

VardEngine *vard_reference_engine_new (void);

G_END_DECLS
