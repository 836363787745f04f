/* cpu-gemm.h - matrix products by a serial BLAS, split over the engine's threads
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-pool.h"
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
  gpointer *in, *out;      /* the region's operands; out[0] is where the product was put */
  guint8 *scratch;         /* per thread */
  gsize scratch_stride;
} CpuEpilogue;

/* One block on this thread: C = op (A) op (B) + beta C */
void  cpu_sgemm (gboolean     transpose_a,
                 gboolean     transpose_b,
                 gint64       m,
                 gint64       n,
                 gint64       k,
                 const float *a,
                 gint64       lda,
                 const float *b,
                 gint64       ldb,
                 float        beta,
                 float       *c,
                 gint64       ldc);

void  cpu_epilogue_run (const CpuEpilogue *self,
                        gint64             from,
                        gint64             to,
                        guint              thread);

/* Over all threads */
void  cpu_gemm_run     (CpuPool           *pool,
                        const CpuGemm     *gemm,
                        const float       *a,
                        const float       *b,
                        float             *c,
                        const CpuEpilogue *epilogue);

/* Makes the library serial if it is not; its name and whether that worked */
const char *cpu_blas_prepare (gboolean *is_serial);

G_END_DECLS
