/* vard-linear.c - y = x W' + b on the last axis; also every 1x1 convolution
 *
 * Pictures are channels-last, so a 1x1 convolution is this layer on rows of pixels.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "nn/vard-linear.h"

struct _VardLinear
{
  VardModule parent_instance;

  gint64 n_in, n_out;
  VardParameter *weight; /* [n_out, n_in] */
  VardParameter *bias;   /* [n_out], or NULL */
  VardAdapter *adapter;  /* a child, or NULL */
};

G_DEFINE_FINAL_TYPE (VardLinear, vard_linear, VARD_TYPE_MODULE)

VardLinear *
vard_linear_new (gint64 n_in, gint64 n_out, gboolean has_bias, VardLayout layout)
{
  VardLinear *self = g_object_new (VARD_TYPE_LINEAR, NULL);

  self->n_in = n_in;
  self->n_out = n_out;
  self->weight =
    vard_module_add_parameter (VARD_MODULE (self), "weight", VARD_SHAPE (n_out, n_in), layout);
  if (has_bias)
    self->bias =
      vard_module_add_parameter (VARD_MODULE (self), "bias", VARD_SHAPE (n_out), VARD_LAYOUT_PLAIN);

  return self;
}

VardNode *
vard_linear_record (VardLinear *self, VardNode *x)
{
  g_return_val_if_fail (VARD_IS_LINEAR (self), x);

  VardGraph *graph = x->graph;
  VardShape shape = x->shape;
  gint64 n_rows = vard_shape_get_span (&shape, 0, shape.n_dims ? shape.n_dims - 1 : 0);

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *rows =
    vard_reshape (x, VARD_SHAPE (n_rows, shape.n_dims ? shape.dims[shape.n_dims - 1] : 1));
  VardNode *weight = vard_parameter_record (self->weight, graph), *both = NULL;
  gboolean is_adapted = self->adapter != NULL
                        && vard_module_get_adapters_enabled (VARD_MODULE (self));

  /* a weight that stays as it is stored is not made anew for each step */
  if (is_adapted && !self->weight->is_stored)
    both = vard_adapter_record_weight (self->adapter, weight, n_rows);

  VardNode *y = vard_matmul (rows, both != NULL ? both : weight, FALSE, TRUE);

  if (self->bias != NULL)
    y = vard_add (y, vard_parameter_record (self->bias, graph));
  if (is_adapted && both == NULL)
    y = vard_adapter_record (self->adapter, rows, y);
  if (shape.n_dims)
    shape.dims[shape.n_dims - 1] = self->n_out;
  y = vard_reshape (y, shape);
  vard_module_leave (VARD_MODULE (self), graph);

  return y;
}

/* columns [from, from + n) of y, by the weight's rows; @rows is [n_rows, n_in] */
static VardNode *
vard_linear_record_columns (VardLinear *self, VardNode *rows, gint64 from, gint64 n)
{
  VardNode *weight = vard_parameter_record (self->weight, rows->graph);
  VardNode *y = vard_matmul (rows, vard_slice (weight, 0, from, n), FALSE, TRUE);

  if (self->bias == NULL)
    return y;

  return vard_add (y, vard_slice (vard_parameter_record (self->bias, rows->graph), 0, from, n));
}

/* The halves of an adapted layer are cut from the whole output, because the adapter adds to the
 * whole. This holds while the adapter is off, too: outputs with and without it are then computed in
 * the same way. A stored weight is treated alike, because engines read it as a whole. */
void
vard_linear_record_halves (VardLinear *self, VardNode *x, VardNode **first, VardNode **second)
{
  g_return_if_fail (VARD_IS_LINEAR (self));

  VardGraph *graph = x->graph;
  VardShape shape = x->shape;
  guint axis = shape.n_dims ? shape.n_dims - 1 : 0;
  gint64 n = self->n_out / 2, n_rows = vard_shape_get_span (&shape, 0, axis);

  if (self->adapter != NULL || self->weight->is_stored)
    {
      VardNode *both = vard_linear_record (self, x);

      *first = vard_slice (both, axis, 0, n);
      *second = vard_slice (both, axis, n, n);
      return;
    }
  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *rows = vard_reshape (x, VARD_SHAPE (n_rows, shape.n_dims ? shape.dims[axis] : 1));

  if (shape.n_dims)
    shape.dims[axis] = n;
  *first = vard_reshape (vard_linear_record_columns (self, rows, 0, n), shape);
  *second = vard_reshape (vard_linear_record_columns (self, rows, n, n), shape);
  vard_module_leave (VARD_MODULE (self), graph);
}

void
vard_linear_take_adapter (VardLinear *self, const char *name, VardAdapter *adapter)
{
  g_return_if_fail (VARD_IS_LINEAR (self));
  g_return_if_fail (self->adapter == NULL);

  self->adapter = vard_module_add_child (VARD_MODULE (self), name, adapter);
}

void
vard_linear_drop_adapter (VardLinear *self)
{
  g_return_if_fail (VARD_IS_LINEAR (self));

  if (self->adapter != NULL)
    vard_module_remove_child (VARD_MODULE (self), VARD_MODULE (self->adapter));
  self->adapter = NULL;
}

VardAdapter *
vard_linear_peek_adapter (VardLinear *self)
{
  g_return_val_if_fail (VARD_IS_LINEAR (self), NULL);

  return self->adapter;
}

VardParameter *
vard_linear_peek_weight (VardLinear *self)
{
  g_return_val_if_fail (VARD_IS_LINEAR (self), NULL);

  return self->weight;
}

VardParameter *
vard_linear_peek_bias (VardLinear *self)
{
  g_return_val_if_fail (VARD_IS_LINEAR (self), NULL);

  return self->bias;
}

gint64
vard_linear_get_n_in (VardLinear *self)
{
  g_return_val_if_fail (VARD_IS_LINEAR (self), 0);

  return self->n_in;
}

gint64
vard_linear_get_n_out (VardLinear *self)
{
  g_return_val_if_fail (VARD_IS_LINEAR (self), 0);

  return self->n_out;
}

static void
vard_linear_class_init (VardLinearClass *klass)
{
}

static void
vard_linear_init (VardLinear *self)
{
}
