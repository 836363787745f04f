/* cuda-epilogue.c - adds a bias and a residual within a product
 *
 * A group of elementwise nodes that only adds to one product becomes part of that product: cuBLASLt
 * adds the bias in its epilogue, and another value of the same shape as the matrix C. The sum stays
 * in single precision to the end. cuBLASLt's GELU is the tanh approximation, while vard has the
 * exact one and x sigmoid (1.702 x), so a GELU stays in the region after the product.
 *
 * A policy is compared with its reference: the same layers without adapters, in the same program.
 * Layers without an adapter must give the same bits in both, or the two would differ before
 * training. A layer's product is therefore joined only if it can be joined wherever the layer is
 * recorded, with the same addends.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-epilogue.h"

#include "cuda-gemm.h"
#include "cuda-storage.h"

/* what a group adds up */
typedef struct
{
  VardNode *product, *bias, *residual; /* bias is the vector */
  guint n_others;
} Addends;

static VardNode *
cuda_skip_views (const VardFusion *fusion, const VardFusionGroup *group, VardNode *node)
{
  while (vard_fusion_passes_through (node) && fusion->group_of[node->id] == group)
    node = node->inputs[0];
  return node;
}

/* one that no other step reads, computed by a step of its own */
static gboolean
cuda_is_free_product (const VardFusion *fusion, const VardNode *node)
{
  return node->op == &vard_op_matmul && fusion->group_of[node->id] == NULL
         && !fusion->is_sink[node->id] && vard_lowering_get_n_uses (fusion->lowering, node) == 1;
}

/* a vector over the columns of a product */
static VardNode *
cuda_find_bias (VardNode *node)
{
  VardNode *vector = node->op == &vard_op_broadcast ? node->inputs[0] : NULL;
  guint d = node->shape.n_dims;

  if (vector == NULL || vector->dtype != VARD_DTYPE_F32 || d == 0 || vector->shape.n_dims != d
      || vector->shape.dims[d - 1] != node->shape.dims[d - 1]
      || vard_node_get_count (vector) != vector->shape.dims[d - 1])
    return NULL;

  return vector;
}

static void
cuda_add_addend (VardFusion *fusion, Addends *addends, VardNode *node)
{
  VardNode *bias = cuda_find_bias (node);

  if (cuda_is_free_product (fusion, node) && addends->product == NULL)
    addends->product = node;
  else if (bias != NULL && addends->bias == NULL)
    addends->bias = bias;
  else if (bias == NULL && node->op != &vard_op_broadcast && node->op != &vard_op_fill
           && node != addends->product && addends->residual == NULL)
    addends->residual = node;
  else
    addends->n_others++;
}

/* FALSE: the group does more than add, or adds one of its sums twice */
static gboolean
cuda_find_addends (VardFusion *fusion, const VardFusionGroup *group, Addends *addends)
{
  guint n_sums = 0, n_read = 0;

  *addends = (Addends) { NULL };
  for (guint i = 0; i < group->members->len; i++)
    {
      VardNode *member = group->members->pdata[i];

      if (vard_fusion_passes_through (member))
        continue;
      if (member->op != &vard_op_add)
        return FALSE;
      n_sums++;
      for (guint k = 0; k < 2; k++)
        {
          VardNode *input = cuda_skip_views (fusion, group, member->inputs[k]);

          if (fusion->group_of[input->id] != group)
            cuda_add_addend (fusion, addends, input);
          else
            n_read++;
        }
    }

  return group->n_outputs == 1 && n_read == n_sums - 1 && addends->product != NULL
         && addends->n_others == 0 && (addends->bias != NULL || addends->residual != NULL);
}

/* views have not been lowered yet: they are stored as what they show */
static VardDType
cuda_get_storage (const VardFusion *fusion, const VardNode *node)
{
  while (vard_fusion_passes_through (node) || node->op->flags & VARD_OP_FLAG_VIEW)
    node = node->inputs[0];
  return vard_lowering_get_storage (fusion->lowering, node);
}

