/* cpu-claim.c - chooses the kernel for each operation
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-step.h"

#define IN(i) ((const float *) in[i])
#define OUT(i) ((float *) out[i])

void
cpu_step_data_free (gpointer data)
{
  CpuStepData *self = data;

  g_free (self->region);
  g_free (self->prologue);
  g_free (self);
}

CpuEpilogue
cpu_step_epilogue (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;

  return (CpuEpilogue) {
    .region = data->region,
    .in = in + data->n_own + data->n_prologue,
    .out = out,
    .scratch = (guint8 *) scratch + data->own_scratch,
    .scratch_stride = data->region_scratch,
  };
}

CpuEpilogue
cpu_step_prologue (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;

  return (CpuEpilogue) {
    .region = data->prologue,
    .in = in + data->n_own,
    .out = out + data->own_out,
    .scratch = (guint8 *) scratch + data->own_scratch,
    .scratch_stride = data->region_scratch,
  };
}

const float *
cpu_step_weight (const VardStep *step, gpointer *in, gpointer scratch)
{
  const CpuStepData *data = step->data;
  float *widened = (float *) ((guint8 *) scratch + data->weight_scratch);

  if (!data->has_weight)
    return IN (1);
  cpu_weight_widen (data->pool, &data->weight, in[1], widened);

  return widened;
}

/* ---- products ---- */

static void
cpu_matmul_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;
  CpuEpilogue epilogue = cpu_step_epilogue (step, in, out, scratch);

  cpu_gemm_run (data->pool, &data->plan.gemm, IN (0), cpu_step_weight (step, in, scratch),
                OUT (data->own_out), &epilogue);
}

static gboolean
cpu_claim_matmul (CpuClaim *claim)
{
  const VardMatmulAttrs *attrs = claim->node->attrs;
  const VardShape *a = cpu_claim_shape (claim, 0), *b = cpu_claim_shape (claim, 1),
                  *y = &claim->node->shape;
  CpuGemm *gemm = &claim->data->plan.gemm;
  guint d = a->n_dims;

  *gemm = (CpuGemm) {
    .transpose_a = attrs->transpose_a,
    .transpose_b = attrs->transpose_b,
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
  };
  claim->step.flops = 2.0 * gemm->n_batches * gemm->m * gemm->n * gemm->k;

  return cpu_claim_kernel (claim, "matmul", cpu_matmul_kernel);
}

/* ---- convolutions ---- */

static void
cpu_conv_gemm_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;
  CpuEpilogue epilogue = cpu_step_epilogue (step, in, out, scratch);

  cpu_conv_gemm_run (data->pool, &data->plan.conv.conv, data->plan.conv.kind, IN (0),
                     cpu_step_weight (step, in, scratch), OUT (data->own_out), scratch, &epilogue);
}

static void
cpu_winograd_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;
  CpuEpilogue epilogue = cpu_step_epilogue (step, in, out, scratch);

  if (data->has_weight && data->reads_stored)
    cpu_winograd_run_stored (data->pool, &data->plan.conv.conv, data->plan.conv.kind, &data->weight,
                             IN (0), in[1], OUT (data->own_out), scratch, &epilogue);
  else
    cpu_winograd_run (data->pool, &data->plan.conv.conv, data->plan.conv.kind, IN (0),
                      cpu_step_weight (step, in, scratch), OUT (data->own_out), scratch, &epilogue);
}

static void
cpu_conv_narrow_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;
  CpuEpilogue epilogue = cpu_step_epilogue (step, in, out, scratch);

  cpu_conv_narrow_run (data->pool, &data->plan.conv.conv, data->plan.conv.kind, IN (0),
                       cpu_step_weight (step, in, scratch), OUT (data->own_out), scratch,
                       &epilogue);
}

static CpuConv
cpu_conv_geometry (const VardShape *x,
                   const VardShape *w,
                   const VardShape *y,
                   const VardConv2dAttrs *attrs)
{
  return (CpuConv) {
    .n = x->dims[0],
    .h = x->dims[1],
    .w = x->dims[2],
    .ci = x->dims[3],
    .oh = y->dims[1],
    .ow = y->dims[2],
    .co = w->dims[0],
    .kh = w->dims[1],
    .kw = w->dims[2],
    .stride = attrs->stride,
    .top = attrs->pad_top,
    .left = attrs->pad_left,
  };
}

