/* vard-op-gather.c - looks up rows of a table by number, and the reverse sum
 *
 * A number outside the table stands for a row of zeros.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

#include <string.h>

/* ids are i32, values of floating type with rows in their last dimension */
static gboolean
vard_op_gather_check_types (const VardNode *self,
                            const VardNode *ids,
                            const VardNode *values,
                            GError **error)
{
  if (ids->dtype != VARD_DTYPE_I32)
    return vard_op_fail (self, error, "row numbers must have the type i32, not %s",
                         vard_dtype_get_name (ids->dtype));
  if (values->dtype == VARD_DTYPE_I32 || values->dtype == VARD_DTYPE_I64
      || values->dtype == VARD_DTYPE_U8)
    return vard_op_fail (self, error, "rows have elements of type %s, which is not a floating type",
                         vard_dtype_get_name (values->dtype));

  return TRUE;
}

/* ---- gather ---- */

static gboolean
gather_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardNode *table = self->inputs[0], *ids = self->inputs[1];

  if (!vard_op_gather_check_types (self, ids, table, error))
    return FALSE;
  if (table->shape.n_dims != 2)
    return vard_op_fail (self, error, "a table must have two dimensions");
  if (ids->shape.n_dims >= VARD_MAX_DIMS)
    return vard_op_fail (self, error, "the output would have more than %u dimensions",
                         VARD_MAX_DIMS);
  *shape = ids->shape;
  shape->dims[shape->n_dims++] = table->shape.dims[1];
  *dtype = table->dtype;

  return TRUE;
}

static void
gather_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  out[0] = vard_gather_gradient (self->inputs[1], bar, self->inputs[0]->shape.dims[0]);
  out[1] = NULL;
}

static void
gather_reference (const VardNode *self, float **in, float *out)
{
  const gint32 *ids = (const gint32 *) in[1];
  const VardNode *table = self->inputs[0];
  gint64 n_rows = table->shape.dims[0],
         row = table->shape.dims[1] * vard_dtype_get_size (table->dtype);
  const guint8 *from = (const guint8 *) in[0];
  guint8 *to = (guint8 *) out;

  for (gint64 i = 0; i < vard_node_get_count (self->inputs[1]); i++, to += row)
    if (ids[i] >= 0 && ids[i] < n_rows)
      memcpy (to, from + ids[i] * row, row);
    else
      memset (to, 0, row);
}

const VardOpClass vard_op_gather = {
  .name = "gather",
  .infer = gather_infer,
  .vjp = gather_vjp,
  .reference = gather_reference,
};

VardNode *
vard_gather (VardNode *table, VardNode *ids)
{
  VardNode *inputs[2] = { table, ids };

  return vard_node_emit (table->graph, &vard_op_gather, inputs, 2, NULL);
}

/* ---- gather_gradient ---- */

static gboolean
vard_op_gather_gradient_infer (const VardNode *self,
                               VardShape *shape,
                               VardDType *dtype,
                               GError **error)
{
  const VardNode *ids = self->inputs[0], *dy = self->inputs[1];
  gint64 n_rows = ((const VardGatherGradientAttrs *) self->attrs)->n_rows;
  VardShape rows = dy->shape;

  if (!vard_op_gather_check_types (self, ids, dy, error))
    return FALSE;
  if (rows.n_dims == 0)
    return vard_op_fail (self, error, "a scalar has no rows");
  *shape = VARD_SHAPE (n_rows, rows.dims[rows.n_dims - 1]);
  rows.n_dims--;
  if (!vard_shape_equal (&rows, &ids->shape))
    return vard_op_fail (self, error, "there must be one row for each number");
  *dtype = dy->dtype;

  return vard_op_check_shape (self, shape, error);
}

static void
vard_op_gather_gradient_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  out[0] = NULL;
  out[1] = vard_gather (bar, self->inputs[0]);
}

static void
vard_op_gather_gradient_reference (const VardNode *self, float **in, float *out)
{
  const gint32 *ids = (const gint32 *) in[0];
  gint64 n_rows = self->shape.dims[0], c = self->shape.dims[1];
  g_autofree double *sums = g_new0 (double, n_rows *c);

  for (gint64 i = 0; i < vard_node_get_count (self->inputs[0]); i++)
    if (ids[i] >= 0 && ids[i] < n_rows)
      for (gint64 j = 0; j < c; j++)
        sums[ids[i] * c + j] += in[1][i * c + j];
  for (gint64 i = 0; i < n_rows * c; i++)
    out[i] = sums[i];
}

static void
vard_op_gather_gradient_describe (const VardNode *self, GString *text)
{
  g_string_append_printf (text, "rows=%" G_GINT64_FORMAT,
                          ((const VardGatherGradientAttrs *) self->attrs)->n_rows);
}

const VardOpClass vard_op_gather_gradient = {
  .name = "gather_gradient",
  .attrs_size = sizeof (VardGatherGradientAttrs),
  .infer = vard_op_gather_gradient_infer,
  .vjp = vard_op_gather_gradient_vjp,
  .reference = vard_op_gather_gradient_reference,
  .describe = vard_op_gather_gradient_describe,
};

VardNode *
vard_gather_gradient (VardNode *ids, VardNode *dy, gint64 n_rows)
{
  VardGatherGradientAttrs attrs = { n_rows };
  VardNode *inputs[2] = { ids, dy };

  return vard_node_emit (ids->graph, &vard_op_gather_gradient, inputs, 2, &attrs);
}
