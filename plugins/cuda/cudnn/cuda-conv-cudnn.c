/* cuda-conv-cudnn.c - convolutions and their gradients by cuDNN
 *
 * Pictures are [n, h, w, c] and weights [c_out, kh, kw, c] in memory, which the library reads as
 * they lie: its dims are [n, c, h, w], and its strides say the order. It writes bf16 where it reads
 * bf16, so in that precision results that are stored in single precision, as the gradient for a
 * weight is, take the way over patches; kernels of one pixel are plain products and need neither.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-cudnn-step.h"

typedef enum
{
  FORWARD,
  INPUT_GRADIENT,
  WEIGHT_GRADIENT
} Kind;

enum
{
  X,
  W,
  Y,
  N_TENSORS
};

typedef struct
{
  Kind kind;
  CudaDnnStep *step;
  CudaDnnPlace places[N_TENSORS];
} ConvPlan;

/* which of the three the step computes, and where the others are among its inputs */
static const struct
{
  guint computed;
  gint input_of[N_TENSORS];
} roles[] = {
  [FORWARD] = { Y, { 0, 1, -1 } },
  [INPUT_GRADIENT] = { X, { -1, 1, 0 } },
  [WEIGHT_GRADIENT] = { W, { 0, -1, 1 } },
};

static void
conv_plan_free (gpointer data)
{
  g_free (((ConvPlan *) data)->step);
  g_free (data);
}

static void
cuda_conv_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const ConvPlan *plan = CUDA_DATA (step)->plan;
  CudaDevice *device = CUDA_DEVICE (step);
  guint computed = roles[plan->kind].computed;
  gpointer pointers[N_TENSORS];

  for (guint i = 0; i < N_TENSORS; i++)
    pointers[i] = i == computed ? cuda_dnn_place_begin (&plan->places[i], out[0], scratch)
                                : cuda_dnn_place_read (&plan->places[i], device,
                                                       in[roles[plan->kind].input_of[i]], scratch);
  cuda_dnn_step_run (plan->step, pointers, scratch);
  cuda_dnn_place_end (&plan->places[computed], device, out[0], pointers[computed]);
}

/* ---- the plan ---- */

typedef struct
{
  Kind kind;
  const VardShape *shapes[N_TENSORS];
  const VardConv2dAttrs *attrs;
} Geometry;

static Geometry
cuda_find_geometry (const VardNode *node)
{
  const VardConv2dGradientAttrs *gradient = node->attrs;
  const VardShape *a = &node->inputs[0]->shape, *b = &node->inputs[1]->shape;

  if (node->op == &vard_op_conv2d)
    return (Geometry) { FORWARD, { a, b, &node->shape }, node->attrs };
  if (node->op == &vard_op_conv2d_input_gradient)
    return (Geometry) { INPUT_GRADIENT, { &gradient->shape, b, a }, &gradient->conv };

  return (Geometry) { WEIGHT_GRADIENT, { a, &gradient->shape, b }, &gradient->conv };
}

static gboolean
cuda_is_plain (const Geometry *geometry)
{
  const VardShape *w = geometry->shapes[W], *x = geometry->shapes[X], *y = geometry->shapes[Y];

  return w->dims[1] == 1 && w->dims[2] == 1 && x->dims[1] == y->dims[1] && x->dims[2] == y->dims[2];
}

static CudaDnnTensor
cuda_describe_tensor (const VardShape *shape, cudnnDataType_t type)
{
  gint64 n = shape->dims[0], h = shape->dims[1], w = shape->dims[2], c = shape->dims[3];

  return (CudaDnnTensor) { type, 0, { n, c, h, w }, { h * w * c, 1, w * c, c } };
}

