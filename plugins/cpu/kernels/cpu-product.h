/* cpu-product.h - the product of two matrices on one thread
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The instruction sets that this machine has loops for, the best first, and the one that products
 * use */
typedef enum
{
  CPU_LEVEL_AVX512,
  CPU_LEVEL_AVX2,
  CPU_LEVEL_BASE
} CpuLevel;

CpuLevel cpu_get_level (void);

/* C [m, n] = op (A) op (B) + beta C with beta 0 or 1, row-major */
void cpu_sgemm (gboolean transpose_a,
                gboolean transpose_b,
                gint64 m,
                gint64 n,
                gint64 k,
                const float *a,
                gint64 lda,
                const float *b,
                gint64 ldb,
                gboolean beta,
                float *c,
                gint64 ldc);

/* the same by a lower level's loops: for tests */
void cpu_sgemm_by (CpuLevel level,
                   gboolean transpose_a,
                   gboolean transpose_b,
                   gint64 m,
                   gint64 n,
                   gint64 k,
                   const float *a,
                   gint64 lda,
                   const float *b,
                   gint64 ldb,
                   gboolean beta,
                   float *c,
                   gint64 ldc);

/* A panel is a matrix of as many columns as registers take at once: the width of the first one of a
 * matrix with this many columns. Its last columns may be beyond the matrix. */
gint64 cpu_panel_get_width (CpuLevel level, gint64 columns);

/* C [m, width] = A B + beta C, where B [k, width] and C are panels, and A is read where it is, its
 * rows row_a and its columns step_a apart; the rows of B and of C are stride apart, for panels may
 * lie side by side */
void cpu_panel_multiply (CpuLevel level,
                         gint64 m,
                         gint64 width,
                         gint64 k,
                         const float *a,
                         gint64 row_a,
                         gint64 step_a,
                         const float *panel,
                         gboolean beta,
                         float *c,
                         gint64 stride);

/* to [columns, ldt] = from [rows, ldf] transposed */
void cpu_transpose (const float *from,
                    gint64 rows,
                    gint64 columns,
                    gint64 ldf,
                    float *to,
                    gint64 ldt);

G_END_DECLS
