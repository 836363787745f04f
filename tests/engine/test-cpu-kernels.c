/* test-cpu-kernels.c - the CPU engine's kernels against plain loops, on shapes that its blocks and
 * vectors do not divide
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma GCC diagnostic ignored "-Wpsabi" /* vectors are passed to inlined functions only */

#include "cpu-attention.h"
#include "cpu-fixture.h"
#include "cpu-normalize.h"
#include "cpu-reduce.h"
#include "cpu-simd.h"
#include "cpu-tile.h"

#include <math.h>
#include <vard-internal.h>

/* ---- threads ---- */

static void
mark_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  gint *counts = data;

  for (gint64 i = from; i < to; i++)
    g_atomic_int_inc (&counts[i]);
}

/* each index exactly once, over many short jobs of all sizes */
static void
test_pool_covers (gconstpointer data)
{
  CpuPool *pool = cpu_pool_new (GPOINTER_TO_UINT (data));
  gint counts[64];

  for (guint round = 0; round < 20000; round++)
    {
      guint n = round % 64, grain = 1 + round / 64 % 7;

      memset (counts, 0, sizeof counts);
      cpu_pool_run (pool, n, grain, mark_task, counts);
      for (guint i = 0; i < n; i++)
        g_assert_cmpint (counts[i], ==, 1);
    }
  cpu_pool_free (pool);
}

static void
cancel_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  g_cancellable_cancel (data);
}

static void
test_pool_cancel (void)
{
  CpuPool *pool = cpu_pool_new (2);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  gint counts[64] = { 0 };

  cpu_pool_set_cancellable (pool, cancellable);
  cpu_pool_run (pool, 1, 1, cancel_task, cancellable);
  cpu_pool_run (pool, 64, 1, mark_task, counts);
  for (guint i = 0; i < 64; i++)
    g_assert_cmpint (counts[i], ==, 0);
  cpu_pool_free (pool);
}

/* ---- products ---- */

typedef struct
{
  gint64 m, n, k;
} ProductCase;

static const ProductCase product_cases[] = {
  { 1, 1, 1 },   { 7, 33, 50 },   { 8, 48, 64 },   { 9, 49, 385 },  { 64, 16, 16 },
  { 5, 3, 800 }, { 130, 70, 31 }, { 17, 520, 12 }, { 400, 40, 70 },
};

static void
check_product (CpuLevel level, const ProductCase *p, gboolean ta, gboolean tb, gboolean beta)
{
  g_autofree float *a = random_floats (p->m * p->k, 1), *b = random_floats (p->n * p->k, 2);
  g_autofree float *c = random_floats (p->m * p->n, 3), *expected = g_new (float, p->m * p->n);

  for (gint64 i = 0; i < p->m; i++)
    for (gint64 j = 0; j < p->n; j++)
      {
        double sum = beta ? c[i * p->n + j] : 0;

        for (gint64 k = 0; k < p->k; k++)
          sum += (double) a[ta ? k * p->m + i : i * p->k + k] * b[tb ? j * p->k + k : k * p->n + j];
        expected[i * p->n + j] = sum;
      }
  cpu_sgemm_by (level, ta, tb, p->m, p->n, p->k, a, ta ? p->m : p->k, b, tb ? p->k : p->n, beta, c,
                p->n);
  g_assert_cmpfloat (get_difference (c, expected, p->m * p->n), <, 2e-6);
}

static void
test_product (gconstpointer data)
{
  for (CpuLevel level = cpu_get_level (); level <= CPU_LEVEL_BASE; level++)
    for (guint flags = 0; flags < 8; flags++)
      check_product (level, data, flags & 1, flags >> 1 & 1, flags >> 2 & 1);
}

/* ---- attention over several tiles of queries and of keys ---- */

