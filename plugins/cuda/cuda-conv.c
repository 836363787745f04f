/* cuda-conv.c - convolutions as products over patches, in pieces of a few pictures
 *
 * With P the patches [pixels, taps c_in] of a piece: y = P w', dw = dy' P, and dx is the sum of the patches dy w. So all
 * three run on the matrix units in every precision; kernels of one pixel need no patches. The pieces bound the memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-gemm.h"

/* bytes of patches in a piece: large enough to fill a device, small beside a model's activations */
#define PIECE_SIZE (256 << 20)

typedef enum { FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT } Kind;

typedef struct
{
  CudaDevice *device;
  Kind kind;
  CudaPatchesArgs geometry;        /* n is a whole piece's */
  gint64 n, c_out;
  gboolean is_plain, is_half;      /* plain: the pictures are their own patches */
  CudaGemm *piece, *rest;          /* rest: the last piece when it is smaller */
  CUfunction patches, patches_sum, cast;
  gsize patches_at, half_x_at, half_dy_at, half_w_at;   /* in scratch */
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
n_taps (const ConvPlan *plan)
{
  return plan->geometry.kh * plan->geometry.kw * plan->geometry.c;
}

static gint64
n_pixels (const ConvPlan *plan, gint64 n)
{
  return n * plan->geometry.oh * plan->geometry.ow;
}

static gint64
picture_size (const ConvPlan *plan)
{
  return plan->geometry.h * plan->geometry.w * plan->geometry.c;
}

/* ---- execution ---- */

static gconstpointer
to_half_if (const ConvPlan *plan, gconstpointer from, gpointer to, gint64 count)
{
  if (!plan->is_half)
    return from;
  cuda_to_half (plan->device, plan->cast, from, to, count);
  return to;
}

static gconstpointer
make_patches (const ConvPlan *plan, const float *x, gint64 n, guint8 *scratch)
{
  CudaPatchesArgs args = plan->geometry;

  if (plan->is_plain)
    return to_half_if (plan, x, scratch + plan->half_x_at, n * picture_size (plan));
  args.from = x;
  args.to = scratch + plan->patches_at;
  args.n = n;
  args.is_half = plan->is_half;
  cuda_device_launch_over (plan->device, plan->patches, n_pixels (plan, n) * n_taps (plan), &args);
  return args.to;
}

static void
sum_patches (const ConvPlan *plan, gconstpointer patches, float *x, gint64 n)
{
  CudaPatchesArgs args = plan->geometry;

  args.from = patches;
  args.to = x;
  args.n = n;
  cuda_device_launch_over (plan->device, plan->patches_sum, n * picture_size (plan), &args);
}

/* pictures from first on; x, y and w are the three tensors, whichever is computed */
static void
run_piece (const ConvPlan *plan, gint64 first, gint64 n, float *x, float *y, gpointer w, guint8 *scratch)
{
  CudaGemm *gemm = n == plan->geometry.n ? plan->piece : plan->rest;
  gconstpointer dy;
  gpointer patches = scratch + plan->patches_at;

  x += first * picture_size (plan);
  y += n_pixels (plan, first) * plan->c_out;
  if (plan->kind == FORWARD)
    {
      cuda_gemm_run (gemm, make_patches (plan, x, n, scratch), w, NULL, 0, y);
      return;
    }
  dy = to_half_if (plan, y, scratch + plan->half_dy_at, n_pixels (plan, n) * plan->c_out);
  if (plan->kind == WEIGHT_GRADIENT)
    {
      cuda_gemm_run (gemm, dy, make_patches (plan, x, n, scratch), NULL, first > 0, w);
      return;
    }
  cuda_gemm_run (gemm, dy, w, NULL, 0, plan->is_plain ? (gpointer) x : patches);
  if (!plan->is_plain)
    sum_patches (plan, patches, x, n);
}

static void
conv_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const ConvPlan *plan = CUDA_DATA (step)->plan;
  gpointer x = plan->kind == INPUT_GRADIENT ? out[0] : in[0];
  gpointer y = plan->kind == FORWARD ? out[0] : plan->kind == INPUT_GRADIENT ? in[0] : in[1];
  gpointer w = plan->kind == WEIGHT_GRADIENT ? out[0] : in[1];

  if (plan->kind != WEIGHT_GRADIENT)
    w = (gpointer) to_half_if (plan, w, (guint8 *) scratch + plan->half_w_at, plan->c_out * n_taps (plan));
  for (gint64 first = 0; first < plan->n; first += plan->geometry.n)
    run_piece (plan, first, MIN (plan->geometry.n, plan->n - first), x, y, w, scratch);
}

/* ---- the plan ---- */

