/* cuda-attention.c - attention and its gradients as products over blocks of queries
 *
 * A block's scores [heads, queries, keys] are computed, made weights, used and forgotten, so that
 * memory does not grow with tokens x tokens and the block stays in the device's cache. All products
 * run on the matrix units, for any head size. A block is of all heads of one picture, or, where
 * that makes fewer products and everything fits at once, of one head in all pictures. The gradient
 * computes the scores again. With P the weights: dP = dy v', dS = scale P (dP - rowsum (P dP)), dq
 * = dS k, dk = dS' q, dv = P' dy.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-attention.h"
#include "cuda-gemm.h"
#include "cuda-storage.h"

/* bytes of one block's scores: about what the cache of a large device holds */
#define BLOCK_SIZE (32 << 20)

enum
{
  Q,
  K,
  V,
  DY,
  N_TENSORS
};

/* the products of a block of n queries */
typedef struct
{
  CudaGemm *scores, *output, *dp, *dq, *dk, *dv;
} Products;

typedef struct
{
  CudaDevice *device;
  CudaAttentionShape shape;
  gint64 block; /* queries at a time */
  gboolean is_half;
  /* what a product is batched over, and what it is repeated for: heads and pictures, or the other
   * way round. Strides are in elements. */
  gint64 n_inner, n_outer, inner_query, inner_key, outer_query, outer_key;
  Products full, rest; /* rest: the last block when it is smaller */
  CUfunction softmax, softmax_gradient;
  CudaOperand operands[N_TENSORS];
  gint outputs[3];         /* which of the step's outputs is dq, dk, dv, or -1 */
  gboolean is_half_out[3]; /* the step's outputs, dq, dk and dv or y alone */
  gsize p_at, ds_at, half_p_at, half_ds_at, sums_at[3]; /* in scratch */
} AttentionPlan;

static void
products_clear (Products *self)
{
  cuda_gemm_free (self->scores);
  cuda_gemm_free (self->output);
  cuda_gemm_free (self->dp);
  cuda_gemm_free (self->dq);
  cuda_gemm_free (self->dk);
  cuda_gemm_free (self->dv);
}

static void
attention_plan_free (gpointer data)
{
  AttentionPlan *plan = data;

  products_clear (&plan->full);
  products_clear (&plan->rest);
  g_free (plan);
}

/* ---- execution ---- */

/* one block: pointers to its first query, and to its keys and values, of the first that a product
 * is batched over */
typedef struct
{
  const Products *products;
  gint64 first, n;
  gconstpointer q, k, v, dy;
  gpointer p, ds; /* as the products read them */
} Block;

static gsize
cuda_token_bytes (const AttentionPlan *plan, gboolean is_half)
{
  return plan->shape.n_heads * plan->shape.d * (is_half ? sizeof (guint16) : sizeof (float));
}

/* the gradient's next step reads them in single precision */
static void
cuda_compute_weights (const AttentionPlan *plan,
                      Block *block,
                      guint8 *scratch,
                      gboolean is_gradient)
{
  float *p = (float *) (gpointer) (scratch + plan->p_at);
  guint16 *half = plan->is_half ? (guint16 *) (gpointer) (scratch + plan->half_p_at) : NULL;
  CudaSoftmaxArgs args = { p,
                           half == NULL || is_gradient ? p : NULL,
                           half,
                           plan->shape.n_keys,
                           block->first,
                           block->n,
                           plan->shape.scale,
                           plan->shape.is_causal };

  cuda_gemm_run (block->products->scores, block->q, block->k, NULL, 0, p);
  cuda_device_launch (plan->device, plan->softmax, plan->n_inner * block->n, 1,
                      cuda_block_size (plan->shape.n_keys), &args);
  block->p = half != NULL ? (gpointer) half : p;
}

static void
cuda_compute_score_gradient (const AttentionPlan *plan, Block *block, guint8 *scratch)
{
  float *ds = (float *) (gpointer) (scratch + plan->ds_at);
  guint16 *half = plan->is_half ? (guint16 *) (gpointer) (scratch + plan->half_ds_at) : NULL;
  CudaSoftmaxGradientArgs args = { (float *) (gpointer) (scratch + plan->p_at), ds, half,
                                   plan->shape.n_keys, plan->shape.scale };

  cuda_gemm_run (block->products->dp, block->dy, block->v, NULL, 0, ds);
  cuda_device_launch (plan->device, plan->softmax_gradient, plan->n_inner * block->n, 1,
                      cuda_block_size (plan->shape.n_keys), &args);
  block->ds = half != NULL ? (gpointer) half : ds;
}

