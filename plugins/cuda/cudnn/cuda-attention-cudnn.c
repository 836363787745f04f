/* cuda-attention-cudnn.c - attention and its gradients in bf16, fused by cuDNN
 *
 * cuDNN recognises attention by the shape of its graph: softmax as a maximum, a difference,
 * exponentials, a sum and a quotient, with the logarithm of the sum kept for the gradients (its
 * documentation, "Graph API", fused flash attention). The forward step never writes scores to
 * memory. The backward step, which is also written as formulas in cuda-attention.c, writes the
 * gradients of the scores, for some heads at a time: cuDNN's other method adds up the gradient of
 * the queries in an order that varies, so a run would not repeat bit for bit.
 *
 * The gradients read the output and the logarithms of the forward step of the same tokens. If the
 * program has no such step, this file does not compute attention.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-attention.h"
#include "cuda-cudnn-step.h"
#include "cuda-gemm.h"

/* keys that are no multiple of this had wrong gradients up to this version */
#define PADDED_KEYS 128
#define PADDED_VERSION 91500

/* what becomes of scores is padded to whole tiles */
#define QUERIES_TILE 64
#define KEYS_TILE 128
#define SMALL 4096 /* bytes of the workspace that are the library's own */

/* of the graphs: what is bound comes first */
enum
{
  Q,
  K,
  V,
  SCALE,
  Y,
  STATISTICS,
  N_FORWARD
};
enum
{
  DY = N_FORWARD,
  ONE,
  SUMS,
  DQ,
  DK,
  DV,
  N_GRADIENT
};

/* how the step's inputs are numbered */
static const guint inputs_of_gradient[] = { Q, K, V, DY, Y };

static float one = 1;

/* of both directions */
typedef struct
{
  CudaAttentionShape shape;
  CudaDnnStep *step;
  CudaDnnPlace places[G_N_ELEMENTS (inputs_of_gradient)]; /* of the step's inputs */
  /* kept from one to the other, or NULL: the forward's are in scratch */
  VardBuffer *statistics;

  CudaDnnPlace out;
  gsize statistics_at;

  gint64 n_pictures, n_heads; /* of the gradients, at a time */
  /* which of the step's outputs is dq, dk, dv, or -1: in scratch */
  gint outputs[3];
  gsize unread_at[3], sums_at;
} FusedPlan;

/* ---- description ---- */

typedef struct
{
  gint64 dims[4], strides[4];
} Layout;

static Layout
cuda_turn (Layout layout)
{
  return (
    Layout) { { layout.dims[0], layout.dims[1], layout.dims[3], layout.dims[2] },
              { layout.strides[0], layout.strides[1], layout.strides[3], layout.strides[2] } };
}

/* [pictures, heads, tokens, d] of tokens that lie as [tokens, all heads, d] */
static Layout
cuda_lay_tokens (const CudaAttentionShape *shape, const CudaAttentionShape *all, gint64 n)
{
  gint64 token = all->n_heads * all->d;

  return (Layout) { { shape->b, shape->n_heads, n, shape->d }, { n * token, all->d, token, 1 } };
}

static Layout
cuda_lay_scores (const CudaAttentionShape *shape)
{
  gint64 square = shape->n_queries * shape->n_keys;

  return (Layout) { { shape->b, shape->n_heads, shape->n_queries, shape->n_keys },
                    { shape->n_heads * square, square, shape->n_keys, 1 } };
}

/* one number for each query, of tensors with @n_heads */
static Layout
cuda_lay_queries (const CudaAttentionShape *shape, gint64 n_heads)
{
  return (Layout) { { shape->b, shape->n_heads, shape->n_queries, 1 },
                    { n_heads * shape->n_queries, shape->n_queries, 1, 1 } };
}

