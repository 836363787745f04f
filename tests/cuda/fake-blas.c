/* fake-blas.c - libcublasLt.so without a device: plain loops that honour layouts, transposition,
 * strides and epilogue
 *
 * What the real library refuses is refused here: leading extents shorter than a column, algorithms
 * chosen for a larger alignment than the addresses have.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake-driver.h"

#include <cublasLt.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  cudaDataType_t type;
  uint64_t rows, columns;
  int64_t leading, stride;
  int32_t n_batches;
} Layout;

typedef struct
{
  cublasComputeType_t compute;
  int32_t transpose_a, transpose_b;
  uint32_t epilogue;
  const void *bias;
} Operation;

typedef struct
{
  Operation operation;
  Layout a, b, c;
  float alpha, beta;
  const void *from_a, *from_b;
  const void *from_c;
  void *to;
  unsigned delay; /* microseconds */
} Product;

cublasStatus_t
cublasLtCreate (cublasLtHandle_t *handle)
{
  *handle = malloc (1);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtDestroy (cublasLtHandle_t handle)
{
  free (handle);
  return CUBLAS_STATUS_SUCCESS;
}

size_t
cublasLtGetVersion (void)
{
  return 0;
}

const char *
cublasLtGetStatusString (cublasStatus_t status)
{
  return status == CUBLAS_STATUS_NOT_SUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED"
                                               : "CUBLAS_STATUS_INVALID_VALUE";
}

/* ---- descriptors ---- */

cublasStatus_t
cublasLtMatmulDescCreate (cublasLtMatmulDesc_t *operation,
                          cublasComputeType_t compute,
                          cudaDataType_t scale)
{
  Operation *self = calloc (1, sizeof *self);

  self->compute = compute;
  self->transpose_a = self->transpose_b = CUBLAS_OP_N;
  self->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  *operation = (cublasLtMatmulDesc_t) self;
  return scale == CUDA_R_32F ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t
cublasLtMatmulDescDestroy (cublasLtMatmulDesc_t operation)
{
  free (operation);
  return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t
set_value (void *to, size_t expected, const void *from, size_t size)
{
  if (size != expected)
    return CUBLAS_STATUS_INVALID_VALUE;
  memcpy (to, from, size);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulDescSetAttribute (cublasLtMatmulDesc_t operation,
                                cublasLtMatmulDescAttributes_t attribute,
                                const void *value,
                                size_t size)
{
  Operation *self = (Operation *) operation;

  switch (attribute)
    {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return set_value (&self->transpose_a, sizeof self->transpose_a, value, size);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return set_value (&self->transpose_b, sizeof self->transpose_b, value, size);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return set_value (&self->epilogue, sizeof self->epilogue, value, size);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return set_value (&self->bias, sizeof self->bias, value, size);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
}

cublasStatus_t
cublasLtMatrixLayoutCreate (cublasLtMatrixLayout_t *layout,
                            cudaDataType_t type,
                            uint64_t rows,
                            uint64_t columns,
                            int64_t leading)
{
  Layout *self = calloc (1, sizeof *self);

  *self = (Layout) { type, rows, columns, leading, 0, 1 };
  *layout = (cublasLtMatrixLayout_t) self;
  return leading >= (int64_t) rows ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t
cublasLtMatrixLayoutDestroy (cublasLtMatrixLayout_t layout)
{
  free (layout);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatrixLayoutSetAttribute (cublasLtMatrixLayout_t layout,
                                  cublasLtMatrixLayoutAttribute_t attribute,
                                  const void *value,
                                  size_t size)
{
  Layout *self = (Layout *) layout;

  switch (attribute)
    {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      return set_value (&self->n_batches, sizeof self->n_batches, value, size);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      return set_value (&self->stride, sizeof self->stride, value, size);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
}

/* ---- algorithms: they remember the alignment they were chosen for, and all but the second are
 * slow ---- */

/* VARD_FAKE_CUDA="algorithms=N" */
static int
get_n_algorithms (void)
{
  const char *all = getenv ("VARD_FAKE_CUDA"),
             *found = all != NULL ? strstr (all, "algorithms=") : NULL;

  return found != NULL ? atoi (found + strlen ("algorithms=")) : 1;
}

cublasStatus_t
cublasLtMatmulPreferenceCreate (cublasLtMatmulPreference_t *preference)
{
  uint32_t *alignment = calloc (1, sizeof *alignment);

  *alignment = 256;
  *preference = (cublasLtMatmulPreference_t) alignment;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceDestroy (cublasLtMatmulPreference_t preference)
{
  free (preference);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceSetAttribute (cublasLtMatmulPreference_t preference,
                                      cublasLtMatmulPreferenceAttributes_t attribute,
                                      const void *value,
                                      size_t size)
{
  if (attribute == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES)
    return set_value (preference, sizeof (uint32_t), value, size);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulAlgoGetHeuristic (cublasLtHandle_t handle,
                                cublasLtMatmulDesc_t operation,
                                cublasLtMatrixLayout_t a,
                                cublasLtMatrixLayout_t b,
                                cublasLtMatrixLayout_t c,
                                cublasLtMatrixLayout_t d,
                                cublasLtMatmulPreference_t preference,
                                int n_wanted,
                                cublasLtMatmulHeuristicResult_t results[],
                                int *n_found)
{
  *n_found = get_n_algorithms ();
  for (int i = 0; i < *n_found; i++)
    {
      memset (&results[i], 0, sizeof *results);
      results[i].algo.data[0] = *(const uint32_t *) preference;
      results[i].algo.data[1] = i;
    }
  return *n_found <= n_wanted ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t
cublasLtMatmulAlgoCheck (cublasLtHandle_t handle,
                         cublasLtMatmulDesc_t operation,
                         cublasLtMatrixLayout_t a,
                         cublasLtMatrixLayout_t b,
                         cublasLtMatrixLayout_t c,
                         cublasLtMatrixLayout_t d,
                         const cublasLtMatmulAlgo_t *algorithm,
                         cublasLtMatmulHeuristicResult_t *result)
{
  memset (result, 0, sizeof *result);
  return algorithm->data[0] > 0 && algorithm->data[0] <= 256 && algorithm->data[1] < 8
           ? CUBLAS_STATUS_SUCCESS
           : CUBLAS_STATUS_NOT_SUPPORTED;
}

/* ---- the product ---- */

/* single precision with ten bits of mantissa, to nearest */
static float
round_to_tf32 (float value)
{
  uint32_t bits;

  memcpy (&bits, &value, sizeof bits);
  bits = (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu;
  memcpy (&value, &bits, sizeof value);
  return value;
}

static float
load_element (cudaDataType_t type, const void *from, int64_t at)
{
  uint32_t bits;
  float value;

  if (type == CUDA_R_32F)
    return ((const float *) from)[at];
  bits = (uint32_t) ((const uint16_t *) from)[at] << 16;
  memcpy (&value, &bits, sizeof value);
  return value;
}

static float
load (const Layout *layout,
      const void *from,
      int64_t batch,
      uint64_t row,
      uint64_t column,
      int is_transposed)
{
  return load_element (layout->type, from,
                       batch * layout->stride
                         + (is_transposed ? row * layout->leading + column
                                          : column * layout->leading + row));
}

/* to nearest, ties to even */
static void
store (const Layout *layout, void *to, int64_t batch, uint64_t row, uint64_t column, float value)
{
  int64_t at = batch * layout->stride + column * layout->leading + row;
  uint32_t bits;

  if (layout->type == CUDA_R_32F)
    {
      ((float *) to)[at] = value;
      return;
    }
  memcpy (&bits, &value, sizeof bits);
  if ((bits & 0x7fffffff) > 0x7f800000)
    bits |= 0x400000;
  else
    bits += 0x7fff + (bits >> 16 & 1);
  ((uint16_t *) to)[at] = bits >> 16;
}

static int
do_product (const void *data)
{
  const Product *p = data;
  int ta = p->operation.transpose_a == CUBLAS_OP_T, tb = p->operation.transpose_b == CUBLAS_OP_T;
  int is_tf32 = p->operation.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  uint64_t depth = ta ? p->a.rows : p->a.columns;

  if (p->delay > 0)
    usleep (p->delay);
  for (int32_t batch = 0; batch < p->c.n_batches; batch++)
    for (uint64_t column = 0; column < p->c.columns; column++)
      for (uint64_t row = 0; row < p->c.rows; row++)
        {
          double sum = 0;

          for (uint64_t k = 0; k < depth; k++)
            {
              float a = load (&p->a, p->from_a, batch, row, k, ta),
                    b = load (&p->b, p->from_b, batch, k, column, tb);

              sum += is_tf32 ? (double) round_to_tf32 (a) * round_to_tf32 (b) : (double) a * b;
            }
          sum = p->alpha * sum
                + (p->beta != 0 ? p->beta * load (&p->c, p->from_c, batch, row, column, 0) : 0);
          if (p->operation.epilogue == CUBLASLT_EPILOGUE_BIAS)
            sum += load_element (p->c.type, p->operation.bias, row);
          store (&p->c, p->to, batch, row, column, sum);
        }
  return 0;
}

static int
has_shapes (const Product *p)
{
  int ta = p->operation.transpose_a == CUBLAS_OP_T, tb = p->operation.transpose_b == CUBLAS_OP_T;

  return (ta ? p->a.columns : p->a.rows) == p->c.rows
         && (tb ? p->b.rows : p->b.columns) == p->c.columns
         && (ta ? p->a.rows : p->a.columns) == (tb ? p->b.columns : p->b.rows)
         && p->a.n_batches == p->c.n_batches && p->b.n_batches == p->c.n_batches
         && p->a.type == p->b.type && (p->c.type == CUDA_R_32F || p->c.type == p->a.type);
}

cublasStatus_t
cublasLtMatmul (cublasLtHandle_t handle,
                cublasLtMatmulDesc_t operation,
                const void *alpha,
                const void *a,
                cublasLtMatrixLayout_t layout_a,
                const void *b,
                cublasLtMatrixLayout_t layout_b,
                const void *beta,
                const void *c,
                cublasLtMatrixLayout_t layout_c,
                void *d,
                cublasLtMatrixLayout_t layout_d,
                const cublasLtMatmulAlgo_t *algorithm,
                void *workspace,
                size_t workspace_size,
                cudaStream_t stream)
{
  Product product = { *(Operation *) operation,
                      *(Layout *) layout_a,
                      *(Layout *) layout_b,
                      *(Layout *) layout_d,
                      *(const float *) alpha,
                      *(const float *) beta,
                      a,
                      b,
                      c,
                      d,
                      get_n_algorithms () > 1 && algorithm->data[1] != 1 ? 3000 : 0 };
  uintptr_t addresses = (uintptr_t) a | (uintptr_t) b | (uintptr_t) c | (uintptr_t) d;

  if (!has_shapes (&product) || algorithm->data[0] == 0 || addresses % algorithm->data[0] != 0)
    return CUBLAS_STATUS_INVALID_VALUE;
  return fake_submit (do_product, &product, sizeof product) == 0 ? CUBLAS_STATUS_SUCCESS
                                                                 : CUBLAS_STATUS_EXECUTION_FAILED;
}
