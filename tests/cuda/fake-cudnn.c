/* fake-cudnn.c - libcudnn.so.9 without a device: descriptors that are looked at when they are
 * finished
 *
 * What the real library refuses is refused here: attributes that are missing, of another type or
 * count, shapes that do not fit together, results of another type than the operands, addresses that
 * are not aligned, descriptors that change after they were finished. It proposes two ways, of which
 * the first sums in an order of its own, or four when several algorithms are asked for, of which
 * all but the third are slow.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake-cudnn.h"
#include "fake-driver.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t
cudnnGetVersion (void)
{
  return 91900;
}

const char *
cudnnGetErrorString (cudnnStatus_t status)
{
  return status == CUDNN_STATUS_NOT_SUPPORTED ? "CUDNN_STATUS_NOT_SUPPORTED"
                                              : "CUDNN_STATUS_BAD_PARAM";
}

cudnnStatus_t
cudnnCreate (cudnnHandle_t *handle)
{
  *handle = malloc (1);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t
cudnnDestroy (cudnnHandle_t handle)
{
  free (handle);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t
cudnnSetStream (cudnnHandle_t handle, cudaStream_t stream)
{
  return handle != NULL && stream != NULL ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

/* ---- attributes ---- */

static size_t
size_of (cudnnBackendAttributeType_t type)
{
  switch (type)
    {
    case CUDNN_TYPE_BOOLEAN: return sizeof (bool);
    case CUDNN_TYPE_CHAR: return 1;
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE: return 8;
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR: return sizeof (void *);
    default: return 4;
    }
}

const void *
fake_find (const Descriptor *self,
           cudnnBackendAttributeName_t name,
           cudnnBackendAttributeType_t type,
           int64_t count)
{
  for (int i = 0; i < self->n_attributes; i++)
    if (self->attributes[i].name == name)
      return self->attributes[i].type == type && self->attributes[i].count == count
               ? self->attributes[i].values
               : NULL;
  return NULL;
}

const Descriptor *
fake_find_descriptor (const Descriptor *self,
                      cudnnBackendAttributeName_t name,
                      cudnnBackendDescriptorType_t type)
{
  Descriptor *const *value = fake_find (self, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1);

  return value != NULL && *value != NULL && (*value)->type == type && (*value)->is_finished ? *value
                                                                                            : NULL;
}

