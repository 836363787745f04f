/* cuda-claim-move.c - steps for operations that move or convert elements
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-step.h"

static const VardShape *
cuda_in_shape (const CudaClaim *claim, guint i)
{
  return &claim->node->inputs[i]->shape;
}

/* a kernel of a file of the plugin's, looked up when the program is made */
static gboolean
cuda_find_kernel (CudaClaim *claim, const char *file, const char *name)
{
  claim->data->function = cuda_device_get_kernel (claim->program->device, file, name);
  return claim->data->function != NULL;
}

/* ---- rows of bytes ---- */

typedef struct
{
  guint n_parts;
  gboolean clears; /* the rest of the output is zeros */
  gsize size;
  CUfunction convert;
  struct
  {
    CudaCopyRowsArgs args;
    gsize from_offset, to_offset;
  } parts[];
} RowsPlan;

/* the widest that all addresses, strides and lengths are multiples of */
static int
cuda_find_unit (const CudaCopyRowsArgs *args)
{
  gsize all = (guintptr) args->from | (guintptr) args->to | args->run | args->from_stride
              | args->to_stride | 16;

  return all & -all;
}

static void
cuda_rows_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const RowsPlan *plan = CUDA_DATA (step)->plan;

  if (plan->clears)
    cuda_device_fill (CUDA_DEVICE (step), out[0], 0, plan->size);
  for (guint i = 0; i < plan->n_parts; i++)
    {
      CudaCopyRowsArgs args = plan->parts[i].args;

      args.from = (guint8 *) in[i] + plan->parts[i].from_offset;
      args.to = (guint8 *) out[0] + plan->parts[i].to_offset;
      if (args.from_type == args.to_type)
        args.unit = cuda_find_unit (&args);
      cuda_device_launch_over (CUDA_DEVICE (step),
                               args.from_type == args.to_type ? CUDA_DATA (step)->function
                                                              : plan->convert,
                               args.rows * (args.run / args.unit), &args);
    }
}

/* bytes of an element, as it is stored */
static gsize
cuda_unit_of (const CudaClaim *claim, const VardNode *node)
{
  return vard_dtype_get_size (vard_lowering_get_storage (claim->lowering, node));
}

/* elements of one step along an axis */
static gint64
cuda_axis_span (const VardNode *node, gint64 axis)
{
  return vard_shape_get_span (&node->shape, axis + 1, node->shape.n_dims);
}

/* extents in elements; the stored types of input i and of the output may differ */
static CudaCopyRowsArgs
cuda_rows_args (const CudaClaim *claim,
                guint i,
                gint64 rows,
                gint64 run,
                gint64 from_stride,
                gint64 to_stride)
{
  gsize from = cuda_unit_of (claim, claim->node->inputs[i]), to = cuda_unit_of (claim, claim->node);

  return (CudaCopyRowsArgs) { .rows = rows,
                              .run = run * from,
                              .from_stride = from_stride * from,
                              .to_stride = to_stride * to,
                              .unit = from,
                              .from_type = cuda_claim_get_type (claim, claim->node->inputs[i]),
                              .to_type = cuda_claim_get_type (claim, claim->node) };
}

static RowsPlan *
rows_plan_new (CudaClaim *claim, guint n_parts)
{
  RowsPlan *plan = g_malloc0 (sizeof *plan + n_parts * sizeof plan->parts[0]);

  plan->n_parts = n_parts;
  plan->size = vard_node_get_count (claim->node) * cuda_unit_of (claim, claim->node);
  return plan;
}

static gboolean
cuda_claim_rows (CudaClaim *claim, RowsPlan *plan)
{
  cuda_claim_set (claim, claim->node->op->name, cuda_rows_kernel, plan, g_free);
  plan->convert = cuda_device_get_kernel (claim->program->device, "move.cu", "convert_rows");
  return cuda_find_kernel (claim, "move.cu", "copy_rows");
}

gboolean
cuda_claim_slice (CudaClaim *claim)
{
  const VardSliceAttrs *attrs = claim->node->attrs;
  const VardShape *x = cuda_in_shape (claim, 0);
  gint64 span = cuda_axis_span (claim->node, attrs->axis);
  RowsPlan *plan = rows_plan_new (claim, 1);

  plan->parts[0].args = cuda_rows_args (claim, 0, vard_shape_get_span (x, 0, attrs->axis),
                                        attrs->length * span, x->dims[attrs->axis] * span,
                                        attrs->length * span);
  plan->parts[0].from_offset = attrs->start * span * cuda_unit_of (claim, claim->node->inputs[0]);

  return cuda_claim_rows (claim, plan);
}

gboolean
cuda_claim_pad (CudaClaim *claim)
{
  const VardPadAttrs *attrs = claim->node->attrs;
  const VardShape *x = cuda_in_shape (claim, 0);
  gint64 span = cuda_axis_span (claim->node, attrs->axis), run = x->dims[attrs->axis] * span;
  RowsPlan *plan = rows_plan_new (claim, 1);

  plan->clears = TRUE;
  plan->parts[0].args = cuda_rows_args (claim, 0, vard_shape_get_span (x, 0, attrs->axis), run, run,
                                        claim->node->shape.dims[attrs->axis] * span);
  plan->parts[0].to_offset = attrs->before * span * cuda_unit_of (claim, claim->node);

  return cuda_claim_rows (claim, plan);
}

