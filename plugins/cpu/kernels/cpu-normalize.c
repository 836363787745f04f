/* cpu-normalize.c - group and layer normalisation, and their gradient
 *
 * A picture is worked in blocks of rows that fit the nearest cache: each block gives its groups'
 * means and spreads, which are joined in order (Chan, Golub and LeVeque 1983), so that the sums do
 * not depend on the threads. With many pictures a thread does whole ones, which then stay in its
 * cache; with few the blocks are shared.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-normalize.h"
#include "cpu-rows.h"
#include "cpu-simd.h"

#define BLOCK_FLOATS 8192
#define ROWS_FLOATS 4096 /* layer norm: rows to do between two epilogues */

/* mean and r = 1 / sqrt (variance + eps) of a group; of the gradient also mean (dy) and mean (dy
 * y) */
typedef struct
{
  float mean, r, slope, slope_y;
} Moments;

typedef struct
{
  CpuNormalize shape;
  gint64 c; /* groups width */
  gint64 block_rows, n_blocks;
  const float *x, *dy; /* dy is NULL when forward */
  float *y;
  Moments *moments;            /* [outer, groups] */
  float *partial;              /* [outer, n_blocks, groups, 2] */
  float *channels;             /* per thread: [4, c] */
  const CpuEpilogue *prologue; /* NULL, or computes dy */
  const CpuEpilogue *epilogue;
} NormalizeJob;

/* ---- loops over a block's rows, one number per channel ---- */

CPU_SIMD static void
add_columns (const float *x, gint64 rows, gint64 c, float *restrict sum)
{
  memset (sum, 0, c * sizeof *sum);
  for (gint64 i = 0; i < rows; i++, x += c)
    for (gint64 j = 0; j < c; j++)
      sum[j] += x[j];
}

CPU_SIMD static void
add_spreads (const float *x, gint64 rows, gint64 c, const float *mean, float *restrict sum)
{
  memset (sum, 0, c * sizeof *sum);
  for (gint64 i = 0; i < rows; i++, x += c)
    for (gint64 j = 0; j < c; j++)
      sum[j] += (x[j] - mean[j]) * (x[j] - mean[j]);
}

/* sums of dy and of dy (x - mean) */
CPU_SIMD static void
add_slopes (const float *x,
            const float *dy,
            gint64 rows,
            gint64 c,
            const float *mean,
            float *restrict sum,
            float *restrict product)
{
  memset (sum, 0, c * sizeof *sum);
  memset (product, 0, c * sizeof *product);
  for (gint64 i = 0; i < rows; i++, x += c, dy += c)
    for (gint64 j = 0; j < c; j++)
      {
        sum[j] += dy[j];
        product[j] += dy[j] * (x[j] - mean[j]);
      }
}

CPU_SIMD static void
write_normal (const float *x,
              gint64 rows,
              gint64 c,
              const float *scale,
              const float *shift,
              float *y)
{
  for (gint64 i = 0; i < rows; i++, x += c, y += c)
    {
      _Pragma ("GCC ivdep") for (gint64 j = 0; j < c; j++) y[j] = x[j] * scale[j] + shift[j];
    }
}

/* dx = r dy + scale x + shift */
CPU_SIMD static void
write_slope (const float *x,
             const float *dy,
             gint64 rows,
             gint64 c,
             const float *r,
             const float *scale,
             const float *shift,
             float *dx)
{
  for (gint64 i = 0; i < rows; i++, x += c, dy += c, dx += c)
    {
      _Pragma ("GCC ivdep") for (gint64 j = 0; j < c; j++)
        dx[j] = dy[j] * r[j] + x[j] * scale[j] + shift[j];
    }
}

/* ---- blocks ---- */

static gint64
cpu_block_offset (const NormalizeJob *job, gint64 outer, gint64 block, gint64 *rows)
{
  gint64 first = block * job->block_rows;

  *rows = MIN (job->block_rows, job->shape.rows - first);
  return (outer * job->shape.rows + first) * job->c;
}

static float *
cpu_block_partial (const NormalizeJob *job, gint64 outer, gint64 block)
{
  return job->partial + (outer * job->n_blocks + block) * job->shape.groups * 2;
}

static void
cpu_spread_to_channels (const NormalizeJob *job, gint64 group, float value, float *channels)
{
  for (gint64 i = group * job->shape.width; i < (group + 1) * job->shape.width; i++)
    channels[i] = value;
}

static void
cpu_measure_block (const NormalizeJob *job, gint64 outer, gint64 block, guint thread)
{
  gint64 rows, at = cpu_block_offset (job, outer, block, &rows), width = job->shape.width;
  float *sum = job->channels + thread * 4 * job->c, *mean = sum + job->c;
  float *partial = cpu_block_partial (job, outer, block);

  add_columns (job->x + at, rows, job->c, sum);
  for (gint64 g = 0; g < job->shape.groups; g++)
    {
      partial[2 * g] = cpu_row_sum (sum + g * width, width) / (rows * width);
      cpu_spread_to_channels (job, g, partial[2 * g], mean);
    }
  add_spreads (job->x + at, rows, job->c, mean, sum);
  for (gint64 g = 0; g < job->shape.groups; g++)
    partial[2 * g + 1] = cpu_row_sum (sum + g * width, width);
}