static CudaGemmShape
piece_shape (const ConvPlan *plan, gint64 n)
{
  gint64 pixels = n_pixels (plan, n), taps = n_taps (plan), c_out = plan->c_out;

  if (plan->kind == FORWARD)
    return (CudaGemmShape) { .m = pixels, .n = c_out, .k = taps, .lda = taps, .ldb = taps, .ldc = c_out, .n_batches = 1,
                             .transpose_b = TRUE };
  if (plan->kind == INPUT_GRADIENT)
    return (CudaGemmShape) { .m = pixels, .n = taps, .k = c_out, .lda = c_out, .ldb = taps, .ldc = taps, .n_batches = 1 };
  return (CudaGemmShape) { .m = c_out, .n = taps, .k = pixels, .lda = c_out, .ldb = taps, .ldc = taps, .n_batches = 1,
                           .transpose_a = TRUE };
}

static void
plan_geometry (ConvPlan *plan, const VardShape *x, const VardShape *w, const VardShape *y, const VardConv2dAttrs *attrs)
{
  plan->n = x->dims[0];
  plan->c_out = w->dims[0];
  plan->geometry = (CudaPatchesArgs) {
    .n = 1, .h = x->dims[1], .w = x->dims[2], .c = x->dims[3], .oh = y->dims[1], .ow = y->dims[2], .kh = w->dims[1],
    .kw = w->dims[2], .stride = attrs->stride, .top = attrs->pad_top, .left = attrs->pad_left,
  };
  plan->is_plain = w->dims[1] == 1 && w->dims[2] == 1 && attrs->stride == 1 && x->dims[1] == y->dims[1]
                   && x->dims[2] == y->dims[2];
  plan->geometry.n
    = CLAMP (PIECE_SIZE / (n_pixels (plan, 1) * n_taps (plan) * (gint64) sizeof (float)), 1, plan->n);
}

static void
plan_scratch (ConvPlan *plan, gsize *total)
{
  gsize n = plan->geometry.n, half = sizeof (guint16);
  gsize element = plan->is_half && plan->kind != INPUT_GRADIENT ? half : sizeof (float);

  if (!plan->is_plain)
    plan->patches_at = cuda_scratch_add (total, n_pixels (plan, n) * n_taps (plan) * element);
  if (!plan->is_half)
    return;
  if (plan->is_plain && plan->kind != INPUT_GRADIENT)
    plan->half_x_at = cuda_scratch_add (total, n * picture_size (plan) * half);
  if (plan->kind != FORWARD)
    plan->half_dy_at = cuda_scratch_add (total, n_pixels (plan, n) * plan->c_out * half);
  if (plan->kind != WEIGHT_GRADIENT)
    plan->half_w_at = cuda_scratch_add (total, plan->c_out * n_taps (plan) * half);
}

static gboolean
plan_products (ConvPlan *plan, CudaPrecision precision)
{
  CudaGemmShape piece = piece_shape (plan, plan->geometry.n);
  CudaGemmShape rest = piece_shape (plan, plan->n % plan->geometry.n);

  plan->patches = cuda_device_get_kernel (plan->device, "move.cu", "patches");
  plan->patches_sum = cuda_device_get_kernel (plan->device, "move.cu", "patches_sum");
  plan->cast = cuda_device_get_kernel (plan->device, "move.cu", "cast");
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
    { "conv2d_input_gradient/patches-fp32", "conv2d_input_gradient/patches-tf32", "conv2d_input_gradient/patches-bf16" },
    { "conv2d_weight_gradient/patches-fp32", "conv2d_weight_gradient/patches-tf32",
      "conv2d_weight_gradient/patches-bf16" },
  };
  VardNode *node = claim->node;
  const VardConv2dGradientAttrs *gradient = node->attrs;
  const VardShape *a = &node->inputs[0]->shape, *b = &node->inputs[1]->shape;
  CudaPrecision precision = claim->program->precision;
  ConvPlan *plan = g_new0 (ConvPlan, 1);

  plan->device = claim->program->device;
  plan->is_half = precision == CUDA_PRECISION_BF16;
  plan->kind = node->op == &vard_op_conv2d ? FORWARD : node->op == &vard_op_conv2d_input_gradient ? INPUT_GRADIENT
                                                                                              : WEIGHT_GRADIENT;
  if (plan->kind == FORWARD)
    plan_geometry (plan, a, b, &node->shape, node->attrs);
  else if (plan->kind == INPUT_GRADIENT)
    plan_geometry (plan, &gradient->shape, b, a, &gradient->conv);
  else
    plan_geometry (plan, a, &gradient->shape, b, &gradient->conv);
  plan_scratch (plan, &claim->step.scratch_size);
  cuda_claim_set (claim, names[plan->kind][precision], conv_kernel, plan, conv_plan_free);
  claim->step.flops = 2.0 * n_pixels (plan, plan->n) * plan->c_out * n_taps (plan);
  return plan_products (plan, precision);
}
