/* vard-res-block.h - the residual block of UNets and autoencoders (ResnetBlock2D)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_RES_BLOCK (vard_res_block_get_type ())
G_DECLARE_FINAL_TYPE (VardResBlock, vard_res_block, VARD, RES_BLOCK, VardModule)

/* @time_width 0: no time vector. The sum is divided by @output_scale. */
VardResBlock *vard_res_block_new (gint64 n_in,
                                  gint64 n_out,
                                  gint64 time_width,
                                  guint n_groups,
                                  double eps,
                                  double output_scale);
/* x [n, h, w, n_in], time [n, time_width] or NULL -> [n, h, w, n_out] */
VardNode *vard_res_block_record (VardResBlock *self, VardNode *x, VardNode *time);

G_END_DECLS