static guint
cuda_add_tensor (CudaDnnGraph *graph, cudnnDataType_t type, CudaDnnTensorFlags flags, Layout layout)
{
  CudaDnnTensor tensor = { type, flags };

  memcpy (tensor.dims, layout.dims, sizeof tensor.dims);
  memcpy (tensor.strides, layout.strides, sizeof tensor.strides);
  return cuda_dnn_graph_add_tensor (graph, &tensor);
}

static void
cuda_add_number (CudaDnnGraph *graph)
{
  cuda_add_tensor (graph, CUDNN_DATA_FLOAT, CUDA_DNN_BY_VALUE,
                   (Layout) { { 1, 1, 1, 1 }, { 1, 1, 1, 1 } });
}

static guint
cuda_add_virtual (CudaDnnGraph *graph, cudnnDataType_t type, Layout layout)
{
  return cuda_add_tensor (graph, type, CUDA_DNN_VIRTUAL, layout);
}

/* a (mode) b, or mode (a) alone where b is negative: in y, or in a new virtual tensor where that is
 * negative */
static guint
cuda_apply (CudaDnnGraph *graph, cudnnPointwiseMode_t mode, guint a, gint b, gint y, Layout layout)
{
  const guint inputs[] = { a, b };
  guint result = y >= 0 ? (guint) y : cuda_add_virtual (graph, CUDNN_DATA_FLOAT, layout);

  cuda_dnn_graph_add_pointwise (graph, mode, inputs, b < 0 ? 1 : 2, result);
  return result;
}

/* queries times keys times the scale */
static guint
cuda_add_scores (CudaDnnGraph *graph, Layout scores)
{
  guint raw = cuda_add_virtual (graph, CUDNN_DATA_FLOAT, scores);

  cuda_dnn_graph_add_matmul (graph, Q, K, raw);
  return cuda_apply (graph, CUDNN_POINTWISE_MUL, raw, SCALE, -1, scores);
}

static CudaDnnGraph *
cuda_describe_forward (const CudaDnnTarget *target, const CudaAttentionShape *shape)
{
  CudaDnnGraph *graph = cuda_dnn_graph_new (target);
  Layout queries = cuda_lay_tokens (shape, shape, shape->n_queries),
         keys = cuda_lay_tokens (shape, shape, shape->n_keys);
  Layout scores = cuda_lay_scores (shape), rows = cuda_lay_queries (shape, shape->n_heads);

  cuda_add_tensor (graph, CUDNN_DATA_BFLOAT16, 0, queries);
  cuda_add_tensor (graph, CUDNN_DATA_BFLOAT16, 0, cuda_turn (keys));
  cuda_add_tensor (graph, CUDNN_DATA_BFLOAT16, 0, keys);
  cuda_add_number (graph);
  cuda_add_tensor (graph, CUDNN_DATA_BFLOAT16, 0, queries);
  cuda_add_tensor (graph, CUDNN_DATA_FLOAT, 0, rows);

  guint x = cuda_add_scores (graph, scores),
        most = cuda_add_virtual (graph, CUDNN_DATA_FLOAT, rows);
  guint sum = cuda_add_virtual (graph, CUDNN_DATA_FLOAT, rows),
        weights = cuda_add_virtual (graph, CUDNN_DATA_BFLOAT16, scores);

  cuda_dnn_graph_add_reduction (graph, CUDNN_REDUCE_TENSOR_MAX, x, most);
  x = cuda_apply (graph, CUDNN_POINTWISE_EXP,
                  cuda_apply (graph, CUDNN_POINTWISE_SUB, x, most, -1, scores), -1, -1, scores);
  cuda_dnn_graph_add_reduction (graph, CUDNN_REDUCE_TENSOR_ADD, x, sum);
  cuda_apply (graph, CUDNN_POINTWISE_ADD, most,
              cuda_apply (graph, CUDNN_POINTWISE_LOG, sum, -1, -1, rows), STATISTICS, rows);
  cuda_apply (graph, CUDNN_POINTWISE_DIV, x, sum, weights, scores);
  cuda_dnn_graph_add_matmul (graph, weights, V, Y);

  return graph;
}

