/* cpu-attention-gradient.c - the derivatives of attention with its queries in the lanes of vectors
 *
 * As the forward does, it turns queries and dY [d, lanes], some panels side by side. The largest
 * score, the sum of exponentials and rowsum (P dP) run along with the tiles of keys. Exponentials
 * and dP [keys, lanes] of all keys are kept where they fit a core's own cache: each tile's are
 * relative to what was the largest then, and its columns' factors make up for that once all is
 * known. Of more keys (some thousands) both are computed again: keeping them was slower.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-attention.h"
#include "cpu-product.h"
#include "cpu-simd.h"

#define KEYS 240 /* of a tile: whole blocks of 8 and of 6 rows */
/* side by side, at most: they are the depth of the products for dK and dV */
#define QUERIES 192
#define STEP 48                  /* whole panels on every level */
#define KEPT_FLOATS (192 * 1024) /* of scores, if they are kept */
#define LINE 16                  /* floats in a line of the cache */
#define LOG2_E 1.44269504f

typedef struct
{
  CpuAttention shape;
  gint64 n_queries; /* side by side */
  gboolean keeps;   /* all keys' exponentials and dP */
  const float *q, *k, *v, *dy;
  float *dq, *dk, *dv;
  float *scratch;
  gsize scratch_stride;
} GradientJob;

/* the queries of one head that lie side by side, with their scratch */
typedef struct
{
  const GradientJob *job;
  gint64 first, n, lanes;   /* queries, and lanes for them */
  gint64 stride;            /* lanes and what keeps rows off one another's lines of the cache */
  gint64 n_keys;            /* that any of them sees */
  gint64 query, key;        /* offsets of the first query and the head's first key */
  gint64 token;             /* heads d: from one token to the next */
  float *queries, *dy, *dq; /* [d, stride] */
  float *scores, *slopes;   /* [n_keys or KEYS, stride]: exponentials then P, and dP then dS */
  float *then;              /* [tiles, lanes]: the largest when a tile was done */
  float largest[QUERIES], sum[QUERIES], mean[QUERIES];
} Side;

/* ---- down the columns of a tile ---- */

/* n_vectors is a number wherever this is called: these vectors of columns, from @j on */
CPU_INLINE void
advance_columns (Side *self,
                 float *scores,
                 const float *slopes,
                 gint64 n,
                 gint64 j,
                 const guint n_vectors)
{
  CpuVec most[2], total[2], dot[2];
  gint64 stride = self->stride;

  for (guint v = 0; v < n_vectors; v++)
    {
      most[v] = cpu_load (self->largest + j + v * CPU_LANES);
      total[v] = dot[v] = cpu_splat (0);
    }
  for (gint64 i = 0; i < n; i++)
    for (guint v = 0; v < n_vectors; v++)
      most[v] = cpu_max (cpu_load (scores + i * stride + j + v * CPU_LANES), most[v]);
  for (gint64 i = 0; i < n; i++)
    for (guint v = 0; v < n_vectors; v++)
      {
        gint64 at = i * stride + j + v * CPU_LANES;
        CpuVec p = cpu_exp2_down (cpu_load (scores + at) - most[v]);

        cpu_store (scores + at, p);
        total[v] += p;
        dot[v] += p * cpu_load (slopes + at);
      }
  for (guint v = 0; v < n_vectors; v++)
    {
      gint64 at = j + v * CPU_LANES;
      CpuVec shrink = cpu_exp2_down (cpu_load (self->largest + at) - most[v]);

      cpu_store (self->sum + at, cpu_load (self->sum + at) * shrink + total[v]);
      cpu_store (self->mean + at, cpu_load (self->mean + at) * shrink + dot[v]);
      cpu_store (self->largest + at, most[v]);
    }
}

/* Scores [n, lanes] become exponentials relative to each column's largest so far */
CPU_SIMD static void
side_advance (Side *self, float *scores, const float *slopes, gint64 n)
{
  gint64 j = 0;

  for (; j + 2 * CPU_LANES <= self->lanes; j += 2 * CPU_LANES)
    advance_columns (self, scores, slopes, n, j, 2);
  if (j < self->lanes)
    advance_columns (self, scores, slopes, n, j, 1);
}

/* P, and dS = scale P (dP - mean), of exponentials relative to what was the largest @then, or of
 * scores where that is NULL */
