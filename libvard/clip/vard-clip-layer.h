/* vard-clip-layer.h - one layer of CLIP's text and vision encoders
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_CLIP_LAYER (vard_clip_layer_get_type ())
G_DECLARE_FINAL_TYPE (VardClipLayer, vard_clip_layer, VARD, CLIP_LAYER, VardModule)

/* @is_quick: x sigmoid (1.702 x) in place of the exact gelu */
VardClipLayer *vard_clip_layer_new (gint64 width,
                                    gint64 inner,
                                    guint n_heads,
                                    double eps,
                                    gboolean is_quick);
/* x [n, tokens, width] -> the same; @is_causal: a token sees those before it alone */
VardNode *vard_clip_layer_record (VardClipLayer *self, VardNode *x, gboolean is_causal);

G_END_DECLS
