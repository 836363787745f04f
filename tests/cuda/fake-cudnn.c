/* fake-cudnn.c - libcudnn.so.9 without a device: descriptors that are looked at when they are finished, and plain loops
 *
 * What the real library refuses is refused here: attributes that are missing, of another type or count, shapes that do not
 * fit together, results of another type than the operands, addresses that are not aligned, descriptors that change after
 * they were finished. It proposes two ways, of which the first sums in an order of its own, or four when several
 * algorithms are asked for, of which all but the third are slow.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake-driver.h"

#include <cudnn_graph.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_ATTRIBUTES 16
#define WORKSPACE 64

typedef struct
{
  cudnnBackendAttributeName_t name;
  cudnnBackendAttributeType_t type;
  int64_t count;
  void *values;
} Attribute;

typedef struct
{
  cudnnBackendDescriptorType_t type;
  Attribute attributes[MAX_ATTRIBUTES];
  int n_attributes, is_finished, way;
} Descriptor;

size_t
cudnnGetVersion (void)
{
  return 91900;
}

const char *
cudnnGetErrorString (cudnnStatus_t status)
{
  return status == CUDNN_STATUS_NOT_SUPPORTED ? "CUDNN_STATUS_NOT_SUPPORTED" : "CUDNN_STATUS_BAD_PARAM";
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
  return handle && stream ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

/* ---- attributes ---- */

static size_t
size_of (cudnnBackendAttributeType_t type)
{
  switch (type)
    {
    case CUDNN_TYPE_BOOLEAN: return sizeof (bool);
    case CUDNN_TYPE_INT64: case CUDNN_TYPE_DOUBLE: return 8;
    case CUDNN_TYPE_HANDLE: case CUDNN_TYPE_VOID_PTR: case CUDNN_TYPE_BACKEND_DESCRIPTOR: return sizeof (void *);
    default: return 4;
    }
}

static const void *
find (const Descriptor *self, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count)
{
  for (int i = 0; i < self->n_attributes; i++)
    if (self->attributes[i].name == name)
      return self->attributes[i].type == type && self->attributes[i].count == count ? self->attributes[i].values : NULL;
  return NULL;
}

static const Descriptor *
find_descriptor (const Descriptor *self, cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type)
{
  Descriptor *const *value = find (self, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1);

  return value && *value && (*value)->type == type && (*value)->is_finished ? *value : NULL;
}

cudnnStatus_t
cudnnBackendCreateDescriptor (cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *descriptor)
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
cudnnBackendSetAttribute (cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                          cudnnBackendAttributeType_t type, int64_t count, const void *values)
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

typedef struct
{
  cudnnDataType_t type;
  int64_t dims[4], strides[4], id;
} Tensor;

static int
read_tensor (const Descriptor *self, Tensor *tensor)
{
  const void *type = find (self, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1);
  const void *dims = find (self, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4);
  const void *strides = find (self, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4);
  const void *id = find (self, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1);
  const int64_t *alignment = find (self, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1);

  if (!type || !dims || !strides || !id || !alignment || *alignment < 4)
    return 0;
  memcpy (&tensor->type, type, sizeof tensor->type);
  memcpy (tensor->dims, dims, sizeof tensor->dims);
  memcpy (tensor->strides, strides, sizeof tensor->strides);
  memcpy (&tensor->id, id, sizeof tensor->id);
  for (int i = 0; i < 4; i++)
    if (tensor->dims[i] < 1 || tensor->strides[i] < 1)
      return 0;
  return tensor->type == CUDNN_DATA_FLOAT || tensor->type == CUDNN_DATA_BFLOAT16;
}

static float
load (const Tensor *tensor, const void *from, int64_t a, int64_t b, int64_t c, int64_t d)
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
static void
store (const Tensor *tensor, void *to, int64_t a, int64_t b, int64_t c, int64_t d, float value)
{
  const int64_t *s = tensor->strides;
  int64_t at = a * s[0] + b * s[1] + c * s[2] + d * s[3];
  uint32_t bits;

  if (tensor->type == CUDNN_DATA_FLOAT)
    {
      ((float *) to)[at] = value;
      return;
    }
  memcpy (&bits, &value, sizeof bits);
  bits += 0x7fff + (bits >> 16 & 1);
  ((uint16_t *) to)[at] = bits >> 16;
}

/* ---- convolutions ---- */

typedef struct
{
  cudnnBackendDescriptorType_t kind;
  Tensor x, w, y;
  int64_t strides[2], before[2], after[2];
} Convolution;

static const struct
{
  cudnnBackendDescriptorType_t kind;
  cudnnBackendAttributeName_t window, x, w, y, alpha, beta;
} convolutions[] = {
  { CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA },
  { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA },
  { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA },
};

