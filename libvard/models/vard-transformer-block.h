/* vard-transformer-block.h - self attention, cross attention and a gated feed-forward layer on a
 * picture's pixels
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

G_BEGIN_DECLS

/* BasicTransformerBlock */
#define VARD_TYPE_TRANSFORMER_BLOCK (vard_transformer_block_get_type ())
G_DECLARE_FINAL_TYPE (VardTransformerBlock,
                      vard_transformer_block,
                      VARD,
                      TRANSFORMER_BLOCK,
                      VardModule)

VardTransformerBlock *vard_transformer_block_new (gint64 width,
                                                  gint64 context_width,
                                                  guint n_heads);
/* x [n, t, width], context [n, tokens, context_width] */
VardNode *vard_transformer_block_record (VardTransformerBlock *self,
                                         VardNode *x,
                                         VardNode *context);

/* Transformer2DModel: a norm, a projection, blocks, a projection, the residual */
#define VARD_TYPE_TRANSFORMER_2D (vard_transformer_2d_get_type ())
G_DECLARE_FINAL_TYPE (VardTransformer2d, vard_transformer_2d, VARD, TRANSFORMER_2D, VardModule)

VardTransformer2d *vard_transformer_2d_new (gint64 width,
                                            gint64 context_width,
                                            guint n_heads,
                                            guint n_blocks,
                                            guint n_groups,
                                            gboolean use_linear_projection);
/* x [n, h, w, width] -> the same shape */
VardNode *vard_transformer_2d_record (VardTransformer2d *self, VardNode *x, VardNode *context);

G_END_DECLS
