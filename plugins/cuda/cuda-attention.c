/* cuda-attention.c - attention and its gradients as products over blocks of queries
 *
 * A block's scores [heads, queries, keys] are computed, made weights, used and forgotten, so that memory does not grow
 * with tokens x tokens and the block stays in the device's cache. All products run on the matrix units, for any head
 * size. The gradient computes the scores again. With P the weights: dP = dy v', dS = scale P (dP - rowsum (P dP)), dq = dS k,
 * dk = dS' q, dv = P' dy.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-gemm.h"

/* bytes of one block's scores: about what the cache of a large device holds */
#define BLOCK_SIZE (32 << 20)

enum { Q, K, V, DY, N_TENSORS };

/* the products of a block of n queries */
typedef struct
{
  CudaGemm *scores, *output, *dp, *dq, *dk, *dv;
} Products;

typedef struct
{
  CudaDevice *device;
  gint64 b, n_queries, n_keys, n_heads, d, block;
  float scale;
  gboolean is_causal, is_half;
  Products full, rest;             /* rest: the last block when it is smaller */
  CUfunction softmax, softmax_gradient, cast;
  gint outputs[3];                 /* which of the step's outputs is dq, dk, dv, or -1 */
  gsize half_at[N_TENSORS];        /* in scratch */
  gsize p_at, ds_at, half_p_at, half_ds_at;
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

/* one block: pointers to its first query of head 0, and to the picture's keys and values */
typedef struct
{
  const Products *products;
  gint64 first, n;
  gconstpointer q, k, v, dy;
  gpointer p, ds;                  /* as the products read them */
} Block;

static gsize
token_bytes (const AttentionPlan *plan, gboolean is_half)
{
  return plan->n_heads * plan->d * (is_half ? sizeof (guint16) : sizeof (float));
}

static void
compute_weights (const AttentionPlan *plan, Block *block, guint8 *scratch)
{
  float *p = (float *) (gpointer) (scratch + plan->p_at);
  CudaSoftmaxArgs args = { p, p, plan->n_keys, block->first, block->n, plan->scale, plan->is_causal };
  gint64 n_rows = plan->n_heads * block->n;

  cuda_gemm_run (block->products->scores, block->q, block->k, NULL, 0, p);
  cuda_device_launch (plan->device, plan->softmax, n_rows, 1, cuda_block_size (plan->n_keys), &args);
  block->p = p;
  if (!plan->is_half)
    return;
  block->p = scratch + plan->half_p_at;
  cuda_to_half (plan->device, plan->cast, p, block->p, n_rows * plan->n_keys);
}

static void
compute_score_gradient (const AttentionPlan *plan, Block *block, guint8 *scratch)
{
  float *ds = (float *) (gpointer) (scratch + plan->ds_at);
  CudaSoftmaxGradientArgs args = { (float *) (gpointer) (scratch + plan->p_at), ds, plan->n_keys, plan->scale };
  gint64 n_rows = plan->n_heads * block->n;

  cuda_gemm_run (block->products->dp, block->dy, block->v, NULL, 0, ds);
  cuda_device_launch (plan->device, plan->softmax_gradient, n_rows, 1, cuda_block_size (plan->n_keys), &args);
  block->ds = ds;
  if (!plan->is_half)
    return;
  block->ds = scratch + plan->half_ds_at;
  cuda_to_half (plan->device, plan->cast, ds, block->ds, n_rows * plan->n_keys);
}

static Block
find_block (const AttentionPlan *plan, gint64 picture, gint64 first, const gconstpointer *tensors)
{
  gsize token = token_bytes (plan, plan->is_half);
  gsize query = (picture * plan->n_queries + first) * token, key = picture * plan->n_keys * token;
  gint64 n = MIN (plan->block, plan->n_queries - first);

  return (Block) {
    .products = n == plan->block ? &plan->full : &plan->rest, .first = first, .n = n,
    .q = (const guint8 *) tensors[Q] + query, .k = (const guint8 *) tensors[K] + key,
    .v = (const guint8 *) tensors[V] + key, .dy = tensors[DY] ? (const guint8 *) tensors[DY] + query : NULL,
  };
}

/* the tensors as the products read them */
static void
prepare_tensors (const AttentionPlan *plan, gpointer *in, guint n_in, guint8 *scratch, gconstpointer *tensors)
{
  tensors[DY] = NULL;
  for (guint i = 0; i < n_in; i++)
    {
      gint64 n_tokens = plan->b * (i == Q || i == DY ? plan->n_queries : plan->n_keys);

      tensors[i] = in[i];
      if (!plan->is_half)
        continue;
      tensors[i] = scratch + plan->half_at[i];
      cuda_to_half (plan->device, plan->cast, in[i], scratch + plan->half_at[i], n_tokens * plan->n_heads * plan->d);
    }
}

static void
attention_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const AttentionPlan *plan = CUDA_DATA (step)->plan;
  gconstpointer tensors[N_TENSORS];

  prepare_tensors (plan, in, 3, scratch, tensors);
  for (gint64 picture = 0; picture < plan->b; picture++)
    for (gint64 first = 0; first < plan->n_queries; first += plan->block)
      {
        Block block = find_block (plan, picture, first, tensors);

        compute_weights (plan, &block, scratch);
        cuda_gemm_run (block.products->output, block.p, block.v, NULL, 0,
                       (guint8 *) out[0] + (picture * plan->n_queries + first) * token_bytes (plan, FALSE));
      }
}