/* joins the blocks' means and spreads in order */
static void
cpu_join_measures (const NormalizeJob *job, gint64 outer)
{
  for (gint64 g = 0; g < job->shape.groups; g++)
    {
      double count = 0, mean = 0, spread = 0;

      for (gint64 b = 0; b < job->n_blocks; b++)
        {
          const float *partial = cpu_block_partial (job, outer, b) + 2 * g;
          double n = MIN (job->block_rows, job->shape.rows - b * job->block_rows)
                     * job->shape.width;
          double delta = partial[0] - mean;

          spread += partial[1] + delta * delta * count * n / (count + n);
          count += n;
          mean += delta * n / count;
        }
      job->moments[outer * job->shape.groups + g] =
        (Moments) { .mean = mean, .r = 1 / sqrt (spread / count + job->shape.eps) };
    }
}

static void
cpu_slope_block (const NormalizeJob *job, gint64 outer, gint64 block, guint thread)
{
  gint64 rows, at = cpu_block_offset (job, outer, block, &rows), width = job->shape.width;
  float *sum = job->channels + thread * 4 * job->c, *product = sum + job->c,
        *mean = product + job->c;
  float *partial = cpu_block_partial (job, outer, block);

  if (job->prologue != NULL)
    cpu_epilogue_run (job->prologue, at, at + rows * job->c, thread);
  for (gint64 g = 0; g < job->shape.groups; g++)
    cpu_spread_to_channels (job, g, job->moments[outer * job->shape.groups + g].mean, mean);
  add_slopes (job->x + at, job->dy + at, rows, job->c, mean, sum, product);
  for (gint64 g = 0; g < job->shape.groups; g++)
    {
      partial[2 * g] = cpu_row_sum (sum + g * width, width);
      partial[2 * g + 1] = cpu_row_sum (product + g * width, width);
    }
}

static void
cpu_join_slopes (const NormalizeJob *job, gint64 outer)
{
  double count = job->shape.rows * job->shape.width;

  for (gint64 g = 0; g < job->shape.groups; g++)
    {
      Moments *moments = &job->moments[outer * job->shape.groups + g];
      double slope = 0, product = 0;

      for (gint64 b = 0; b < job->n_blocks; b++)
        {
          slope += cpu_block_partial (job, outer, b)[2 * g];
          product += cpu_block_partial (job, outer, b)[2 * g + 1];
        }
      moments->slope = slope / count;
      moments->slope_y = product * moments->r / count;
    }
}

static void
cpu_write_block (const NormalizeJob *job, gint64 outer, gint64 block, guint thread)
{
  gint64 rows, at = cpu_block_offset (job, outer, block, &rows);
  float *r = job->channels + thread * 4 * job->c, *scale = r + job->c, *shift = scale + job->c;

  for (gint64 g = 0; g < job->shape.groups; g++)
    {
      const Moments *m = &job->moments[outer * job->shape.groups + g];
      float factor = job->dy != NULL ? -m->r * m->r * m->slope_y : m->r;

      cpu_spread_to_channels (job, g, m->r, r);
      cpu_spread_to_channels (job, g, factor, scale);
      cpu_spread_to_channels (job, g, -m->mean * factor - (job->dy != NULL ? m->r * m->slope : 0),
                              shift);
    }
  if (job->dy != NULL)
    write_slope (job->x + at, job->dy + at, rows, job->c, r, scale, shift, job->y + at);
  else
    write_normal (job->x + at, rows, job->c, scale, shift, job->y + at);
  cpu_epilogue_run (job->epilogue, at, at + rows * job->c, thread);
}

/* ---- whole pictures, or blocks in phases ---- */

static void
cpu_picture_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const NormalizeJob *job = data;

  for (gint64 outer = from; outer < to; outer++)
    {
      for (gint64 b = 0; b < job->n_blocks; b++)
        cpu_measure_block (job, outer, b, thread);
      cpu_join_measures (job, outer);
      for (gint64 b = 0; b < job->n_blocks && job->dy != NULL; b++)
        cpu_slope_block (job, outer, b, thread);
      if (job->dy != NULL)
        cpu_join_slopes (job, outer);
      for (gint64 b = 0; b < job->n_blocks; b++)
        cpu_write_block (job, outer, b, thread);
    }
}

static void
cpu_measure_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const NormalizeJob *job = data;

  for (gint64 i = from; i < to; i++)
    cpu_measure_block (job, i / job->n_blocks, i % job->n_blocks, thread);
}

static void
cpu_slope_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const NormalizeJob *job = data;

  for (gint64 i = from; i < to; i++)
    cpu_slope_block (job, i / job->n_blocks, i % job->n_blocks, thread);
}

static void
cpu_write_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const NormalizeJob *job = data;

  for (gint64 i = from; i < to; i++)
    cpu_write_block (job, i / job->n_blocks, i % job->n_blocks, thread);
}

