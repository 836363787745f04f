/* cuda-gemm.c - products of matrices through cuBLASLt, and the operation matmul
 *
 * The library thinks in columns: a row-major c = a b is its c' = b' a', so the operands change
 * places and nothing is transposed in memory. The algorithm is chosen for the alignment that the
 * addresses really have, since operands may be slices: the fastest of those that the library
 * proposes, measured once and remembered, or the first of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-gemm.h"
#include "cuda-storage.h"

#define ALIGNMENT 64

/* how many algorithms are tried, and how often each: the fastest round counts */
#define N_CANDIDATES 8
#define N_ROUNDS 3
#define N_RUNS 4

struct _CudaGemm
{
  CudaDevice *device;
  CudaGemmShape shape;
  gboolean is_half, is_tf32;
  cublasLtMatmulDesc_t operation;
  cublasLtMatrixLayout_t a, b, c; /* the library's a is our b */
  cublasLtMatmulAlgo_t algorithm;
  guint alignment; /* bytes the algorithm was chosen for; 0: none was */
};

gsize
cuda_scratch_add (gsize *total, gsize size)
{
  gsize offset = *total;

  *total += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  return offset;
}

void
cuda_to_half (CudaDevice *device, gconstpointer from, gpointer to, gint64 count)
{
  CudaCastArgs args = { from, to, count, CUDA_TYPE_F32, CUDA_TYPE_BF16 };

  if (device->cast == NULL)
    device->cast = cuda_device_get_kernel (device, "move.cu", "cast");
  device->n_converted++;
  if (device->cast != NULL)
    cuda_device_launch_over (device, device->cast, count, &args);
}

double
cuda_gemm_get_flops (const CudaGemmShape *shape)
{
  return 2.0 * shape->n_batches * shape->m * shape->n * shape->k;
}

static gboolean
cuda_check (CudaDevice *device, cublasStatus_t status, const char *what)
{
  if (status == CUBLAS_STATUS_SUCCESS)
    return TRUE;
  cuda_device_fail (device, "%s: cuBLASLt failed while %s (%s)", device->name, what,
                    device->cuda->cublasLtGetStatusString (status));
  return FALSE;
}

static cublasLtMatrixLayout_t
cuda_make_layout (CudaGemm *self,
                  cudaDataType_t type,
                  gint64 rows,
                  gint64 columns,
                  gint64 leading,
                  gint64 stride)
{
  const CudaLibraries *cuda = self->device->cuda;
  cublasLtMatrixLayout_t layout = NULL;
  gint32 n_batches = self->shape.n_batches;

  if (cuda_check (self->device,
                  cuda->cublasLtMatrixLayoutCreate (&layout, type, rows, columns, leading),
                  "describing a matrix")
      && n_batches > 1)
    {
      cuda_check (self->device,
                  cuda->cublasLtMatrixLayoutSetAttribute (layout,
                                                          CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                                                          &n_batches, sizeof n_batches),
                  "describing a batch");
      cuda_check (self->device,
                  cuda
                    ->cublasLtMatrixLayoutSetAttribute (layout,
                                                        CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                                        &stride, sizeof stride),
                  "describing a batch");
    }

  return layout;
}

static void
cuda_set_attribute (CudaGemm *self,
                    cublasLtMatmulDescAttributes_t attribute,
                    gconstpointer value,
                    gsize size)
{
  cuda_check (self->device,
              self->device->cuda->cublasLtMatmulDescSetAttribute (self->operation, attribute, value,
                                                                  size),
              "describing a product");
}

