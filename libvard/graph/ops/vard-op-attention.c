/* vard-op-attention.c - softmax attention over heads, and its gradients
 *
 * Shapes are [b, tokens, heads, d]. P = softmax (scale q k' + mask) is never stored for the whole:
 * y = P v. With dP = dy v' and dS = P (dP - rowsum (P dP)): dq = scale dS k, dk = scale dS' q, dv =
 * P' dy.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

#include <math.h>

enum
{
  Q,
  K,
  V,
  DY
};

static gboolean
vard_op_attention_check_attention (const VardNode *self, VardDType *dtype, GError **error)
{
  const VardShape *q = &self->inputs[Q]->shape, *k = &self->inputs[K]->shape;

  if (!vard_op_check_float (self, dtype, error))
    return FALSE;
  if (q->n_dims != 4 || k->n_dims != 4)
    return vard_op_fail (self, error, "queries and keys must have four dimensions");
  if (q->dims[0] != k->dims[0] || q->dims[2] != k->dims[2] || q->dims[3] != k->dims[3])
    return vard_op_fail (self, error, "queries and keys may differ only in their tokens");
  if (!vard_shape_equal (k, &self->inputs[V]->shape))
    return vard_op_fail (self, error, "keys and values must have the same shape");

  return TRUE;
}

static gboolean
attention_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  *shape = self->inputs[Q]->shape;
  return vard_op_attention_check_attention (self, dtype, error);
}

static void
attention_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  const VardAttentionAttrs *attrs = self->attrs;

  for (guint which = 0; which < 3; which++)
    out[which] = vard_attention_gradient (self->inputs[Q], self->inputs[K], self->inputs[V], bar,
                                          attrs->scale, attrs->is_causal, which);
}

/* ---- the oracle, one query of one head at a time ---- */

typedef struct
{
  gint64 n_queries, n_keys, n_heads, d;
  double scale;
  gboolean is_causal;
} Geometry;

static Geometry
vard_op_attention_get_geometry (const VardNode *self)
{
  const VardAttentionAttrs *attrs = self->attrs;
  const VardShape *q = &self->inputs[Q]->shape;

  return (Geometry) { q->dims[1],   self->inputs[K]->shape.dims[1],
                      q->dims[2],   q->dims[3],
                      attrs->scale, attrs->is_causal };
}

static double
vard_op_attention_dot (const float *a, const float *b, gint64 n)
{
  double sum = 0;

  for (gint64 i = 0; i < n; i++)
    sum += (double) a[i] * b[i];
  return sum;
}

/* p[j] for query i; q is its vector, k the head's first key. Returns how many keys it sees. */
static gint64
vard_op_attention_weigh_keys (const Geometry *g,
                              gint64 i,
                              const float *q,
                              const float *k,
                              double *p)
{
  gint64 n_keys = g->is_causal ? MIN (i + 1, g->n_keys) : g->n_keys;
  double largest = -G_MAXDOUBLE, sum = 0;

  for (gint64 j = 0; j < n_keys; j++)
    {
      p[j] = g->scale * vard_op_attention_dot (q, k + j * g->n_heads * g->d, g->d);
      largest = MAX (largest, p[j]);
    }
  for (gint64 j = 0; j < n_keys; j++)
    sum += p[j] = exp (p[j] - largest);
  for (gint64 j = 0; j < n_keys; j++)
    p[j] /= sum;

  return n_keys;
}

static void
attention_reference (const VardNode *self, float **in, float *out)
{
  Geometry g = vard_op_attention_get_geometry (self);
  g_autofree double *p = g_new (double, g.n_keys);
  gint64 token = g.n_heads * g.d;

  for (gint64 row = 0; row < vard_node_get_count (self) / g.d; row++)
    {
      gint64 head = row % g.n_heads, i = row / g.n_heads % g.n_queries;
      gint64 batch = row / g.n_heads / g.n_queries;
      gint64 key = batch * g.n_keys * token + head * g.d;
      gint64 n_keys = vard_op_attention_weigh_keys (&g, i, in[Q] + row * g.d, in[K] + key, p);

      for (gint64 c = 0; c < g.d; c++)
        {
          double sum = 0;

          for (gint64 j = 0; j < n_keys; j++)
            sum += p[j] * in[V][key + j * token + c];
          out[row * g.d + c] = sum;
        }
    }
}