static const CpuAttention attention_cases[] = {
  { 2, 70, 1100, 2, 24, 0.2, FALSE },  { 1, 150, 16, 3, 16, 0.25, FALSE },
  { 1, 600, 600, 1, 8, 0.3, TRUE },    { 3, 5, 7, 2, 40, 0.1, FALSE },
  { 1, 1, 1, 1, 1, 0.5, FALSE },       { 1, 17, 3, 2, 3, 0.5, FALSE },
  { 1, 47, 121, 1, 17, 0.3, FALSE },   { 2, 48, 77, 2, 40, 0.3, FALSE },
  { 1, 241, 240, 3, 49, 0.3, FALSE },  { 1, 49, 7, 1, 520, 0.05, FALSE },
  { 2, 125, 125, 2, 9, 0.7, TRUE },    { 1, 65, 130, 1, 16, 20, FALSE },
  { 1, 200, 2100, 1, 10, 0.4, FALSE }, { 1, 77, 2050, 1, 3, 0.4, TRUE },
  { 1, 2100, 2100, 1, 4, 0.5, TRUE },
};

/* one query of one head: its weights into p, its output into y */
static void
attend (const CpuAttention *s,
        const float *q,
        const float *k,
        const float *v,
        gint64 i,
        double *p,
        double *y)
{
  gint64 token = s->heads * s->d, n = s->is_causal ? MIN (i + 1, s->tk) : s->tk;
  double largest = -1e30, sum = 0;

  for (gint64 j = 0; j < n; j++)
    {
      p[j] = 0;
      for (gint64 c = 0; c < s->d; c++)
        p[j] += s->scale * q[c] * k[j * token + c];
      largest = MAX (largest, p[j]);
    }
  for (gint64 j = 0; j < n; j++)
    sum += p[j] = exp (p[j] - largest);
  for (gint64 j = 0; j < s->tk; j++)
    p[j] = j < n ? p[j] / sum : 0;
  for (gint64 c = 0; c < s->d; c++)
    {
      y[c] = 0;
      for (gint64 j = 0; j < n; j++)
        y[c] += p[j] * v[j * token + c];
    }
}

typedef struct
{
  gint64 n_q, n_k;
  float *q, *k, *v, *dy;
  float *y, *dq, *dk, *dv; /* expected */
} AttentionData;

static void
add_query (const CpuAttention *s,
           AttentionData *d,
           gint64 at,
           gint64 key,
           gint64 i,
           double *p,
           double *y)
{
  gint64 token = s->heads * s->d;
  double mean = 0;

  attend (s, d->q + at, d->k + key, d->v + key, i, p, y);
  for (gint64 c = 0; c < s->d; c++)
    {
      d->y[at + c] = y[c];
      mean += y[c] * d->dy[at + c];
    }
  for (gint64 j = 0; j < s->tk; j++)
    {
      double slope = -mean;

      for (gint64 c = 0; c < s->d; c++)
        slope += (double) d->dy[at + c] * d->v[key + j * token + c];
      slope *= p[j] * s->scale;
      for (gint64 c = 0; c < s->d; c++)
        {
          d->dq[at + c] += slope * d->k[key + j * token + c];
          d->dk[key + j * token + c] += slope * d->q[at + c];
          d->dv[key + j * token + c] += p[j] * d->dy[at + c];
        }
    }
}

static AttentionData
make_attention (const CpuAttention *s)
{
  AttentionData d = { s->b * s->tq * s->heads * s->d, s->b * s->tk * s->heads * s->d };
  g_autofree double *p = g_new (double, s->tk), *y = g_new (double, s->d);
  gint64 token = s->heads * s->d;

  d.q = random_floats (d.n_q, 1);
  d.k = random_floats (d.n_k, 2);
  d.v = random_floats (d.n_k, 3);
  d.dy = random_floats (d.n_q, 4);
  d.y = g_new0 (float, d.n_q);
  d.dq = g_new0 (float, d.n_q);
  d.dk = g_new0 (float, d.n_k);
  d.dv = g_new0 (float, d.n_k);
  for (gint64 b = 0; b < s->b; b++)
    for (gint64 i = 0; i < s->tq; i++)
      for (gint64 h = 0; h < s->heads; h++)
        add_query (s, &d, (b * s->tq + i) * token + h * s->d, b * s->tk * token + h * s->d, i, p,
                   y);
  return d;
}

static void
clear_attention (AttentionData *d)
{
  float *all[] = { d->q, d->k, d->v, d->dy, d->y, d->dq, d->dk, d->dv };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    g_free (all[i]);
}