CPU_SIMD static void
side_slopes (const Side *self, float *scores, float *slopes, const float *then, gint64 n)
{
  CpuVec scale = cpu_splat (self->job->shape.scale);
  gint64 stride = self->stride;

  for (gint64 j = 0; j < self->lanes; j += CPU_LANES)
    {
      CpuVec largest = cpu_load (self->largest + j), mean = cpu_load (self->mean + j);
      CpuVec factor = 1 / cpu_load (self->sum + j);

      if (then != NULL)
        factor *= cpu_exp2_down (cpu_load (then + j) - largest);
      for (gint64 i = 0; i < n; i++)
        {
          float *score = scores + i * stride + j, *slope = slopes + i * stride + j;
          CpuVec p = cpu_load (score);

          p = factor * (then != NULL ? p : cpu_exp2_down (p - largest));
          cpu_store (score, p);
          cpu_store (slope, scale * p * (cpu_load (slope) - mean));
        }
    }
}

CPU_SIMD static void
scale_all (float *x, gint64 n, float factor)
{
  for (gint64 i = 0; i < n; i++)
    x[i] *= factor;
}

/* ---- queries side by side ---- */

static gint64
cpu_panel_width (gint64 n)
{
  return cpu_panel_get_width (cpu_get_level (), MAX (n, CPU_LANES));
}

/* an odd number of the cache's lines, so that a panel's rows are spread over all of it */
static gint64
cpu_stride_of (gint64 lanes)
{
  return LINE * (((lanes + LINE - 1) / LINE) | 1);
}

static gint64
cpu_count_lanes (gint64 n)
{
  gint64 lanes = 0;

  while (lanes < n)
    lanes += cpu_panel_width (n - lanes);
  return lanes;
}

/* The exponentials of that few keys are kept, beside at least two panels of queries */
static gboolean
cpu_keeps_all (const CpuAttention *self)
{
  return self->tk * 2 * STEP <= KEPT_FLOATS;
}

static gint64
cpu_count_rows (const CpuAttention *self)
{
  return cpu_keeps_all (self) ? self->tk : KEYS;
}

static gint64
cpu_count_queries (const CpuAttention *self)
{
  return MIN (self->tq,
              cpu_keeps_all (self) ? MIN (KEPT_FLOATS / self->tk, QUERIES) / STEP * STEP : QUERIES);
}

/* to [m, stride] = A panels, for each panel of the queries; A's rows are row_a and its columns
 * step_a apart */
static void
side_multiply (const Side *self,
               gint64 m,
               gint64 k,
               const float *a,
               gint64 row_a,
               gint64 step_a,
               const float *panels,
               gboolean beta,
               float *to)
{
  for (gint64 j = 0, width; j < self->lanes; j += width)
    {
      width = cpu_panel_width (self->n - j);
      cpu_panel_multiply (cpu_get_level (), m, width, k, a, row_a, step_a, panels + j, beta, to + j,
                          self->stride);
    }
}

static void
side_turn (const Side *self, const float *from, float *to)
{
  gint64 d = self->job->shape.d;

  if (self->n < self->lanes)
    memset (to, 0, d * self->stride * sizeof (float));
  cpu_transpose (from + self->query, self->n, d, self->token, to, self->stride);
}

static void
side_begin (Side *self, const GradientJob *job, gint64 head, gint64 first, guint thread)
{
  const CpuAttention *s = &job->shape;
  gint64 batch = head / s->heads, at = head % s->heads * s->d;

  self->job = job;
  self->first = first;
  self->n = MIN (job->n_queries, s->tq - first);
  self->lanes = cpu_count_lanes (self->n);
  self->stride = cpu_stride_of (self->lanes);
  self->n_keys = s->is_causal ? MIN (s->tk, first + self->n) : s->tk;
  self->token = s->heads * s->d;
  self->query = (batch * s->tq + first) * self->token + at;
  self->key = batch * s->tk * self->token + at;
  self->queries = job->scratch + thread * job->scratch_stride;
  self->dy = self->queries + s->d * self->stride;
  self->dq = self->dy + s->d * self->stride;
  self->scores = self->dq + s->d * self->stride;
  self->slopes = self->scores + cpu_count_rows (s) * self->stride;
  self->then = self->slopes + cpu_count_rows (s) * self->stride;
  for (gint64 i = 0; i < self->lanes; i++)
    {
      self->largest[i] = -INFINITY;
      self->sum[i] = self->mean[i] = 0;
    }
  side_turn (self, job->q, self->queries);
  scale_all (self->queries, s->d * self->stride, s->scale * LOG2_E);
  side_turn (self, job->dy, self->dy);
}

/* scores in units of log 2, and dP, of the keys from @from on */
static void
side_score (const Side *self, gint64 from, gint64 n, float *scores, float *slopes)
{
  const CpuAttention *s = &self->job->shape;
  gint64 key = self->key + from * self->token;

  side_multiply (self, n, s->d, self->job->k + key, self->token, 1, self->queries, FALSE, scores);
  side_multiply (self, n, s->d, self->job->v + key, self->token, 1, self->dy, FALSE, slopes);
  for (gint64 i = 0; i < n && s->is_causal; i++)
    for (gint64 j = 0; j < CLAMP (from + i - self->first, 0, self->lanes); j++)
      scores[i * self->stride + j] = -INFINITY;
}