/* tensors that are bound, as the enumeration has them; @part of the pictures and heads of @all */
static void
cuda_add_gradient_tensors (CudaDnnGraph *graph,
                           const CudaAttentionShape *part,
                           const CudaAttentionShape *all)
{
  Layout queries = cuda_lay_tokens (part, all, part->n_queries),
         keys = cuda_lay_tokens (part, all, part->n_keys);

  cuda_add_tensor (graph, CUDNN_DATA_BFLOAT16, 0, queries);
  cuda_add_tensor (graph, CUDNN_DATA_BFLOAT16, 0, cuda_turn (keys));
  cuda_add_tensor (graph, CUDNN_DATA_BFLOAT16, 0, cuda_turn (keys));
  cuda_add_number (graph);
  cuda_add_tensor (graph, CUDNN_DATA_BFLOAT16, 0, queries);
  cuda_add_tensor (graph, CUDNN_DATA_FLOAT, 0, cuda_lay_queries (part, all->n_heads));
  cuda_add_tensor (graph, CUDNN_DATA_BFLOAT16, 0, queries);
  cuda_add_number (graph);
  cuda_add_tensor (graph, CUDNN_DATA_FLOAT, 0, cuda_lay_queries (part, part->n_heads));
  cuda_add_tensor (graph, CUDNN_DATA_BFLOAT16, 0, queries);
  cuda_add_tensor (graph, CUDNN_DATA_BFLOAT16, 0, keys);
  cuda_add_tensor (graph, CUDNN_DATA_BFLOAT16, 0, keys);
}

/* y = x' times b */
static void
cuda_add_turned_product (CudaDnnGraph *graph, guint x, guint b, guint y, Layout scores)
{
  guint turned = cuda_add_virtual (graph, CUDNN_DATA_BFLOAT16, cuda_turn (scores));

  cuda_dnn_graph_add_reshape (graph, x, turned);
  cuda_dnn_graph_add_matmul (graph, turned, b, y);
}

static CudaDnnGraph *
cuda_describe_gradient (const CudaDnnTarget *target,
                        const CudaAttentionShape *part,
                        const CudaAttentionShape *all)
{
  CudaDnnGraph *graph = cuda_dnn_graph_new (target);
  Layout scores = cuda_lay_scores (part), rows = cuda_lay_queries (part, part->n_heads),
         queries = cuda_lay_tokens (part, all, part->n_queries);

  cuda_add_gradient_tensors (graph, part, all);

  guint sum = cuda_add_virtual (graph, CUDNN_DATA_FLOAT, rows),
        dp = cuda_add_virtual (graph, CUDNN_DATA_FLOAT, scores);
  guint ds = cuda_add_virtual (graph, CUDNN_DATA_BFLOAT16, scores), p, keys;

  /* times one: the library looks for a factor here */
  cuda_dnn_graph_add_reduction (graph, CUDNN_REDUCE_TENSOR_ADD,
                                cuda_apply (graph, CUDNN_POINTWISE_MUL, DY, Y, -1, queries), sum);
  cuda_apply (graph, CUDNN_POINTWISE_MUL, sum, ONE, SUMS, rows);

  p = cuda_apply (graph, CUDNN_POINTWISE_SUB, cuda_add_scores (graph, scores), STATISTICS, -1,
                  scores);
  p = cuda_apply (graph, CUDNN_POINTWISE_EXP, p, -1, -1, scores);
  cuda_add_turned_product (graph, p, DY, DV, scores);

  cuda_dnn_graph_add_matmul (graph, DY, V, dp);
  dp = cuda_apply (graph, CUDNN_POINTWISE_MUL,
                   cuda_apply (graph, CUDNN_POINTWISE_SUB, dp, SUMS, -1, scores), p, -1, scores);
  cuda_apply (graph, CUDNN_POINTWISE_MUL, dp, SCALE, ds, scores);
  cuda_add_turned_product (graph, ds, Q, DK, scores);

  keys = cuda_add_virtual (graph, CUDNN_DATA_BFLOAT16, cuda_lay_tokens (part, all, part->n_keys));
  cuda_dnn_graph_add_reshape (graph, K, keys);
  cuda_dnn_graph_add_matmul (graph, ds, keys, DQ);

  return graph;
}