static gsize
cuda_element_bytes (gboolean is_half)
{
  return is_half ? sizeof (guint16) : sizeof (float);
}

/* bytes from a tensor's first element to a query's, of queries or of the output */
static gsize
cuda_query_offset (const AttentionPlan *plan, gint64 outer, gint64 first, gboolean is_half)
{
  return outer * plan->outer_query * cuda_element_bytes (is_half)
         + first * cuda_token_bytes (plan, is_half);
}

static Block
cuda_find_block (const AttentionPlan *plan,
                 gint64 outer,
                 gint64 first,
                 const gconstpointer *tensors)
{
  gsize query = cuda_query_offset (plan, outer, first, plan->is_half),
        key = outer * plan->outer_key * cuda_element_bytes (plan->is_half);
  gint64 n = MIN (plan->block, plan->shape.n_queries - first);

  return (Block) {
    .products = n == plan->block ? &plan->full : &plan->rest,
    .first = first,
    .n = n,
    .q = (const guint8 *) tensors[Q] + query,
    .k = (const guint8 *) tensors[K] + key,
    .v = (const guint8 *) tensors[V] + key,
    .dy = tensors[DY] != NULL ? (const guint8 *) tensors[DY] + query : NULL,
  };
}

/* the tensors as the products read them */
static void
cuda_prepare_tensors (const AttentionPlan *plan,
                      gpointer *in,
                      guint n_in,
                      guint8 *scratch,
                      gconstpointer *tensors)
{
  tensors[DY] = NULL;
  for (guint i = 0; i < n_in; i++)
    tensors[i] = cuda_operand_read (&plan->operands[i], plan->device, in[i], scratch);
}

static void
cuda_attention_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const AttentionPlan *plan = CUDA_DATA (step)->plan;
  gconstpointer tensors[N_TENSORS];

  cuda_prepare_tensors (plan, in, 3, scratch, tensors);
  for (gint64 outer = 0; outer < plan->n_outer; outer++)
    for (gint64 first = 0; first < plan->shape.n_queries; first += plan->block)
      {
        Block block = cuda_find_block (plan, outer, first, tensors);

        cuda_compute_weights (plan, &block, scratch, FALSE);
        cuda_gemm_run (block.products->output, block.p, block.v, NULL, 0,
                       (guint8 *) out[0]
                         + cuda_query_offset (plan, outer, first, plan->is_half_out[0]));
      }
}

/* Gradients for keys and values are sums over the blocks of queries, in single precision: in
 * scratch when the output is not, a picture at a time. Where products are batched over pictures
 * there is one block, and no sum. */
static gpointer
cuda_find_sum (const AttentionPlan *plan, guint which, gint64 outer, gpointer *out, guint8 *scratch)
{
  if (plan->sums_at[which] != 0)
    return scratch + plan->sums_at[which];
  return (guint8 *) out[plan->outputs[which]]
         + outer * plan->outer_key * cuda_element_bytes (plan->is_half_out[which]);
}

static void
cuda_add_block (const AttentionPlan *plan,
                gint64 outer,
                const Block *block,
                gpointer *out,
                guint8 *scratch)
{
  gsize query = cuda_query_offset (plan, outer, block->first, plan->is_half_out[Q]);

  if (plan->outputs[Q] >= 0)
    cuda_gemm_run (block->products->dq, block->ds, block->k, NULL, 0,
                   (guint8 *) out[plan->outputs[Q]] + query);
  if (plan->outputs[K] >= 0)
    cuda_gemm_run (block->products->dk, block->ds, block->q, NULL, block->first > 0,
                   cuda_find_sum (plan, K, outer, out, scratch));
  if (plan->outputs[V] >= 0)
    cuda_gemm_run (block->products->dv, block->p, block->dy, NULL, block->first > 0,
                   cuda_find_sum (plan, V, outer, out, scratch));
}

static void
cuda_store_sums (const AttentionPlan *plan, gint64 picture, gpointer *out, guint8 *scratch)
{
  for (guint i = K; i <= V; i++)
    if (plan->sums_at[i] != 0)
      cuda_to_half (plan->device, scratch + plan->sums_at[i],
                    (guint8 *) out[plan->outputs[i]]
                      + picture * plan->shape.n_keys * cuda_token_bytes (plan, TRUE),
                    plan->shape.n_keys * plan->shape.n_heads * plan->shape.d);
}