static void
test_attention (gconstpointer data)
{
  const CpuAttention *s = data;
  CpuPool *pool = cpu_pool_new (2);
  AttentionData d = make_attention (s);
  gsize size =
    MAX (cpu_attention_get_scratch_size (s, 2), cpu_attention_gradient_get_scratch_size (s, 2));
  g_autofree float *scratch = g_malloc (size);
  g_autofree float *y = g_new (float, d.n_q), *dq = g_new (float, d.n_q);
  g_autofree float *dk = g_new (float, d.n_k), *dv = g_new (float, d.n_k);

  memset (scratch, 0xff, size);
  cpu_attention_run (pool, s, d.q, d.k, d.v, y, scratch);
  g_assert_cmpfloat (get_difference (y, d.y, d.n_q), <, 1e-5);
  cpu_attention_gradient_run (pool, s, d.q, d.k, d.v, d.dy, dq, dk, dv, scratch);
  g_assert_cmpfloat (get_difference (dq, d.dq, d.n_q), <, 2e-5);
  g_assert_cmpfloat (get_difference (dk, d.dk, d.n_k), <, 2e-5);
  g_assert_cmpfloat (get_difference (dv, d.dv, d.n_k), <, 2e-5);
  clear_attention (&d);
  cpu_pool_free (pool);
}

/* Two keys with scores 0 and x: the second one's weight is the exponential's relative error over
 * its whole range, but for what x itself loses by the change of base */
static void
test_attention_exponentials (void)
{
  enum
  {
    N = 3000
  };
  CpuAttention s = { 1, N, 2, 1, 1, 1, FALSE };
  CpuPool *pool = cpu_pool_new (1);
  g_autofree float *scratch = g_malloc (cpu_attention_get_scratch_size (&s, 1));
  g_autofree float *q = g_new (float, N), *y = g_new (float, N);
  float k[] = { 0, 1 }, v[] = { 0, 1 };

  for (gint64 i = 0; i < N; i++)
    q[i] = -0.04f * i;
  cpu_attention_run (pool, &s, q, k, v, y, scratch);
  for (gint64 i = 0; i < N; i++)
    {
      double x = q[i], expected = exp (x) / (1 + exp (x));

      if (x > -86)
        g_assert_cmpfloat (fabs (y[i] / expected - 1), <, 4e-7 - 1.2e-7 * x);
      else
        g_assert_true (y[i] >= 0 && y[i] <= 1e-37);
    }
  cpu_pool_free (pool);
}

/* over all of its range, as far as the floats are normal, and the values that scores may have
 * beside it */
static void
test_exp2 (void)
{
  for (gint i = 0; i <= 126 * 4096; i++)
    {
      float x = -i / 4096.0f;
      CpuVec y = cpu_exp2_down (cpu_splat (x));

      g_assert_cmpfloat (fabs (y[0] / exp2 (x) - 1), <, 4e-7);
    }
  g_assert_cmpfloat (cpu_exp2_down (cpu_splat (0))[7], ==, 1);
  g_assert_cmpfloat (cpu_exp2_down (cpu_splat (-200))[0], ==, 0);
  g_assert_cmpfloat (cpu_exp2_down (cpu_splat (-INFINITY))[0], ==, 0);
  g_assert_true (isnan (cpu_exp2_down (cpu_splat (NAN))[0]));
}

/* ---- elementary functions: relative error over a range that covers all their branches ---- */

typedef struct
{
  CpuOp op;
  double (*expected) (double x);
  double low, high, tolerance;
} FunctionCase;

static double
sigmoid (double x)
{
  return 1 / (1 + exp (-x));
}
static double
silu (double x)
{
  return x * sigmoid (x);
}
static double
gelu (double x)
{
  return 0.5 * x * erfc (-x * G_SQRT2 / 2);
}