/* as many pictures as the workspace has room for, or as many heads of one */
static CudaAttentionShape
cuda_find_part (const CudaAttentionShape *all, gsize workspace)
{
  CudaAttentionShape part = *all;
  gsize n_queries = (all->n_queries + QUERIES_TILE - 1) / QUERIES_TILE * QUERIES_TILE;
  gsize n_keys = (all->n_keys + KEYS_TILE - 1) / KEYS_TILE * KEYS_TILE,
        head = n_queries * n_keys * sizeof (guint16);

  while (part.b > 1 && (all->b % part.b != 0 || part.b * all->n_heads * head + SMALL > workspace))
    part.b--;
  while (part.n_heads > 1
         && (all->n_heads % part.n_heads != 0 || part.b * part.n_heads * head + SMALL > workspace))
    part.n_heads--;

  return part;
}

CudaDnnGraph *
cuda_attention_describe (const CudaDnnTarget *target, const VardNode *node, gsize workspace)
{
  CudaAttentionShape shape = cuda_attention_get_shape (node),
                     part = cuda_find_part (&shape, workspace);

  return node->op == &vard_op_attention ? cuda_describe_forward (target, &shape)
                                        : cuda_describe_gradient (target, &part, &shape);
}

/* ---- execution ---- */

static void
cuda_forward_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const FusedPlan *plan = CUDA_DATA (step)->plan;
  CudaDevice *device = CUDA_DEVICE (step);
  gpointer pointers[N_FORWARD];

  for (guint i = Q; i <= V; i++)
    pointers[i] = cuda_dnn_place_read (&plan->places[i], device, in[i], scratch);
  pointers[SCALE] = (gpointer) &plan->shape.scale;
  pointers[Y] = cuda_dnn_place_begin (&plan->out, out[0], scratch);
  pointers[STATISTICS] = plan->statistics != NULL ? plan->statistics->data
                                                  : (guint8 *) scratch + plan->statistics_at;
  cuda_dnn_step_run (plan->step, pointers, scratch);
  cuda_dnn_place_end (&plan->out, device, out[0], pointers[Y]);
}

/* from the first picture and head to others, where tokens and statistics lie */
static void
cuda_move_pointers (const CudaAttentionShape *shape,
                    gint64 picture,
                    gint64 head,
                    gpointer *pointers)
{
  static const guint of_queries[] = { Q, Y, DY, DQ }, of_keys[] = { K, V, DK, DV };
  gint64 query = (picture * shape->n_queries * shape->n_heads + head) * shape->d;
  gint64 key = (picture * shape->n_keys * shape->n_heads + head) * shape->d;

  for (guint i = 0; i < G_N_ELEMENTS (of_queries); i++)
    {
      pointers[of_queries[i]] = (guint16 *) pointers[of_queries[i]] + query;
      pointers[of_keys[i]] = (guint16 *) pointers[of_keys[i]] + key;
    }
  pointers[STATISTICS] = (float *) pointers[STATISTICS]
                         + (picture * shape->n_heads + head) * shape->n_queries;
}

