/* cpu-attention.c - softmax attention with its queries in the lanes of vectors
 *
 * Queries are turned into panels [d, width] once. A tile of keys times a panel gives scores [keys,
 * width]: their largest, their exponentials and the sums run down the columns, a query a lane, and
 * what they make is the very panel by which the values, turned, are multiplied. So nothing is
 * copied between the two products, and a head's width counts rows of a product, which need not fill
 * vectors. The largest score and the sum of exponentials run along with the keys (Milakov and
 * Gimelshein, arXiv 1805.02867).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-attention.h"
#include "cpu-product.h"
#include "cpu-simd.h"

#define KEYS 240                 /* of a tile: whole blocks of rows */
#define QUERIES 384              /* that a thread takes at a time, at most */
#define BLOCK_FLOATS (32 * 1024) /* of their panels and outputs */
#define MAX_WIDTH 48
#define LOG2_E 1.44269504f

typedef struct
{
  CpuAttention shape;
  gint64 n_blocks;  /* of queries in a head */
  gint64 n_queries; /* of a full block */
  const float *q, *k, *v;
  float *y, *scratch;
  gsize scratch_stride;
} ForwardJob;

/* some queries of one head, a lane each, with all that is known of them so far */
typedef struct
{
  gint64 first, n, width;  /* queries, and lanes */
  float *queries, *output; /* [d, width] */
  float largest[MAX_WIDTH], sum[MAX_WIDTH];
} Panel;

/* ---- down the columns of a tile of scores ---- */

#define MAX_VECTORS (MAX_WIDTH / CPU_LANES)

/* n_vectors is a number wherever this is called, so that largest and sum stay in registers */
CPU_INLINE void
advance_columns (float *scores,
                 gint64 n,
                 const guint n_vectors,
                 float *largest,
                 float *sum,
                 float *shrink)
{
  CpuVec most[MAX_VECTORS], total[MAX_VECTORS];

  for (guint v = 0; v < n_vectors; v++)
    {
      most[v] = cpu_load (largest + v * CPU_LANES);
      total[v] = cpu_splat (0);
    }
  for (gint64 i = 0; i < n; i++)
    for (guint v = 0; v < n_vectors; v++)
      most[v] = cpu_max (cpu_load (scores + (i * n_vectors + v) * CPU_LANES), most[v]);
  for (gint64 i = 0; i < n; i++)
    for (guint v = 0; v < n_vectors; v++)
      {
        float *at = scores + (i * n_vectors + v) * CPU_LANES;
        CpuVec p = cpu_exp2_down (cpu_load (at) - most[v]);

        cpu_store (at, p);
        total[v] += p;
      }
  for (guint v = 0; v < n_vectors; v++)
    {
      CpuVec less = cpu_exp2_down (cpu_load (largest + v * CPU_LANES) - most[v]);

      cpu_store (shrink + v * CPU_LANES, less);
      cpu_store (sum + v * CPU_LANES, cpu_load (sum + v * CPU_LANES) * less + total[v]);
      cpu_store (largest + v * CPU_LANES, most[v]);
    }
}

/* Scores [n, width] become exponentials relative to each column's largest so far; shrink is what
 * older sums are worth now */
CPU_SIMD static void
panel_advance (Panel *panel, float *scores, gint64 n, float *shrink)
{
  switch (panel->width / CPU_LANES)
    {
    case 1: advance_columns (scores, n, 1, panel->largest, panel->sum, shrink); break;
    case 2: advance_columns (scores, n, 2, panel->largest, panel->sum, shrink); break;
    case 3: advance_columns (scores, n, 3, panel->largest, panel->sum, shrink); break;
    case 4: advance_columns (scores, n, 4, panel->largest, panel->sum, shrink); break;
    default: advance_columns (scores, n, 6, panel->largest, panel->sum, shrink); break;
    }
}

/* each row of [rows, width] times factor */
CPU_SIMD static void
scale_rows (float *x, gint64 rows, gint64 width, const float *factor)
{
  for (gint64 i = 0; i < rows; i++)
    for (gint64 j = 0; j < width; j++)
      x[i * width + j] *= factor[j];
}

/* ---- panels ---- */

static gint64
cpu_token_of (const CpuAttention *self)
{
  return self->heads * self->d;
}

static void
panel_begin (Panel *panel, const ForwardJob *job, const float *q)
{
  const CpuAttention *s = &job->shape;
  float factor[MAX_WIDTH];

  if (panel->n < panel->width)
    memset (panel->queries, 0, s->d * panel->width * sizeof (float));
  cpu_transpose (q, panel->n, s->d, cpu_token_of (s), panel->queries, panel->width);
  for (gint64 i = 0; i < panel->width; i++)
    {
      factor[i] = s->scale * LOG2_E;
      panel->largest[i] = -INFINITY;
      panel->sum[i] = 0;
    }
  scale_rows (panel->queries, s->d, panel->width, factor);
}

