/* cpu-weight.c - weights that steps read in their stored type
 *
 * A frozen weight begins a graph as cast (param) or permute (cast (param)). As steps of their own
 * these would keep a single precision copy from the first step that reads it to the last, forwards
 * and backwards. A step that takes the parameter itself keeps one only while it runs, in its
 * scratch, or none at all.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-weight.h"
#include "cpu-cast.h"
#include "cpu-product.h"

#define LINE 1024 /* floats of a row that are turned at a time */

static gboolean
cpu_is_param (const VardNode *node)
{
  return node->op == &vard_op_source
         && ((const VardSourceAttrs *) node->attrs)->kind == VARD_SOURCE_PARAM;
}

static gboolean
cpu_is_to_graph (const VardNode *node)
{
  static const guint order[] = { 0, 2, 3, 1 };

  return node->op == &vard_op_permute && node->shape.n_dims == 4
         && memcmp (((const VardPermuteAttrs *) node->attrs)->order, order, sizeof order) == 0;
}

VardNode *
cpu_weight_match (VardNode *node, CpuWeight *weight)
{
  gboolean turned = cpu_is_to_graph (node);
  VardNode *inner = turned ? node->inputs[0] : node;
  VardNode *param = inner->op == &vard_op_cast ? inner->inputs[0] : inner;

  if (param == node || node->dtype != VARD_DTYPE_F32 || !cpu_is_param (param)
      || param->shape.n_dims < 2)
    return NULL;
  if (param->dtype != VARD_DTYPE_F32 && param->dtype != VARD_DTYPE_F16
      && param->dtype != VARD_DTYPE_BF16)
    return NULL;
  *weight = (CpuWeight) {
    .dtype = param->dtype,
    .rows = param->shape.dims[0],
    .taps = 1,
    .columns = vard_shape_get_span (&param->shape, 1, param->shape.n_dims),
  };
  if (turned)
    {
      weight->columns = param->shape.dims[1];
      weight->taps = param->shape.dims[2] * param->shape.dims[3];
    }

  return param;
}

void
cpu_weight_load (const CpuWeight *self, gconstpointer from, gint64 at, gint64 n, float *to)
{
  cpu_widen (self->dtype, (const guint8 *) from + at * vard_dtype_get_size (self->dtype), n, to);
}

typedef struct
{
  const CpuWeight *weight;
  gconstpointer from;
  float *to;
} WidenJob;

static void
cpu_widen_row (const CpuWeight *self, gconstpointer from, gint64 row, float *to)
{
  gint64 first = row * self->columns * self->taps, step = MAX (1, LINE / self->taps);
  float line[LINE];

  if (self->taps == 1)
    cpu_weight_load (self, from, first, self->columns, to);
  for (gint64 c = 0; c < self->columns && self->taps > 1; c += step)
    {
      gint64 n = MIN (step, self->columns - c);

      cpu_weight_load (self, from, first + c * self->taps, n * self->taps, line);
      cpu_transpose (line, n, self->taps, self->taps, to + c, self->columns);
    }
}

static void
cpu_widen_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const WidenJob *job = data;
  gint64 row = job->weight->columns * job->weight->taps;

  for (gint64 i = from; i < to; i++)
    cpu_widen_row (job->weight, job->from, i, job->to + i * row);
}

void
cpu_weight_widen (CpuPool *pool, const CpuWeight *self, gconstpointer from, float *to)
{
  WidenJob job = { self, from, to };

  cpu_pool_run (pool, self->rows, cpu_pool_get_grain (pool, self->rows, 4), cpu_widen_task, &job);
}