/* VARD_CPU_CONV=winograd or gemm overrules the estimate where the algorithm can do the shape */
static gboolean
cpu_prefers_winograd (const CpuConvPlan *plan, guint n_threads)
{
  const char *choice = g_getenv ("VARD_CPU_CONV");

  if (!cpu_winograd_can (&plan->conv, plan->kind) || g_strcmp0 (choice, "gemm") == 0)
    return FALSE;
  if (g_strcmp0 (choice, "winograd") == 0)
    return TRUE;

  return cpu_winograd_get_cost (&plan->conv, plan->kind, n_threads)
         < cpu_conv_gemm_get_cost (&plan->conv, n_threads);
}

static gboolean
cpu_claim_conv (CpuClaim *claim, CpuConv conv, CpuConvKind kind)
{
  static const char *const gemm_names[] = { "conv2d/gemm", "conv2d_input_gradient/gemm",
                                            "conv2d_weight_gradient/gemm" };
  static const char *const winograd_names[] = { "conv2d/winograd", "conv2d_input_gradient/winograd",
                                                "conv2d_weight_gradient/winograd" };
  static const char *const narrow_names[] = { "conv2d/narrow", "conv2d_input_gradient/narrow" };
  CpuConvPlan plan = { conv, kind };
  guint n_threads = claim->data->n_threads;

  claim->data->plan.conv = plan;
  claim->step.flops = 2.0 * conv.n * conv.oh * conv.ow * conv.co * conv.kh * conv.kw * conv.ci;
  if (cpu_conv_narrow_can (&conv, kind) && g_getenv ("VARD_CPU_CONV") == NULL)
    {
      claim->data->own_scratch = cpu_conv_narrow_get_scratch_size (&conv, kind, n_threads);
      return cpu_claim_kernel (claim, narrow_names[kind], cpu_conv_narrow_kernel);
    }
  if (cpu_prefers_winograd (&plan, n_threads))
    {
      claim->data->reads_stored = cpu_winograd_reads_stored (&conv, kind, n_threads);
      claim->data->own_scratch = cpu_winograd_get_scratch_size (&conv, kind, n_threads);
      return cpu_claim_kernel (claim, winograd_names[kind], cpu_winograd_kernel);
    }
  claim->data->keeps_order = cpu_conv_gemm_takes_taps_last (&conv, kind);
  claim->data->own_scratch = cpu_conv_gemm_get_scratch_size (&conv, kind, n_threads);

  return cpu_claim_kernel (claim, gemm_names[kind], cpu_conv_gemm_kernel);
}

static gboolean
cpu_claim_conv2d (CpuClaim *claim)
{
  return cpu_claim_conv (claim,
                         cpu_conv_geometry (cpu_claim_shape (claim, 0), cpu_claim_shape (claim, 1),
                                            &claim->node->shape, claim->node->attrs),
                         CPU_CONV_FORWARD);
}

static gboolean
cpu_claim_conv2d_input_gradient (CpuClaim *claim)
{
  const VardConv2dGradientAttrs *attrs = claim->node->attrs;

  return cpu_claim_conv (claim,
                         cpu_conv_geometry (&attrs->shape, cpu_claim_shape (claim, 1),
                                            cpu_claim_shape (claim, 0), &attrs->conv),
                         CPU_CONV_INPUT_GRADIENT);
}

static gboolean
cpu_claim_conv2d_weight_gradient (CpuClaim *claim)
{
  const VardConv2dGradientAttrs *attrs = claim->node->attrs;

  return cpu_claim_conv (claim,
                         cpu_conv_geometry (cpu_claim_shape (claim, 0), &attrs->shape,
                                            cpu_claim_shape (claim, 1), &attrs->conv),
                         CPU_CONV_WEIGHT_GRADIENT);
}

/* ---- attention ---- */

static void
cpu_attention_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;

  cpu_attention_run (data->pool, &data->plan.attention, IN (0), IN (1), IN (2), OUT (0), scratch);
}

static void
cpu_attention_gradient_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;
  float *to[3];

  for (guint i = 0; i < 3; i++)
    to[i] = data->outputs[i] < 0 ? NULL : OUT (data->outputs[i]);
  cpu_attention_gradient_run (data->pool, &data->plan.attention, IN (0), IN (1), IN (2), IN (3),
                              to[0], to[1], to[2], scratch);
}

static void
cpu_claim_attention_plan (CpuClaim *claim, double products, gboolean is_gradient)
{
  const VardAttentionAttrs *attrs = claim->node->attrs;
  const VardShape *q = cpu_claim_shape (claim, 0), *k = cpu_claim_shape (claim, 1);
  CpuAttention *plan = &claim->data->plan.attention;

  *plan = (CpuAttention) { q->dims[0], q->dims[1],   k->dims[1],      q->dims[2],
                           q->dims[3], attrs->scale, attrs->is_causal };
  claim->data->own_scratch =
    is_gradient ? cpu_attention_gradient_get_scratch_size (plan, claim->data->n_threads)
                : cpu_attention_get_scratch_size (plan, claim->data->n_threads);
  claim->step.flops = products * 2.0 * plan->b * plan->heads * plan->tq * plan->tk * plan->d;
}