static void
panel_add_keys (Panel *panel,
                const ForwardJob *job,
                gint64 key,
                gint64 from,
                gint64 n,
                float *scores)
{
  const CpuAttention *s = &job->shape;
  gint64 token = cpu_token_of (s), at = key + from * token;
  CpuLevel level = cpu_get_level ();
  float shrink[MAX_WIDTH];

  cpu_panel_multiply (level, n, panel->width, s->d, job->k + at, token, 1, panel->queries, FALSE,
                      scores, panel->width);
  for (gint64 i = 0; i < n && s->is_causal; i++)
    for (gint64 j = 0; j < CLAMP (from + i - panel->first, 0, panel->width); j++)
      scores[i * panel->width + j] = -INFINITY;
  panel_advance (panel, scores, n, shrink);
  if (from > 0)
    scale_rows (panel->output, s->d, panel->width, shrink);
  cpu_panel_multiply (level, s->d, panel->width, n, job->v + at, 1, token, scores, from > 0,
                      panel->output, panel->width);
}

static void
panel_end (Panel *panel, const ForwardJob *job, float *y)
{
  const CpuAttention *s = &job->shape;
  float factor[MAX_WIDTH];

  for (gint64 i = 0; i < panel->width; i++)
    factor[i] = 1 / panel->sum[i];
  scale_rows (panel->output, s->d, panel->width, factor);
  for (gint64 c = 0; c < s->d; c += CPU_LANES)
    cpu_transpose (panel->output + c * panel->width, MIN (CPU_LANES, s->d - c), panel->n,
                   panel->width, y + c, cpu_token_of (s));
}

static gint64
panel_width (gint64 n)
{
  return cpu_panel_get_width (cpu_get_level (), MAX (n, CPU_LANES));
}

static void
cpu_forward_block (const ForwardJob *job, gint64 index, guint thread)
{
  const CpuAttention *s = &job->shape;
  gint64 token = cpu_token_of (s), first = index % job->n_blocks * job->n_queries,
         head = index / job->n_blocks % s->heads;
  gint64 batch = index / job->n_blocks / s->heads, key = batch * s->tk * token + head * s->d;
  gint64 last = MIN (first + job->n_queries, s->tq),
         n_keys = s->is_causal ? MIN (last, s->tk) : s->tk, n_panels = 0;
  float *scores = job->scratch + thread * job->scratch_stride, *free = scores + KEYS * MAX_WIDTH;
  Panel panels[QUERIES / CPU_LANES];

  for (gint64 i = first; i < last; i += panels[n_panels++].n)
    {
      Panel *panel = &panels[n_panels];

      panel->first = i;
      panel->width = panel_width (last - i);
      panel->n = MIN (panel->width, last - i);
      panel->queries = free;
      panel->output = free + s->d * panel->width;
      free += 2 * s->d * panel->width;
      panel_begin (panel, job, job->q + (batch * s->tq + i) * token + head * s->d);
    }
  for (gint64 from = 0; from < n_keys; from += KEYS)
    for (gint64 i = 0; i < n_panels; i++)
      panel_add_keys (&panels[i], job, key, from, MIN (KEYS, n_keys - from), scores);
  for (gint64 i = 0; i < n_panels; i++)
    panel_end (&panels[i], job, job->y + (batch * s->tq + panels[i].first) * token + head * s->d);
}

static void
cpu_forward_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  for (gint64 i = from; i < to; i++)
    cpu_forward_block (data, i, thread);
}

/* ---- the outside ---- */

/* whole panels of queries, as many as should stay in a core's own cache */
static gint64
cpu_block_queries (const CpuAttention *self)
{
  gint64 width = panel_width (QUERIES),
         n = CLAMP (BLOCK_FLOATS / (2 * self->d), width, QUERIES) / width * width;

  return MIN (n, (self->tq + width - 1) / width * width);
}

static gsize
cpu_block_floats (const CpuAttention *self)
{
  return KEYS * MAX_WIDTH + 2 * self->d * cpu_block_queries (self);
}

gsize
cpu_attention_get_scratch_size (const CpuAttention *self, guint n_threads)
{
  return n_threads * cpu_block_floats (self) * sizeof (float);
}

void
cpu_attention_run (CpuPool *pool,
                   const CpuAttention *self,
                   const float *q,
                   const float *k,
                   const float *v,
                   float *y,
                   float *scratch)
{
  ForwardJob job = { .shape = *self,
                     .n_queries = cpu_block_queries (self),
                     .q = q,
                     .k = k,
                     .v = v,
                     .y = y,
                     .scratch = scratch,
                     .scratch_stride = cpu_block_floats (self) };

  job.n_blocks = (self->tq + job.n_queries - 1) / job.n_queries;

  gint64 n = self->b * self->heads * job.n_blocks;

  cpu_pool_run (pool, n, cpu_pool_get_grain (pool, n, 1), cpu_forward_task, &job);
}
