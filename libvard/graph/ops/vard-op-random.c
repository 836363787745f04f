/* vard-op-random.c - values without inputs or from a counter: fill and random_normal
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

#include "base/vard-random.h"

/* ---- fill ---- */

static gboolean
fill_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardFillAttrs *attrs = self->attrs;

  if (!vard_op_check_shape (self, &attrs->shape, error))
    return FALSE;
  *shape = attrs->shape;
  *dtype = VARD_DTYPE_F32;

  return TRUE;
}

static void
fill_reference (const VardNode *self, float **in, float *out)
{
  float value = ((const VardFillAttrs *) self->attrs)->value;

  for (gint64 i = 0; i < vard_node_get_count (self); i++)
    out[i] = value;
}

static void
fill_describe (const VardNode *self, GString *text)
{
  g_string_append_printf (text, "value=%g", ((const VardFillAttrs *) self->attrs)->value);
}

const VardOpClass vard_op_fill = {
  .name = "fill",
  .flags = VARD_OP_FLAG_NO_GRADIENT,
  .attrs_size = sizeof (VardFillAttrs),
  .infer = fill_infer,
  .reference = fill_reference,
  .describe = fill_describe,
};

VardNode *
vard_fill (VardGraph *self, double value, VardShape shape)
{
  VardFillAttrs attrs = { .value = value };

  vard_shape_store (&attrs.shape, &shape);
  return vard_node_emit (self, &vard_op_fill, NULL, 0, &attrs);
}

/* ---- random_normal ---- */

static gboolean
vard_op_random_is_pair (const VardShape *counter, const VardShape *shape)
{
  guint d = counter->n_dims;

  return d >= 1 && counter->dims[d - 1] == 2
         && (d == 1 || (d == 2 && shape->n_dims >= 1 && counter->dims[0] == shape->dims[0]));
}

/**
 * vard_random_normal_count_rows: (skip)
 * @self: a node of the operation random_normal
 *
 * Returns: the number of draws, each with a key and a counter, that make up the node's value
 */
gint64
vard_random_normal_count_rows (const VardNode *self)
{
  const VardShape *counter = &self->inputs[0]->shape;

  return counter->n_dims == 2 ? counter->dims[0] : 1;
}

static gboolean
random_normal_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardShapeAttrs *attrs = self->attrs;
  const VardNode *counter = self->inputs[0];

  if (counter->dtype != VARD_DTYPE_I64)
    return vard_op_fail (self, error, "key and counter must have the type i64, not %s",
                         vard_dtype_get_name (counter->dtype));
  if (!vard_op_check_shape (self, &attrs->shape, error))
    return FALSE;
  if (!vard_op_random_is_pair (&counter->shape, &attrs->shape))
    return vard_op_fail (self, error,
                         "key and counter must be a vector of 2, or a row of 2 for each index of "
                         "the first axis");
  *shape = attrs->shape;
  *dtype = VARD_DTYPE_F32;

  return TRUE;
}

static void
random_normal_reference (const VardNode *self, float **in, float *out)
{
  const gint64 *counter = (const gint64 *) (gconstpointer) in[0];
  gint64 n_rows = vard_random_normal_count_rows (self), size = vard_node_get_count (self) / n_rows;

  for (gint64 row = 0; row < n_rows; row++)
    vard_random_fill_normal (counter[2 * row], counter[2 * row + 1], out + row * size, size);
}

static void
random_normal_describe (const VardNode *self, GString *text)
{
  const VardShapeAttrs *attrs = self->attrs;

  g_string_append (text, "shape=");
  vard_shape_describe (&attrs->shape, text);
}

const VardOpClass vard_op_random_normal = {
  .name = "random_normal",
  .flags = VARD_OP_FLAG_NO_GRADIENT,
  .attrs_size = sizeof (VardShapeAttrs),
  .infer = random_normal_infer,
  .reference = random_normal_reference,
  .describe = random_normal_describe,
};

VardNode *
vard_random_normal (VardNode *counter, VardShape shape)
{
  VardShapeAttrs attrs;

  vard_shape_store (&attrs.shape, &shape);
  return vard_node_emit (counter->graph, &vard_op_random_normal, &counter, 1, &attrs);
}
