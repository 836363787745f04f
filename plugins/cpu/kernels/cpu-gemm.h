/* cpu-gemm.h - matrix products on all threads of the engine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-pool.h"
#include "cpu-product.h"
#include "cpu-region.h"

G_BEGIN_DECLS

/* C [m, n] = op (A) op (B), row-major; batches at fixed distances, which may be 0 for A or B */
typedef struct
{
  gboolean transpose_a, transpose_b;
  gint64 m, n, k;
  gint64 lda, ldb, ldc;
  gint64 n_batches;
  gint64 stride_a, stride_b, stride_c;
} CpuGemm;

/* What to do with a block of the result while it is in cache; region may be NULL */
typedef struct
{
  const CpuRegion *region;
  gpointer *in, *out; /* the region's operands; out[0] is where the product was put */
  guint8 *scratch;    /* per thread */
  gsize scratch_stride;
} CpuEpilogue;

void cpu_epilogue_run (const CpuEpilogue *self, gint64 from, gint64 to, guint thread);

/* Over all threads */
void cpu_gemm_run (CpuPool *pool,
                   const CpuGemm *gemm,
                   const float *a,
                   const float *b,
                   float *c,
                   const CpuEpilogue *epilogue);

G_END_DECLS
