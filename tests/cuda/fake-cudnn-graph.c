/* fake-cudnn-graph.c - attention and its gradients as graphs of operations, computed one by one on
 * the host
 *
 * The order of the operations does not matter to the library, their kinds and types do: other
 * graphs are refused here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake-cudnn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL 256 /* bytes of workspace beside the scores */

/* ---- reading ---- */

/* a tensor's place; the same id is the same tensor */
static int
add_tensor (const Descriptor *self, cudnnBackendAttributeName_t name, Graph *graph)
{
  const Descriptor *descriptor = fake_find_descriptor (self, name, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  Tensor tensor;

  if (descriptor == NULL || !fake_read_tensor (descriptor, &tensor))
    return -1;
  for (int i = 0; i < graph->n_tensors; i++)
    if (graph->tensors[i].id == tensor.id)
      return i;
  if (graph->n_tensors == MAX_TENSORS)
    return -1;
  graph->tensors[graph->n_tensors] = tensor;
  return graph->n_tensors++;
}

static int
has_float (const Descriptor *self, cudnnBackendAttributeName_t name)
{
  const int *type = fake_find (self, name, CUDNN_TYPE_DATA_TYPE, 1);

  return type != NULL && *type == CUDNN_DATA_FLOAT;
}

static int
read_matmul (const Descriptor *self, Graph *graph, Operation *operation)
{
  const Descriptor *how =
    fake_find_descriptor (self, CUDNN_ATTR_OPERATION_MATMUL_DESC, CUDNN_BACKEND_MATMUL_DESCRIPTOR);

  operation->n_inputs = 2;
  operation->inputs[0] = add_tensor (self, CUDNN_ATTR_OPERATION_MATMUL_ADESC, graph);
  operation->inputs[1] = add_tensor (self, CUDNN_ATTR_OPERATION_MATMUL_BDESC, graph);
  operation->output = add_tensor (self, CUDNN_ATTR_OPERATION_MATMUL_CDESC, graph);
  return how != NULL && has_float (how, CUDNN_ATTR_MATMUL_COMP_TYPE);
}

static int
read_pointwise (const Descriptor *self, Graph *graph, Operation *operation)
{
  const Descriptor *how = fake_find_descriptor (self, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR,
                                                CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  const int *mode =
    how != NULL ? fake_find (how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1) : NULL;

  if (mode == NULL || !has_float (how, CUDNN_ATTR_POINTWISE_MATH_PREC))
    return 0;
  operation->mode = *mode;
  operation->n_inputs = *mode == CUDNN_POINTWISE_EXP || *mode == CUDNN_POINTWISE_LOG ? 1 : 2;
  operation->inputs[0] = add_tensor (self, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, graph);
  if (operation->n_inputs == 2)
    operation->inputs[1] = add_tensor (self, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, graph);
  operation->output = add_tensor (self, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, graph);
  return 1;
}

static int
read_reduction (const Descriptor *self, Graph *graph, Operation *operation)
{
  const Descriptor *how = fake_find_descriptor (self, CUDNN_ATTR_OPERATION_REDUCTION_DESC,
                                                CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  const int *mode = how != NULL ? fake_find (how, CUDNN_ATTR_REDUCTION_OPERATOR,
                                             CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1)
                                : NULL;

  if (mode == NULL || !has_float (how, CUDNN_ATTR_REDUCTION_COMP_TYPE))
    return 0;
  operation->mode = *mode;
  operation->n_inputs = 1;
  operation->inputs[0] = add_tensor (self, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, graph);
  operation->output = add_tensor (self, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, graph);
  return 1;
}

static int
read_reshape (const Descriptor *self, Graph *graph, Operation *operation)
{
  operation->n_inputs = 1;
  operation->inputs[0] = add_tensor (self, CUDNN_ATTR_OPERATION_RESHAPE_XDESC, graph);
  operation->output = add_tensor (self, CUDNN_ATTR_OPERATION_RESHAPE_YDESC, graph);
  return 1;
}

static int
is_turned (const Tensor *x, const Tensor *y)
{
  static const int order[] = { 0, 1, 3, 2 };

  for (int i = 0; i < 4; i++)
    if (y->dims[i] != x->dims[order[i]] || y->strides[i] != x->strides[order[i]])
      return 0;
  return 1;
}

static int
fits_matmul (const Tensor *a, const Tensor *b, const Tensor *c)
{
  for (int i = 0; i < 2; i++)
    if (a->dims[i] != b->dims[i] || a->dims[i] != c->dims[i])
      return 0;
  return a->dims[3] == b->dims[2] && c->dims[2] == a->dims[2] && c->dims[3] == b->dims[3]
         && a->type == b->type;
}

/* y's extents, or one */
static int
spreads (const Tensor *x, const Tensor *y)
{
  for (int i = 0; i < 4; i++)
    if (x->dims[i] != y->dims[i] && x->dims[i] != 1)
      return 0;
  return 1;
}

static int
fits_together (const Graph *graph, const Operation *operation)
{
  const Tensor *a = &graph->tensors[operation->inputs[0]],
               *b = &graph->tensors[operation->inputs[1]];
  const Tensor *y = &graph->tensors[operation->output];

  switch (operation->type)
    {
    case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR: return fits_matmul (a, b, y);
    case CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR: return spreads (y, a) && y->dims[3] == 1;
    case CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR: return is_turned (a, y);
    default: return spreads (a, y) && (operation->n_inputs == 1 || spreads (b, y));
    }
}

int
fake_read_operation (const Descriptor *self, Graph *graph)
{
  static int (*const readers[]) (const Descriptor *, Graph *,
                                 Operation *) = { read_matmul, read_pointwise, read_reduction,
                                                  read_reshape };
  static const cudnnBackendDescriptorType_t types[] = {
    CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR,
    CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR
  };
  Operation *operation = &graph->operations[graph->n_operations];

  if (graph->n_operations == MAX_OPERATIONS)
    return 0;
  *operation = (Operation) { .type = self->type };
  for (int i = 0; i < 4; i++)
    if (types[i] == self->type)
      {
        if (!readers[i](self, graph, operation) || operation->output < 0 || operation->inputs[0] < 0
            || operation->inputs[1] < 0 || !fits_together (graph, operation))
          return 0;
        graph->n_operations++;
        return 1;
      }
  return 0;
}

static int
count_of (const Graph *graph, cudnnBackendDescriptorType_t type, int mode)
{
  int n = 0;

  for (int i = 0; i < graph->n_operations; i++)
    n += graph->operations[i].type == type && graph->operations[i].mode == mode;
  return n;
}

/* what goes into a product, and what comes out of the graph, is bf16; all else is in single
 * precision */
static int
has_types (const Graph *graph)
{
  for (int i = 0; i < graph->n_operations; i++)
    {
      const Operation *operation = &graph->operations[i];
      const Tensor *y = &graph->tensors[operation->output];
      int is_product = operation->type == CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR;

      if (is_product && graph->tensors[operation->inputs[0]].type != CUDNN_DATA_BFLOAT16)
        return 0;
      if (is_product && y->type != (y->is_virtual ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16))
        return 0;
    }
  return 1;
}

/* what never is in memory comes from an operation before */
static int
is_made (const Graph *graph, int place, int n_before)
{
  for (int i = 0; i < n_before; i++)
    if (graph->operations[i].output == place)
      return 1;
  return !graph->tensors[place].is_virtual;
}

static int
is_in_order (const Graph *graph)
{
  for (int i = 0; i < graph->n_operations; i++)
    for (int k = 0; k < graph->operations[i].n_inputs; k++)
      if (!is_made (graph, graph->operations[i].inputs[k], i))
        return 0;
  return 1;
}

int
fake_graph_is_known (const Graph *graph)
{
  static const struct
  {
    cudnnBackendDescriptorType_t type;
    int mode, forward, gradient;
  } kinds[] = {
    { CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, 0, 2, 5 },
    { CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR, 0, 0, 3 },
    { CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, CUDNN_REDUCE_TENSOR_MAX, 1, 0 },
    { CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, CUDNN_REDUCE_TENSOR_ADD, 1, 1 },
    { CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_POINTWISE_MUL, 1, 5 },
    { CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_POINTWISE_SUB, 1, 2 },
    { CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_POINTWISE_EXP, 1, 1 },
    { CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_POINTWISE_LOG, 1, 0 },
    { CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_POINTWISE_ADD, 1, 0 },
    { CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_POINTWISE_DIV, 1, 0 },
  };
  int is_forward = 1, is_gradient = 1, n_forward = 0, n_gradient = 0;

  for (int i = 0; i < (int) (sizeof kinds / sizeof *kinds); i++)
    {
      int n = count_of (graph, kinds[i].type, kinds[i].mode);

      is_forward = is_forward && n == kinds[i].forward;
      is_gradient = is_gradient && n == kinds[i].gradient;
      n_forward += kinds[i].forward;
      n_gradient += kinds[i].gradient;
    }
  return has_types (graph) && is_in_order (graph)
         && ((is_forward && graph->n_operations == n_forward)
             || (is_gradient && graph->n_operations == n_gradient));
}

/* the gradients of the scores, in tiles */
int64_t
fake_graph_get_workspace (const Graph *graph)
{
  for (int i = 0; i < graph->n_operations; i++)
    if (graph->operations[i].type == CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR)
      {
        const int64_t *dims = graph->tensors[graph->operations[i].output].dims;

        return dims[0] * dims[1] * ((dims[2] + 127) / 128 * 128) * ((dims[3] + 63) / 64 * 64) * 2
               + SMALL;
      }
  return SMALL;
}

/* ---- running ---- */

static float *
ensure_values (const Graph *graph, float **all, int place)
{
  const Tensor *tensor = &graph->tensors[place];
  const int64_t *dims = tensor->dims;
  float *to;

  if (all[place] != NULL)
    return all[place];
  to = all[place] = malloc (fake_tensor_count (tensor) * sizeof *to);
  if (tensor->is_by_value)
    {
      to[0] = graph->numbers[place];
      return to;
    }
  for (int64_t i = 0; i < fake_tensor_count (tensor); i++)
    {
      int64_t d = i % dims[3], c = i / dims[3] % dims[2], b = i / dims[3] / dims[2] % dims[1],
              a = i / dims[3] / dims[2] / dims[1];

      to[i] = fake_load (tensor, graph->pointers[place], a, b, c, d);
    }
  return to;
}

/* the element of @x that belongs to element @i of y, where x has one element for all of an
 * extent */
static int64_t
spread_at (const Tensor *x, const Tensor *y, int64_t i)
{
  int64_t at = 0, unit = 1;

  for (int k = 3; k >= 0; k--)
    {
      int64_t index = i % y->dims[k];

      i /= y->dims[k];
      at += x->dims[k] == 1 ? 0 : index * unit;
      unit *= x->dims[k];
    }
  return at;
}

static float
apply (int mode, float a, float b)
{
  switch (mode)
    {
    case CUDNN_POINTWISE_MUL: return a * b;
    case CUDNN_POINTWISE_SUB: return a - b;
    case CUDNN_POINTWISE_ADD: return a + b;
    case CUDNN_POINTWISE_DIV: return a / b;
    case CUDNN_POINTWISE_EXP: return expf (a);
    default: return logf (a);
    }
}

static void
multiply (const Tensor *x, const float *a, const Tensor *y, const float *b, float *c)
{
  int64_t m = x->dims[2], k = x->dims[3], n = y->dims[3];

  for (int64_t batch = 0; batch < x->dims[0] * x->dims[1]; batch++)
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++)
        {
          double sum = 0;

          for (int64_t l = 0; l < k; l++)
            sum += (double) a[(batch * m + i) * k + l] * b[(batch * k + l) * n + j];
          c[(batch * m + i) * n + j] = sum;
        }
}

static void
reduce (int mode, const Tensor *x, const float *a, float *y)
{
  int64_t n = x->dims[3];

  for (int64_t i = 0; i < fake_tensor_count (x) / n; i++)
    {
      double result = mode == CUDNN_REDUCE_TENSOR_MAX ? a[i * n] : 0;

      for (int64_t j = 0; j < n; j++)
        result = mode == CUDNN_REDUCE_TENSOR_ADD ? result + a[i * n + j]
                                                 : fmax (result, a[i * n + j]);
      y[i] = result;
    }
}

static void
turn (const Tensor *x, const float *a, float *y)
{
  int64_t m = x->dims[2], n = x->dims[3];

  for (int64_t batch = 0; batch < x->dims[0] * x->dims[1]; batch++)
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++)
        y[(batch * n + j) * m + i] = a[(batch * m + i) * n + j];
}

static void
run_operation (const Graph *graph, const Operation *operation, float **all)
{
  const Tensor *x = &graph->tensors[operation->inputs[0]],
               *z = &graph->tensors[operation->inputs[1]];
  const Tensor *out = &graph->tensors[operation->output];
  const float *a = ensure_values (graph, all, operation->inputs[0]);
  const float *b = operation->n_inputs == 2 ? ensure_values (graph, all, operation->inputs[1]) : a;
  int64_t count = fake_tensor_count (out);
  float *y = all[operation->output] = malloc (count * sizeof *y);

  if (operation->type == CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR)
    multiply (x, a, z, b, y);
  else if (operation->type == CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR)
    reduce (operation->mode, x, a, y);
  else if (operation->type == CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR)
    turn (x, a, y);
  else
    for (int64_t i = 0; i < count; i++)
      y[i] = apply (operation->mode, a[spread_at (x, out, i)],
                    operation->n_inputs == 2 ? b[spread_at (z, out, i)] : 0);
  for (int64_t i = 0; i < count; i++)
    y[i] = fake_round (out, y[i]);
}

/* what it has a place for, once everything is computed */
static void
store_values (const Graph *graph, const Operation *operation, float *const *all)
{
  const Tensor *tensor = &graph->tensors[operation->output];
  const int64_t *dims = tensor->dims;

  for (int64_t i = 0; !tensor->is_virtual && i < fake_tensor_count (tensor); i++)
    fake_store (tensor, graph->pointers[operation->output], i / dims[3] / dims[2] / dims[1],
                i / dims[3] / dims[2] % dims[1], i / dims[3] % dims[2], i % dims[3],
                all[operation->output][i]);
}

int
fake_graph_run (const void *data)
{
  const Graph *graph = data;
  float *all[MAX_TENSORS] = { NULL };

  if (graph->delay > 0)
    usleep (graph->delay);
  for (int i = 0; i < graph->n_operations; i++)
    run_operation (graph, &graph->operations[i], all);
  memset (graph->workspace, 0xff, graph->workspace_size);
  for (int i = 0; i < graph->n_operations; i++)
    store_values (graph, &graph->operations[i], all);
  for (int i = 0; i < graph->n_tensors; i++)
    free (all[i]);
  return 0;
}