/* The columns of the product are the bias's; the matrix that is added is stored as the result is,
 * and read where it lies */
static gboolean
cuda_fits (VardFusion *fusion, const VardFusionGroup *group, const Addends *addends)
{
  const VardShape *y = &addends->product->shape;

  if (vard_node_get_count (addends->product) != vard_node_get_count (group->root))
    return FALSE;
  if (addends->bias != NULL
      && (vard_shape_get_span (y, 0, y->n_dims - 2) != 1
          || vard_node_get_count (addends->bias) != y->dims[y->n_dims - 1]))
    return FALSE;

  return addends->residual == NULL
         || (addends->residual->op != &vard_op_slice && addends->residual->op != &vard_op_permute
             && cuda_get_storage (fusion, addends->residual)
                  == cuda_get_storage (fusion, group->root));
}

static VardFusionGroup *
cuda_find_group (VardFusion *fusion, const VardNode *product)
{
  const VardNode *reader = vard_fusion_count_readers (fusion, product) == 1
                             ? vard_fusion_get_reader (fusion, product, 0)
                             : NULL;

  return reader != NULL ? fusion->group_of[reader->id] : NULL;
}

static gboolean
cuda_has_same_addends (VardFusion *fusion, const VardNode *product, const Addends *addends)
{
  VardFusionGroup *group = cuda_find_group (fusion, product);
  Addends others;

  return group != NULL && cuda_find_addends (fusion, group, &others) && others.product == product
         && cuda_fits (fusion, group, &others) && (others.bias != NULL) == (addends->bias != NULL)
         && (others.residual != NULL) == (addends->residual != NULL);
}

/* the same layer once more, with adapters or without, or recomputed */
static gboolean
cuda_is_twin (const VardNode *a, const VardNode *b)
{
  const VardMatmulAttrs *p = a->attrs, *q = b->attrs;

  return a != b && b->op == &vard_op_matmul && g_str_equal (a->scope, b->scope)
         && p->transpose_a == q->transpose_a && p->transpose_b == q->transpose_b
         && a->shape.dims[a->shape.n_dims - 1] == b->shape.dims[b->shape.n_dims - 1];
}

/* by the layer's name: a reference of weights that are trained in full has others */
static gboolean
cuda_is_alike_everywhere (VardFusion *fusion, GPtrArray *products, const Addends *addends)
{
  for (guint i = 0; i < products->len; i++)
    if (cuda_is_twin (addends->product, products->pdata[i])
        && !cuda_has_same_addends (fusion, products->pdata[i], addends))
      return FALSE;
  return TRUE;
}

static GPtrArray *
cuda_find_products (VardFusion *fusion)
{
  GPtrArray *products = g_ptr_array_new ();

  for (guint id = 0; id < fusion->n_nodes; id++)
    {
      VardNode *node = vard_graph_get_node (fusion->graph, id);

      if (node->op == &vard_op_matmul && vard_lowering_is_live (fusion->lowering, node))
        g_ptr_array_add (products, node);
    }

  return products;
}

/* all are found before any is joined: what is joined looks different */
void
cuda_epilogues_find (VardFusion *fusion)
{
  g_autoptr (GPtrArray) joined = g_ptr_array_new (), products = cuda_find_products (fusion);
  Addends addends;

  for (guint i = 0; i < fusion->groups->len; i++)
    if (cuda_find_addends (fusion, fusion->groups->pdata[i], &addends)
        && cuda_fits (fusion, fusion->groups->pdata[i], &addends)
        && cuda_is_alike_everywhere (fusion, products, &addends))
      {
        ((VardFusionGroup *) fusion->groups->pdata[i])->producer = addends.product;
        g_ptr_array_add (joined, fusion->groups->pdata[i]);
      }
  for (guint i = 0; i < joined->len; i++)
    {
      VardFusionGroup *group = joined->pdata[i];

      fusion->group_of[group->producer->id] = group;
    }
}

/* ---- the step ---- */

typedef struct
{
  CudaGemm *gemm;
  CudaOperand a, b, bias;
  gint at_bias, at_residual; /* in the step's inputs, or -1 */
  guint at_a, at_b;
} EpiloguePlan;

