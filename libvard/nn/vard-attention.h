/* vard-attention.h - multi-head attention with its four projections
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-linear.h"

G_BEGIN_DECLS

#define VARD_TYPE_ATTENTION (vard_attention_get_type ())
G_DECLARE_FINAL_TYPE (VardAttention, vard_attention, VARD, ATTENTION, VardModule)

/* What the projections are called, and which have a bias */
typedef struct
{
  const char *query, *key, *value, *output;
  gboolean has_input_bias;
} VardAttentionStyle;

extern const VardAttentionStyle vard_attention_style_unet; /* to_q, to_k, to_v, to_out.0 */
extern const VardAttentionStyle vard_attention_style_vae;  /* the same, with biases */
extern const VardAttentionStyle vard_attention_style_clip; /* q_proj, k_proj, v_proj, out_proj */

/* @context_width: of what keys and values come from; @layout: of all four weights in files */
VardAttention *vard_attention_new (gint64 width,
                                   gint64 context_width,
                                   guint n_heads,
                                   gint64 head_width,
                                   const VardAttentionStyle *style,
                                   VardLayout layout);
/* x [n, t, width], context [n, tokens, context_width] or NULL for x itself -> [n, t, width] */
VardNode *vard_attention_record (VardAttention *self,
                                 VardNode *x,
                                 VardNode *context,
                                 gboolean is_causal);

G_END_DECLS
