/* cpu-claim-move.c - steps for operations that move or convert elements
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-step.h"

#define IN(i) ((const float *) in[i])
#define OUT(i) ((float *) out[i])

static void
cpu_concat_data_free (gpointer data)
{
  g_free (((CpuStepData *) data)->plan.concat);
  cpu_step_data_free (data);
}

static void
cpu_permute_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;

  cpu_permute_run (data->pool, &data->plan.permute, IN (0), OUT (0));
}

gboolean
cpu_claim_permute (CpuClaim *claim)
{
  const VardPermuteAttrs *attrs = claim->node->attrs;
  const VardShape *x = cpu_claim_shape (claim, 0);
  CpuPermute *plan = &claim->data->plan.permute;

  if (vard_dtype_get_size (claim->node->dtype) != sizeof (float) || x->n_dims == 0)
    return FALSE;
  for (guint d = 0; d < x->n_dims; d++)
    {
      gint64 extent = claim->node->shape.dims[d];
      gint64 stride = vard_shape_get_span (x, attrs->order[d] + 1, x->n_dims);

      if (extent == 1 && (plan->n_dims > 0 || d + 1 < x->n_dims))
        continue;
      if (plan->n_dims > 0 && plan->strides[plan->n_dims - 1] == stride * extent)
        {
          plan->extents[plan->n_dims - 1] *= extent;
          plan->strides[plan->n_dims - 1] = stride;
          continue;
        }
      plan->extents[plan->n_dims] = extent;
      plan->strides[plan->n_dims++] = stride;
    }

  return cpu_claim_kernel (claim, "permute", cpu_permute_kernel);
}

static void
cpu_copy_rows_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;

  cpu_copy_rows_run (data->pool, &data->plan.rows, in[0], out[0]);
}

static void
cpu_concat_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;

  for (guint i = 0; i < data->plan.concat->n_parts; i++)
    cpu_copy_rows_run (data->pool, &data->plan.concat->parts[i], in[i], out[0]);
}

/* bytes of one step along an axis */
static gsize
cpu_axis_bytes (const VardNode *node, gint64 axis)
{
  return vard_shape_get_span (&node->shape, axis + 1, node->shape.n_dims)
         * vard_dtype_get_size (node->dtype);
}

gboolean
cpu_claim_slice (CpuClaim *claim)
{
  const VardSliceAttrs *attrs = claim->node->attrs;
  const VardShape *x = cpu_claim_shape (claim, 0);
  gsize unit = cpu_axis_bytes (claim->node, attrs->axis);

  claim->data->plan.rows = (CpuCopyRows) {
    .rows = vard_shape_get_span (x, 0, attrs->axis),
    .to_stride = attrs->length * unit,
    .from_stride = x->dims[attrs->axis] * unit,
    .from_offset = attrs->start * unit,
    .run = attrs->length * unit,
  };

  return cpu_claim_kernel (claim, "slice", cpu_copy_rows_kernel);
}

gboolean
cpu_claim_pad (CpuClaim *claim)
{
  const VardPadAttrs *attrs = claim->node->attrs;
  const VardShape *x = cpu_claim_shape (claim, 0);
  gsize unit = cpu_axis_bytes (claim->node, attrs->axis), run = x->dims[attrs->axis] * unit;

  claim->data->plan.rows = (CpuCopyRows) {
    .rows = vard_shape_get_span (x, 0, attrs->axis),
    .to_stride = claim->node->shape.dims[attrs->axis] * unit,
    .to_offset = attrs->before * unit,
    .from_stride = run,
    .run = run,
    .clears_rest = TRUE,
  };

  return cpu_claim_kernel (claim, "pad", cpu_copy_rows_kernel);
}

gboolean
cpu_claim_concat (CpuClaim *claim)
{
  const VardConcatAttrs *attrs = claim->node->attrs;
  guint n = claim->node->n_inputs;
  CpuConcatPlan *plan = g_malloc0 (sizeof *plan + n * sizeof plan->parts[0]);
  gsize unit = cpu_axis_bytes (claim->node, attrs->axis), offset = 0;

  plan->n_parts = n;
  for (guint i = 0; i < n; i++)
    {
      gsize run = cpu_claim_shape (claim, i)->dims[attrs->axis] * unit;

      plan->parts[i] = (CpuCopyRows) {
        .rows = vard_shape_get_span (&claim->node->shape, 0, attrs->axis),
        .to_stride = claim->node->shape.dims[attrs->axis] * unit,
        .to_offset = offset,
        .from_stride = run,
        .run = run,
      };
      offset += run;
    }
  claim->data->plan.concat = plan;
  claim->step.free_data = cpu_concat_data_free;

  return cpu_claim_kernel (claim, "concat", cpu_concat_kernel);
}

static void
cpu_resample_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;

  if (step->out[0]->op == &vard_op_upsample)
    cpu_upsample_run (data->pool, &data->plan.resample, IN (0), OUT (0));
  else
    cpu_pool_sum_run (data->pool, &data->plan.resample, IN (0), OUT (0));
}

gboolean
cpu_claim_resample (CpuClaim *claim)
{
  const VardResampleAttrs *attrs = claim->node->attrs;
  gboolean up = claim->node->op == &vard_op_upsample;
  const VardShape *small = up ? cpu_claim_shape (claim, 0) : &claim->node->shape;

  claim->data->plan.resample =
    (CpuResample) { small->dims[0], small->dims[1], small->dims[2], small->dims[3], attrs->factor };

  return cpu_claim_kernel (claim, claim->node->op->name, cpu_resample_kernel);
}

static void
cpu_gather_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;
  const VardShape *table = &step->in[0]->shape;
  gint64 words = table->dims[1] * vard_dtype_get_size (step->in[0]->dtype) / sizeof (float);

  cpu_gather_run (data->pool, vard_node_get_count (step->in[1]), table->dims[0], words, IN (0),
                  (const gint32 *) in[1], OUT (0));
}

static void
cpu_gather_gradient_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;
  const VardShape *table = &step->out[0]->shape;

  cpu_gather_gradient_run (data->pool, vard_node_get_count (step->in[0]), table->dims[0],
                           table->dims[1], (const gint32 *) in[0], IN (1), OUT (0));
}

gboolean
cpu_claim_gather (CpuClaim *claim)
{
  return claim->node->op == &vard_op_gather
           ? cpu_claim_kernel (claim, "gather", cpu_gather_kernel)
           : cpu_claim_kernel (claim, "gather_gradient", cpu_gather_gradient_kernel);
}

static void
cpu_cast_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;

  cpu_cast_run (data->pool, step->in[0]->dtype, step->out[0]->dtype,
                vard_node_get_count (step->out[0]), in[0], out[0]);
}

gboolean
cpu_claim_cast (CpuClaim *claim)
{
  return cpu_claim_kernel (claim, "cast", cpu_cast_kernel);
}

static void
cpu_random_normal_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;

  cpu_random_normal_run (data->pool, (const gint64 *) in[0],
                         vard_random_normal_count_rows (step->out[0]),
                         vard_node_get_count (step->out[0]), OUT (0));
}

gboolean
cpu_claim_random_normal (CpuClaim *claim)
{
  return cpu_claim_kernel (claim, "random_normal", cpu_random_normal_kernel);
}