static void
cuda_gradient_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const FusedPlan *plan = CUDA_DATA (step)->plan;
  const CudaAttentionShape *shape = &plan->shape;
  gpointer first[N_GRADIENT];

  for (guint i = 0; i < G_N_ELEMENTS (inputs_of_gradient); i++)
    first[inputs_of_gradient[i]] =
      cuda_dnn_place_read (&plan->places[i], CUDA_DEVICE (step), in[i], scratch);
  for (guint i = 0; i < 3; i++)
    first[DQ + i] = plan->outputs[i] >= 0 ? out[plan->outputs[i]]
                                          : (guint8 *) scratch + plan->unread_at[i];
  first[SCALE] = (gpointer) &plan->shape.scale;
  first[ONE] = &one;
  first[STATISTICS] = plan->statistics->data;
  first[SUMS] = (guint8 *) scratch + plan->sums_at;
  for (gint64 picture = 0; picture < shape->b; picture += plan->n_pictures)
    for (gint64 head = 0; head < shape->n_heads; head += plan->n_heads)
      {
        gpointer pointers[N_GRADIENT];

        memcpy (pointers, first, sizeof pointers);
        cuda_move_pointers (shape, picture, head, pointers);
        cuda_dnn_step_run (plan->step, pointers, scratch);
      }
}

/* ---- claims ---- */

static void
fused_plan_free (gpointer data)
{
  FusedPlan *plan = data;

  g_clear_pointer (&plan->statistics, vard_buffer_unref);
  g_free (plan->step);
  g_free (plan);
}

static char *
cuda_dup_key (const char *name, const CudaAttentionShape *part, const CudaAttentionShape *all)
{
  return g_strdup_printf ("%s-%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT
                          "-%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT,
                          name, part->b, part->n_queries, part->n_keys, part->n_heads, part->d,
                          all->n_heads);
}

/* where the library has a way at all; addresses of a token's heads are aligned then, too */
static gboolean
cuda_may_fuse (CudaClaim *claim, const CudaAttentionShape *shape)
{
  return claim->program->precision == CUDA_PRECISION_BF16 && shape->d % 8 == 0 && !shape->is_causal
         && cuda_dnn_step_get_target (claim) != NULL;
}

gboolean
cuda_claim_attention_cudnn (CudaClaim *claim)
{
  CudaAttentionShape shape = cuda_attention_get_shape (claim->node);
  g_autofree char *key = cuda_dup_key ("attention", &shape, &shape);
  CudaDnnStep *step;
  FusedPlan *plan;

  if (!cuda_may_fuse (claim, &shape) || cuda_claim_get_type (claim, claim->node) != CUDA_TYPE_BF16)
    return FALSE;
  step =
    cuda_dnn_step_new (claim,
                       cuda_attention_describe (cuda_dnn_step_get_target (claim), claim->node, 0),
                       key);
  if (step == NULL)
    return FALSE;
  plan = g_new0 (FusedPlan, 1);
  plan->shape = shape;
  plan->step = step;
  for (guint i = Q; i <= V; i++)
    cuda_dnn_place_init (&plan->places[i], claim, claim->node->inputs[i]);
  cuda_dnn_place_init_out (&plan->out, claim, claim->node);
  plan->statistics_at =
    cuda_scratch_add (&claim->step.scratch_size,
                      shape.b * shape.n_heads * shape.n_queries * sizeof (float));
  claim->step.flops = cuda_attention_count_flops (&shape, FALSE);
  g_hash_table_insert (claim->program->storage->attentions, claim->node, plan);

  return cuda_claim_set (claim, "attention/cudnn-bf16", cuda_forward_kernel, plan, fused_plan_free);
}

/* the step that computes attention of the same tokens, before this one; @y is its output */
static FusedPlan *
cuda_find_forward (CudaClaim *claim, VardNode **y)
{
  const VardAttentionAttrs *wanted = claim->node->attrs;
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, claim->program->storage->attentions);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      VardNode *node = key;
      const VardAttentionAttrs *attrs = node->attrs;

      if (attrs->scale == wanted->scale
          && memcmp (node->inputs, claim->node->inputs, 3 * sizeof *node->inputs) == 0)
        {
          *y = node;
          return value;
        }
    }

  return NULL;
}