static void
cpu_run_phases (CpuPool *pool, NormalizeJob *job)
{
  gint64 n = job->shape.outer * job->n_blocks;

  cpu_pool_run (pool, n, 1, cpu_measure_task, job);
  for (gint64 outer = 0; outer < job->shape.outer; outer++)
    cpu_join_measures (job, outer);
  if (job->dy != NULL)
    {
      cpu_pool_run (pool, n, 1, cpu_slope_task, job);
      for (gint64 outer = 0; outer < job->shape.outer; outer++)
        cpu_join_slopes (job, outer);
    }
  cpu_pool_run (pool, n, 1, cpu_write_task, job);
}

/* ---- layer norm: every row by itself ---- */

CPU_SIMD static void
layer_row (const float *x, gint64 c, float eps, float *y)
{
  float mean = cpu_row_sum (x, c) / c;
  float r = 1 / sqrtf (cpu_row_spread (x, c, mean) / c + eps);

  _Pragma ("GCC ivdep") for (gint64 i = 0; i < c; i++) y[i] = (x[i] - mean) * r;
}

CPU_SIMD static void
layer_slope_row (const float *x, const float *dy, gint64 c, float eps, float *dx)
{
  float mean = cpu_row_sum (x, c) / c;
  float r = 1 / sqrtf (cpu_row_spread (x, c, mean) / c + eps);
  float slope = cpu_row_sum (dy, c) / c;
  float slope_y = (cpu_row_dot (dy, x, c) / c - mean * slope) * r;

  _Pragma ("GCC ivdep") for (gint64 i = 0; i < c; i++)
    dx[i] = r * (dy[i] - slope - (x[i] - mean) * r * slope_y);
}

static void
cpu_layer_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const NormalizeJob *job = data;
  gint64 c = job->c, step = MAX (1, ROWS_FLOATS / c);

  for (gint64 first = from; first < to; first += step)
    {
      gint64 last = MIN (first + step, to);

      if (job->prologue != NULL)
        cpu_epilogue_run (job->prologue, first * c, last * c, thread);
      for (gint64 i = first; i < last; i++)
        if (job->dy != NULL)
          layer_slope_row (job->x + i * c, job->dy + i * c, c, job->shape.eps, job->y + i * c);
        else
          layer_row (job->x + i * c, c, job->shape.eps, job->y + i * c);
      cpu_epilogue_run (job->epilogue, first * c, last * c, thread);
    }
}

/* ---- the outside ---- */

static gboolean
cpu_is_layer (const CpuNormalize *self)
{
  return self->rows == 1 && self->groups == 1;
}

static NormalizeJob
cpu_normalize_job (const CpuNormalize *self, guint n_threads, float *scratch)
{
  NormalizeJob job = { .shape = *self, .c = self->groups * self->width };

  job.block_rows = CLAMP (BLOCK_FLOATS / job.c, 1, self->rows);
  job.n_blocks = (self->rows + job.block_rows - 1) / job.block_rows;
  job.channels = scratch;
  job.partial = scratch + n_threads * 4 * job.c;
  job.moments = (Moments *) (job.partial + self->outer * job.n_blocks * self->groups * 2);

  return job;
}

gsize
cpu_normalize_get_scratch_size (const CpuNormalize *self, guint n_threads)
{
  NormalizeJob job = cpu_normalize_job (self, n_threads, NULL);
  gint64 n_groups = self->outer * self->groups;

  if (cpu_is_layer (self))
    return 0;

  return (n_threads * 4 * job.c + n_groups * job.n_blocks * 2) * sizeof (float)
         + n_groups * sizeof (Moments);
}

static void
cpu_run_job (CpuPool *pool, NormalizeJob *job)
{
  gint64 outer = job->shape.outer;

  if (cpu_is_layer (&job->shape))
    cpu_pool_run (pool, outer, cpu_pool_get_grain (pool, outer, MAX (1, ROWS_FLOATS / job->c)),
                  cpu_layer_task, job);
  else if (outer >= cpu_pool_get_n_threads (pool))
    cpu_pool_run (pool, outer, cpu_pool_get_grain (pool, outer, 1), cpu_picture_task, job);
  else
    cpu_run_phases (pool, job);
}

void
cpu_normalize_run (CpuPool *pool,
                   const CpuNormalize *self,
                   const float *x,
                   float *y,
                   float *scratch,
                   const CpuEpilogue *epilogue)
{
  NormalizeJob job = cpu_normalize_job (self, cpu_pool_get_n_threads (pool), scratch);

  job.x = x;
  job.y = y;
  job.epilogue = epilogue;
  cpu_run_job (pool, &job);
}

void
cpu_normalize_gradient_run (CpuPool *pool,
                            const CpuNormalize *self,
                            const float *x,
                            const float *dy,
                            float *dx,
                            float *scratch,
                            const CpuEpilogue *prologue,
                            const CpuEpilogue *epilogue)
{
  NormalizeJob job = cpu_normalize_job (self, cpu_pool_get_n_threads (pool), scratch);

  job.x = x;
  job.dy = dy != NULL ? dy : dx;
  job.prologue = dy != NULL ? NULL : prologue;
  job.y = dx;
  job.epilogue = epilogue;
  cpu_run_job (pool, &job);
}
