/* cpu-reduce.h - sums over axes, and softmax over the last
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-pool.h"

G_BEGIN_DECLS

#define CPU_SUM_MAX_DIMS 6

/* A sum as units (outputs, or rows of outputs), each the sum of n_runs runs of the input */
typedef struct
{
  guint n_kept, n_reduced; /* outer dimensions of each sort */
  gint64 kept[CPU_SUM_MAX_DIMS], kept_strides[CPU_SUM_MAX_DIMS];
  gint64 reduced[CPU_SUM_MAX_DIMS], reduced_strides[CPU_SUM_MAX_DIMS];
  gint64 run;         /* the innermost extent */
  gboolean sums_runs; /* a run becomes one number; else runs are added up */
  gint64 n_units, n_runs;
  gint64 block_runs, n_blocks;
} CpuSum;

void cpu_sum_prepare (CpuSum *self, const gint64 *dims, guint n_dims, guint32 axes_mask);
gsize cpu_sum_get_scratch_size (const CpuSum *self);
void cpu_sum_run (CpuPool *pool, const CpuSum *self, const float *x, float *y, float *scratch);

/* rows of n; y may be x */
void cpu_softmax_run (CpuPool *pool, gint64 rows, gint64 n, const float *x, float *y);

G_END_DECLS