static void
cuda_attention_gradient_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const AttentionPlan *plan = CUDA_DATA (step)->plan;
  gconstpointer tensors[N_TENSORS];

  cuda_prepare_tensors (plan, in, 4, scratch, tensors);
  for (gint64 outer = 0; outer < plan->n_outer; outer++)
    {
      for (gint64 first = 0; first < plan->shape.n_queries; first += plan->block)
        {
          Block block = cuda_find_block (plan, outer, first, tensors);

          cuda_compute_weights (plan, &block, scratch, TRUE);
          if (plan->outputs[Q] >= 0 || plan->outputs[K] >= 0)
            cuda_compute_score_gradient (plan, &block, scratch);
          cuda_add_block (plan, outer, &block, out, scratch);
        }
      cuda_store_sums (plan, outer, out, scratch);
    }
}

/* ---- the plan ---- */

CudaAttentionShape
cuda_attention_get_shape (const VardNode *node)
{
  const VardAttentionAttrs *attrs = node->attrs;
  const VardShape *q = &node->inputs[Q]->shape, *k = &node->inputs[K]->shape;

  return (CudaAttentionShape) { q->dims[0], q->dims[1],   k->dims[1],      q->dims[2],
                                q->dims[3], attrs->scale, attrs->is_causal };
}

double
cuda_attention_count_flops (const CudaAttentionShape *shape, gboolean is_gradient)
{
  return (is_gradient ? 10.0 : 4.0) * shape->b * shape->n_heads * shape->n_queries * shape->n_keys
         * shape->d;
}

/* [n, keys] of queries times keys; [n, d] of weights times tokens; [keys, d] of weights' transpose
 * times tokens */
static gboolean
products_prepare (Products *self,
                  AttentionPlan *plan,
                  gint64 n,
                  CudaPrecision precision,
                  gboolean is_gradient)
{
  gint64 keys = plan->shape.n_keys, d = plan->shape.d, pitch = plan->shape.n_heads * d,
         square = n * keys, batch = plan->n_inner;
  gint64 query = plan->inner_query, key = plan->inner_key;
  CudaGemmShape scores = { n, keys, d, pitch, pitch, keys, batch, query, key, square, FALSE, TRUE };
  CudaGemmShape output = {
    n, d, keys, keys, pitch, pitch, batch, square, key, query, FALSE, FALSE
  };
  CudaGemmShape back = { keys, d, n, keys, pitch, pitch, batch, square, query, key, TRUE, FALSE };

  self->scores = cuda_gemm_new (plan->device, &scores, precision);
  output.is_half_c = plan->is_half_out[Q];
  if (!is_gradient)
    self->output = cuda_gemm_new (plan->device, &output, precision);
  else
    {
      self->dp = cuda_gemm_new (plan->device, &scores, precision);
      self->dq = cuda_gemm_new (plan->device, &output, precision);
      back.is_half_c = plan->is_half_out[K] && plan->sums_at[K] == 0;
      self->dk = cuda_gemm_new (plan->device, &back, precision);
      back.is_half_c = plan->is_half_out[V] && plan->sums_at[V] == 0;
      self->dv = cuda_gemm_new (plan->device, &back, precision);
    }

  return plan->device->error == NULL;
}

static void
cuda_plan_scratch (AttentionPlan *plan, gboolean is_gradient, gsize *total)
{
  gsize square = plan->n_inner * plan->block * plan->shape.n_keys;

  plan->p_at = cuda_scratch_add (total, square * sizeof (float));
  if (is_gradient)
    plan->ds_at = cuda_scratch_add (total, square * sizeof (float));
  if (!plan->is_half)
    return;
  plan->half_p_at = cuda_scratch_add (total, square * sizeof (guint16));
  if (is_gradient)
    plan->half_ds_at = cuda_scratch_add (total, square * sizeof (guint16));
  for (guint i = K; is_gradient && i <= V; i++)
    if (plan->is_half_out[i] && plan->block < plan->shape.n_queries)
      plan->sums_at[i] =
        cuda_scratch_add (total, plan->shape.n_keys * cuda_token_bytes (plan, FALSE));
}

/* heads of a picture lie side by side in a token, pictures one after the other: no single stride
 * goes over both */
