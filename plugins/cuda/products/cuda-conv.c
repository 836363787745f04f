/* cuda-conv.c - convolutions as products over patches, in pieces of a few pictures
 *
 * With P the patches [pixels, taps c_in] of a piece: y = P w', dw = dy' P, and dx is the sum of the
 * patches dy w. So all three run on the matrix units in every precision; kernels of one pixel need
 * no patches. The pieces bound the memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-gemm.h"
#include "cuda-storage.h"

/* bytes of patches in a piece: large enough to fill a device, small beside a model's activations */
#define PIECE_SIZE (256 << 20)

typedef enum
{
  FORWARD,
  INPUT_GRADIENT,
  WEIGHT_GRADIENT
} Kind;

typedef struct
{
  CudaDevice *device;
  Kind kind;
  CudaPatchesArgs geometry; /* n is a whole piece's */
  gint64 n, c_out;
  gboolean is_plain; /* the pictures are their own patches */
  int x_type, y_type, patches_type;
  CudaOperand x, dy, w;   /* those that products read */
  CudaGemm *piece, *rest; /* rest: the last piece when it is smaller */
  CUfunction patches, patches_sum;
  gsize patches_at; /* in scratch */
} ConvPlan;

static void
conv_plan_free (gpointer data)
{
  ConvPlan *plan = data;

  cuda_gemm_free (plan->piece);
  cuda_gemm_free (plan->rest);
  g_free (plan);
}

static gint64
cuda_n_taps (const ConvPlan *plan)
{
  return plan->geometry.kh * plan->geometry.kw * plan->geometry.c;
}

static gint64
cuda_n_pixels (const ConvPlan *plan, gint64 n)
{
  return n * plan->geometry.oh * plan->geometry.ow;
}

static gint64
cuda_picture_size (const ConvPlan *plan)
{
  return plan->geometry.h * plan->geometry.w * plan->geometry.c;
}

/* ---- execution ---- */

static gsize
cuda_size_of (int type)
{
  return type == CUDA_TYPE_BF16 ? sizeof (guint16) : sizeof (float);
}

/* x is the piece's first picture */
static gconstpointer
cuda_make_patches (const ConvPlan *plan, gconstpointer x, gint64 n, guint8 *scratch)
{
  CudaPatchesArgs args = plan->geometry;

  if (plan->is_plain)
    return x;
  args.from = x;
  args.to = scratch + plan->patches_at;
  args.n = n;
  args.from_type = plan->x_type;
  args.to_type = plan->patches_type;
  cuda_device_launch_over (plan->device, plan->patches,
                           cuda_n_pixels (plan, n) * cuda_n_taps (plan), &args);

  return args.to;
}

static void
cuda_sum_patches (const ConvPlan *plan, gconstpointer patches, gpointer x, gint64 n)
{
  CudaPatchesArgs args = plan->geometry;

  args.from = patches;
  args.to = x;
  args.n = n;
  args.to_type = plan->x_type;
  cuda_device_launch_over (plan->device, plan->patches_sum, n * cuda_picture_size (plan), &args);
}

/* pictures from first on; x, y and w are the three tensors, whichever is computed */
static void
cuda_run_piece (const ConvPlan *plan,
                gint64 first,
                gint64 n,
                guint8 *x,
                guint8 *y,
                gpointer w,
                guint8 *scratch)
{
  CudaGemm *gemm = n == plan->geometry.n ? plan->piece : plan->rest;
  gpointer patches = scratch + plan->patches_at;

  x += first * cuda_picture_size (plan) * cuda_size_of (plan->x_type);
  y += cuda_n_pixels (plan, first) * plan->c_out * cuda_size_of (plan->y_type);
  if (plan->kind == FORWARD)
    cuda_gemm_run (gemm, cuda_make_patches (plan, x, n, scratch), w, NULL, 0, y);
  else if (plan->kind == WEIGHT_GRADIENT)
    cuda_gemm_run (gemm, y, cuda_make_patches (plan, x, n, scratch), NULL, first > 0, w);
  else
    cuda_gemm_run (gemm, y, w, NULL, 0, plan->is_plain ? (gpointer) x : patches);
  if (plan->kind == INPUT_GRADIENT && !plan->is_plain)
    cuda_sum_patches (plan, patches, x, n);
}