static void
epilogue_plan_free (gpointer data)
{
  cuda_gemm_free (((EpiloguePlan *) data)->gemm);
  g_free (data);
}

static void
cuda_epilogue_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const EpiloguePlan *plan = CUDA_DATA (step)->plan;
  CudaDevice *device = CUDA_DEVICE (step);
  gconstpointer bias = NULL;

  if (plan->at_bias >= 0)
    bias = cuda_operand_read (&plan->bias, device, in[plan->at_bias], scratch);
  cuda_gemm_run_onto (plan->gemm, cuda_operand_read (&plan->a, device, in[plan->at_a], scratch),
                      cuda_operand_read (&plan->b, device, in[plan->at_b], scratch), bias,
                      plan->at_residual >= 0 ? in[plan->at_residual] : NULL, out[0]);
}

static const char *
cuda_epilogue_find_name (CudaPrecision precision, const Addends *addends)
{
  static const char *const names[][3] = {
    { "matmul/fp32+bias", "matmul/tf32+bias", "matmul/bf16+bias" },
    { "matmul/fp32+residual", "matmul/tf32+residual", "matmul/bf16+residual" },
    { "matmul/fp32+bias+residual", "matmul/tf32+bias+residual", "matmul/bf16+bias+residual" },
  };

  return names[addends->residual == NULL ? 0 : addends->bias == NULL ? 1 : 2][precision];
}

/* The result may lie over the matrix that is added, so that comes first */
static guint
cuda_collect_inputs (EpiloguePlan *plan, const Addends *addends, VardNode **inputs)
{
  guint n = 0;

  plan->at_bias = plan->at_residual = -1;
  if (addends->residual != NULL)
    {
      plan->at_residual = n;
      inputs[n++] = addends->residual;
    }
  plan->at_a = n;
  inputs[n++] = addends->product->inputs[0];
  plan->at_b = n;
  inputs[n++] = addends->product->inputs[1];
  if (addends->bias != NULL)
    {
      plan->at_bias = n;
      inputs[n++] = addends->bias;
    }

  return n;
}

void
cuda_epilogue_lower (CudaProgram *program, VardFusion *fusion, VardFusionGroup *group)
{
  CudaClaim claim = { .program = program,
                      .lowering = fusion->lowering,
                      .node = group->producer,
                      .data = cuda_step_data_new (program) };
  EpiloguePlan *plan = g_new0 (EpiloguePlan, 1);
  VardNode *inputs[4];
  Addends addends;
  CudaGemmShape shape = cuda_gemm_shape_of (group->producer);

  /* the product counts as the group's now */
  fusion->group_of[group->producer->id] = NULL;
  cuda_find_addends (fusion, group, &addends);
  fusion->group_of[group->producer->id] = group;
  claim.step = (VardStep) { .data = claim.data,
                            .free_data = cuda_step_data_free,
                            .in = inputs,
                            .n_out = 1,
                            .n_in = cuda_collect_inputs (plan, &addends, inputs),
                            .out = &group->root,
                            .in_place = { addends.residual != NULL },
                            .flops = cuda_gemm_get_flops (&shape) };
  cuda_claim_set (&claim, cuda_epilogue_find_name (program->precision, &addends),
                  cuda_epilogue_kernel, plan, epilogue_plan_free);
  shape.has_bias = addends.bias != NULL;
  shape.is_half_c = cuda_claim_get_type (&claim, group->root) == CUDA_TYPE_BF16;
  cuda_operand_init (&plan->a, &claim, addends.product->inputs[0]);
  cuda_operand_init (&plan->b, &claim, addends.product->inputs[1]);
  /* the library wants a bias of the result's type */
  if (addends.bias != NULL && shape.is_half_c)
    cuda_operand_init (&plan->bias, &claim, addends.bias);
  plan->gemm = cuda_gemm_new (program->device, &shape, program->precision);
  vard_lowering_add_step (fusion->lowering, &claim.step);
}