static void
attention_describe (const VardNode *self, GString *text)
{
  const VardAttentionAttrs *attrs = self->attrs;

  g_string_append_printf (text, "scale=%g%s", attrs->scale, attrs->is_causal ? " causal" : "");
}

/* ---- the same from simpler operations ---- */

static VardNode *
vard_op_attention_swap_tokens_and_heads (VardNode *x)
{
  return vard_permute (x, (const guint[]) { 0, 2, 1, 3 });
}

/* 1 where key j is visible to query i, j <= i */
static VardNode *
vard_op_attention_make_causal_mask (VardGraph *graph, gint64 n_queries, gint64 n_keys)
{
  g_autofree float *mask = g_new0 (float, n_queries *n_keys);

  for (gint64 i = 0; i < n_queries; i++)
    for (gint64 j = 0; j < MIN (i + 1, n_keys); j++)
      mask[i * n_keys + j] = 1;

  return vard_constant_f32 (graph, VARD_SHAPE (1, 1, n_queries, n_keys), mask);
}

/* P, [b, heads, tq, tk], of q and k as [b, heads, tokens, d] */
static VardNode *
vard_op_attention_make_weights (const VardNode *self, VardNode *q, VardNode *k)
{
  const VardAttentionAttrs *attrs = self->attrs;
  VardNode *scores = vard_scale (vard_matmul (q, k, FALSE, TRUE), attrs->scale);

  if (attrs->is_causal)
    {
      VardNode *mask =
        vard_op_attention_make_causal_mask (self->graph, q->shape.dims[2], k->shape.dims[2]);

      scores =
        vard_select (vard_cast (mask, scores->dtype), scores, vard_fill_like (scores, -1e30));
    }

  return vard_softmax (scores);
}

static VardNode *
attention_decompose (VardNode *self)
{
  VardNode *q = vard_op_attention_swap_tokens_and_heads (self->inputs[Q]);
  VardNode *k = vard_op_attention_swap_tokens_and_heads (self->inputs[K]);
  VardNode *v = vard_op_attention_swap_tokens_and_heads (self->inputs[V]);

  return vard_op_attention_swap_tokens_and_heads (
    vard_matmul (vard_op_attention_make_weights (self, q, k), v, FALSE, FALSE));
}

const VardOpClass vard_op_attention = {
  .name = "attention",
  .attrs_size = sizeof (VardAttentionAttrs),
  .infer = attention_infer,
  .vjp = attention_vjp,
  .reference = attention_reference,
  .decompose = attention_decompose,
  .describe = attention_describe,
};

VardNode *
vard_attention (VardNode *q, VardNode *k, VardNode *v, double scale, gboolean is_causal)
{
  VardAttentionAttrs attrs = { .scale = scale, .is_causal = is_causal != FALSE };
  VardNode *inputs[3] = { q, k, v };

  return vard_node_emit (q->graph, &vard_op_attention, inputs, 3, &attrs);
}

/* ---- gradients ---- */

static gboolean
vard_op_attention_gradient_infer (const VardNode *self,
                                  VardShape *shape,
                                  VardDType *dtype,
                                  GError **error)
{
  const VardAttentionAttrs *attrs = self->attrs;

  if (attrs->which < Q || attrs->which > V)
    return vard_op_fail (self, error, "there is no input %d", attrs->which);
  if (!vard_op_attention_check_attention (self, dtype, error))
    return FALSE;
  if (!vard_shape_equal (&self->inputs[DY]->shape, &self->inputs[Q]->shape))
    return vard_op_fail (self, error, "the cotangent must have the shape of the queries");
  *shape = self->inputs[attrs->which]->shape;

  return TRUE;
}

/* p holds P on entry and dS on return */
static void
vard_op_attention_differentiate_softmax (const Geometry *g,
                                         gint64 n_keys,
                                         const float *dy,
                                         const float *v,
                                         double *p)
{
  double mean = 0;

  for (gint64 j = 0; j < n_keys; j++)
    mean += p[j] * vard_op_attention_dot (dy, v + j * g->n_heads * g->d, g->d);
  for (gint64 j = 0; j < n_keys; j++)
    p[j] *= vard_op_attention_dot (dy, v + j * g->n_heads * g->d, g->d) - mean;
}

static void
vard_op_attention_accumulate (double *to, double factor, const float *from, gint64 n)
{
  for (gint64 i = 0; i < n; i++)
    to[i] += factor * from[i];
}

