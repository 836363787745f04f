/* cpu-attention-gradient.c - the derivatives of attention by tiles of queries and keys
 *
 * The scores of a tile of queries against a tile of keys are all that exists at a time. The largest score of a query, its
 * sum of exponentials and rowsum (P dP) run along with the keys; then the scores are computed again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-attention.h"
#include "cpu-gemm.h"
#include "cpu-rows.h"
#include "cpu-simd.h"

#define QUERIES 256
#define KEYS 256

typedef struct
{
  CpuAttention shape;
  gint64 n_blocks;              /* of queries in a head */
  gint64 n_queries, n_keys;     /* of a full tile */
  const float *q, *k, *v, *dy;
  float *dq, *dk, *dv;
  float *scratch;
  gsize scratch_stride;
} AttentionJob;

/* one tile of queries of one head, with its scratch */
typedef struct
{
  const AttentionJob *job;
  gint64 first, n;              /* queries */
  gint64 query, key;            /* offsets of the tile's first query and the head's first key */
  gint64 token;                 /* heads d: from one token to the next */
  float *scores, *slopes;       /* [n_queries, n_keys]: S then P, and dP then dS */
  float *largest, *sum, *mean;  /* [n_queries] */
} Tile;

#define ROW_NUMBERS 3

/* dS = scale P (dP - mean) */
CPU_SIMD static void
row_slope (float       *slopes,
           const float *p,
           gint64       n,
           float        mean,
           float        scale)
{
  for (gint64 i = 0; i < n; i++)
    slopes[i] = scale * p[i] * (slopes[i] - mean);
}

/* ---- tiles ---- */

static gint64
padded (gint64 n)
{
  return (n + CPU_LANES - 1) / CPU_LANES * CPU_LANES;
}

static gsize
tile_floats (const CpuAttention *self)
{
  gint64 n = MIN (QUERIES, self->tq), m = padded (MIN (KEYS, self->tk));

  return 2 * n * m + ROW_NUMBERS * padded (n);
}

static Tile
tile_make (const AttentionJob *job,
           gint64              index,
           guint               thread)
{
  const CpuAttention *s = &job->shape;
  gint64 block = index % job->n_blocks, head = index / job->n_blocks % s->heads;
  gint64 batch = index / job->n_blocks / s->heads, rows = padded (job->n_queries);
  Tile tile = { .job = job, .first = block * job->n_queries, .token = s->heads * s->d };

  tile.n = MIN (job->n_queries, s->tq - tile.first);
  tile.query = (batch * s->tq + tile.first) * tile.token + head * s->d;
  tile.key = batch * s->tk * tile.token + head * s->d;
  tile.scores = job->scratch + thread * job->scratch_stride;
  tile.slopes = tile.scores + job->n_queries * padded (job->n_keys);
  tile.largest = tile.slopes + job->n_queries * padded (job->n_keys);
  tile.sum = tile.largest + rows;
  tile.mean = tile.sum + rows;
  for (gint64 i = 0; i < tile.n; i++)
    {
      tile.largest[i] = -INFINITY;
      tile.sum[i] = tile.mean[i] = 0;
    }
  return tile;
}

/* how many of the keys [from, from + n) query i of the tile sees */
static gint64
tile_visible (const Tile *tile,
              gint64      i,
              gint64      from,
              gint64      n)
{
  return tile->job->shape.is_causal ? CLAMP (tile->first + i + 1 - from, 0, n) : n;
}

/* a b' of the tile's rows of a and the keys' rows of b */
static void
tile_multiply (const Tile  *tile,
               const float *a,
               const float *b,
               gint64       from,
               gint64       n,
               float       *to)
{
  cpu_sgemm (FALSE, TRUE, tile->n, n, tile->job->shape.d, a + tile->query, tile->token,
             b + tile->key + from * tile->token, tile->token, 0, to, padded (tile->job->n_keys));
}

static void
tile_score (const Tile *tile,
            gint64      from,
            gint64      n)
{
  const AttentionJob *job = tile->job;
  gint64 stride = padded (job->n_keys);

  tile_multiply (tile, job->q, job->k, from, n, tile->scores);
  for (gint64 i = 0; i < tile->n && job->shape.is_causal; i++)
    {
      for (gint64 j = tile_visible (tile, i, from, n); j < n; j++)
        tile->scores[i * stride + j] = -INFINITY;
    }
}

/* Exponentials of one tile of scores relative to the running largest; returns what older sums shrink by */
static float
tile_advance_row (Tile  *tile,
                  gint64 i,
                  gint64 n)
{
  float *row = tile->scores + i * padded (tile->job->n_keys);
  float scale = tile->job->shape.scale;
  float largest = MAX (tile->largest[i], scale * cpu_row_largest (row, n));

  if (largest == -INFINITY)
    {
      memset (row, 0, n * sizeof (float));
      return 1;
    }

  float shrink = cpu_exp (tile->largest[i] - largest);

  tile->sum[i] = tile->sum[i] * shrink + cpu_row_exp (row, n, scale, largest);
  tile->largest[i] = largest;
  return shrink;
}

