/* vard-op-shape.c - reshape, permute, slice, pad, concat, broadcast
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

#include <string.h>

static void
vard_op_shape_shape_attrs_describe (const VardNode *self, GString *text)
{
  const VardShapeAttrs *attrs = self->attrs;

  g_string_append (text, "shape=");
  vard_shape_describe (&attrs->shape, text);
}

static VardNode *
vard_op_shape_emit_with_shape (const VardOpClass *op, VardNode *x, const VardShape *shape)
{
  VardShapeAttrs attrs;

  vard_shape_store (&attrs.shape, shape);
  return vard_node_emit (x->graph, op, &x, 1, &attrs);
}

/* ---- reshape ---- */

static gboolean
reshape_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardShapeAttrs *attrs = self->attrs;
  g_autofree char *text = NULL;

  if (!vard_op_check_shape (self, &attrs->shape, error))
    return FALSE;
  text = vard_shape_to_string (&attrs->shape);
  if (vard_shape_get_count (&attrs->shape) != vard_node_get_count (self->inputs[0]))
    return vard_op_fail (self, error, "%s has a different number of elements", text);
  *shape = attrs->shape;
  *dtype = self->inputs[0]->dtype;

  return TRUE;
}

static void
reshape_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  out[0] = vard_reshape (bar, self->inputs[0]->shape);
}

static void
vard_op_shape_copy_reference (const VardNode *self, float **in, float *out)
{
  if (out != in[0])
    memmove (out, in[0], vard_node_get_count (self) * vard_dtype_get_size (self->dtype));
}

const VardOpClass vard_op_reshape = {
  .name = "reshape",
  .flags = VARD_OP_FLAG_VIEW,
  .attrs_size = sizeof (VardShapeAttrs),
  .infer = reshape_infer,
  .vjp = reshape_vjp,
  .reference = vard_op_shape_copy_reference,
  .describe = vard_op_shape_shape_attrs_describe,
};

VardNode *
vard_reshape (VardNode *x, VardShape shape)
{
  gint64 count;
  double value;

  if (vard_shape_equal (&x->shape, &shape))
    return x;
  if (vard_node_is_fill (x, &value) && vard_shape_count (&shape, &count)
      && count == vard_node_get_count (x))
    return vard_fill (x->graph, value, shape);

  return vard_op_shape_emit_with_shape (&vard_op_reshape, x, &shape);
}

/* ---- permute ---- */

static gboolean
permute_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardPermuteAttrs *attrs = self->attrs;
  const VardShape *x = &self->inputs[0]->shape;
  guint seen = 0;

  *shape = (VardShape) { .n_dims = x->n_dims };
  for (guint i = 0; i < x->n_dims; i++)
    {
      guint axis = attrs->order[i];

      if (axis >= x->n_dims || (seen & 1u << axis))
        return vard_op_fail (self, error, "place %u of the order takes axis %u, %s", i, axis,
                             axis >= x->n_dims ? "which is not there" : "taken before");
      seen |= 1u << axis;
      shape->dims[i] = x->dims[axis];
    }
  *dtype = self->inputs[0]->dtype;

  return TRUE;
}

static void
permute_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  const VardPermuteAttrs *attrs = self->attrs;
  guint inverse[VARD_MAX_DIMS] = { 0 };

  for (guint i = 0; i < self->shape.n_dims; i++)
    inverse[attrs->order[i]] = i;
  out[0] = vard_permute (bar, inverse);
}

static void
permute_reference (const VardNode *self, float **in, float *out)
{
  const VardPermuteAttrs *attrs = self->attrs;
  const VardShape *x = &self->inputs[0]->shape;

  for (gint64 i = 0; i < vard_node_get_count (self); i++)
    {
      gint64 rest = i, from = 0;

      for (guint axis = self->shape.n_dims; axis-- > 0; rest /= self->shape.dims[axis])
        from += rest % self->shape.dims[axis]
                * vard_shape_get_span (x, attrs->order[axis] + 1, x->n_dims);
      out[i] = in[0][from];
    }
}

static void
permute_describe (const VardNode *self, GString *text)
{
  const VardPermuteAttrs *attrs = self->attrs;

  g_string_append (text, "order=");
  for (guint i = 0; i < self->shape.n_dims; i++)
    g_string_append_printf (text, "%u", attrs->order[i]);
}

const VardOpClass vard_op_permute = {
  .name = "permute",
  .attrs_size = sizeof (VardPermuteAttrs),
  .infer = permute_infer,
  .vjp = permute_vjp,
  .reference = permute_reference,
  .describe = permute_describe,
};

VardNode *
vard_permute (VardNode *x, const guint *order)
{
  VardPermuteAttrs attrs = { 0 };
  gboolean is_same = TRUE;

  for (guint i = 0; i < x->shape.n_dims; i++)
    {
      attrs.order[i] = order[i];
      is_same = is_same && order[i] == i;
    }

  return is_same ? x : vard_node_emit (x->graph, &vard_op_permute, &x, 1, &attrs);
}

/* ---- slice ---- */