static const FunctionCase function_cases[] = {
  { CPU_OP_EXP, exp, -87, 88.7, 4e-7 },   { CPU_OP_LOG, log, 1e-30, 100, 1e-6 },
  { CPU_OP_TANH, tanh, -12, 12, 5e-7 },   { CPU_OP_SIGMOID, sigmoid, -80, 80, 5e-7 },
  { CPU_OP_SILU, silu, -80, 80, 5e-7 },   { CPU_OP_ERF, erf, -6, 6, 5e-7 },
  { CPU_OP_GELU, gelu, -5, 9, 3e-6 },     { CPU_OP_SIN, sin, -1000, 1000, 1e-6 },
  { CPU_OP_COS, cos, -1000, 1000, 1e-6 },
};

static void
test_function (gconstpointer data)
{
  const FunctionCase *c = data;
  /* of sines near their zeros only the absolute error is small */
  double floor = c->op == CPU_OP_SIN || c->op == CPU_OP_COS ? 1 : c->op == CPU_OP_LOG ? 0.1 : 1e-36;
  enum
  {
    N = 100003
  };
  g_autofree float *x = g_new (float, N), *y = g_new (float, N);

  for (guint i = 0; i < N; i++)
    x[i] = c->low + (c->high - c->low) * i / (N - 1);
  cpu_tile_ops[c->op](y, x, x, x, N, 0, 0);
  for (guint i = 0; i < N; i++)
    {
      double expected = c->expected (x[i]);

      if (!(fabs (y[i] - expected) <= c->tolerance * MAX (fabs (expected), floor)))
        g_error ("function %u of %.9g is %.9g and not %.9g", c->op, x[i], y[i], expected);
    }
}

static void
test_function_limits (void)
{
  const float x[] = { 1000, -1000, INFINITY, -INFINITY, NAN };
  float y[5];

  cpu_tile_ops[CPU_OP_EXP](y, x, x, x, 5, 0, 0);
  g_assert_true (isinf (y[0]) && y[1] == 0 && isinf (y[2]) && y[3] == 0 && isnan (y[4]));
  cpu_tile_ops[CPU_OP_SILU](y, x, x, x, 5, 0, 0);
  g_assert_true (y[0] == 1000 && fabsf (y[1]) < 1e-30 && isinf (y[2]) && isnan (y[4]));
  cpu_tile_ops[CPU_OP_LOG](y, x, x, x, 5, 0, 0);
  g_assert_true (isnan (y[1]) && isinf (y[2]) && isnan (y[4]));
}

/* ---- sums ---- */

static void
test_sum_of_all_is_accurate (void)
{
  enum
  {
    N = 1 << 20
  };
  CpuPool *pool = cpu_pool_new (2);
  g_autofree float *x = g_new (float, N);
  const gint64 dims[] = { N };
  CpuSum sum;
  float y;

  for (guint i = 0; i < N; i++)
    x[i] = 0.1f;
  cpu_sum_prepare (&sum, dims, 1, 1);

  g_autofree float *scratch = g_malloc (cpu_sum_get_scratch_size (&sum) + 1);

  cpu_sum_run (pool, &sum, x, &y, scratch);
  g_assert_cmpfloat (fabs (y / (0.1f * (double) N) - 1), <, 1e-6);
  cpu_pool_free (pool);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint n = 1; n <= 4; n++)
    {
      g_autofree char *path = g_strdup_printf ("/cpu/pool/%u", n);

      g_test_add_data_func (path, GUINT_TO_POINTER (n), test_pool_covers);
    }
  g_test_add_func ("/cpu/pool/cancel", test_pool_cancel);
#define ADD_CASES(name_, cases_, test_)                                 \
  for (guint i = 0; i < G_N_ELEMENTS (cases_); i++)                     \
    {                                                                   \
      g_autofree char *path = g_strdup_printf ("/cpu/" name_ "/%u", i); \
                                                                        \
      g_test_add_data_func (path, &cases_[i], test_);                   \
    }
  ADD_CASES ("product", product_cases, test_product)
  g_test_add_func ("/cpu/attention-exponentials", test_attention_exponentials);
  ADD_CASES ("attention", attention_cases, test_attention)
  ADD_CASES ("function", function_cases, test_function)
  g_test_add_func ("/cpu/exp2", test_exp2);
  g_test_add_func ("/cpu/function/limits", test_function_limits);
  g_test_add_func ("/cpu/sum/accurate", test_sum_of_all_is_accurate);
  return g_test_run ();
}
