/* vard-op-reduce.c - sums over axes, softmax
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

#include <math.h>

/* ---- sum ---- */

static gboolean
sum_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardReduceAttrs *attrs = self->attrs;
  const VardShape *x = &self->inputs[0]->shape;

  if (!vard_op_check_float (self, dtype, error))
    return FALSE;
  if (attrs->axes_mask >> x->n_dims)
    return vard_op_fail (self, error, "the input does not have every axis of the mask 0x%x",
                         attrs->axes_mask);
  *shape = *x;
  for (guint i = 0; i < x->n_dims; i++)
    if (attrs->axes_mask & 1u << i)
      shape->dims[i] = 1;

  return TRUE;
}

static void
sum_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  out[0] = vard_broadcast (bar, self->inputs[0]->shape);
}

static void
sum_reference (const VardNode *self, float **in, float *out)
{
  const VardShape *x = &self->inputs[0]->shape;
  gint64 count = vard_node_get_count (self);
  g_autofree double *sums = g_new0 (double, count);

  for (gint64 i = 0; i < vard_shape_get_count (x); i++)
    {
      gint64 rest = i, to = 0;

      for (guint axis = x->n_dims; axis-- > 0; rest /= x->dims[axis])
        if (self->shape.dims[axis] != 1)
          to += rest % x->dims[axis]
                * vard_shape_get_span (&self->shape, axis + 1, self->shape.n_dims);
      sums[to] += in[0][i];
    }
  for (gint64 i = 0; i < count; i++)
    out[i] = sums[i];
}

static void
sum_describe (const VardNode *self, GString *text)
{
  guint mask = ((const VardReduceAttrs *) self->attrs)->axes_mask;

  g_string_append (text, "axes=");
  for (guint i = 0; i < self->shape.n_dims; i++)
    if (mask & 1u << i)
      g_string_append_printf (text, "%u", i);
}

const VardOpClass vard_op_sum = {
  .name = "sum",
  .attrs_size = sizeof (VardReduceAttrs),
  .infer = sum_infer,
  .vjp = sum_vjp,
  .reference = sum_reference,
  .describe = sum_describe,
};

/* the product of the extents that the mask names */
static gint64
vard_op_reduce_count_reduced (const VardNode *x, guint axes_mask)
{
  gint64 count = 1;

  for (guint i = 0; i < x->shape.n_dims; i++)
    if (axes_mask & 1u << i)
      count *= x->shape.dims[i];

  return count;
}

VardNode *
vard_sum (VardNode *x, guint axes_mask)
{
  VardReduceAttrs attrs = { axes_mask };

  if (axes_mask >> x->shape.n_dims == 0 && vard_op_reduce_count_reduced (x, axes_mask) == 1)
    return x;
  return vard_node_emit (x->graph, &vard_op_sum, &x, 1, &attrs);
}

VardNode *
vard_mean (VardNode *x, guint axes_mask)
{
  return vard_scale (vard_sum (x, axes_mask), 1.0 / vard_op_reduce_count_reduced (x, axes_mask));
}

VardNode *
vard_sum_all (VardNode *x)
{
  return vard_reshape (vard_sum (x, (1u << x->shape.n_dims) - 1), VARD_SCALAR);
}

/* ---- softmax over the last axis ---- */

static gboolean
softmax_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  if (self->inputs[0]->shape.n_dims == 0)
    return vard_op_fail (self, error, "a scalar has no last axis");
  return vard_infer_same (self, shape, dtype, error);
}

static void
softmax_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  guint last = 1u << (self->shape.n_dims - 1);
  VardNode *mean = vard_sum (vard_mul (bar, self), last);

  out[0] = vard_mul (self, vard_sub (bar, mean));
}

static void
softmax_reference (const VardNode *self, float **in, float *out)
{
  gint64 n = self->shape.dims[self->shape.n_dims - 1];
  gint64 n_rows = vard_node_get_count (self) / n;

  for (gint64 row = 0; row < n_rows; row++)
    {
      const float *x = in[0] + row * n;
      float *y = out + row * n;
      float largest = x[0];
      double sum = 0;

      for (gint64 i = 1; i < n; i++)
        largest = MAX (largest, x[i]);
      for (gint64 i = 0; i < n; i++)
        sum += exp ((double) x[i] - largest);
      for (gint64 i = 0; i < n; i++)
        y[i] = exp ((double) x[i] - largest) / sum;
    }
}

const VardOpClass vard_op_softmax = {
  .name = "softmax",
  .infer = softmax_infer,
  .vjp = softmax_vjp,
  .reference = softmax_reference,
};

VardNode *
vard_softmax (VardNode *x)
{
  return vard_op_unary (&vard_op_softmax, x, NULL);
}