/* what one query adds to the gradient; offsets of its vector and of its head's first key */
static void
vard_op_attention_add_query (const VardNode *self,
                             const Geometry *g,
                             gint64 i,
                             gint64 query,
                             gint64 key,
                             float **in,
                             double *p,
                             double *sums)
{
  gint32 which = ((const VardAttentionAttrs *) self->attrs)->which;
  gint64 n_keys = vard_op_attention_weigh_keys (g, i, in[Q] + query, in[K] + key, p);

  if (which != V)
    vard_op_attention_differentiate_softmax (g, n_keys, in[DY] + query, in[V] + key, p);
  for (gint64 j = 0; j < n_keys; j++)
    {
      gint64 at = key + j * g->n_heads * g->d;

      if (which == Q)
        vard_op_attention_accumulate (sums + query, g->scale * p[j], in[K] + at, g->d);
      else if (which == K)
        vard_op_attention_accumulate (sums + at, g->scale * p[j], in[Q] + query, g->d);
      else
        vard_op_attention_accumulate (sums + at, p[j], in[DY] + query, g->d);
    }
}

static void
vard_op_attention_gradient_reference (const VardNode *self, float **in, float *out)
{
  Geometry g = vard_op_attention_get_geometry (self);
  gint64 count = vard_node_get_count (self);
  g_autofree double *p = g_new (double, g.n_keys);
  g_autofree double *sums = g_new0 (double, count);
  gint64 token = g.n_heads * g.d;

  for (gint64 row = 0; row < vard_node_get_count (self->inputs[Q]) / g.d; row++)
    {
      gint64 head = row % g.n_heads, i = row / g.n_heads % g.n_queries;
      gint64 batch = row / g.n_heads / g.n_queries;

      vard_op_attention_add_query (self, &g, i, row * g.d, batch * g.n_keys * token + head * g.d,
                                   in, p, sums);
    }
  for (gint64 i = 0; i < count; i++)
    out[i] = sums[i];
}

static VardNode *
vard_op_attention_gradient_decompose (VardNode *self)
{
  const VardAttentionAttrs *attrs = self->attrs;
  VardNode *q = vard_op_attention_swap_tokens_and_heads (self->inputs[Q]);
  VardNode *k = vard_op_attention_swap_tokens_and_heads (self->inputs[K]);
  VardNode *v = vard_op_attention_swap_tokens_and_heads (self->inputs[V]);
  VardNode *dy = vard_op_attention_swap_tokens_and_heads (self->inputs[DY]);
  VardNode *p = vard_op_attention_make_weights (self, q, k);

  if (attrs->which == V)
    return vard_op_attention_swap_tokens_and_heads (vard_matmul (p, dy, TRUE, FALSE));

  VardNode *dp = vard_matmul (dy, v, FALSE, TRUE);
  VardNode *mean = vard_sum (vard_mul (p, dp), 1u << 3);
  VardNode *ds = vard_scale (vard_mul (p, vard_sub (dp, mean)), attrs->scale);

  return vard_op_attention_swap_tokens_and_heads (
    attrs->which == Q ? vard_matmul (ds, k, FALSE, FALSE) : vard_matmul (ds, q, TRUE, FALSE));
}

static void
vard_op_attention_gradient_describe (const VardNode *self, GString *text)
{
  const VardAttentionAttrs *attrs = self->attrs;

  attention_describe (self, text);
  g_string_append_printf (text, " which=%d", attrs->which);
}

const VardOpClass vard_op_attention_gradient = {
  .name = "attention_gradient",
  .attrs_size = sizeof (VardAttentionAttrs),
  .infer = vard_op_attention_gradient_infer,
  .reference = vard_op_attention_gradient_reference,
  .decompose = vard_op_attention_gradient_decompose,
  .describe = vard_op_attention_gradient_describe,
};

VardNode *
vard_attention_gradient (VardNode *q,
                         VardNode *k,
                         VardNode *v,
                         VardNode *dy,
                         double scale,
                         gboolean is_causal,
                         guint which)
{
  VardAttentionAttrs attrs = { scale, is_causal != FALSE, which };
  VardNode *inputs[4] = { q, k, v, dy };

  return vard_node_emit (q->graph, &vard_op_attention_gradient, inputs, 4, &attrs);
}
