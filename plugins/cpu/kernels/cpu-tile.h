/* cpu-tile.h - the loops behind a region's instructions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-region.h"

G_BEGIN_DECLS

/* y may be any of the operands */
typedef void (*CpuTileOp) (float *y,
                           const float *a,
                           const float *b,
                           const float *c,
                           gint64 n,
                           float p,
                           float q);

extern const CpuTileOp cpu_tile_ops[CPU_N_OPS];

G_END_DECLS