static gboolean
slice_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardSliceAttrs *attrs = self->attrs;
  const VardNode *x = self->inputs[0];

  if (!vard_op_check_axis (self, attrs->axis, error))
    return FALSE;
  if (attrs->start < 0 || attrs->length < 1
      || attrs->start > x->shape.dims[attrs->axis] - attrs->length)
    return vard_op_fail (self, error,
                         "%" G_GINT64_FORMAT " from %" G_GINT64_FORMAT
                         " on is outside axis %" G_GINT64_FORMAT,
                         attrs->length, attrs->start, attrs->axis);
  *shape = x->shape;
  shape->dims[attrs->axis] = attrs->length;
  *dtype = x->dtype;

  return TRUE;
}

static void
slice_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  const VardSliceAttrs *attrs = self->attrs;
  gint64 extent = self->inputs[0]->shape.dims[attrs->axis];

  out[0] = vard_pad (bar, attrs->axis, attrs->start, extent - attrs->start - attrs->length);
}

static void
slice_reference (const VardNode *self, float **in, float *out)
{
  const VardSliceAttrs *attrs = self->attrs;
  const VardShape *x = &self->inputs[0]->shape;
  gint64 outer = vard_shape_get_span (x, 0, attrs->axis);
  gint64 inner = vard_shape_get_span (x, attrs->axis + 1, x->n_dims);
  gint64 block = attrs->length * inner;

  for (gint64 i = 0; i < outer; i++)
    memcpy (out + i * block, in[0] + (i * x->dims[attrs->axis] + attrs->start) * inner,
            block * sizeof *out);
}

static void
slice_describe (const VardNode *self, GString *text)
{
  const VardSliceAttrs *attrs = self->attrs;

  g_string_append_printf (text,
                          "axis=%" G_GINT64_FORMAT " start=%" G_GINT64_FORMAT
                          " length=%" G_GINT64_FORMAT,
                          attrs->axis, attrs->start, attrs->length);
}

const VardOpClass vard_op_slice = {
  .name = "slice",
  .attrs_size = sizeof (VardSliceAttrs),
  .infer = slice_infer,
  .vjp = slice_vjp,
  .reference = slice_reference,
  .describe = slice_describe,
};

VardNode *
vard_slice (VardNode *x, guint axis, gint64 start, gint64 length)
{
  VardSliceAttrs attrs = { axis, start, length };

  if (axis < x->shape.n_dims && start == 0 && length == x->shape.dims[axis])
    return x;
  return vard_node_emit (x->graph, &vard_op_slice, &x, 1, &attrs);
}

/* ---- pad ---- */

static gboolean
pad_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardPadAttrs *attrs = self->attrs;

  if (!vard_op_check_float (self, dtype, error) || !vard_op_check_axis (self, attrs->axis, error))
    return FALSE;
  if (attrs->before < 0 || attrs->after < 0 || attrs->before > G_MAXINT32
      || attrs->after > G_MAXINT32)
    return vard_op_fail (self, error,
                         "%" G_GINT64_FORMAT " zeros before and %" G_GINT64_FORMAT " after",
                         attrs->before, attrs->after);
  *shape = self->inputs[0]->shape;
  shape->dims[attrs->axis] += attrs->before + attrs->after;

  return vard_op_check_shape (self, shape, error);
}

static void
pad_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  const VardPadAttrs *attrs = self->attrs;

  out[0] = vard_slice (bar, attrs->axis, attrs->before, self->inputs[0]->shape.dims[attrs->axis]);
}

static void
pad_reference (const VardNode *self, float **in, float *out)
{
  const VardPadAttrs *attrs = self->attrs;
  const VardShape *x = &self->inputs[0]->shape;
  gint64 outer = vard_shape_get_span (x, 0, attrs->axis);
  gint64 inner = vard_shape_get_span (x, attrs->axis + 1, x->n_dims);
  gint64 block = x->dims[attrs->axis] * inner;

  memset (out, 0, vard_node_get_count (self) * sizeof *out);
  for (gint64 i = 0; i < outer; i++)
    memcpy (out + (i * self->shape.dims[attrs->axis] + attrs->before) * inner, in[0] + i * block,
            block * sizeof *out);
}

static void
pad_describe (const VardNode *self, GString *text)
{
  const VardPadAttrs *attrs = self->attrs;

  g_string_append_printf (text,
                          "axis=%" G_GINT64_FORMAT " before=%" G_GINT64_FORMAT
                          " after=%" G_GINT64_FORMAT,
                          attrs->axis, attrs->before, attrs->after);
}

const VardOpClass vard_op_pad = {
  .name = "pad",
  .attrs_size = sizeof (VardPadAttrs),
  .infer = pad_infer,
  .vjp = pad_vjp,
  .reference = pad_reference,
  .describe = pad_describe,
};

VardNode *
vard_pad (VardNode *x, guint axis, gint64 before, gint64 after)
{
  VardPadAttrs attrs = { axis, before, after };

  if (axis < x->shape.n_dims && before == 0 && after == 0)
    return x;
  return vard_node_emit (x->graph, &vard_op_pad, &x, 1, &attrs);
}

