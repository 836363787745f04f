/* vard-op-family.c - shape rules, messages and builders that the operations share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

#include "base/vard-error.h"

gboolean
vard_op_fail (const VardNode *self, GError **error, const char *format, ...)
{
  g_autoptr (GString) text = g_string_new (self->op->name);
  va_list arguments;

  for (guint i = 0; i < self->n_inputs; i++)
    {
      g_string_append (text, i == 0 ? " of " : i + 1 < self->n_inputs ? ", " : " and ");
      vard_shape_describe (&self->inputs[i]->shape, text);
    }
  g_string_append (text, ": ");
  va_start (arguments, format);
  g_string_append_vprintf (text, format, arguments);
  va_end (arguments);
  g_set_error_literal (error, VARD_ERROR, VARD_ERROR_GRAPH, text->str);

  return FALSE;
}

static gboolean
vard_op_family_is_float (VardDType dtype)
{
  return dtype == VARD_DTYPE_F32 || dtype == VARD_DTYPE_F16 || dtype == VARD_DTYPE_BF16;
}

gboolean
vard_op_check_float (const VardNode *self, VardDType *dtype, GError **error)
{
  for (guint i = 0; i < self->n_inputs; i++)
    {
      VardDType type = self->inputs[i]->dtype;

      if (!vard_op_family_is_float (type))
        return vard_op_fail (self, error,
                             "input %u has elements of type %s, which is not a floating type", i,
                             vard_dtype_get_name (type));
      if (type != self->inputs[0]->dtype)
        return vard_op_fail (self, error,
                             "inputs 0 and %u must have elements of one type, but have %s and %s",
                             i, vard_dtype_get_name (self->inputs[0]->dtype),
                             vard_dtype_get_name (type));
    }
  *dtype = self->inputs[0]->dtype;

  return TRUE;
}

gboolean
vard_op_check_axis (const VardNode *self, gint64 axis, GError **error)
{
  if (axis < 0 || axis >= self->inputs[0]->shape.n_dims)
    return vard_op_fail (self, error, "there is no axis %" G_GINT64_FORMAT, axis);
  return TRUE;
}

gboolean
vard_shape_count (const VardShape *shape, gint64 *count)
{
  gint64 product = 1;

  if (shape->n_dims > VARD_MAX_DIMS)
    return FALSE;
  /* 8: the bytes of the largest element */
  for (guint i = 0; i < shape->n_dims; i++)
    if (shape->dims[i] < 1 || __builtin_mul_overflow (product, shape->dims[i], &product)
        || product > G_MAXINT64 / 8)
      return FALSE;
  *count = product;

  return TRUE;
}

gboolean
vard_op_check_shape (const VardNode *self, const VardShape *shape, GError **error)
{
  g_autofree char *text = NULL;
  gint64 count;

  if (shape->n_dims > VARD_MAX_DIMS)
    return vard_op_fail (self, error, "%u dimensions are more than %u", shape->n_dims,
                         VARD_MAX_DIMS);
  if (vard_shape_count (shape, &count))
    return TRUE;
  text = vard_shape_to_string (shape);

  return vard_op_fail (self, error, "%s is not a shape", text);
}

gboolean
vard_infer_same (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  if (!vard_op_check_float (self, dtype, error))
    return FALSE;
  for (guint i = 1; i < self->n_inputs; i++)
    if (!vard_shape_equal (&self->inputs[0]->shape, &self->inputs[i]->shape))
      return vard_op_fail (self, error, "the shapes differ");
  *shape = self->inputs[0]->shape;

  return TRUE;
}

void
vard_shape_store (VardShape *to, const VardShape *from)
{
  memset (to, 0, sizeof *to);
  to->n_dims = from->n_dims;
  for (guint i = 0; i < MIN (from->n_dims, VARD_MAX_DIMS); i++)
    to->dims[i] = from->dims[i];
}

void
vard_shape_describe (const VardShape *shape, GString *text)
{
  g_autofree char *extents = vard_shape_to_string (shape);

  g_string_append (text, extents);
}

VardNode *
vard_op_unary (const VardOpClass *op, VardNode *x, gconstpointer attrs)
{
  VardNode *simpler = vard_simplify_unary (op, x, attrs);

  return simpler != NULL ? simpler : vard_node_emit (x->graph, op, &x, 1, attrs);
}

VardNode *
vard_fill_like (VardNode *x, double value)
{
  return vard_cast (vard_fill (x->graph, value, x->shape), x->dtype);
}