/* gradients for keys and values are sums over the blocks of queries */
static void
add_block (const AttentionPlan *plan, gint64 picture, const Block *block, gpointer *out)
{
  gsize token = token_bytes (plan, FALSE);
  gsize query = (picture * plan->n_queries + block->first) * token, key = picture * plan->n_keys * token;

  if (plan->outputs[Q] >= 0)
    cuda_gemm_run (block->products->dq, block->ds, block->k, NULL, 0, (guint8 *) out[plan->outputs[Q]] + query);
  if (plan->outputs[K] >= 0)
    cuda_gemm_run (block->products->dk, block->ds, block->q, NULL, block->first > 0,
                   (guint8 *) out[plan->outputs[K]] + key);
  if (plan->outputs[V] >= 0)
    cuda_gemm_run (block->products->dv, block->p, block->dy, NULL, block->first > 0,
                   (guint8 *) out[plan->outputs[V]] + key);
}

static void
attention_gradient_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const AttentionPlan *plan = CUDA_DATA (step)->plan;
  gconstpointer tensors[N_TENSORS];

  prepare_tensors (plan, in, 4, scratch, tensors);
  for (gint64 picture = 0; picture < plan->b; picture++)
    for (gint64 first = 0; first < plan->n_queries; first += plan->block)
      {
        Block block = find_block (plan, picture, first, tensors);

        compute_weights (plan, &block, scratch);
        if (plan->outputs[Q] >= 0 || plan->outputs[K] >= 0)
          compute_score_gradient (plan, &block, scratch);
        add_block (plan, picture, &block, out);
      }
}

/* ---- the plan ---- */

/* [n, keys] of queries times keys; [n, d] of weights times tokens; [keys, d] of weights' transpose times tokens */
static gboolean
products_prepare (Products *self, AttentionPlan *plan, gint64 n, CudaPrecision precision, gboolean is_gradient)
{
  gint64 keys = plan->n_keys, d = plan->d, pitch = plan->n_heads * d, square = n * keys;
  CudaGemmShape scores = { n, keys, d, pitch, pitch, keys, plan->n_heads, d, d, square, FALSE, TRUE };
  CudaGemmShape output = { n, d, keys, keys, pitch, pitch, plan->n_heads, square, d, d, FALSE, FALSE };
  CudaGemmShape back = { keys, d, n, keys, pitch, pitch, plan->n_heads, square, d, d, TRUE, FALSE };

  self->scores = cuda_gemm_new (plan->device, &scores, precision);
  if (!is_gradient)
    self->output = cuda_gemm_new (plan->device, &output, precision);
  else
    {
      self->dp = cuda_gemm_new (plan->device, &scores, precision);
      self->dq = cuda_gemm_new (plan->device, &output, precision);
      self->dk = cuda_gemm_new (plan->device, &back, precision);
      self->dv = cuda_gemm_new (plan->device, &back, precision);
    }
  return plan->device->error == NULL;
}