/* ---- gradient: one head at a time, its tiles of queries in order ---- */

/* largest, sum and mean = rowsum (P dP) over all keys; scores and slopes hold the last tile's exponentials and dP */
static void
gradient_measure (Tile *tile)
{
  const AttentionJob *job = tile->job;
  gint64 stride = padded (job->n_keys), tk = job->shape.tk;

  for (gint64 from = 0; from < tk; from += job->n_keys)
    {
      gint64 n = MIN (job->n_keys, tk - from);

      tile_score (tile, from, n);
      tile_multiply (tile, job->dy, job->v, from, n, tile->slopes);
      for (gint64 i = 0; i < tile->n; i++)
        {
          float shrink = tile_advance_row (tile, i, n);

          tile->mean[i] = tile->mean[i] * shrink
                          + cpu_row_dot (tile->scores + i * stride, tile->slopes + i * stride, n);
        }
    }
  for (gint64 i = 0; i < tile->n; i++)
    tile->mean[i] /= tile->sum[i];
}

/* P and dS of one tile of keys; when there is just one, its exponentials and dP are still there */
static void
gradient_slopes (Tile  *tile,
                 gint64 from,
                 gint64 n)
{
  const AttentionJob *job = tile->job;
  gint64 stride = padded (job->n_keys);
  gboolean again = job->shape.tk > job->n_keys;

  if (again)
    {
      tile_score (tile, from, n);
      tile_multiply (tile, job->dy, job->v, from, n, tile->slopes);
    }
  for (gint64 i = 0; i < tile->n; i++)
    {
      float *p = tile->scores + i * stride;

      if (again)
        cpu_row_exp (p, n, job->shape.scale, tile->largest[i]);
      cpu_row_scale (p, n, 1 / tile->sum[i]);
      row_slope (tile->slopes + i * stride, p, n, tile->mean[i], job->shape.scale);
    }
}

static void
gradient_tile (Tile *tile)
{
  const AttentionJob *job = tile->job;
  gint64 d = job->shape.d, stride = padded (job->n_keys), tk = job->shape.tk, token = tile->token;
  float later = tile->first > 0;

  gradient_measure (tile);
  for (gint64 from = 0; from < tk; from += job->n_keys)
    {
      gint64 n = MIN (job->n_keys, tk - from), key = tile->key + from * token;

      gradient_slopes (tile, from, n);
      if (job->dq != NULL)
        cpu_sgemm (FALSE, FALSE, tile->n, d, n, tile->slopes, stride, job->k + key, token, from > 0,
                   job->dq + tile->query, token);
      if (job->dk != NULL)
        cpu_sgemm (TRUE, FALSE, n, d, tile->n, tile->slopes, stride, job->q + tile->query, token, later,
                   job->dk + key, token);
      if (job->dv != NULL)
        cpu_sgemm (TRUE, FALSE, n, d, tile->n, tile->scores, stride, job->dy + tile->query, token, later,
                   job->dv + key, token);
    }
}

static void
gradient_task (gpointer data,
               gint64   from,
               gint64   to,
               guint    thread)
{
  const AttentionJob *job = data;

  for (gint64 i = from * job->n_blocks; i < to * job->n_blocks; i++)
    {
      Tile tile = tile_make (job, i, thread);

      gradient_tile (&tile);
    }
}

/* ---- the outside ---- */

static AttentionJob
attention_job (const CpuAttention *self,
               float              *scratch)
{
  AttentionJob job = { .shape = *self, .scratch = scratch, .scratch_stride = tile_floats (self) };

  job.n_queries = MIN (QUERIES, self->tq);
  job.n_keys = MIN (KEYS, self->tk);
  job.n_blocks = (self->tq + job.n_queries - 1) / job.n_queries;
  return job;
}

gsize
cpu_attention_gradient_get_scratch_size (const CpuAttention *self,
                                         guint               n_threads)
{
  return n_threads * tile_floats (self) * sizeof (float);
}

void
cpu_attention_gradient_run (CpuPool            *pool,
                            const CpuAttention *self,
                            const float        *q,
                            const float        *k,
                            const float        *v,
                            const float        *dy,
                            float              *dq,
                            float              *dk,
                            float              *dv,
                            float              *scratch)
{
  AttentionJob job = attention_job (self, scratch);
  gint64 n = self->b * self->heads;

  job.q = q;
  job.k = k;
  job.v = v;
  job.dy = dy;
  job.dq = dq;
  job.dk = dk;
  job.dv = dv;
  cpu_pool_run (pool, n, cpu_pool_get_grain (pool, n, 1), gradient_task, &job);
}