static int
has_window (const Descriptor *self)
{
  const int64_t *n = find (self, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1);
  const int64_t *dilations = find (self, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2);
  const int *mode = find (self, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1);
  const int *type = find (self, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1);

  return n && *n == 2 && dilations && dilations[0] == 1 && dilations[1] == 1 && mode && *mode == CUDNN_CROSS_CORRELATION
         && type && *type == CUDNN_DATA_FLOAT && find (self, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2)
         && find (self, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2)
         && find (self, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2);
}

static int
has_shapes (const Convolution *c)
{
  for (int i = 0; i < 2; i++)
    if (c->y.dims[2 + i] != (c->x.dims[2 + i] + c->before[i] + c->after[i] - c->w.dims[2 + i]) / c->strides[i] + 1)
      return 0;
  return c->x.dims[0] == c->y.dims[0] && c->x.dims[1] == c->w.dims[1] && c->w.dims[0] == c->y.dims[1]
         && c->x.type == c->w.type && c->x.type == c->y.type && c->x.id != c->w.id && c->x.id != c->y.id && c->w.id != c->y.id;
}

static int
read_convolution (const Descriptor *self, Convolution *c)
{
  const Descriptor *window, *x, *w, *y;
  const float *alpha, *beta;
  int i = 0;

  while (i < 3 && convolutions[i].kind != self->type)
    i++;
  if (i == 3)
    return 0;
  window = find_descriptor (self, convolutions[i].window, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  x = find_descriptor (self, convolutions[i].x, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  w = find_descriptor (self, convolutions[i].w, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  y = find_descriptor (self, convolutions[i].y, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  alpha = find (self, convolutions[i].alpha, CUDNN_TYPE_FLOAT, 1);
  beta = find (self, convolutions[i].beta, CUDNN_TYPE_FLOAT, 1);
  c->kind = self->type;
  if (!window || !x || !w || !y || !alpha || *alpha != 1 || !beta || *beta != 0 || !read_tensor (x, &c->x)
      || !read_tensor (w, &c->w) || !read_tensor (y, &c->y))
    return 0;
  memcpy (c->strides, find (window, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2), sizeof c->strides);
  memcpy (c->before, find (window, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2), sizeof c->before);
  memcpy (c->after, find (window, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2), sizeof c->after);
  return has_shapes (c);
}

/* values in the order [dim 0, 2, 3, 1], channels side by side */
typedef struct
{
  Convolution c;
  float *x, *w, *y;
  double *sums;        /* of what is computed */
} Run;

static int64_t
count (const Tensor *tensor)
{
  return tensor->dims[0] * tensor->dims[1] * tensor->dims[2] * tensor->dims[3];
}

static float *
load_all (const Tensor *tensor, const void *from)
{
  float *values = malloc (count (tensor) * sizeof *values), *to = values;

  for (int64_t i = 0; i < tensor->dims[0]; i++)
    for (int64_t k = 0; k < tensor->dims[2]; k++)
      for (int64_t l = 0; l < tensor->dims[3]; l++)
        for (int64_t j = 0; j < tensor->dims[1]; j++)
          *to++ = load (tensor, from, i, j, k, l);
  return values;
}

static void
store_all (const Tensor *tensor, void *to, const double *sums)
{
  for (int64_t i = 0; i < tensor->dims[0]; i++)
    for (int64_t k = 0; k < tensor->dims[2]; k++)
      for (int64_t l = 0; l < tensor->dims[3]; l++)
        for (int64_t j = 0; j < tensor->dims[1]; j++)
          store (tensor, to, i, j, k, l, *sums++);
}

/* all that one pixel of the result has to do with one tap of the window; pixel_y and tap are their first elements */
static void
add_tap (Run *run, int64_t pixel_x, int64_t pixel_y, int64_t tap)
{
  int64_t n_in = run->c.x.dims[1], n_out = run->c.y.dims[1], weights = n_in * run->c.w.dims[2] * run->c.w.dims[3];

  for (int64_t o = 0; o < n_out; o++)
    {
      const float *x = run->x + pixel_x, *w = run->w + o * weights + tap;
      float y = run->y[pixel_y + o];
      double sum = 0;

      if (run->c.kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
        {
          for (int64_t i = 0; i < n_in; i++)
            sum += (double) x[i] * w[i];
          run->sums[pixel_y + o] += sum;
        }
      else if (run->c.kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
        for (int64_t i = 0; i < n_in; i++)
          run->sums[pixel_x + i] += (double) y * w[i];
      else
        for (int64_t i = 0; i < n_in; i++)
          run->sums[o * weights + tap + i] += (double) y * x[i];
    }
}

static void
add_pixel (Run *run, int64_t n, int64_t oy, int64_t ox)
{
  const Convolution *c = &run->c;
  const int64_t *dx = c->x.dims, *dw = c->w.dims, *dy = c->y.dims;

  for (int64_t ky = 0; ky < dw[2]; ky++)
    for (int64_t kx = 0; kx < dw[3]; kx++)
      {
        int64_t y = oy * c->strides[0] + ky - c->before[0], x = ox * c->strides[1] + kx - c->before[1];

        if (y >= 0 && x >= 0 && y < dx[2] && x < dx[3])
          add_tap (run, ((n * dx[2] + y) * dx[3] + x) * dx[1], ((n * dy[2] + oy) * dy[3] + ox) * dy[1],
                   (ky * dw[3] + kx) * dw[1]);
      }
}

typedef struct
{
  Convolution c;
  void *pointers[3];       /* x, w, y */
  char *workspace;
  unsigned delay;          /* microseconds */
} Call;

static int
do_convolution (const void *data)
{
  const Call *call = data;
  const Convolution *c = &call->c;
  Run run = { *c, load_all (&c->x, call->pointers[0]), load_all (&c->w, call->pointers[1]),
              load_all (&c->y, call->pointers[2]) };
  int which = c->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR         ? 2
              : c->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? 0
                                                                                       : 1;
  const Tensor *result = which == 2 ? &c->y : which == 0 ? &c->x : &c->w;

  if (call->delay > 0)
    usleep (call->delay);
  run.sums = calloc (count (result), sizeof *run.sums);
  for (int64_t n = 0; n < c->y.dims[0]; n++)
    for (int64_t oy = 0; oy < c->y.dims[2]; oy++)
      for (int64_t ox = 0; ox < c->y.dims[3]; ox++)
        add_pixel (&run, n, oy, ox);
  memset (call->workspace, 0xff, WORKSPACE);
  store_all (result, call->pointers[which], run.sums);
  free (run.x);
  free (run.w);
  free (run.y);
  free (run.sums);
  return 0;
}

/* ---- finishing ---- */

static int
is_complete (const Descriptor *self)
{
  Tensor tensor;
  Convolution convolution;

  switch (self->type)
    {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR: return read_tensor (self, &tensor);
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR: return has_window (self);
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      return find (self, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1)
             && find (self, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1);
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      return find_descriptor (self, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)
             && find (self, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1);
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
      return find (self, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1)
             && find_descriptor (self, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      return find (self, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1) != NULL;
    default: return read_convolution (self, &convolution);
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

/* VARD_FAKE_CUDA="algorithms=N" */
static int
has_several_ways (void)
{
  const char *all = getenv ("VARD_FAKE_CUDA");

  return all != NULL && strstr (all, "algorithms=") != NULL;
}

/* a configuration is finished when it is proposed, and knows its graph */
static int64_t
propose (const Descriptor *self, Descriptor **configurations, int64_t n)
{
  const Descriptor *graph = find_descriptor (self, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  int64_t n_ways = has_several_ways () ? 4 : 2, n_found = n < n_ways ? n : n_ways;

  for (int64_t i = 0; i < n_found; i++)
    {
      cudnnBackendSetAttribute (configurations[i], CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
      configurations[i]->way = i;
      configurations[i]->is_finished = 1;
    }
  return n_found;
}

cudnnStatus_t
cudnnBackendGetAttribute (cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                          cudnnBackendAttributeType_t type, int64_t n_wanted, int64_t *n_found, void *values)
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
  else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64)
    *(int64_t *) values = WORKSPACE;
  else
    return CUDNN_STATUS_NOT_SUPPORTED;
  return CUDNN_STATUS_SUCCESS;
}

/* ---- execution ---- */

static void *
find_pointer (const Descriptor *pack, int64_t id)
{
  for (int64_t n = 1; n <= 32; n++)
    {
      const int64_t *ids = find (pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n);
      void *const *pointers = find (pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n);

      for (int64_t i = 0; ids && pointers && i < n; i++)
        if (ids[i] == id)
          return pointers[i];
    }
  return NULL;
}

cudnnStatus_t
cudnnBackendExecute (cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack)
{
  const Descriptor *way = find_descriptor (plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  const Descriptor *graph = find_descriptor (way, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  const Descriptor *operation
    = *(Descriptor *const *) find (graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1);
  char *const *workspace = find (pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1);
  Call call;

  memset (&call, 0, sizeof call);
  if (!((const Descriptor *) pack)->is_finished || !read_convolution (operation, &call.c))
    return CUDNN_STATUS_BAD_PARAM;
  call.pointers[0] = find_pointer (pack, call.c.x.id);
  call.pointers[1] = find_pointer (pack, call.c.w.id);
  call.pointers[2] = find_pointer (pack, call.c.y.id);
  call.workspace = *workspace;
  call.delay = has_several_ways () && way->way != 2 ? 3000 : 0;
  for (int i = 0; i < 3; i++)
    if (call.pointers[i] == NULL || (uintptr_t) call.pointers[i] % 16 != 0)
      return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
  return fake_submit (do_convolution, &call, sizeof call) == 0 ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}