static void
plan_scratch (AttentionPlan *plan, gboolean is_gradient, gsize *total)
{
  gsize square = plan->n_heads * plan->block * plan->n_keys;

  plan->p_at = cuda_scratch_add (total, square * sizeof (float));
  if (is_gradient)
    plan->ds_at = cuda_scratch_add (total, square * sizeof (float));
  if (!plan->is_half)
    return;
  plan->half_p_at = cuda_scratch_add (total, square * sizeof (guint16));
  if (is_gradient)
    plan->half_ds_at = cuda_scratch_add (total, square * sizeof (guint16));
  for (guint i = 0; i < (is_gradient ? N_TENSORS : DY); i++)
    plan->half_at[i] = cuda_scratch_add (total, plan->b * (i == Q || i == DY ? plan->n_queries : plan->n_keys)
                                                  * plan->n_heads * plan->d * sizeof (guint16));
}

static gboolean
claim_plan (CudaClaim *claim, gboolean is_gradient, const char *const *names, VardKernel kernel)
{
  const VardAttentionAttrs *attrs = claim->node->attrs;
  const VardShape *q = &claim->node->inputs[Q]->shape, *k = &claim->node->inputs[K]->shape;
  CudaPrecision precision = claim->program->precision;
  CudaDevice *device = claim->program->device;
  AttentionPlan *plan = g_new0 (AttentionPlan, 1);

  plan->device = device;
  plan->b = q->dims[0];
  plan->n_queries = q->dims[1];
  plan->n_keys = k->dims[1];
  plan->n_heads = q->dims[2];
  plan->d = q->dims[3];
  plan->scale = attrs->scale;
  plan->is_causal = attrs->is_causal;
  plan->is_half = precision == CUDA_PRECISION_BF16;
  plan->block
    = CLAMP (BLOCK_SIZE / (plan->n_heads * plan->n_keys * (gint64) sizeof (float)), 1, plan->n_queries);
  plan_scratch (plan, is_gradient, &claim->step.scratch_size);
  cuda_claim_set (claim, names[precision], kernel, plan, attention_plan_free);
  claim->step.flops
    = (is_gradient ? 10.0 : 4.0) * plan->b * plan->n_heads * plan->n_queries * plan->n_keys * plan->d;
  plan->softmax = cuda_device_get_kernel (device, "reduce.cu", "softmax");
  plan->softmax_gradient = cuda_device_get_kernel (device, "reduce.cu", "softmax_gradient");
  plan->cast = cuda_device_get_kernel (device, "move.cu", "cast");
  return products_prepare (&plan->full, plan, plan->block, precision, is_gradient)
         && (plan->n_queries % plan->block == 0
             || products_prepare (&plan->rest, plan, plan->n_queries % plan->block, precision, is_gradient));
}

gboolean
cuda_claim_attention (CudaClaim *claim)
{
  static const char *const names[] = { "attention/blocks-fp32", "attention/blocks-tf32", "attention/blocks-bf16" };

  return claim_plan (claim, FALSE, names, attention_kernel);
}

static gboolean
is_same_gradient (const VardNode *a, const VardNode *b)
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
gboolean
cuda_claim_attention_gradient (CudaClaim *claim)
{
  static const char *const names[] = { "attention_gradient/blocks-fp32", "attention_gradient/blocks-tf32",
                                       "attention_gradient/blocks-bf16" };
  VardGraph *graph = claim->node->graph;
  AttentionPlan *plan;

  if (!claim_plan (claim, TRUE, names, attention_gradient_kernel))
    return FALSE;
  plan = claim->data->plan;
  claim->step.n_out = 0;
  for (guint i = 0; i < 3; i++)
    plan->outputs[i] = -1;
  for (guint id = claim->node->id; id < vard_graph_get_n_nodes (graph) && claim->step.n_out < 3; id++)
    {
      VardNode *node = vard_graph_get_node (graph, id);

      if (!vard_lowering_is_live (claim->lowering, node) || !is_same_gradient (claim->node, node))
        continue;
      plan->outputs[((const VardAttentionAttrs *) node->attrs)->which] = claim->step.n_out;
      claim->out[claim->step.n_out++] = node;
    }
  return TRUE;
}
