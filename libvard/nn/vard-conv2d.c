/* vard-conv2d.c - a convolution with bias on channels-last pictures
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "nn/vard-conv2d.h"

struct _VardConv2d
{
  VardModule parent_instance;

  VardConv2dAttrs attrs;
  VardParameter *weight; /* [n_out, k, k, n_in] */
  VardParameter *bias;   /* [n_out] */
};

G_DEFINE_FINAL_TYPE (VardConv2d, vard_conv2d, VARD_TYPE_MODULE)

VardConv2d *
vard_conv2d_new (gint64 n_in, gint64 n_out, gint64 kernel, const VardConv2dAttrs *attrs)
{
  VardConv2d *self = g_object_new (VARD_TYPE_CONV2D, NULL);

  self->attrs = *attrs;
  self->weight = vard_module_add_parameter (VARD_MODULE (self), "weight",
                                            VARD_SHAPE (n_out, kernel, kernel, n_in),
                                            VARD_LAYOUT_CONV);
  self->bias =
    vard_module_add_parameter (VARD_MODULE (self), "bias", VARD_SHAPE (n_out), VARD_LAYOUT_PLAIN);

  return self;
}

VardConv2d *
vard_conv2d_new_same (gint64 n_in, gint64 n_out, gint64 kernel)
{
  gint32 pad = (kernel - 1) / 2;
  VardConv2dAttrs attrs = { .stride = 1,
                            .pad_top = pad,
                            .pad_bottom = pad,
                            .pad_left = pad,
                            .pad_right = pad };

  return vard_conv2d_new (n_in, n_out, kernel, &attrs);
}

VardNode *
vard_conv2d_record (VardConv2d *self, VardNode *x)
{
  g_return_val_if_fail (VARD_IS_CONV2D (self), x);

  VardGraph *graph = x->graph;

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *y = vard_conv2d (x, vard_parameter_record (self->weight, graph), &self->attrs);

  y = vard_add (y, vard_parameter_record (self->bias, graph));
  vard_module_leave (VARD_MODULE (self), graph);

  return y;
}

VardParameter *
vard_conv2d_peek_weight (VardConv2d *self)
{
  g_return_val_if_fail (VARD_IS_CONV2D (self), NULL);

  return self->weight;
}

static void
vard_conv2d_class_init (VardConv2dClass *klass)
{
}

static void
vard_conv2d_init (VardConv2d *self)
{
}
