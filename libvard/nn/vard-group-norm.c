/* vard-group-norm.c - normalises groups of channels over a picture, then scales and shifts channels
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "nn/vard-group-norm.h"

struct _VardGroupNorm
{
  VardModule parent_instance;

  guint n_groups;
  double eps;
  VardParameter *weight; /* [c] */
  VardParameter *bias;   /* [c] */
};

G_DEFINE_FINAL_TYPE (VardGroupNorm, vard_group_norm, VARD_TYPE_MODULE)

VardGroupNorm *
vard_group_norm_new (gint64 n_channels, guint n_groups, double eps)
{
  VardGroupNorm *self = g_object_new (VARD_TYPE_GROUP_NORM, NULL);
  VardShape shape = VARD_SHAPE (n_channels);

  self->n_groups = n_groups;
  self->eps = eps;
  self->weight = vard_module_add_parameter (VARD_MODULE (self), "weight", shape, VARD_LAYOUT_PLAIN);
  self->bias = vard_module_add_parameter (VARD_MODULE (self), "bias", shape, VARD_LAYOUT_PLAIN);
  for (gint64 i = 0; i < n_channels; i++)
    vard_tensor_peek_f32 (self->weight->tensor)[i] = 1;

  return self;
}

VardNode *
vard_group_norm_record (VardGroupNorm *self, VardNode *x)
{
  g_return_val_if_fail (VARD_IS_GROUP_NORM (self), x);

  VardGraph *graph = x->graph;

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *y = vard_normalize (x, 1, self->n_groups, self->eps);

  y = vard_mul (y, vard_parameter_record (self->weight, graph));
  y = vard_add (y, vard_parameter_record (self->bias, graph));
  vard_module_leave (VARD_MODULE (self), graph);

  return y;
}

static void
vard_group_norm_class_init (VardGroupNormClass *klass)
{
}

static void
vard_group_norm_init (VardGroupNorm *self)
{
}
