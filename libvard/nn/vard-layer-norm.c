/* vard-layer-norm.c - normalises the last axis, then scales and shifts channels
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "nn/vard-layer-norm.h"

struct _VardLayerNorm
{
  VardModule parent_instance;

  double eps;
  VardParameter *weight; /* [c] */
  VardParameter *bias;   /* [c] */
};

G_DEFINE_FINAL_TYPE (VardLayerNorm, vard_layer_norm, VARD_TYPE_MODULE)

VardLayerNorm *
vard_layer_norm_new (gint64 n_channels, double eps)
{
  VardLayerNorm *self = g_object_new (VARD_TYPE_LAYER_NORM, NULL);
  VardShape shape = VARD_SHAPE (n_channels);

  self->eps = eps;
  self->weight = vard_module_add_parameter (VARD_MODULE (self), "weight", shape, VARD_LAYOUT_PLAIN);
  self->bias = vard_module_add_parameter (VARD_MODULE (self), "bias", shape, VARD_LAYOUT_PLAIN);
  for (gint64 i = 0; i < n_channels; i++)
    vard_tensor_peek_f32 (self->weight->tensor)[i] = 1;

  return self;
}

VardNode *
vard_layer_norm_record (VardLayerNorm *self, VardNode *x)
{
  g_return_val_if_fail (VARD_IS_LAYER_NORM (self), x);

  VardGraph *graph = x->graph;

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *y = vard_normalize (x, x->shape.n_dims - 1, 1, self->eps);

  y = vard_mul (y, vard_parameter_record (self->weight, graph));
  y = vard_add (y, vard_parameter_record (self->bias, graph));
  vard_module_leave (VARD_MODULE (self), graph);

  return y;
}

static void
vard_layer_norm_class_init (VardLayerNormClass *klass)
{
}

static void
vard_layer_norm_init (VardLayerNorm *self)
{
}
