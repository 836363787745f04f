/* vard-attention.c - multi-head attention with its four projections
 *
 * Heads are a reshape of the last axis: nothing is permuted.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "nn/vard-attention.h"

#include <math.h>

struct _VardAttention
{
  VardModule parent_instance;

  guint n_heads;
  gint64 head_width;
  VardLinear *query, *key, *value, *output;
};

G_DEFINE_FINAL_TYPE (VardAttention, vard_attention, VARD_TYPE_MODULE)

const VardAttentionStyle vard_attention_style_unet = { "to_q", "to_k", "to_v", "to_out.0", FALSE };
const VardAttentionStyle vard_attention_style_vae = { "to_q", "to_k", "to_v", "to_out.0", TRUE };
const VardAttentionStyle vard_attention_style_clip = { "q_proj", "k_proj", "v_proj", "out_proj",
                                                       TRUE };

VardAttention *
vard_attention_new (gint64 width,
                    gint64 context_width,
                    guint n_heads,
                    gint64 head_width,
                    const VardAttentionStyle *style,
                    VardLayout layout)
{
  VardAttention *self = g_object_new (VARD_TYPE_ATTENTION, NULL);
  VardModule *module = VARD_MODULE (self);
  gint64 inner = n_heads * head_width;
  gboolean bias = style->has_input_bias;

  self->n_heads = n_heads;
  self->head_width = head_width;
  self->query =
    vard_module_add_child (module, style->query, vard_linear_new (width, inner, bias, layout));
  self->key = vard_module_add_child (module, style->key,
                                     vard_linear_new (context_width, inner, bias, layout));
  self->value = vard_module_add_child (module, style->value,
                                       vard_linear_new (context_width, inner, bias, layout));
  self->output =
    vard_module_add_child (module, style->output, vard_linear_new (inner, width, TRUE, layout));

  return self;
}

/* [n, t, heads x d] -> [n, t, heads, d] */
static VardNode *
vard_attention_split_heads (VardAttention *self, VardNode *x)
{
  return vard_reshape (x, VARD_SHAPE (x->shape.dims[0], x->shape.dims[1], self->n_heads,
                                      self->head_width));
}

VardNode *
vard_attention_record (VardAttention *self, VardNode *x, VardNode *context, gboolean is_causal)
{
  g_return_val_if_fail (VARD_IS_ATTENTION (self), x);

  VardGraph *graph = x->graph;
  VardNode *from = context != NULL ? context : x;

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *q = vard_attention_split_heads (self, vard_linear_record (self->query, x));
  VardNode *k = vard_attention_split_heads (self, vard_linear_record (self->key, from));
  VardNode *v = vard_attention_split_heads (self, vard_linear_record (self->value, from));
  VardNode *y = vard_attention (q, k, v, 1 / sqrt (self->head_width), is_causal);

  y = vard_reshape (y, VARD_SHAPE (x->shape.dims[0], x->shape.dims[1],
                                   self->n_heads * self->head_width));
  y = vard_linear_record (self->output, y);
  vard_module_leave (VARD_MODULE (self), graph);

  return y;
}

static void
vard_attention_class_init (VardAttentionClass *klass)
{
}

static void
vard_attention_init (VardAttention *self)
{
}
