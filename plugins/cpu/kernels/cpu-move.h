/* cpu-move.h - operations that move elements: permute, concat, slice, pad, resampling, gathers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-pool.h"

G_BEGIN_DECLS

#define CPU_MOVE_MAX_DIMS 6

/* y, contiguous with these extents, from x with these strides (elements of 4 bytes) */
typedef struct
{
  guint n_dims;
  gint64 extents[CPU_MOVE_MAX_DIMS], strides[CPU_MOVE_MAX_DIMS];
} CpuPermute;

/* rows of bytes: y's row is copied from x's, or is zero outside x's */
typedef struct
{
  gint64 rows;
  gsize to_stride, to_offset;     /* of the run in y's row */
  gsize from_stride, from_offset; /* of the run in x's row */
  gsize run;
  gboolean clears_rest; /* zeros the row around the run */
} CpuCopyRows;

typedef struct
{
  gint64 n, h, w, c, factor; /* of the small picture */
} CpuResample;

void cpu_permute_run (CpuPool *pool, const CpuPermute *self, const float *x, float *y);
void cpu_copy_rows_run (CpuPool *pool, const CpuCopyRows *self, gconstpointer x, gpointer y);
void cpu_upsample_run (CpuPool *pool, const CpuResample *self, const float *x, float *y);
void cpu_pool_sum_run (CpuPool *pool, const CpuResample *self, const float *x, float *y);
void cpu_gather_run (CpuPool *pool,
                     gint64 n_ids,
                     gint64 n_rows,
                     gint64 c,
                     const float *table,
                     const gint32 *ids,
                     float *y);
void cpu_gather_gradient_run (CpuPool *pool,
                              gint64 n_ids,
                              gint64 n_rows,
                              gint64 c,
                              const gint32 *ids,
                              const float *dy,
                              float *y);

G_END_DECLS