/* the largest score is the scale times the largest product, which a scale below 0 would turn
 * round */
static gboolean
cpu_attention_is_usual (const CpuClaim *claim)
{
  return ((const VardAttentionAttrs *) claim->node->attrs)->scale >= 0;
}

static gboolean
cpu_claim_attention (CpuClaim *claim)
{
  if (!cpu_attention_is_usual (claim))
    return FALSE;
  cpu_claim_attention_plan (claim, 2, FALSE);
  return cpu_claim_kernel (claim, "attention", cpu_attention_kernel);
}

static gboolean
cpu_is_same_gradient (const VardNode *a, const VardNode *b)
{
  const VardAttentionAttrs *p = a->attrs, *q = b->attrs;

  if (b->op != &vard_op_attention_gradient || p->scale != q->scale || p->is_causal != q->is_causal)
    return FALSE;
  for (guint i = 0; i < 4; i++)
    if (a->inputs[i] != b->inputs[i])
      return FALSE;

  return TRUE;
}

/* the gradients for q, k and v are one step: they share the scores */
static gboolean
cpu_claim_attention_gradient (CpuClaim *claim)
{
  VardGraph *graph = claim->node->graph;

  if (!cpu_attention_is_usual (claim))
    return FALSE;
  cpu_claim_attention_plan (claim, 5, TRUE);
  claim->step.n_out = 0;
  for (guint i = 0; i < 3; i++)
    claim->data->outputs[i] = -1;
  for (guint id = claim->node->id; id < vard_graph_get_n_nodes (graph) && claim->step.n_out < 3;
       id++)
    {
      VardNode *node = vard_graph_get_node (graph, id);

      if (!vard_lowering_is_live (claim->lowering, node)
          || !cpu_is_same_gradient (claim->node, node))
        continue;
      claim->data->outputs[((const VardAttentionAttrs *) node->attrs)->which] = claim->step.n_out;
      claim->out[claim->step.n_out++] = node;
    }

  return cpu_claim_kernel (claim, "attention_gradient", cpu_attention_gradient_kernel);
}

/* ---- normalisation and reductions ---- */

static void
cpu_normalize_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;
  CpuEpilogue epilogue = cpu_step_epilogue (step, in, out, scratch);

  cpu_normalize_run (data->pool, &data->plan.normalize, IN (0), OUT (data->own_out), scratch,
                     &epilogue);
}

static void
cpu_normalize_gradient_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;
  CpuEpilogue epilogue = cpu_step_epilogue (step, in, out, scratch);

  CpuEpilogue prologue = cpu_step_prologue (step, in, out, scratch);

  cpu_normalize_gradient_run (data->pool, &data->plan.normalize, IN (0),
                              data->prologue != NULL ? NULL : IN (1), OUT (data->own_out), scratch,
                              &prologue, &epilogue);
}

static gboolean
cpu_claim_normalize (CpuClaim *claim)
{
  const VardNormalizeAttrs *attrs = claim->node->attrs;
  const VardShape *x = cpu_claim_shape (claim, 0);
  CpuNormalize *plan = &claim->data->plan.normalize;
  gboolean back = claim->node->op == &vard_op_normalize_gradient;

  *plan = (CpuNormalize) {
    .outer = vard_shape_get_span (x, 0, attrs->n_outer),
    .rows = vard_shape_get_span (x, attrs->n_outer, x->n_dims - 1),
    .groups = attrs->groups,
    .width = x->dims[x->n_dims - 1] / attrs->groups,
    .eps = attrs->eps,
  };
  claim->data->own_scratch = cpu_normalize_get_scratch_size (plan, claim->data->n_threads);
  claim->step.in_place[0] = 1;

  return back ? cpu_claim_kernel (claim, "normalize_gradient", cpu_normalize_gradient_kernel)
              : cpu_claim_kernel (claim, "normalize", cpu_normalize_kernel);
}

static void
cpu_sum_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;

  cpu_sum_run (data->pool, &data->plan.sum, IN (0), OUT (0), scratch);
}

static gboolean
cpu_claim_sum (CpuClaim *claim)
{
  const VardReduceAttrs *attrs = claim->node->attrs;
  const VardShape *x = cpu_claim_shape (claim, 0);

  cpu_sum_prepare (&claim->data->plan.sum, x->dims, x->n_dims, attrs->axes_mask);
  claim->data->own_scratch = cpu_sum_get_scratch_size (&claim->data->plan.sum);

  return cpu_claim_kernel (claim, "sum", cpu_sum_kernel);
}