/* ---- concat ---- */

static gboolean
concat_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  gint64 axis = ((const VardConcatAttrs *) self->attrs)->axis;

  if (!vard_op_check_float (self, dtype, error) || !vard_op_check_axis (self, axis, error))
    return FALSE;
  *shape = self->inputs[0]->shape;
  for (guint k = 1; k < self->n_inputs; k++)
    {
      VardShape part = self->inputs[k]->shape;
      gint64 extent = axis < part.n_dims ? part.dims[axis] : 0;

      part.dims[axis] = shape->dims[axis];
      if (!vard_shape_equal (&part, shape))
        return vard_op_fail (self, error,
                             "parts 0 and %u may differ only in axis %" G_GINT64_FORMAT, k, axis);
      shape->dims[axis] += extent;
    }

  return vard_op_check_shape (self, shape, error);
}

static void
concat_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  gint64 axis = ((const VardConcatAttrs *) self->attrs)->axis;
  gint64 start = 0;

  for (guint k = 0; k < self->n_inputs; k++)
    {
      gint64 length = self->inputs[k]->shape.dims[axis];

      out[k] = vard_slice (bar, axis, start, length);
      start += length;
    }
}

static void
concat_reference (const VardNode *self, float **in, float *out)
{
  gint64 axis = ((const VardConcatAttrs *) self->attrs)->axis;
  gint64 outer = vard_shape_get_span (&self->shape, 0, axis);

  for (gint64 i = 0; i < outer; i++)
    for (guint k = 0; k < self->n_inputs; k++)
      {
        const VardShape *part = &self->inputs[k]->shape;
        gint64 block = vard_shape_get_span (part, axis, part->n_dims);

        memcpy (out, in[k] + i * block, block * sizeof *out);
        out += block;
      }
}

static void
concat_describe (const VardNode *self, GString *text)
{
  g_string_append_printf (text, "axis=%" G_GINT64_FORMAT,
                          ((const VardConcatAttrs *) self->attrs)->axis);
}

const VardOpClass vard_op_concat = {
  .name = "concat",
  .attrs_size = sizeof (VardConcatAttrs),
  .infer = concat_infer,
  .vjp = concat_vjp,
  .reference = concat_reference,
  .describe = concat_describe,
};

VardNode *
vard_concat (VardNode *const *parts, guint n_parts, guint axis)
{
  VardConcatAttrs attrs = { axis };

  g_return_val_if_fail (n_parts > 0, NULL);

  if (n_parts == 1 && axis < parts[0]->shape.n_dims)
    return parts[0];

  return vard_node_emit (parts[0]->graph, &vard_op_concat, parts, n_parts, &attrs);
}

/* ---- broadcast ---- */

static gboolean
broadcast_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardShapeAttrs *attrs = self->attrs;
  const VardShape *x = &self->inputs[0]->shape;
  g_autofree char *text = NULL;

  if (!vard_op_check_float (self, dtype, error)
      || !vard_op_check_shape (self, &attrs->shape, error))
    return FALSE;
  text = vard_shape_to_string (&attrs->shape);
  if (x->n_dims != attrs->shape.n_dims)
    return vard_op_fail (self, error, "%s has a different number of dimensions", text);
  for (guint i = 0; i < x->n_dims; i++)
    if (x->dims[i] != 1 && x->dims[i] != attrs->shape.dims[i])
      return vard_op_fail (self, error, "axis %u cannot be repeated to %s", i, text);
  *shape = attrs->shape;

  return TRUE;
}

static void
broadcast_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  const VardShape *x = &self->inputs[0]->shape;
  guint axes = 0;

  for (guint i = 0; i < x->n_dims; i++)
    if (x->dims[i] != self->shape.dims[i])
      axes |= 1u << i;
  out[0] = vard_sum (bar, axes);
}

static void
broadcast_reference (const VardNode *self, float **in, float *out)
{
  const VardShape *x = &self->inputs[0]->shape;

  for (gint64 i = 0; i < vard_node_get_count (self); i++)
    {
      gint64 rest = i, from = 0;

      for (guint axis = self->shape.n_dims; axis-- > 0; rest /= self->shape.dims[axis])
        if (x->dims[axis] != 1)
          from += rest % self->shape.dims[axis] * vard_shape_get_span (x, axis + 1, x->n_dims);
      out[i] = in[0][from];
    }
}

const VardOpClass vard_op_broadcast = {
  .name = "broadcast",
  .attrs_size = sizeof (VardShapeAttrs),
  .infer = broadcast_infer,
  .vjp = broadcast_vjp,
  .reference = broadcast_reference,
  .describe = vard_op_shape_shape_attrs_describe,
};

VardNode *
vard_broadcast (VardNode *x, VardShape shape)
{
  double value;

  if (vard_shape_equal (&x->shape, &shape))
    return x;
  if (vard_node_is_fill (x, &value) && x->shape.n_dims == shape.n_dims
      && vard_node_get_count (x) == 1)
    return vard_fill (x->graph, value, shape);

  return vard_op_shape_emit_with_shape (&vard_op_broadcast, x, &shape);
}