static void
cuda_plan_order (AttentionPlan *plan)
{
  const CudaAttentionShape *s = &plan->shape;
  gint64 pitch = s->n_heads * s->d, query = s->n_queries * s->n_keys * (gint64) sizeof (float);

  plan->n_inner = s->n_heads;
  plan->n_outer = s->b;
  plan->inner_query = plan->inner_key = s->d;
  plan->outer_query = s->n_queries * pitch;
  plan->outer_key = s->n_keys * pitch;
  plan->block =
    CLAMP (BLOCK_SIZE / (s->n_heads * s->n_keys * (gint64) sizeof (float)), 1, s->n_queries);
  if (s->b <= s->n_heads || s->b * query > BLOCK_SIZE)
    return;
  plan->n_inner = s->b;
  plan->n_outer = s->n_heads;
  plan->inner_query = plan->outer_query;
  plan->inner_key = plan->outer_key;
  plan->outer_query = plan->outer_key = s->d;
  plan->block = s->n_queries;
}

static gboolean
cuda_claim_plan (CudaClaim *claim,
                 AttentionPlan *plan,
                 gboolean is_gradient,
                 const char *const *names,
                 VardKernel kernel)
{
  CudaPrecision precision = claim->program->precision;
  CudaDevice *device = claim->program->device;

  plan->device = device;
  plan->shape = cuda_attention_get_shape (claim->node);
  plan->is_half = precision == CUDA_PRECISION_BF16;
  cuda_plan_order (plan);
  for (guint i = 0; i < claim->node->n_inputs; i++)
    cuda_operand_init (&plan->operands[i], claim, claim->node->inputs[i]);
  cuda_plan_scratch (plan, is_gradient, &claim->step.scratch_size);
  cuda_claim_set (claim, names[precision], kernel, plan, attention_plan_free);
  claim->step.flops = cuda_attention_count_flops (&plan->shape, is_gradient);
  plan->softmax = cuda_device_get_kernel (device, "reduce.cu", "softmax");
  plan->softmax_gradient = cuda_device_get_kernel (device, "reduce.cu", "softmax_gradient");

  return products_prepare (&plan->full, plan, plan->block, precision, is_gradient)
         && (plan->shape.n_queries % plan->block == 0
             || products_prepare (&plan->rest, plan, plan->shape.n_queries % plan->block, precision,
                                  is_gradient));
}

gboolean
cuda_claim_attention (CudaClaim *claim)
{
  static const char *const names[] = { "attention/blocks-fp32", "attention/blocks-tf32",
                                       "attention/blocks-bf16" };
  AttentionPlan *plan;

  if (cuda_claim_attention_cudnn (claim))
    return TRUE;
  plan = g_new0 (AttentionPlan, 1);
  plan->is_half_out[Q] = cuda_claim_get_type (claim, claim->node) == CUDA_TYPE_BF16;

  return cuda_claim_plan (claim, plan, FALSE, names, cuda_attention_kernel);
}

static gboolean
cuda_is_same_gradient (const VardNode *a, const VardNode *b)
{
  const VardAttentionAttrs *p = a->attrs, *q = b->attrs;

  if (b->op != &vard_op_attention_gradient || p->scale != q->scale || p->is_causal != q->is_causal)
    return FALSE;
  for (guint i = 0; i < 4; i++)
    if (a->inputs[i] != b->inputs[i])
      return FALSE;

  return TRUE;
}

void
cuda_attention_find_gradients (CudaClaim *claim, gint outputs[3])
{
  VardGraph *graph = claim->node->graph;

  claim->step.n_out = 0;
  for (guint i = 0; i < 3; i++)
    outputs[i] = -1;
  for (guint id = claim->node->id; id < vard_graph_get_n_nodes (graph) && claim->step.n_out < 3;
       id++)
    {
      VardNode *node = vard_graph_get_node (graph, id);

      if (!vard_lowering_is_live (claim->lowering, node)
          || !cuda_is_same_gradient (claim->node, node))
        continue;
      outputs[((const VardAttentionAttrs *) node->attrs)->which] = claim->step.n_out;
      claim->out[claim->step.n_out++] = node;
    }
}

gboolean
cuda_claim_attention_gradient (CudaClaim *claim)
{
  static const char *const names[] = { "attention_gradient/blocks-fp32",
                                       "attention_gradient/blocks-tf32",
                                       "attention_gradient/blocks-bf16" };
  AttentionPlan *plan;

  if (cuda_claim_attention_gradient_cudnn (claim))
    return TRUE;
  plan = g_new0 (AttentionPlan, 1);
  cuda_attention_find_gradients (claim, plan->outputs);
  for (guint i = 0; i < 3; i++)
    if (plan->outputs[i] >= 0)
      plan->is_half_out[i] = cuda_claim_get_type (claim, claim->out[plan->outputs[i]])
                             == CUDA_TYPE_BF16;

  return cuda_claim_plan (claim, plan, TRUE, names, cuda_attention_gradient_kernel);
}