/* largest, sum and mean = rowsum (P dP) over all keys */
static void
side_measure (Side *self)
{
  for (gint64 from = 0; from < self->n_keys; from += KEYS)
    {
      gint64 n = MIN (KEYS, self->n_keys - from), at = self->job->keeps ? from * self->stride : 0;

      side_score (self, from, n, self->scores + at, self->slopes + at);
      side_advance (self, self->scores + at, self->slopes + at, n);
      if (self->job->keeps)
        memcpy (self->then + from / KEYS * self->lanes, self->largest,
                self->lanes * sizeof (float));
    }
  for (gint64 i = 0; i < self->lanes; i++)
    self->mean[i] /= self->sum[i];
}

static void
side_differentiate (Side *self)
{
  const GradientJob *job = self->job;
  gint64 d = job->shape.d, token = self->token, stride = self->stride;

  for (gint64 from = 0; from < self->n_keys; from += KEYS)
    {
      gint64 n = MIN (KEYS, self->n_keys - from), key = self->key + from * token,
             at = job->keeps ? from * stride : 0;
      float *scores = self->scores + at, *slopes = self->slopes + at;

      if (!job->keeps)
        side_score (self, from, n, scores, slopes);
      side_slopes (self, scores, slopes, job->keeps ? self->then + from / KEYS * self->lanes : NULL,
                   n);
      if (job->dq != NULL)
        side_multiply (self, d, n, job->k + key, 1, token, slopes, from > 0, self->dq);
      if (job->dk != NULL)
        cpu_sgemm (FALSE, FALSE, n, d, self->n, slopes, stride, job->q + self->query, token, TRUE,
                   job->dk + key, token);
      if (job->dv != NULL)
        cpu_sgemm (FALSE, FALSE, n, d, self->n, scores, stride, job->dy + self->query, token, TRUE,
                   job->dv + key, token);
    }
  for (gint64 c = 0; c < d && job->dq != NULL; c += CPU_LANES)
    cpu_transpose (self->dq + c * stride, MIN (CPU_LANES, d - c), self->n, stride,
                   job->dq + self->query + c, token);
}

/* ---- heads ---- */

/* of one head: [tk, d] in rows of all heads */
static void
cpu_clear_head (const CpuAttention *shape, float *x, gint64 head)
{
  gint64 token = shape->heads * shape->d;

  x += head / shape->heads * shape->tk * token + head % shape->heads * shape->d;
  for (gint64 i = 0; i < shape->tk; i++)
    memset (x + i * token, 0, shape->d * sizeof (float));
}

static void
cpu_gradient_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const GradientJob *job = data;

  for (gint64 head = from; head < to; head++)
    {
      if (job->dk != NULL)
        cpu_clear_head (&job->shape, job->dk, head);
      if (job->dv != NULL)
        cpu_clear_head (&job->shape, job->dv, head);
      for (gint64 first = 0; first < job->shape.tq; first += job->n_queries)
        {
          Side side;

          side_begin (&side, job, head, first, thread);
          side_measure (&side);
          side_differentiate (&side);
        }
    }
}

/* ---- the outside ---- */

static gsize
side_floats (const CpuAttention *self)
{
  gint64 n_tiles = (self->tk + KEYS - 1) / KEYS;

  return cpu_stride_of (cpu_count_lanes (cpu_count_queries (self)))
         * (3 * self->d + 2 * cpu_count_rows (self) + n_tiles);
}

gsize
cpu_attention_gradient_get_scratch_size (const CpuAttention *self, guint n_threads)
{
  return n_threads * side_floats (self) * sizeof (float);
}

void
cpu_attention_gradient_run (CpuPool *pool,
                            const CpuAttention *self,
                            const float *q,
                            const float *k,
                            const float *v,
                            const float *dy,
                            float *dq,
                            float *dk,
                            float *dv,
                            float *scratch)
{
  GradientJob job = { .shape = *self,
                      .n_queries = cpu_count_queries (self),
                      .keeps = cpu_keeps_all (self),
                      .q = q,
                      .k = k,
                      .v = v,
                      .dy = dy,
                      .dq = dq,
                      .dk = dk,
                      .dv = dv,
                      .scratch = scratch,
                      .scratch_stride = side_floats (self) };
  gint64 n = self->b * self->heads;

  cpu_pool_run (pool, n, cpu_pool_get_grain (pool, n, 1), cpu_gradient_task, &job);
}