static void
cuda_describe_operation (CudaGemm *self, CudaPrecision precision)
{
  cublasComputeType_t compute = precision == CUDA_PRECISION_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                 : CUBLAS_COMPUTE_32F;
  gint32 transpose_a = self->shape.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  gint32 transpose_b = self->shape.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  guint32 epilogue = CUBLASLT_EPILOGUE_BIAS;

  if (!cuda_check (self->device,
                   self->device->cuda->cublasLtMatmulDescCreate (&self->operation, compute,
                                                                 CUDA_R_32F),
                   "describing a product"))
    return;
  cuda_set_attribute (self, CUBLASLT_MATMUL_DESC_TRANSA, &transpose_a, sizeof transpose_a);
  cuda_set_attribute (self, CUBLASLT_MATMUL_DESC_TRANSB, &transpose_b, sizeof transpose_b);
  if (self->shape.has_bias)
    cuda_set_attribute (self, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
}

CudaGemm *
cuda_gemm_new (CudaDevice *device, const CudaGemmShape *shape, CudaPrecision precision)
{
  CudaGemm *self = g_new0 (CudaGemm, 1);
  cudaDataType_t type = precision == CUDA_PRECISION_BF16 ? CUDA_R_16BF : CUDA_R_32F;
  gboolean ta = shape->transpose_a, tb = shape->transpose_b;

  self->device = cuda_device_ref (device);
  self->shape = *shape;
  self->is_half = precision == CUDA_PRECISION_BF16;
  self->is_tf32 = precision == CUDA_PRECISION_TF32;
  self->a = cuda_make_layout (self, type, tb ? shape->k : shape->n, tb ? shape->n : shape->k,
                              shape->ldb, shape->stride_b);
  self->b = cuda_make_layout (self, type, ta ? shape->m : shape->k, ta ? shape->k : shape->m,
                              shape->lda, shape->stride_a);
  self->c = cuda_make_layout (self, shape->is_half_c ? CUDA_R_16BF : CUDA_R_32F, shape->n, shape->m,
                              shape->ldc, shape->stride_c);
  cuda_describe_operation (self, precision);
  if (device->error == NULL)
    return self;
  cuda_gemm_free (self);

  return NULL;
}

void
cuda_gemm_free (CudaGemm *self)
{
  if (self == NULL)
    return;
  if (self->operation != NULL)
    self->device->cuda->cublasLtMatmulDescDestroy (self->operation);
  for (guint i = 0; i < 3; i++)
    {
      cublasLtMatrixLayout_t layout = (cublasLtMatrixLayout_t[]) { self->a, self->b, self->c }[i];

      if (layout != NULL)
        self->device->cuda->cublasLtMatrixLayoutDestroy (layout);
    }
  cuda_device_unref (self->device);
  g_free (self);
}

/* ---- the algorithm ---- */

static void
cuda_prefer (CudaGemm *self,
             cublasLtMatmulPreference_t preference,
             cublasLtMatmulPreferenceAttributes_t attribute,
             gconstpointer value,
             gsize size)
{
  cuda_check (self->device,
              self->device->cuda->cublasLtMatmulPreferenceSetAttribute (preference, attribute,
                                                                        value, size),
              "choosing an algorithm");
}

/* what one execution of a product reads and writes */
typedef struct
{
  gconstpointer a, b;
  float beta;
  gconstpointer from; /* what beta multiplies */
  gpointer c;
} Operands;

static cublasStatus_t
cuda_run_algorithm (CudaGemm *self, const cublasLtMatmulAlgo_t *algorithm, const Operands *operands)
{
  CudaDevice *device = self->device;
  float alpha = 1;

  return device->cuda->cublasLtMatmul (device->blas, self->operation, &alpha, operands->b, self->a,
                                       operands->a, self->b, &operands->beta, operands->from,
                                       self->c, operands->c, self->c, algorithm,
                                       (void *) device->blas_workspace, device->blas_workspace_size,
                                       device->stream);
}

/* the library's proposals, the best by its own estimate first; returns how many */
static int
cuda_find_candidates (CudaGemm *self, guint alignment, cublasLtMatmulHeuristicResult_t *results)
{
  static const cublasLtMatmulPreferenceAttributes_t alignments[] = {
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
  };
  const CudaLibraries *cuda = self->device->cuda;
  cublasLtMatmulPreference_t preference = NULL;
  guint64 workspace = self->device->blas_workspace_size;
  int n_found = 0;

  if (!cuda_check (self->device, cuda->cublasLtMatmulPreferenceCreate (&preference),
                   "choosing an algorithm"))
    return 0;
  cuda_prefer (self, preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
               sizeof workspace);
  for (guint i = 0; i < G_N_ELEMENTS (alignments); i++)
    cuda_prefer (self, preference, alignments[i], &alignment, sizeof alignment);
  cuda_check (self->device,
              cuda->cublasLtMatmulAlgoGetHeuristic (self->device->blas, self->operation, self->a,
                                                    self->b, self->c, self->c, preference,
                                                    N_CANDIDATES, results, &n_found),
              "choosing an algorithm");
  cuda->cublasLtMatmulPreferenceDestroy (preference);
  if (self->device->error == NULL && n_found == 0)
    cuda_device_fail (self->device,
                      "cuBLASLt has no algorithm for %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                      " x %" G_GINT64_FORMAT,
                      self->shape.m, self->shape.n, self->shape.k);

  return self->device->error == NULL ? n_found : 0;
}

/* seconds of the fastest round, by the host's clock: the device has nothing else to do */
static double
cuda_time_algorithm (CudaGemm *self,
                     const cublasLtMatmulAlgo_t *algorithm,
                     const Operands *operands)
{
  double best = G_MAXDOUBLE;

  for (guint round = 0; round <= N_ROUNDS; round++)
    {
      gint64 begin;

      if (!cuda_device_wait (self->device, NULL))
        return G_MAXDOUBLE;
      begin = g_get_monotonic_time ();
      for (guint i = 0; i < N_RUNS; i++)
        if (cuda_run_algorithm (self, algorithm, operands) != CUBLAS_STATUS_SUCCESS)
          return G_MAXDOUBLE;
      if (!cuda_device_wait (self->device, NULL))
        return G_MAXDOUBLE;
      if (round > 0)
        best = MIN (best, (g_get_monotonic_time () - begin) * 1e-6);
    }

  return best;
}

static int
cuda_find_fastest (CudaGemm *self,
                   const cublasLtMatmulHeuristicResult_t *results,
                   int n_found,
                   const Operands *operands)
{
  double best = G_MAXDOUBLE;
  int fastest = 0;

  for (int i = 0; i < n_found; i++)
    {
      double seconds = cuda_time_algorithm (self, &results[i].algo, operands);

      if (seconds < best)
        fastest = i;
      best = MIN (best, seconds);
    }
  self->device->n_measured++;

  return fastest;
}

static char *
cuda_gemm_dup_key (CudaGemm *self, guint alignment)
{
  const CudaGemmShape *s = &self->shape;
  g_autoptr (GString) key = g_string_new (self->is_half ? "bf16" : self->is_tf32 ? "tf32" : "fp32");
  const gint64 numbers[] = { s->m,
                             s->n,
                             s->k,
                             s->lda,
                             s->ldb,
                             s->ldc,
                             s->n_batches,
                             s->stride_a,
                             s->stride_b,
                             s->stride_c,
                             s->transpose_a,
                             s->transpose_b,
                             s->has_bias + 2 * s->is_half_c,
                             alignment };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    g_string_append_printf (key, "-%" G_GINT64_FORMAT, numbers[i]);

  return g_string_free (g_steal_pointer (&key), FALSE);
}

/* the library looks at what was on disk before it is used */
static gboolean
cuda_recall_algorithm (CudaGemm *self, const char *key)
{
  CudaDevice *device = self->device;
  cublasLtMatmulHeuristicResult_t result;

  if (!cuda_device_recall (device, key, &self->algorithm, sizeof self->algorithm)
      || device->cuda->cublasLtMatmulAlgoCheck (device->blas, self->operation, self->a, self->b,
                                                self->c, self->c, &self->algorithm, &result)
           != CUBLAS_STATUS_SUCCESS
      || result.workspaceSize > device->blas_workspace_size)
    return FALSE;
  device->n_recalled++;

  return TRUE;
}

/* Timing overwrites the result, so it needs one that is not added to, and it needs to wait */
static gboolean
cuda_choose_algorithm (CudaGemm *self, guint alignment, const Operands *operands)
{
  g_autofree char *key = cuda_gemm_dup_key (self, alignment);
  cublasLtMatmulHeuristicResult_t results[N_CANDIDATES] = { 0 };
  gboolean may_measure = self->device->measures && !self->device->is_capturing
                         && (operands->beta == 0 || operands->from != operands->c);
  int n_found, chosen = 0;

  self->alignment = alignment;
  if (self->device->measures && cuda_recall_algorithm (self, key))
    return TRUE;
  n_found = cuda_find_candidates (self, alignment, results);
  if (n_found > 1 && may_measure)
    {
      chosen = cuda_find_fastest (self, results, n_found, operands);
      cuda_device_remember (self->device, key, &results[chosen].algo, sizeof results[chosen].algo);
    }
  self->algorithm = results[chosen].algo;

  return self->device->error == NULL;
}

/* the largest power of two, up to 256, that divides all the addresses */
static guint
cuda_find_alignment (const Operands *operands)
{
  guintptr bits = (guintptr) operands->a | (guintptr) operands->b | (guintptr) operands->from
                  | (guintptr) operands->c | 256;

  return bits & -bits;
}

static void
cuda_run_operands (CudaGemm *self, const Operands *operands, gconstpointer bias)
{
  CudaDevice *device = self->device;
  guint alignment = cuda_find_alignment (operands);

  if (device->error != NULL)
    return;
  if (self->shape.has_bias)
    cuda_set_attribute (self, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
  if ((self->alignment == 0 || self->alignment > alignment)
      && !cuda_choose_algorithm (self, alignment, operands))
    return;
  cuda_check (device, cuda_run_algorithm (self, &self->algorithm, operands), "multiplying");
}

void
cuda_gemm_run (CudaGemm *self,
               gconstpointer a,
               gconstpointer b,
               gconstpointer bias,
               float beta,
               gpointer c)
{
  cuda_run_operands (self, &(Operands) { a, b, beta, c, c }, bias);
}

void
cuda_gemm_run_onto (CudaGemm *self,
                    gconstpointer a,
                    gconstpointer b,
                    gconstpointer bias,
                    gconstpointer from,
                    gpointer c)
{
  cuda_run_operands (self, &(Operands) { a, b, from != NULL, from != NULL ? from : c, c }, bias);
}

/* ---- the operation ---- */

typedef struct
{
  CudaGemm *gemm;
  CudaOperand a, b;
} MatmulPlan;

static void
matmul_plan_free (gpointer data)
{
  cuda_gemm_free (((MatmulPlan *) data)->gemm);
  g_free (data);
}

static void
cuda_matmul_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const MatmulPlan *plan = CUDA_DATA (step)->plan;
  CudaDevice *device = CUDA_DEVICE (step);

  cuda_gemm_run (plan->gemm, cuda_operand_read (&plan->a, device, in[0], scratch),
                 cuda_operand_read (&plan->b, device, in[1], scratch), NULL, 0, out[0]);
}

CudaGemmShape
cuda_gemm_shape_of (const VardNode *node)
{
  const VardMatmulAttrs *attrs = node->attrs;
  const VardShape *a = &node->inputs[0]->shape, *b = &node->inputs[1]->shape, *y = &node->shape;
  guint d = a->n_dims;

  return (CudaGemmShape) {
    .m = y->dims[d - 2],
    .n = y->dims[d - 1],
    .k = a->dims[attrs->transpose_a ? d - 2 : d - 1],
    .lda = a->dims[d - 1],
    .ldb = b->dims[d - 1],
    .ldc = y->dims[d - 1],
    .n_batches = vard_shape_get_span (y, 0, d - 2),
    .stride_a = a->dims[d - 2] * a->dims[d - 1],
    .stride_b = b->dims[d - 2] * b->dims[d - 1],
    .stride_c = y->dims[d - 2] * y->dims[d - 1],
    .transpose_a = attrs->transpose_a,
    .transpose_b = attrs->transpose_b,
  };
}

gboolean
cuda_claim_matmul (CudaClaim *claim)
{
  static const char *const names[] = { "matmul/fp32", "matmul/tf32", "matmul/bf16" };
  CudaPrecision precision = claim->program->precision;
  MatmulPlan *plan = g_new0 (MatmulPlan, 1);
  CudaGemmShape shape = cuda_gemm_shape_of (claim->node);

  shape.is_half_c = cuda_claim_get_type (claim, claim->node) == CUDA_TYPE_BF16;
  cuda_claim_set (claim, names[precision], cuda_matmul_kernel, plan, matmul_plan_free);
  claim->step.flops = cuda_gemm_get_flops (&shape);
  cuda_operand_init (&plan->a, claim, claim->node->inputs[0]);
  cuda_operand_init (&plan->b, claim, claim->node->inputs[1]);
  plan->gemm = cuda_gemm_new (claim->program->device, &shape, precision);

  return plan->gemm != NULL;
}
