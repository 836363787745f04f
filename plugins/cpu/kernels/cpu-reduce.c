/* cpu-reduce.c - sums over axes, and softmax over the last
 *
 * Long sums are cut into blocks whose size depends on the shape alone, and the blocks' sums are
 * added in order: the result does not depend on the threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-reduce.h"
#include "cpu-rows.h"

#include <string.h>

#define BLOCK_FLOATS 16384
#define RUN_FLOATS 1024 /* summed in single precision; beyond in double */

typedef struct
{
  const CpuSum *sum;
  const float *x;
  float *y, *partial;
} SumJob;

typedef struct
{
  gint64 n;
  const float *x;
  float *y;
} SoftmaxJob;

static void
cpu_add_dim (gint64 *extents, gint64 *strides, guint *n, gint64 extent, gint64 stride)
{
  extents[*n] = extent;
  strides[(*n)++] = stride;
}

/* a sum of everything has but one run: it is cut so that there are blocks to share */
static void
cpu_cut_single_run (CpuSum *self)
{
  gint64 cut = 1;

  while (self->run % 2 == 0 && self->run > RUN_FLOATS)
    {
      self->run /= 2;
      cut *= 2;
    }
  if (cut > 1)
    cpu_add_dim (self->reduced, self->reduced_strides, &self->n_reduced, cut, self->run);
}

void
cpu_sum_prepare (CpuSum *self, const gint64 *dims, guint n_dims, guint32 axes_mask)
{
  gint64 stride = 1;
  gboolean has_run = FALSE, last_reduced = FALSE;

  memset (self, 0, sizeof *self);
  self->run = 1;
  for (guint d = n_dims; d-- > 0; stride *= dims[d])
    {
      gboolean reduced = axes_mask >> d & 1;

      if (dims[d] == 1)
        continue;
      if (!has_run || (reduced == self->sums_runs && stride == self->run))
        {
          self->sums_runs = reduced;
          self->run *= dims[d];
          has_run = TRUE;
        }
      else if (reduced && last_reduced && self->n_reduced > 0)
        self->reduced[self->n_reduced - 1] *= dims[d];
      else if (!reduced && !last_reduced && self->n_kept > 0)
        self->kept[self->n_kept - 1] *= dims[d];
      else if (reduced)
        cpu_add_dim (self->reduced, self->reduced_strides, &self->n_reduced, dims[d], stride);
      else
        cpu_add_dim (self->kept, self->kept_strides, &self->n_kept, dims[d], stride);
      last_reduced = reduced;
    }
  if (self->sums_runs && self->n_kept == 0 && self->n_reduced == 0)
    cpu_cut_single_run (self);

  self->n_units = self->n_runs = 1;
  for (guint i = 0; i < self->n_kept; i++)
    self->n_units *= self->kept[i];
  for (guint i = 0; i < self->n_reduced; i++)
    self->n_runs *= self->reduced[i];
  self->block_runs = CLAMP (BLOCK_FLOATS / self->run, 1, 256);
  self->n_blocks = (self->n_runs + self->block_runs - 1) / self->block_runs;
}

static gint64
cpu_unit_width (const CpuSum *self)
{
  return self->sums_runs ? 1 : self->run;
}

gsize
cpu_sum_get_scratch_size (const CpuSum *self)
{
  return self->n_blocks == 1
           ? 0
           : self->n_units * self->n_blocks * cpu_unit_width (self) * sizeof (float);
}

/* extents are listed from the innermost on */
static gint64
cpu_locate (gint64 index, guint n, const gint64 *extents, const gint64 *strides)
{
  gint64 offset = 0;

  for (guint i = 0; i < n; i++)
    {
      offset += index % extents[i] * strides[i];
      index /= extents[i];
    }

  return offset;
}

static double
cpu_reduce_sum_run (const float *x, gint64 n)
{
  double sum = 0;

  for (gint64 i = 0; i < n; i += RUN_FLOATS)
    sum += cpu_row_sum (x + i, MIN (RUN_FLOATS, n - i));
  return sum;
}

static void
cpu_sum_block (const SumJob *job, gint64 unit, gint64 block, float *to)
{
  const CpuSum *s = job->sum;
  const float *x = job->x + cpu_locate (unit, s->n_kept, s->kept, s->kept_strides);
  gint64 first = block * s->block_runs, last = MIN (first + s->block_runs, s->n_runs);
  double sum = 0;

  if (!s->sums_runs)
    memset (to, 0, s->run * sizeof *to);
  for (gint64 i = first; i < last; i++)
    {
      const float *run = x + cpu_locate (i, s->n_reduced, s->reduced, s->reduced_strides);

      if (s->sums_runs)
        sum += cpu_reduce_sum_run (run, s->run);
      else
        cpu_row_add (to, run, s->run);
    }
  if (s->sums_runs)
    *to = sum;
}

static void
cpu_block_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const SumJob *job = data;
  gint64 n_blocks = job->sum->n_blocks;
  float *into = n_blocks == 1 ? job->y : job->partial;

  for (gint64 i = from; i < to; i++)
    cpu_sum_block (job, i / n_blocks, i % n_blocks, into + i * cpu_unit_width (job->sum));
}

/* adds up the blocks of output elements [from, to) */
static void
cpu_join_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const SumJob *job = data;
  gint64 width = cpu_unit_width (job->sum), n_blocks = job->sum->n_blocks;

  for (gint64 i = from; i < to; i++)
    {
      const float *partial = job->partial + i / width * n_blocks * width + i % width;
      double sum = 0;

      for (gint64 b = 0; b < n_blocks; b++)
        sum += partial[b * width];
      job->y[i] = sum;
    }
}

void
cpu_sum_run (CpuPool *pool, const CpuSum *self, const float *x, float *y, float *scratch)
{
  SumJob job = { self, x, y, scratch };
  gint64 n = self->n_units * self->n_blocks, width = cpu_unit_width (self);
  gint64 least = MAX (1, BLOCK_FLOATS / (self->run * MIN (self->block_runs, self->n_runs)));

  cpu_pool_run (pool, n, cpu_pool_get_grain (pool, n, least), cpu_block_task, &job);
  if (self->n_blocks > 1)
    cpu_pool_run (pool, self->n_units * width,
                  cpu_pool_get_grain (pool, self->n_units * width, 512), cpu_join_task, &job);
}

static void
cpu_softmax_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const SoftmaxJob *job = data;

  for (gint64 i = from; i < to; i++)
    {
      float *y = job->y + i * job->n;

      memmove (y, job->x + i * job->n, job->n * sizeof *y);
      cpu_row_scale (y, job->n, 1 / cpu_row_exp (y, job->n, 1, cpu_row_largest (y, job->n)));
    }
}

void
cpu_softmax_run (CpuPool *pool, gint64 rows, gint64 n, const float *x, float *y)
{
  SoftmaxJob job = { n, x, y };

  cpu_pool_run (pool, rows, cpu_pool_get_grain (pool, rows, MAX (1, BLOCK_FLOATS / n)),
                cpu_softmax_task, &job);
}
