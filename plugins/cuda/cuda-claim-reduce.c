/* cuda-claim-reduce.c - steps for sums, softmax and normalisation
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-step.h"

#define THREADS 128

/* pieces of a long sum: enough for every multiprocessor, each long enough to be worth its start */
#define PIECE_LENGTH 256
#define MAX_PIECES 64

/* ---- sums ---- */

typedef struct
{
  CudaSumArgs first, second; /* the second adds up the pieces */
  gboolean is_rows;
  CUfunction rows, columns;
} SumPlan;

static void
cuda_sum_launch (CudaDevice *device, const SumPlan *plan, const CudaSumArgs *args, gboolean is_rows)
{
  if (is_rows)
    cuda_device_launch (device, plan->rows, args->n_out, args->n_pieces,
                        MIN (cuda_block_size (args->n_reduced / args->n_pieces), 256), args);
  else
    cuda_device_launch (device, plan->columns, (args->n_out + THREADS - 1) / THREADS,
                        args->n_pieces, THREADS, args);
}

static void
cuda_sum_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const SumPlan *plan = CUDA_DATA (step)->plan;
  CudaSumArgs first = plan->first, second = plan->second;

  first.x = in[0];
  first.out = first.n_pieces > 1 ? scratch : out[0];
  cuda_sum_launch (CUDA_DEVICE (step), plan, &first, plan->is_rows);
  if (first.n_pieces == 1)
    return;
  second.x = scratch;
  second.out = out[0];
  cuda_sum_launch (CUDA_DEVICE (step), plan, &second, FALSE);
}

/* neighbouring dimensions that are walked as one become one */
static void
cuda_map_add (CudaMap *map, int *n_dims, gint64 extent, gint64 stride)
{
  if (extent == 1)
    return;
  if (*n_dims > 0 && map->strides[*n_dims - 1] == stride * extent)
    {
      map->extents[*n_dims - 1] *= extent;
      map->strides[*n_dims - 1] = stride;
      return;
    }
  map->extents[*n_dims] = extent;
  map->strides[(*n_dims)++] = stride;
}

static SumPlan *
sum_plan_new (const VardShape *x, guint axes_mask, int n_multiprocessors)
{
  SumPlan *plan = g_new0 (SumPlan, 1);
  CudaSumArgs *first = &plan->first;

  first->n_out = first->n_reduced = 1;
  for (guint d = 0; d < x->n_dims; d++)
    {
      gint64 stride = vard_shape_get_span (x, d + 1, x->n_dims);

      if (axes_mask & 1u << d)
        {
          cuda_map_add (&first->reduced, &first->n_reduced_dims, x->dims[d], stride);
          first->n_reduced *= x->dims[d];
        }
      else
        {
          cuda_map_add (&first->kept, &first->n_kept_dims, x->dims[d], stride);
          first->n_out *= x->dims[d];
        }
    }
  plan->is_rows = first->n_reduced_dims > 0
                  && first->reduced.strides[first->n_reduced_dims - 1] == 1;

  gint64 n_blocks = plan->is_rows ? first->n_out : (first->n_out + THREADS - 1) / THREADS;

  first->n_pieces = CLAMP (4 * n_multiprocessors / MAX (n_blocks, 1), 1, MAX_PIECES);
  first->n_pieces = MAX (MIN (first->n_pieces, first->n_reduced / PIECE_LENGTH), 1);
  plan->second = (CudaSumArgs) {
    .n_out = first->n_out,
    .n_reduced = first->n_pieces,
    .n_pieces = 1,
    .n_kept_dims = 1,
    .n_reduced_dims = 1,
    .kept = { { first->n_out }, { 1 } },
    .reduced = { { first->n_pieces }, { first->n_out } },
  };

  return plan;
}

gboolean
cuda_claim_sum (CudaClaim *claim)
{
  const VardReduceAttrs *attrs = claim->node->attrs;
  CudaDevice *device = claim->program->device;
  SumPlan *plan =
    sum_plan_new (&claim->node->inputs[0]->shape, attrs->axes_mask, device->n_multiprocessors);

  plan->first.x_type = cuda_claim_get_type (claim, claim->node->inputs[0]);
  if (plan->first.n_pieces > 1)
    claim->step.scratch_size = plan->first.n_pieces * plan->first.n_out * sizeof (float);
  plan->rows = cuda_device_get_kernel (device, "reduce.cu", "sum_rows");
  plan->columns = cuda_device_get_kernel (device, "reduce.cu", "sum_columns");
  cuda_claim_set (claim, plan->is_rows ? "sum/rows" : "sum/columns", cuda_sum_kernel, plan, g_free);

  return plan->rows != NULL && plan->columns != NULL;
}

/* ---- softmax ---- */

static void
cuda_softmax_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const VardShape *x = &step->out[0]->shape;
  gint64 n = x->dims[x->n_dims - 1];
  CudaSoftmaxArgs args = { .x = in[0], .y = out[0], .n = n, .scale = 1 };

  cuda_device_launch (CUDA_DEVICE (step), CUDA_DATA (step)->function, vard_shape_get_count (x) / n,
                      1, cuda_block_size (n), &args);
}

gboolean
cuda_claim_softmax (CudaClaim *claim)
{
  claim->step.in_place[0] = 1;
  claim->data->function = cuda_device_get_kernel (claim->program->device, "reduce.cu", "softmax");
  cuda_claim_set (claim, "softmax", cuda_softmax_kernel, NULL, NULL);
  return claim->data->function != NULL;
}

/* ---- normalisation ---- */

static void
cuda_normalize_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  CudaNormalizeArgs args = *(const CudaNormalizeArgs *) CUDA_DATA (step)->plan;
  gint64 n_groups = vard_node_get_count (step->out[0]) / (args.rows * args.width);

  args.x = in[0];
  args.dy = step->n_in > 1 ? in[1] : NULL;
  args.y = out[0];
  cuda_device_launch (CUDA_DEVICE (step), CUDA_DATA (step)->function, n_groups, 1,
                      cuda_normalize_block_size (args.rows * args.width), &args);
}

CudaNormalizeArgs
cuda_normalize_get_args (VardLowering *lowering, const VardNode *node)
{
  const VardNormalizeAttrs *attrs = node->attrs;
  const VardShape *x = &node->inputs[0]->shape;

  return (CudaNormalizeArgs) {
    .rows = vard_shape_get_span (x, attrs->n_outer, x->n_dims - 1),
    .groups = attrs->groups,
    .width = x->dims[x->n_dims - 1] / attrs->groups,
    .eps = attrs->eps,
    .x_type = cuda_type_code (vard_lowering_get_storage (lowering, node->inputs[0])),
    .y_type = cuda_type_code (vard_lowering_get_storage (lowering, node)),
  };
}

gboolean
cuda_claim_normalize (CudaClaim *claim)
{
  CudaNormalizeArgs args = cuda_normalize_get_args (claim->lowering, claim->node);

  if (claim->step.n_in > 1)
    args.dy_type = cuda_claim_get_type (claim, claim->node->inputs[1]);
  claim->step.in_place[0] = 1;
  claim->data->function =
    cuda_device_get_kernel (claim->program->device, "normalize.cu", claim->node->op->name);
  cuda_claim_set (claim, claim->node->op->name, cuda_normalize_kernel,
                  g_memdup2 (&args, sizeof args), g_free);

  return claim->data->function != NULL;
}