gboolean
cuda_claim_concat (CudaClaim *claim)
{
  const VardConcatAttrs *attrs = claim->node->attrs;
  gint64 span = cuda_axis_span (claim->node, attrs->axis), offset = 0;
  RowsPlan *plan = rows_plan_new (claim, claim->node->n_inputs);

  for (guint i = 0; i < plan->n_parts; i++)
    {
      gint64 run = cuda_in_shape (claim, i)->dims[attrs->axis] * span;

      plan->parts[i].args =
        cuda_rows_args (claim, i, vard_shape_get_span (&claim->node->shape, 0, attrs->axis), run,
                        run, claim->node->shape.dims[attrs->axis] * span);
      plan->parts[i].to_offset = offset * cuda_unit_of (claim, claim->node);
      offset += run;
    }

  return cuda_claim_rows (claim, plan);
}

/* ---- resampling ---- */

static void
cuda_resample_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  CudaResampleArgs args = *(const CudaResampleArgs *) CUDA_DATA (step)->plan;

  args.x = in[0];
  args.y = out[0];
  cuda_device_launch_over (CUDA_DEVICE (step), CUDA_DATA (step)->function, args.count, &args);
}

gboolean
cuda_claim_resample (CudaClaim *claim)
{
  const VardResampleAttrs *attrs = claim->node->attrs;
  gboolean is_up = claim->node->op == &vard_op_upsample;
  const VardShape *small = is_up ? cuda_in_shape (claim, 0) : &claim->node->shape;
  CudaResampleArgs args = { .count = vard_node_get_count (claim->node),
                            .h = small->dims[1],
                            .w = small->dims[2],
                            .c = small->dims[3],
                            .factor = attrs->factor,
                            .x_type = cuda_claim_get_type (claim, claim->node->inputs[0]),
                            .y_type = cuda_claim_get_type (claim, claim->node) };

  cuda_claim_set (claim, claim->node->op->name, cuda_resample_kernel,
                  g_memdup2 (&args, sizeof args), g_free);

  return cuda_find_kernel (claim, "move.cu", claim->node->op->name);
}

/* ---- gathers ---- */

static void
cuda_gather_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  CudaGatherArgs args = *(const CudaGatherArgs *) CUDA_DATA (step)->plan;
  gboolean is_gradient = step->out[0]->op == &vard_op_gather_gradient;

  args.values = in[is_gradient ? 1 : 0];
  args.ids = in[is_gradient ? 0 : 1];
  args.out = out[0];
  if (is_gradient)
    cuda_device_fill (CUDA_DEVICE (step), out[0], 0, args.n_rows * args.c * sizeof (float));
  cuda_device_launch_over (CUDA_DEVICE (step), CUDA_DATA (step)->function,
                           is_gradient ? args.c : args.n_ids * args.c, &args);
}

gboolean
cuda_claim_gather (CudaClaim *claim)
{
  gboolean is_gradient = claim->node->op == &vard_op_gather_gradient;
  const VardNode *ids = claim->node->inputs[is_gradient ? 0 : 1];
  const VardShape *table = is_gradient ? &claim->node->shape : cuda_in_shape (claim, 0);
  CudaGatherArgs args = { .n_ids = vard_node_get_count (ids),
                          .n_rows = table->dims[0],
                          .c = table->dims[1] };

  cuda_claim_set (claim, claim->node->op->name, cuda_gather_kernel, g_memdup2 (&args, sizeof args),
                  g_free);

  return cuda_find_kernel (claim, "move.cu", claim->node->op->name);
}

/* ---- conversions ---- */

static const int type_codes[] = {
  [VARD_DTYPE_F32] = CUDA_TYPE_F32,   [VARD_DTYPE_F16] = CUDA_TYPE_F16,
  [VARD_DTYPE_BF16] = CUDA_TYPE_BF16, [VARD_DTYPE_I32] = CUDA_TYPE_I32,
  [VARD_DTYPE_I64] = CUDA_TYPE_I64,   [VARD_DTYPE_U8] = CUDA_TYPE_U8,
};

int
cuda_type_code (VardDType dtype)
{
  return type_codes[dtype];
}

static void
cuda_cast_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  CudaCastArgs args = { in[0], out[0], vard_node_get_count (step->out[0]),
                        type_codes[step->in[0]->dtype], type_codes[step->out[0]->dtype] };

  cuda_device_launch_over (CUDA_DEVICE (step), CUDA_DATA (step)->function, args.count, &args);
}

gboolean
cuda_claim_cast (CudaClaim *claim)
{
  cuda_claim_set (claim, "cast", cuda_cast_kernel, NULL, NULL);
  return cuda_find_kernel (claim, "move.cu", "cast");
}

/* ---- random numbers ---- */

static void
cuda_random_normal_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  gint64 n_rows = vard_random_normal_count_rows (step->out[0]);
  CudaRandomArgs args = { in[0], out[0], n_rows, vard_node_get_count (step->out[0]) / n_rows };

  cuda_device_launch_over (CUDA_DEVICE (step), CUDA_DATA (step)->function,
                           n_rows * ((args.row + 3) / 4), &args);
}

gboolean
cuda_claim_random_normal (CudaClaim *claim)
{
  cuda_claim_set (claim, "random_normal", cuda_random_normal_kernel, NULL, NULL);
  return cuda_find_kernel (claim, "random.cu", "random_normal");
}
