/* cuda-gemm.h - products of matrices through cuBLASLt
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-step.h"

G_BEGIN_DECLS

/* Row-major: c [m, n] = a [m, k] b [k, n] for each batch; transposed operands lie as [k, m] and [n,
 * k]. Leading extents and strides are in elements. */
typedef struct
{
  gint64 m, n, k;
  gint64 lda, ldb, ldc;
  gint64 n_batches, stride_a, stride_b, stride_c;
  gboolean transpose_a, transpose_b;
  gboolean has_bias;  /* a vector of n is added to each row */
  gboolean is_half_c; /* c is bf16, and so is the bias; only where the operands are */
} CudaGemmShape;

typedef struct _CudaGemm CudaGemm;

/* In bf16 a and b are of that type. NULL: the device has the error. */
CudaGemm *cuda_gemm_new (CudaDevice *device, const CudaGemmShape *shape, CudaPrecision precision);
void cuda_gemm_free (CudaGemm *self);
/* c = a b + beta c + bias */
void cuda_gemm_run (CudaGemm *self,
                    gconstpointer a,
                    gconstpointer b,
                    gconstpointer bias,
                    float beta,
                    gpointer c);
/* c = a b + bias + from, which is stored as c is, and may be NULL or c itself */
void cuda_gemm_run_onto (CudaGemm *self,
                         gconstpointer a,
                         gconstpointer b,
                         gconstpointer bias,
                         gconstpointer from,
                         gpointer c);
/* of a matmul, without bias and in single precision */
CudaGemmShape cuda_gemm_shape_of (const VardNode *node);
double cuda_gemm_get_flops (const CudaGemmShape *shape);

/* Makes room for size bytes in a step's scratch: returns their offset */
gsize cuda_scratch_add (gsize *total, gsize size);
/* single precision to bf16 */
void cuda_to_half (CudaDevice *device, gconstpointer from, gpointer to, gint64 count);

G_END_DECLS