static void
cuda_conv_conv_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const ConvPlan *plan = CUDA_DATA (step)->plan;
  gconstpointer x = plan->kind == INPUT_GRADIENT ? out[0] : in[0], w = out[0];
  gconstpointer y = plan->kind == FORWARD ? out[0] : plan->kind == INPUT_GRADIENT ? in[0] : in[1];

  if (plan->kind != INPUT_GRADIENT && plan->is_plain)
    x = cuda_operand_read (&plan->x, plan->device, x, scratch);
  if (plan->kind != FORWARD)
    y = cuda_operand_read (&plan->dy, plan->device, y, scratch);
  if (plan->kind != WEIGHT_GRADIENT)
    w = cuda_operand_read (&plan->w, plan->device, in[1], scratch);
  for (gint64 first = 0; first < plan->n; first += plan->geometry.n)
    cuda_run_piece (plan, first, MIN (plan->geometry.n, plan->n - first), (guint8 *) x,
                    (guint8 *) y, (gpointer) w, scratch);
}

/* ---- the plan ---- */

static CudaGemmShape
cuda_piece_shape (const ConvPlan *plan, gint64 n)
{
  gint64 pixels = cuda_n_pixels (plan, n), taps = cuda_n_taps (plan), c_out = plan->c_out;
  gboolean is_half_y = plan->y_type == CUDA_TYPE_BF16,
           is_half_x = plan->is_plain && plan->x_type == CUDA_TYPE_BF16;

  if (plan->kind == FORWARD)
    return (CudaGemmShape) { .m = pixels,
                             .n = c_out,
                             .k = taps,
                             .lda = taps,
                             .ldb = taps,
                             .ldc = c_out,
                             .n_batches = 1,
                             .transpose_b = TRUE,
                             .is_half_c = is_half_y };
  if (plan->kind == INPUT_GRADIENT)
    return (CudaGemmShape) { .m = pixels,
                             .n = taps,
                             .k = c_out,
                             .lda = c_out,
                             .ldb = taps,
                             .ldc = taps,
                             .n_batches = 1,
                             .is_half_c = is_half_x };

  return (CudaGemmShape) { .m = c_out,
                           .n = taps,
                           .k = pixels,
                           .lda = c_out,
                           .ldb = taps,
                           .ldc = taps,
                           .n_batches = 1,
                           .transpose_a = TRUE };
}

static void
cuda_plan_geometry (ConvPlan *plan,
                    const VardShape *x,
                    const VardShape *w,
                    const VardShape *y,
                    const VardConv2dAttrs *attrs)
{
  plan->n = x->dims[0];
  plan->c_out = w->dims[0];
  plan->geometry = (CudaPatchesArgs) {
    .n = 1,
    .h = x->dims[1],
    .w = x->dims[2],
    .c = x->dims[3],
    .oh = y->dims[1],
    .ow = y->dims[2],
    .kh = w->dims[1],
    .kw = w->dims[2],
    .stride = attrs->stride,
    .top = attrs->pad_top,
    .left = attrs->pad_left,
  };
  plan->is_plain = w->dims[1] == 1 && w->dims[2] == 1 && attrs->stride == 1
                   && x->dims[1] == y->dims[1] && x->dims[2] == y->dims[2];
  plan->geometry.n =
    CLAMP (PIECE_SIZE / (cuda_n_pixels (plan, 1) * cuda_n_taps (plan) * (gint64) sizeof (float)), 1,
           plan->n);
}

/* Types as they are stored where a step reads or writes them itself, as the operands are where a
 * product does. Sums of patches and of pieces are in single precision. */