static void
cpu_softmax_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;
  const VardShape *x = &step->out[0]->shape;
  gint64 n = x->dims[x->n_dims - 1];

  cpu_softmax_run (data->pool, vard_shape_get_count (x) / n, n, IN (0), OUT (0));
}

static gboolean
cpu_claim_softmax (CpuClaim *claim)
{
  claim->step.in_place[0] = 1;
  return claim->node->shape.n_dims > 0 && cpu_claim_kernel (claim, "softmax", cpu_softmax_kernel);
}

/* ---- the table ---- */

static const CpuOpRule rules[] = {
  { &vard_op_matmul, cpu_claim_matmul, TRUE },
  { &vard_op_conv2d, cpu_claim_conv2d, TRUE },
  { &vard_op_conv2d_input_gradient, cpu_claim_conv2d_input_gradient, TRUE },
  { &vard_op_conv2d_weight_gradient, cpu_claim_conv2d_weight_gradient, FALSE },
  { &vard_op_attention, cpu_claim_attention, FALSE },
  { &vard_op_attention_gradient, cpu_claim_attention_gradient, FALSE },
  { &vard_op_normalize, cpu_claim_normalize, TRUE },
  { &vard_op_normalize_gradient, cpu_claim_normalize, TRUE },
  { &vard_op_sum, cpu_claim_sum, FALSE },
  { &vard_op_softmax, cpu_claim_softmax, FALSE },
  { &vard_op_permute, cpu_claim_permute, FALSE },
  { &vard_op_slice, cpu_claim_slice, FALSE },
  { &vard_op_pad, cpu_claim_pad, FALSE },
  { &vard_op_concat, cpu_claim_concat, FALSE },
  { &vard_op_upsample, cpu_claim_resample, FALSE },
  { &vard_op_pool_sum, cpu_claim_resample, FALSE },
  { &vard_op_gather, cpu_claim_gather, FALSE },
  { &vard_op_gather_gradient, cpu_claim_gather, FALSE },
  { &vard_op_cast, cpu_claim_cast, FALSE },
  { &vard_op_random_normal, cpu_claim_random_normal, FALSE },
};

const CpuOpRule *
cpu_find_rule (const VardOpClass *op)
{
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    if (rules[i].op == op)
      return &rules[i];
  return NULL;
}

/* moves and casts take any type (permute: of 4 bytes; gather: rows of whole words), the rest single
 * precision */
static gboolean
cpu_is_any_type (const VardNode *node)
{
  const VardOpClass *op = node->op;

  if (op == &vard_op_gather)
    return node->inputs[0]->shape.dims[1] * vard_dtype_get_size (node->dtype) % sizeof (float) == 0;

  return op == &vard_op_slice || op == &vard_op_pad || op == &vard_op_concat
         || op == &vard_op_permute || op == &vard_op_cast;
}

gboolean
cpu_claim_supports (const VardNode *node)
{
  const CpuOpRule *rule = cpu_find_rule (node->op);

  if (node->op->flags & (VARD_OP_FLAG_SOURCE | VARD_OP_FLAG_VIEW)
      || vard_fusion_passes_through (node))
    return TRUE;
  if (rule != NULL)
    return cpu_is_any_type (node) || node->dtype == VARD_DTYPE_F32;

  return cpu_op_is_elementwise (node)
         || ((node->op == &vard_op_broadcast || node->op == &vard_op_fill)
             && node->dtype == VARD_DTYPE_F32);
}

gboolean
cpu_claim_node (CpuPool *pool, VardLowering *lowering, VardNode *node, CpuClaim *claim)
{
  const CpuOpRule *rule = cpu_find_rule (node->op);
  CpuStepData *data;

  if (rule == NULL || !cpu_claim_supports (node))
    return FALSE;
  data = g_new0 (CpuStepData, 1);
  data->pool = pool;
  data->n_threads = cpu_pool_get_n_threads (pool);
  data->n_own = node->n_inputs;
  *claim =
    (CpuClaim) { .pool = pool, .lowering = lowering, .node = node, .data = data, .out = { node } };
  claim->step = (VardStep) { .data = data,
                             .free_data = cpu_step_data_free,
                             .n_in = node->n_inputs,
                             .in = node->inputs,
                             .n_out = 1,
                             .out = claim->out };
  if (!rule->claim (claim))
    {
      cpu_step_data_free (data);
      return FALSE;
    }
  claim->step.scratch_size = data->own_scratch;

  return TRUE;
}
