/* vard-clip-layer.c - one layer of CLIP's text and vision encoders
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clip/vard-clip-layer.h"

#include "nn/vard-attention.h"
#include "nn/vard-layer-norm.h"

struct _VardClipLayer
{
  VardModule parent_instance;

  gboolean is_quick; /* x sigmoid (1.702 x) in place of the exact gelu */
  VardAttention *attention;
  VardLayerNorm *norm1, *norm2;
  VardLinear *fc1, *fc2;
};

G_DEFINE_FINAL_TYPE (VardClipLayer, vard_clip_layer, VARD_TYPE_MODULE)

VardClipLayer *
vard_clip_layer_new (gint64 width, gint64 inner, guint n_heads, double eps, gboolean is_quick)
{
  VardClipLayer *self = g_object_new (VARD_TYPE_CLIP_LAYER, NULL);
  VardModule *module = VARD_MODULE (self);

  self->is_quick = is_quick;
  self->attention =
    vard_module_add_child (module, "self_attn",
                           vard_attention_new (width, width, n_heads, width / n_heads,
                                               &vard_attention_style_clip, VARD_LAYOUT_PLAIN));
  self->norm1 = vard_module_add_child (module, "layer_norm1", vard_layer_norm_new (width, eps));
  self->fc1 = vard_module_add_child (module, "mlp.fc1",
                                     vard_linear_new (width, inner, TRUE, VARD_LAYOUT_PLAIN));
  self->fc2 = vard_module_add_child (module, "mlp.fc2",
                                     vard_linear_new (inner, width, TRUE, VARD_LAYOUT_PLAIN));
  self->norm2 = vard_module_add_child (module, "layer_norm2", vard_layer_norm_new (width, eps));

  return self;
}

VardNode *
vard_clip_layer_record (VardClipLayer *self, VardNode *x, gboolean is_causal)
{
  VardGraph *graph = x->graph;

  vard_module_begin_block (VARD_MODULE (self), graph);
  x = vard_add (x, vard_attention_record (self->attention, vard_layer_norm_record (self->norm1, x),
                                          NULL, is_causal));

  VardNode *h = vard_linear_record (self->fc1, vard_layer_norm_record (self->norm2, x));

  h = self->is_quick ? vard_quick_gelu (h) : vard_gelu (h);
  x = vard_add (x, vard_linear_record (self->fc2, h));
  vard_module_end_block (VARD_MODULE (self), graph);

  return x;
}

static void
vard_clip_layer_class_init (VardClipLayerClass *klass)
{
}

static void
vard_clip_layer_init (VardClipLayer *self)
{
}