static void
cuda_plan_types (ConvPlan *plan, CudaClaim *claim)
{
  VardNode *const *inputs = claim->node->inputs;
  int operand = claim->program->precision == CUDA_PRECISION_BF16 ? CUDA_TYPE_BF16 : CUDA_TYPE_F32;

  plan->patches_type = plan->kind == INPUT_GRADIENT ? CUDA_TYPE_F32 : operand;
  plan->x_type =
    cuda_claim_get_type (claim, plan->kind == INPUT_GRADIENT ? claim->node : inputs[0]);
  plan->y_type = plan->kind == FORWARD ? cuda_claim_get_type (claim, claim->node) : operand;
  if (plan->kind != INPUT_GRADIENT && plan->is_plain)
    {
      cuda_operand_init (&plan->x, claim, inputs[0]);
      plan->x_type = operand;
    }
  if (plan->kind != FORWARD)
    cuda_operand_init (&plan->dy, claim, inputs[plan->kind == INPUT_GRADIENT ? 0 : 1]);
  if (plan->kind != WEIGHT_GRADIENT)
    cuda_operand_init (&plan->w, claim, inputs[1]);
  if (!plan->is_plain)
    plan->patches_at = cuda_scratch_add (&claim->step.scratch_size,
                                         cuda_n_pixels (plan, plan->geometry.n) * cuda_n_taps (plan)
                                           * cuda_size_of (plan->patches_type));
}

static gboolean
cuda_plan_products (ConvPlan *plan, CudaPrecision precision)
{
  CudaGemmShape piece = cuda_piece_shape (plan, plan->geometry.n);
  CudaGemmShape rest = cuda_piece_shape (plan, plan->n % plan->geometry.n);

  plan->patches = cuda_device_get_kernel (plan->device, "move.cu", "patches");
  plan->patches_sum = cuda_device_get_kernel (plan->device, "move.cu", "patches_sum");
  plan->piece = cuda_gemm_new (plan->device, &piece, precision);
  if (plan->n % plan->geometry.n != 0)
    plan->rest = cuda_gemm_new (plan->device, &rest, precision);

  return plan->device->error == NULL;
}

gboolean
cuda_claim_conv (CudaClaim *claim)
{
  static const char *const names[3][3] = {
    { "conv2d/patches-fp32", "conv2d/patches-tf32", "conv2d/patches-bf16" },
    { "conv2d_input_gradient/patches-fp32", "conv2d_input_gradient/patches-tf32",
      "conv2d_input_gradient/patches-bf16" },
    { "conv2d_weight_gradient/patches-fp32", "conv2d_weight_gradient/patches-tf32",
      "conv2d_weight_gradient/patches-bf16" },
  };
  VardNode *node = claim->node;
  const VardConv2dGradientAttrs *gradient = node->attrs;
  const VardShape *a = &node->inputs[0]->shape, *b = &node->inputs[1]->shape;
  CudaPrecision precision = claim->program->precision;
  ConvPlan *plan;

  if (cuda_claim_conv_cudnn (claim))
    return TRUE;
  plan = g_new0 (ConvPlan, 1);
  plan->device = claim->program->device;
  plan->kind = node->op == &vard_op_conv2d                  ? FORWARD
               : node->op == &vard_op_conv2d_input_gradient ? INPUT_GRADIENT
                                                            : WEIGHT_GRADIENT;
  if (plan->kind == FORWARD)
    cuda_plan_geometry (plan, a, b, &node->shape, node->attrs);
  else if (plan->kind == INPUT_GRADIENT)
    cuda_plan_geometry (plan, &gradient->shape, b, a, &gradient->conv);
  else
    cuda_plan_geometry (plan, a, &gradient->shape, b, &gradient->conv);
  cuda_plan_types (plan, claim);
  cuda_claim_set (claim, names[plan->kind][precision], cuda_conv_conv_kernel, plan, conv_plan_free);
  claim->step.flops = 2.0 * cuda_n_pixels (plan, plan->n) * plan->c_out * cuda_n_taps (plan);

  return cuda_plan_products (plan, precision);
}