static VardBuffer *
cuda_ref_statistics (CudaClaim *claim, FusedPlan *plan)
{
  gsize size = plan->shape.b * plan->shape.n_heads * plan->shape.n_queries * sizeof (float);

  if (plan->statistics == NULL)
    plan->statistics = cuda_device_alloc (claim->program->device, size, NULL);
  return plan->statistics != NULL ? vard_buffer_ref (plan->statistics) : NULL;
}

static gboolean
cuda_may_fuse_gradient (CudaClaim *claim,
                        const CudaAttentionShape *all,
                        const CudaAttentionShape *part)
{
  /* statistics of a part must begin where the library can read them */
  gboolean is_aligned = (part->b == all->b && part->n_heads == all->n_heads)
                        || all->n_queries % 4 == 0;

  for (guint i = 0; i < claim->step.n_out; i++)
    if (cuda_claim_get_type (claim, claim->out[i]) != CUDA_TYPE_BF16
        || claim->program->storage->fusion->is_sink[claim->out[i]->id])
      return FALSE;

  return is_aligned
         && (all->n_keys % PADDED_KEYS == 0
             || cuda_dnn_step_get_target (claim)->library->cudnnGetVersion () > PADDED_VERSION);
}

static void
cuda_add_gradient_places (CudaClaim *claim, FusedPlan *plan, const CudaAttentionShape *part)
{
  gsize *total = &claim->step.scratch_size;

  for (guint i = 0; i < G_N_ELEMENTS (inputs_of_gradient); i++)
    cuda_dnn_place_init (&plan->places[i], claim, claim->in[i]);
  for (guint i = 0; i < 3; i++)
    if (plan->outputs[i] < 0)
      plan->unread_at[i] =
        cuda_scratch_add (total, vard_node_get_count (claim->node->inputs[i]) * sizeof (guint16));
  plan->sums_at =
    cuda_scratch_add (total, part->b * part->n_heads * part->n_queries * sizeof (float));
}

gboolean
cuda_claim_attention_gradient_cudnn (CudaClaim *claim)
{
  gsize workspace = claim->program->device->dnn_workspace;
  CudaAttentionShape shape = cuda_attention_get_shape (claim->node),
                     part = cuda_find_part (&shape, workspace);
  g_autofree char *key = cuda_dup_key ("attention-x", &part, &shape);
  g_autoptr (VardBuffer) statistics = NULL;
  g_autofree FusedPlan *plan = g_new0 (FusedPlan, 1);
  FusedPlan *forward;
  VardNode *y;

  if (!cuda_may_fuse (claim, &shape) || (forward = cuda_find_forward (claim, &y)) == NULL)
    return FALSE;
  cuda_attention_find_gradients (claim, plan->outputs);
  if (!cuda_may_fuse_gradient (claim, &shape, &part)
      || (statistics = cuda_ref_statistics (claim, forward)) == NULL)
    return FALSE;
  plan->step = cuda_dnn_step_new (claim,
                                  cuda_attention_describe (cuda_dnn_step_get_target (claim),
                                                           claim->node, workspace),
                                  key);
  if (plan->step == NULL)
    return FALSE;
  plan->shape = shape;
  plan->n_pictures = part.b;
  plan->n_heads = part.n_heads;
  plan->statistics = g_steal_pointer (&statistics);
  memcpy (claim->in, claim->node->inputs, 4 * sizeof *claim->in);
  claim->in[4] = y;
  claim->step.in = claim->in;
  claim->step.n_in = 5;
  cuda_add_gradient_places (claim, plan, &part);
  claim->step.flops = cuda_attention_count_flops (&shape, TRUE);

  return cuda_claim_set (claim, "attention_gradient/cudnn-bf16", cuda_gradient_kernel,
                         g_steal_pointer (&plan), fused_plan_free);
}