cudnnStatus_t
cudnnBackendCreateDescriptor (cudnnBackendDescriptorType_t type,
                              cudnnBackendDescriptor_t *descriptor)
{
  Descriptor *self = calloc (1, sizeof *self);

  self->type = type;
  *descriptor = self;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t
cudnnBackendDestroyDescriptor (cudnnBackendDescriptor_t descriptor)
{
  Descriptor *self = descriptor;

  for (int i = 0; i < self->n_attributes; i++)
    free (self->attributes[i].values);
  free (self);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t
cudnnBackendSetAttribute (cudnnBackendDescriptor_t descriptor,
                          cudnnBackendAttributeName_t name,
                          cudnnBackendAttributeType_t type,
                          int64_t count,
                          const void *values)
{
  Descriptor *self = descriptor;
  Attribute *attribute = &self->attributes[self->n_attributes];

  if (self->is_finished || self->n_attributes == MAX_ATTRIBUTES || count < 1)
    return CUDNN_STATUS_BAD_PARAM;
  *attribute = (Attribute) { name, type, count, malloc (count * size_of (type)) };
  memcpy (attribute->values, values, count * size_of (type));
  self->n_attributes++;
  return CUDNN_STATUS_SUCCESS;
}

/* ---- tensors ---- */

static int
is_true (const Descriptor *self, cudnnBackendAttributeName_t name)
{
  const bool *value = fake_find (self, name, CUDNN_TYPE_BOOLEAN, 1);

  return value != NULL && *value;
}

int
fake_read_tensor (const Descriptor *self, Tensor *tensor)
{
  const void *type = fake_find (self, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1);
  const void *dims = fake_find (self, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4);
  const void *strides = fake_find (self, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4);
  const void *id = fake_find (self, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1);
  const int64_t *alignment =
    fake_find (self, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1);

  if (type == NULL || dims == NULL || strides == NULL || id == NULL || alignment == NULL
      || *alignment < 4)
    return 0;
  memcpy (&tensor->type, type, sizeof tensor->type);
  memcpy (tensor->dims, dims, sizeof tensor->dims);
  memcpy (tensor->strides, strides, sizeof tensor->strides);
  memcpy (&tensor->id, id, sizeof tensor->id);
  tensor->is_virtual = is_true (self, CUDNN_ATTR_TENSOR_IS_VIRTUAL);
  tensor->is_by_value = is_true (self, CUDNN_ATTR_TENSOR_IS_BY_VALUE);
  for (int i = 0; i < 4; i++)
    if (tensor->dims[i] < 1 || tensor->strides[i] < 1)
      return 0;
  return tensor->type == CUDNN_DATA_FLOAT || tensor->type == CUDNN_DATA_BFLOAT16;
}

int64_t
fake_tensor_count (const Tensor *tensor)
{
  return tensor->dims[0] * tensor->dims[1] * tensor->dims[2] * tensor->dims[3];
}

float
fake_load (const Tensor *tensor, const void *from, int64_t a, int64_t b, int64_t c, int64_t d)
{
  const int64_t *s = tensor->strides;
  int64_t at = a * s[0] + b * s[1] + c * s[2] + d * s[3];
  uint32_t bits;
  float value;

  if (tensor->type == CUDNN_DATA_FLOAT)
    return ((const float *) from)[at];
  bits = (uint32_t) ((const uint16_t *) from)[at] << 16;
  memcpy (&value, &bits, sizeof value);
  return value;
}

/* to nearest, ties to even */
static uint16_t
round_to_half (float value)
{
  uint32_t bits;

  memcpy (&bits, &value, sizeof bits);
  bits += 0x7fff + (bits >> 16 & 1);
  return bits >> 16;
}

float
fake_round (const Tensor *tensor, float value)
{
  uint16_t half = round_to_half (value);

  return tensor->type == CUDNN_DATA_FLOAT ? value : fake_load (tensor, &half, 0, 0, 0, 0);
}

void
fake_store (const Tensor *tensor, void *to, int64_t a, int64_t b, int64_t c, int64_t d, float value)
{
  const int64_t *s = tensor->strides;
  int64_t at = a * s[0] + b * s[1] + c * s[2] + d * s[3];

  if (tensor->type == CUDNN_DATA_FLOAT)
    ((float *) to)[at] = value;
  else
    ((uint16_t *) to)[at] = round_to_half (value);
}

/* ---- finishing ---- */

static int
is_told (const char *word)
{
  const char *all = getenv ("VARD_FAKE_CUDA");

  return all != NULL && strstr (all, word) != NULL;
}

/* VARD_FAKE_CUDA="algorithms=N"; with "no-proposals" only what was kept can be computed */
static int
has_several_ways (void)
{
  return is_told ("algorithms=");
}

/* how many there are, or 0 */
static int64_t
get_operations (const Descriptor *graph, Descriptor *const **operations)
{
  for (int64_t n = 1; n <= MAX_OPERATIONS; n++)
    if ((*operations =
           fake_find (graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, n))
        != NULL)
      return n;
  return 0;
}

/* 0: one convolution, or nothing that is known */
static int
read_graph (const Descriptor *self, Graph *graph)
{
  Descriptor *const *operations;
  int64_t n = get_operations (self, &operations);

  memset (graph, 0, sizeof *graph);
  for (int64_t i = 0; i < n; i++)
    if (!operations[i]->is_finished || !fake_read_operation (operations[i], graph))
      return 0;
  return fake_graph_is_known (graph);
}

/* a graph that is none of these is finished all the same, and gets no proposals */
static int
has_ways (const Descriptor *self)
{
  Descriptor *const *operations;
  Convolution convolution;
  Graph graph;

  return (get_operations (self, &operations) == 1
          && fake_read_convolution (operations[0], &convolution))
         || read_graph (self, &graph);
}

/* ---- plans ---- */

#define HEADER "{\"fake\": \""
#define FOOTER "\"}"

/* the text of a plan is its work as it lies in memory, in hexadecimal digits */
static int64_t
write_text (const Work *work, char *to)
{
  const unsigned char *bytes = (const void *) work;

  to += sprintf (to, HEADER);
  for (size_t i = 0; i < sizeof *work; i++)
    to += sprintf (to, "%02x", bytes[i]);
  sprintf (to, FOOTER);
  return 2 * sizeof *work + strlen (HEADER FOOTER);
}

static int
read_text (const char *text, int64_t size, Work *work)
{
  unsigned char *bytes = (void *) work;

  if (size != (int64_t) (2 * sizeof *work + strlen (HEADER FOOTER))
      || strncmp (text, HEADER, strlen (HEADER)) != 0)
    return 0;
  text += strlen (HEADER);
  for (size_t i = 0; i < sizeof *work; i++)
    if (sscanf (text + 2 * i, "%2hhx", &bytes[i]) != 1)
      return 0;
  return 1;
}

/* from a text, or of the graph of a configuration; 0: neither */
static int
read_work (const Descriptor *plan, Work *work)
{
  const Descriptor *way = fake_find_descriptor (plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                                CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  const Descriptor *graph;
  Descriptor *const *operations;

  memset (work, 0, sizeof *work);
  for (int i = 0; i < plan->n_attributes; i++)
    if (plan->attributes[i].name == CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION)
      return read_text (plan->attributes[i].values, plan->attributes[i].count, work);
  if (way == NULL)
    return 0;
  work->way = way->way;
  graph = fake_find_descriptor (way, CUDNN_ATTR_ENGINE_OPERATION_GRAPH,
                                CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  if (read_graph (graph, &work->graph))
    return 1;
  memset (&work->graph, 0, sizeof work->graph);
  return get_operations (graph, &operations) == 1
         && fake_read_convolution (operations[0], &work->convolution);
}

static int64_t
get_workspace (const Descriptor *plan)
{
  Work work;

  return read_work (plan, &work) && work.graph.n_operations > 0
           ? fake_graph_get_workspace (&work.graph)
           : CONVOLUTION_WORKSPACE;
}

/* how long it is, and as much of it as is wanted */
static int64_t
get_text (const Descriptor *plan, int64_t n_wanted, char *to)
{
  char *text = malloc (2 * sizeof (Work) + 64);
  Work work;
  int64_t size = read_work (plan, &work) ? write_text (&work, text) : 0;

  if (n_wanted > 0)
    memcpy (to, text, n_wanted < size ? n_wanted : size);
  free (text);
  return size;
}

/* ---- whole descriptors ---- */

static int
is_operation (const Descriptor *self)
{
  Convolution convolution;
  Graph graph;

  memset (&graph, 0, sizeof graph);
  return fake_read_convolution (self, &convolution) || fake_read_operation (self, &graph);
}

static int
is_complete (const Descriptor *self)
{
  Descriptor *const *operations;
  Tensor tensor;
  Work work;

  switch (self->type)
    {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR: return fake_read_tensor (self, &tensor);
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR: return fake_window_is_complete (self);
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      return fake_find (self, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1) != NULL
             && get_operations (self, &operations) > 0;
    case CUDNN_BACKEND_MATMUL_DESCRIPTOR:
      return fake_find (self, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1) != NULL;
    case CUDNN_BACKEND_POINTWISE_DESCRIPTOR:
      return fake_find (self, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1) != NULL;
    case CUDNN_BACKEND_REDUCTION_DESCRIPTOR:
      return fake_find (self, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1)
             != NULL;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      return fake_find_descriptor (self, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                                   CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)
               != NULL
             && fake_find (self, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1) != NULL;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
      return fake_find (self, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1) != NULL
             && read_work (self, &work);
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      return fake_find (self, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1) != NULL;
    default: return is_operation (self);
    }
}

cudnnStatus_t
cudnnBackendFinalize (cudnnBackendDescriptor_t descriptor)
{
  Descriptor *self = descriptor;

  if (self->is_finished || !is_complete (self))
    return CUDNN_STATUS_BAD_PARAM;
  self->is_finished = 1;
  return CUDNN_STATUS_SUCCESS;
}

/* a configuration is finished when it is proposed, and knows its graph */
static int64_t
propose (const Descriptor *self, Descriptor **configurations, int64_t n)
{
  const Descriptor *graph = fake_find_descriptor (self, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                                                  CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  int64_t n_ways = !has_ways (graph) || is_told ("no-proposals") ? 0
                   : has_several_ways ()                         ? 4
                                                                 : 2,
          n_found = n < n_ways ? n : n_ways;

  for (int64_t i = 0; i < n_found; i++)
    {
      cudnnBackendSetAttribute (configurations[i], CUDNN_ATTR_ENGINE_OPERATION_GRAPH,
                                CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
      configurations[i]->way = i;
      configurations[i]->is_finished = 1;
    }
  return n_found;
}

cudnnStatus_t
cudnnBackendGetAttribute (cudnnBackendDescriptor_t descriptor,
                          cudnnBackendAttributeName_t name,
                          cudnnBackendAttributeType_t type,
                          int64_t n_wanted,
                          int64_t *n_found,
                          void *values)
{
  Descriptor *self = descriptor;

  if (!self->is_finished && self->type != CUDNN_BACKEND_ENGINE_DESCRIPTOR)
    return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
  *n_found = 1;
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    *n_found = propose (self, values, n_wanted);
  else if (name == CUDNN_ATTR_ENGINECFG_ENGINE && type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    (*(Descriptor **) values)->way = self->way;
  else if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && type == CUDNN_TYPE_NUMERICAL_NOTE)
    {
      *n_found = self->way == 0;
      *(int *) values = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    }
  else if (name == CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION && type == CUDNN_TYPE_CHAR)
    *n_found = get_text (self, n_wanted, values);
  else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64)
    *(int64_t *) values = get_workspace (self);
  else
    return CUDNN_STATUS_NOT_SUPPORTED;
  return CUDNN_STATUS_SUCCESS;
}

/* ---- execution ---- */

void *
fake_find_pointer (const Descriptor *pack, int64_t id)
{
  for (int64_t n = 1; n <= 32; n++)
    {
      const int64_t *ids =
        fake_find (pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n);
      void *const *pointers =
        fake_find (pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n);

      for (int64_t i = 0; ids != NULL && pointers != NULL && i < n; i++)
        if (ids[i] == id)
          return pointers[i];
    }
  return NULL;
}

static int
is_aligned (const void *pointer)
{
  return pointer != NULL && (uintptr_t) pointer % 16 == 0;
}

static cudnnStatus_t
execute_convolution (const Convolution *convolution,
                     const Descriptor *pack,
                     char *workspace,
                     unsigned delay)
{
  ConvolutionCall call;

  memset (&call, 0, sizeof call);
  call.c = *convolution;
  call.pointers[0] = fake_find_pointer (pack, call.c.x.id);
  call.pointers[1] = fake_find_pointer (pack, call.c.w.id);
  call.pointers[2] = fake_find_pointer (pack, call.c.y.id);
  call.workspace = workspace;
  call.delay = delay;
  for (int i = 0; i < 3; i++)
    if (!is_aligned (call.pointers[i]))
      return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
  return fake_submit (fake_convolution_run, &call, sizeof call) == 0
           ? CUDNN_STATUS_SUCCESS
           : CUDNN_STATUS_EXECUTION_FAILED;
}

static cudnnStatus_t
execute_graph (Graph *graph, const Descriptor *pack, char *workspace, unsigned delay)
{
  graph->workspace = workspace;
  graph->workspace_size = fake_graph_get_workspace (graph);
  graph->delay = delay;
  for (int i = 0; i < graph->n_tensors; i++)
    {
      const Tensor *tensor = &graph->tensors[i];

      if (tensor->is_virtual)
        continue;
      graph->pointers[i] = fake_find_pointer (pack, tensor->id);
      if (graph->pointers[i] == NULL || (!tensor->is_by_value && !is_aligned (graph->pointers[i])))
        return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
      if (tensor->is_by_value)
        graph->numbers[i] = *(const float *) graph->pointers[i];
    }
  return fake_submit (fake_graph_run, graph, sizeof *graph) == 0 ? CUDNN_STATUS_SUCCESS
                                                                 : CUDNN_STATUS_EXECUTION_FAILED;
}

cudnnStatus_t
cudnnBackendExecute (cudnnHandle_t handle,
                     cudnnBackendDescriptor_t plan,
                     cudnnBackendDescriptor_t pack)
{
  char *const *workspace =
    fake_find (pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1);
  unsigned delay;
  Work work;

  if (!((const Descriptor *) pack)->is_finished || !read_work (plan, &work))
    return CUDNN_STATUS_BAD_PARAM;
  delay = has_several_ways () && work.way != 2 ? 3000 : 0;
  if (work.graph.n_operations > 0)
    return execute_graph (&work.graph, pack, *workspace, delay);
  return execute_convolution (&work.convolution, pack, *workspace, delay);
}
