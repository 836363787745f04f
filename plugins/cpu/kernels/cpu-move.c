/* cpu-move.c - operations that move elements: permute, concat, slice, pad, resampling, gathers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-move.h"
#include "cpu-rows.h"

#include <string.h>

#define LEAST_FLOATS 16384 /* what is worth a thread's while */

typedef struct
{
  gconstpointer plan;
  gconstpointer x;
  gpointer y;
  const gint32 *ids;
  gint64 n_ids, n_rows, c;
} MoveJob;

static void
cpu_run_rows (CpuPool *pool, gint64 rows, gint64 floats, CpuTask task, MoveJob *job)
{
  cpu_pool_run (pool, rows,
                cpu_pool_get_grain (pool, rows, MAX (1, LEAST_FLOATS / MAX (floats, 1))), task,
                job);
}

/* ---- permute ---- */

static void
cpu_permute_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const MoveJob *job = data;
  const CpuPermute *p = job->plan;
  guint last = p->n_dims - 1;
  gint64 n = p->extents[last], stride = p->strides[last];

  for (gint64 row = from; row < to; row++)
    {
      const float *x = job->x;
      float *y = (float *) job->y + row * n;
      gint64 rest = row;

      for (guint d = last; d-- > 0;)
        {
          x += rest % p->extents[d] * p->strides[d];
          rest /= p->extents[d];
        }
      if (stride == 1)
        memcpy (y, x, n * sizeof *y);
      else
        for (gint64 i = 0; i < n; i++)
          y[i] = x[i * stride];
    }
}

void
cpu_permute_run (CpuPool *pool, const CpuPermute *self, const float *x, float *y)
{
  MoveJob job = { .plan = self, .x = x, .y = y };
  gint64 rows = 1;

  for (guint d = 0; d + 1 < self->n_dims; d++)
    rows *= self->extents[d];
  cpu_run_rows (pool, rows, self->extents[self->n_dims - 1], cpu_permute_task, &job);
}

/* ---- runs of rows: concat, slice, pad ---- */

static void
cpu_copy_rows_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const MoveJob *job = data;
  const CpuCopyRows *c = job->plan;

  for (gint64 i = from; i < to; i++)
    {
      guint8 *y = (guint8 *) job->y + i * c->to_stride;
      gsize end = c->to_offset + c->run;

      memcpy (y + c->to_offset, (const guint8 *) job->x + i * c->from_stride + c->from_offset,
              c->run);
      if (c->clears_rest)
        {
          memset (y, 0, c->to_offset);
          memset (y + end, 0, c->to_stride - end);
        }
    }
}

void
cpu_copy_rows_run (CpuPool *pool, const CpuCopyRows *self, gconstpointer x, gpointer y)
{
  MoveJob job = { .plan = self, .x = x, .y = y };

  cpu_run_rows (pool, self->rows,
                (self->clears_rest ? self->to_stride : self->run) / sizeof (float),
                cpu_copy_rows_task, &job);
}

/* ---- resampling ---- */

/* one row of the small picture becomes factor rows */
static void
cpu_upsample_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const MoveJob *job = data;
  const CpuResample *s = job->plan;
  gint64 wide = s->w * s->factor * s->c;

  for (gint64 row = from; row < to; row++)
    {
      const float *x = (const float *) job->x + row * s->w * s->c;
      float *y = (float *) job->y + row * s->factor * wide;

      for (gint64 i = 0; i < s->w; i++)
        for (gint64 f = 0; f < s->factor; f++)
          memcpy (y + (i * s->factor + f) * s->c, x + i * s->c, s->c * sizeof *y);
      for (gint64 f = 1; f < s->factor; f++)
        memcpy (y + f * wide, y, wide * sizeof *y);
    }
}

void
cpu_upsample_run (CpuPool *pool, const CpuResample *self, const float *x, float *y)
{
  MoveJob job = { .plan = self, .x = x, .y = y };

  cpu_run_rows (pool, self->n * self->h, self->factor * self->factor * self->w * self->c,
                cpu_upsample_task, &job);
}

static void
cpu_pool_sum_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const MoveJob *job = data;
  const CpuResample *s = job->plan;
  gint64 wide = s->w * s->factor * s->c;

  for (gint64 row = from; row < to; row++)
    {
      const float *x = (const float *) job->x + row * s->factor * wide;
      float *y = (float *) job->y + row * s->w * s->c;

      memset (y, 0, s->w * s->c * sizeof *y);
      for (gint64 f = 0; f < s->factor; f++)
        for (gint64 i = 0; i < s->w * s->factor; i++)
          cpu_row_add (y + i / s->factor * s->c, x + f * wide + i * s->c, s->c);
    }
}

void
cpu_pool_sum_run (CpuPool *pool, const CpuResample *self, const float *x, float *y)
{
  MoveJob job = { .plan = self, .x = x, .y = y };

  cpu_run_rows (pool, self->n * self->h, self->factor * self->factor * self->w * self->c,
                cpu_pool_sum_task, &job);
}

/* ---- gathers: a number outside the table is a row of zeros, and has no gradient ---- */

static void
cpu_move_gather_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const MoveJob *job = data;
  gsize size = job->c * sizeof (float);

  for (gint64 i = from; i < to; i++)
    {
      float *y = (float *) job->y + i * job->c;

      if (job->ids[i] >= 0 && job->ids[i] < job->n_rows)
        memcpy (y, (const float *) job->x + job->ids[i] * job->c, size);
      else
        memset (y, 0, size);
    }
}

void
cpu_gather_run (CpuPool *pool,
                gint64 n_ids,
                gint64 n_rows,
                gint64 c,
                const float *table,
                const gint32 *ids,
                float *y)
{
  MoveJob job = { .x = table, .y = y, .ids = ids, .n_rows = n_rows, .c = c };

  cpu_run_rows (pool, n_ids, c, cpu_move_gather_task, &job);
}

/* table rows [from, to): every number is looked at, so that the order of additions is theirs */
static void
cpu_gather_gradient_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const MoveJob *job = data;
  float *y = job->y;

  memset (y + from * job->c, 0, (to - from) * job->c * sizeof *y);
  for (gint64 i = 0; i < job->n_ids; i++)
    if (job->ids[i] >= from && job->ids[i] < to)
      cpu_row_add (y + job->ids[i] * job->c, (const float *) job->x + i * job->c, job->c);
}

void
cpu_gather_gradient_run (CpuPool *pool,
                         gint64 n_ids,
                         gint64 n_rows,
                         gint64 c,
                         const gint32 *ids,
                         const float *dy,
                         float *y)
{
  MoveJob job = { .x = dy, .y = y, .ids = ids, .n_ids = n_ids, .c = c };

  cpu_run_rows (pool, n_rows, c, cpu_gather_gradient_task, &job);
}
