/* cpu-conv.h - convolutions of channels-last pictures: implicit GEMM, Winograd, and to few channels
 *
 * x [n, h, w, ci], w [co, kh, kw, ci], y [n, oh, ow, co]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-gemm.h"
#include "cpu-weight.h"

G_BEGIN_DECLS

typedef struct
{
  gint64 n, h, w, ci;
  gint64 oh, ow, co;
  gint64 kh, kw, stride, top, left;
  /* w [co, ci, kh, kw], as it is stored: where cpu_conv_gemm_takes_taps_last () */
  gboolean taps_last;
} CpuConv;

typedef enum
{
  CPU_CONV_FORWARD,
  CPU_CONV_INPUT_GRADIENT,
  CPU_CONV_WEIGHT_GRADIENT
} CpuConvKind;

/* Each algorithm: whether it can, how many seconds it should take, what it needs, and the work */
gboolean cpu_winograd_can (const CpuConv *conv, CpuConvKind kind);
double cpu_winograd_get_cost (const CpuConv *conv, CpuConvKind kind, guint n_threads);
gsize cpu_winograd_get_scratch_size (const CpuConv *conv, CpuConvKind kind, guint n_threads);
void cpu_winograd_run (CpuPool *pool,
                       const CpuConv *conv,
                       CpuConvKind kind,
                       const float *a,
                       const float *b,
                       float *y,
                       float *scratch,
                       const CpuEpilogue *epilogue);

/* Where that is TRUE, the weight may also be as it is stored */
gboolean cpu_winograd_reads_stored (const CpuConv *conv, CpuConvKind kind, guint n_threads);
void cpu_winograd_run_stored (CpuPool *pool,
                              const CpuConv *conv,
                              CpuConvKind kind,
                              const CpuWeight *weight,
                              const float *a,
                              gconstpointer b,
                              float *y,
                              float *scratch,
                              const CpuEpilogue *epilogue);

/* forward to, or the input gradient for, so few channels that those of all taps fit one block of a
 * product */
gboolean cpu_conv_narrow_can (const CpuConv *conv, CpuConvKind kind);
gsize cpu_conv_narrow_get_scratch_size (const CpuConv *conv, CpuConvKind kind, guint n_threads);
void cpu_conv_narrow_run (CpuPool *pool,
                          const CpuConv *conv,
                          CpuConvKind kind,
                          const float *a,
                          const float *b,
                          float *y,
                          float *scratch,
                          const CpuEpilogue *epilogue);

/* weights that are read once, in either order */
gboolean cpu_conv_gemm_takes_taps_last (const CpuConv *conv, CpuConvKind kind);
double cpu_conv_gemm_get_cost (const CpuConv *conv, guint n_threads);
gsize cpu_conv_gemm_get_scratch_size (const CpuConv *conv, CpuConvKind kind, guint n_threads);
/* forward: a = x, b = w. input gradient: a = dy, b = w. weight gradient: a = x, b = dy. */
void cpu_conv_gemm_run (CpuPool *pool,
                        const CpuConv *conv,
                        CpuConvKind kind,
                        const float *a,
                        const float *b,
                        float *y,
                        float *scratch,
                        const CpuEpilogue *epilogue);

G_END_DECLS
