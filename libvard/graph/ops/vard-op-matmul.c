/* vard-op-matmul.c - matrix products, single or batched
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

/* a [m, k] and b [k, n] as they are multiplied, each with its strides in memory */
typedef struct
{
  gint64 n_batch, m, n, k;
  gint64 row_a, column_a;
  gint64 row_b, column_b;
} Product;

static void
vard_op_matmul_get_matrix (const VardShape *shape,
                           gboolean is_transposed,
                           gint64 *n_rows,
                           gint64 *n_columns)
{
  gint64 first = shape->dims[shape->n_dims - 2];
  gint64 last = shape->dims[shape->n_dims - 1];

  *n_rows = is_transposed ? last : first;
  *n_columns = is_transposed ? first : last;
}

static gboolean
vard_op_matmul_have_equal_batches (const VardShape *a, const VardShape *b)
{
  if (a->n_dims != b->n_dims || a->n_dims < 2)
    return FALSE;
  for (guint i = 0; i + 2 < a->n_dims; i++)
    if (a->dims[i] != b->dims[i])
      return FALSE;

  return TRUE;
}

static gboolean
matmul_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardMatmulAttrs *attrs = self->attrs;
  const VardShape *a = &self->inputs[0]->shape, *b = &self->inputs[1]->shape;
  gint64 m, k, k_b, n;

  if (!vard_op_check_float (self, dtype, error))
    return FALSE;
  if (!vard_op_matmul_have_equal_batches (a, b))
    return vard_op_fail (self, error,
                         "the inputs must be two matrices, or two batches of the same size");
  vard_op_matmul_get_matrix (a, attrs->transpose_a, &m, &k);
  vard_op_matmul_get_matrix (b, attrs->transpose_b, &k_b, &n);
  if (k != k_b)
    return vard_op_fail (self, error,
                         "the inner extents are %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT
                         " (transposed: %s, %s)",
                         k, k_b, attrs->transpose_a ? "yes" : "no",
                         attrs->transpose_b ? "yes" : "no");
  *shape = *a;
  shape->dims[a->n_dims - 2] = m;
  shape->dims[a->n_dims - 1] = n;

  return TRUE;
}

/* Flags alone do the four cases: nothing is transposed in memory */
static void
matmul_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  const VardMatmulAttrs *attrs = self->attrs;
  VardNode *a = self->inputs[0], *b = self->inputs[1];

  out[0] = attrs->transpose_a ? vard_matmul (b, bar, attrs->transpose_b, TRUE)
                              : vard_matmul (bar, b, FALSE, !attrs->transpose_b);
  out[1] = attrs->transpose_b ? vard_matmul (bar, a, TRUE, attrs->transpose_a)
                              : vard_matmul (a, bar, !attrs->transpose_a, FALSE);
}

static Product
vard_op_matmul_describe_product (const VardNode *self)
{
  const VardMatmulAttrs *attrs = self->attrs;
  const VardShape *a = &self->inputs[0]->shape, *b = &self->inputs[1]->shape;
  gint64 last_a = a->dims[a->n_dims - 1], last_b = b->dims[b->n_dims - 1];
  Product p = {
    .n_batch = vard_shape_get_span (a, 0, a->n_dims - 2),
    .row_a = attrs->transpose_a ? 1 : last_a,
    .column_a = attrs->transpose_a ? last_a : 1,
    .row_b = attrs->transpose_b ? 1 : last_b,
    .column_b = attrs->transpose_b ? last_b : 1,
  };

  vard_op_matmul_get_matrix (a, attrs->transpose_a, &p.m, &p.k);
  vard_op_matmul_get_matrix (b, attrs->transpose_b, &p.k, &p.n);

  return p;
}

static void
vard_op_matmul_multiply (const Product *p, const float *a, const float *b, float *out)
{
  for (gint64 i = 0; i < p->m; i++)
    for (gint64 j = 0; j < p->n; j++)
      {
        double sum = 0;

        for (gint64 k = 0; k < p->k; k++)
          sum += (double) a[i * p->row_a + k * p->column_a] * b[k * p->row_b + j * p->column_b];
        out[i * p->n + j] = sum;
      }
}

static void
matmul_reference (const VardNode *self, float **in, float *out)
{
  Product p = vard_op_matmul_describe_product (self);

  for (gint64 batch = 0; batch < p.n_batch; batch++)
    vard_op_matmul_multiply (&p, in[0] + batch * p.m * p.k, in[1] + batch * p.k * p.n,
                             out + batch * p.m * p.n);
}

static void
matmul_describe (const VardNode *self, GString *text)
{
  const VardMatmulAttrs *attrs = self->attrs;

  g_string_append_printf (text, "transpose=%d%d", attrs->transpose_a, attrs->transpose_b);
}

const VardOpClass vard_op_matmul = {
  .name = "matmul",
  .attrs_size = sizeof (VardMatmulAttrs),
  .infer = matmul_infer,
  .vjp = matmul_vjp,
  .reference = matmul_reference,
  .describe = matmul_describe,
};

VardNode *
vard_matmul (VardNode *a, VardNode *b, gboolean transpose_a, gboolean transpose_b)
{
  VardMatmulAttrs attrs = { transpose_a != FALSE, transpose_b != FALSE };
  VardNode *inputs[2] = { a, b };

  return vard_node_emit (a->graph, &vard_op_matmul, inputs, 2, &attrs);
}