static char *
cuda_conv_cudnn_dup_key (const Geometry *geometry)
{
  const VardConv2dAttrs *a = geometry->attrs;
  g_autoptr (GString) key =
    g_string_new (((const char *[]) { "conv", "conv-x", "conv-w" })[geometry->kind]);

  for (guint i = 0; i < N_TENSORS; i++)
    for (guint k = 0; k < 4; k++)
      g_string_append_printf (key, "-%" G_GINT64_FORMAT, geometry->shapes[i]->dims[k]);
  g_string_append_printf (key, "-%d-%d-%d-%d-%d", a->stride, a->pad_top, a->pad_left, a->pad_bottom,
                          a->pad_right);

  return g_string_free (g_steal_pointer (&key), FALSE);
}

CudaDnnGraph *
cuda_conv_describe (const CudaDnnTarget *target, const VardNode *node, CudaPrecision precision)
{
  static const cudnnBackendDescriptorType_t kinds[] = {
    CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
    CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
    CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
  };
  Geometry geometry = cuda_find_geometry (node);
  const VardConv2dAttrs *a = geometry.attrs;
  const CudaDnnWindow window = { { a->stride, a->stride },
                                 { a->pad_top, a->pad_left },
                                 { a->pad_bottom, a->pad_right } };
  CudaDnnGraph *graph = cuda_dnn_graph_new (target);

  for (guint i = 0; i < N_TENSORS; i++)
    {
      CudaDnnTensor tensor =
        cuda_describe_tensor (geometry.shapes[i], precision == CUDA_PRECISION_BF16
                                                    ? CUDNN_DATA_BFLOAT16
                                                    : CUDNN_DATA_FLOAT);

      cuda_dnn_graph_add_tensor (graph, &tensor);
    }
  cuda_dnn_graph_add_convolution (graph, kinds[geometry.kind], &window, X, W, Y);

  return graph;
}

static double
cuda_count_flops (const Geometry *geometry)
{
  return 2.0 * vard_shape_get_count (geometry->shapes[Y])
         * vard_shape_get_span (geometry->shapes[W], 1, 4);
}

gboolean
cuda_claim_conv_cudnn (CudaClaim *claim)
{
  static const char *const names[3][3] = {
    { "conv2d/cudnn-fp32", "conv2d/cudnn-tf32", "conv2d/cudnn-bf16" },
    { "conv2d_input_gradient/cudnn-fp32", "conv2d_input_gradient/cudnn-tf32",
      "conv2d_input_gradient/cudnn-bf16" },
    { "conv2d_weight_gradient/cudnn-fp32", "conv2d_weight_gradient/cudnn-tf32",
      "conv2d_weight_gradient/cudnn-bf16" },
  };
  const CudaDnnTarget *target = cuda_dnn_step_get_target (claim);
  CudaPrecision precision = claim->program->precision;
  Geometry geometry = cuda_find_geometry (claim->node);
  int type = precision == CUDA_PRECISION_BF16 ? CUDA_TYPE_BF16 : CUDA_TYPE_F32;
  g_autofree char *key = cuda_conv_cudnn_dup_key (&geometry);
  CudaDnnStep *step;
  ConvPlan *plan;

  if (target == NULL || cuda_is_plain (&geometry)
      || cuda_claim_get_type (claim, claim->node) != type)
    return FALSE;
  step = cuda_dnn_step_new (claim, cuda_conv_describe (target, claim->node, precision), key);
  if (step == NULL)
    return FALSE;
  plan = g_new0 (ConvPlan, 1);
  plan->kind = geometry.kind;
  plan->step = step;
  for (guint i = 0; i < N_TENSORS; i++)
    if (i == roles[plan->kind].computed)
      cuda_dnn_place_init_out (&plan->places[i], claim, claim->node);
    else
      cuda_dnn_place_init (&plan->places[i], claim,
                           claim->node->inputs[roles[plan->kind].input_of[i]]);
  claim->step.flops = cuda_count_flops (&geometry);

  return cuda_claim_set (claim, names[plan->kind][precision], cuda_conv_kernel, plan,
                         conv_plan_free);
}
