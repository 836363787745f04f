/* cpu-normalize.h - group and layer normalisation, and their gradient
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-gemm.h"

G_BEGIN_DECLS

/* x [outer, rows, groups, width]: mean 0 and variance 1 over rows and width */
typedef struct
{
  gint64 outer, rows, groups, width;
  float eps;
} CpuNormalize;

gsize cpu_normalize_get_scratch_size (const CpuNormalize *self, guint n_threads);
/* y may be x */
void cpu_normalize_run (CpuPool *pool,
                        const CpuNormalize *self,
                        const float *x,
                        float *y,
                        float *scratch,
                        const CpuEpilogue *epilogue);
/* dx may be x or dy. With a NULL dy the prologue puts it where dx will be, which is then not x. */
void cpu_normalize_gradient_run (CpuPool *pool,
                                 const CpuNormalize *self,
                                 const float *x,
                                 const float *dy,
                                 float *dx,
                                 float *scratch,
                                 const CpuEpilogue *prologue,
                                 const CpuEpilogue *epilogue);

G_END_DECLS
