/* cuda-claim.c - chooses the kernel for each operation
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-region.h"
#include "cuda-step.h"

typedef struct
{
  const VardOpClass *op;
  gboolean (*claim) (CudaClaim *claim);
  gboolean is_any_type; /* else single precision */
} Rule;

static const Rule rules[] = {
  { &vard_op_matmul, cuda_claim_matmul },
  { &vard_op_conv2d, cuda_claim_conv },
  { &vard_op_conv2d_input_gradient, cuda_claim_conv },
  { &vard_op_conv2d_weight_gradient, cuda_claim_conv },
  { &vard_op_attention, cuda_claim_attention },
  { &vard_op_attention_gradient, cuda_claim_attention_gradient },
  { &vard_op_normalize, cuda_claim_normalize },
  { &vard_op_normalize_gradient, cuda_claim_normalize },
  { &vard_op_sum, cuda_claim_sum },
  { &vard_op_softmax, cuda_claim_softmax },
  { &vard_op_slice, cuda_claim_slice, TRUE },
  { &vard_op_pad, cuda_claim_pad, TRUE },
  { &vard_op_concat, cuda_claim_concat, TRUE },
  { &vard_op_upsample, cuda_claim_resample },
  { &vard_op_pool_sum, cuda_claim_resample },
  { &vard_op_gather, cuda_claim_gather },
  { &vard_op_gather_gradient, cuda_claim_gather },
  { &vard_op_cast, cuda_claim_cast, TRUE },
  { &vard_op_random_normal, cuda_claim_random_normal },
};

static const Rule *
cuda_find_rule (const VardOpClass *op)
{
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    if (rules[i].op == op)
      return &rules[i];
  return NULL;
}

gboolean
cuda_claim_supports (const VardNode *node)
{
  const Rule *rule = cuda_find_rule (node->op);

  if (node->op->flags & (VARD_OP_FLAG_SOURCE | VARD_OP_FLAG_VIEW) || node->op == &vard_op_stop)
    return TRUE;
  if (rule != NULL)
    return rule->is_any_type || node->dtype == VARD_DTYPE_F32;

  return cuda_op_is_elementwise (node) || cuda_op_is_pattern (node);
}

CudaStepData *
cuda_step_data_new (CudaProgram *program)
{
  CudaStepData *self = g_new0 (CudaStepData, 1);

  self->program = cuda_program_ref (program);
  return self;
}

void
cuda_step_data_free (gpointer data)
{
  CudaStepData *self = data;

  if (self->free_plan != NULL)
    self->free_plan (self->plan);
  cuda_program_unref (self->program);
  g_free (self);
}

gboolean
cuda_claim_set (CudaClaim *claim,
                const char *name,
                VardKernel kernel,
                gpointer plan,
                GDestroyNotify free_plan)
{
  claim->step.name = name;
  claim->step.kernel = kernel;
  claim->data->plan = plan;
  claim->data->free_plan = free_plan;
  return TRUE;
}

gboolean
cuda_claim_node (CudaProgram *program, VardLowering *lowering, VardNode *node)
{
  const Rule *rule = cuda_find_rule (node->op);
  CudaClaim claim = { .program = program, .lowering = lowering, .node = node, .out = { node } };

  if (rule == NULL || !cuda_claim_supports (node))
    return FALSE;
  claim.data = cuda_step_data_new (program);
  claim.step = (VardStep) { .data = claim.data,
                            .free_data = cuda_step_data_free,
                            .n_in = node->n_inputs,
                            .in = node->inputs,
                            .n_out = 1,
                            .out = claim.out };
  if (rule->claim (&claim))
    {
      vard_lowering_add_step (lowering, &claim.step);
      return TRUE;
    }
  cuda_step_data_free (claim.data);

  return FALSE;
}

int
cuda_claim_get_type (const CudaClaim *claim, const VardNode *node)
{
  return cuda_type_code (vard_lowering_get_storage (claim->lowering, node));
}

/* whole warps, so that a thread has at most @each of n elements, as long as there are not more than
 * @most threads */
static guint
cuda_choose_threads (gint64 n, guint each, guint most)
{
  guint threads = 32;

  while (threads < most && threads * each < n)
    threads *= 2;
  return threads;
}

/* four elements a thread are enough to hide the reading */
guint
cuda_block_size (gint64 n)
{
  return cuda_choose_threads (n, 4, 512);
}

/* few blocks have many elements: more threads for them */
guint
cuda_normalize_block_size (gint64 count)
{
  return cuda_choose_threads (count, 8, 1024);
}
