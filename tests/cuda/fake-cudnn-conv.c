/* fake-cudnn-conv.c - convolutions and their gradients by plain loops
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake-cudnn.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct
{
  cudnnBackendDescriptorType_t kind;
  cudnnBackendAttributeName_t window, x, w, y, alpha, beta;
} convolutions[] = {
  { CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA },
  { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA },
  { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA },
};

int
fake_window_is_complete (const Descriptor *self)
{
  const int64_t *n = fake_find (self, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1);
  const int64_t *dilations =
    fake_find (self, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2);
  const int *mode =
    fake_find (self, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1);
  const int *type = fake_find (self, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1);

  return n != NULL && *n == 2 && dilations != NULL && dilations[0] == 1 && dilations[1] == 1
         && mode != NULL && *mode == CUDNN_CROSS_CORRELATION && type != NULL
         && *type == CUDNN_DATA_FLOAT
         && fake_find (self, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2) != NULL
         && fake_find (self, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2) != NULL
         && fake_find (self, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2) != NULL;
}

static int
has_shapes (const Convolution *c)
{
  for (int i = 0; i < 2; i++)
    if (c->y.dims[2 + i]
        != (c->x.dims[2 + i] + c->before[i] + c->after[i] - c->w.dims[2 + i]) / c->strides[i] + 1)
      return 0;
  return c->x.dims[0] == c->y.dims[0] && c->x.dims[1] == c->w.dims[1]
         && c->w.dims[0] == c->y.dims[1] && c->x.type == c->w.type && c->x.type == c->y.type
         && c->x.id != c->w.id && c->x.id != c->y.id && c->w.id != c->y.id;
}

int
fake_read_convolution (const Descriptor *self, Convolution *c)
{
  const Descriptor *window, *x, *w, *y;
  const float *alpha, *beta;
  int i = 0;

  while (i < 3 && convolutions[i].kind != self->type)
    i++;
  if (i == 3)
    return 0;
  window =
    fake_find_descriptor (self, convolutions[i].window, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  x = fake_find_descriptor (self, convolutions[i].x, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  w = fake_find_descriptor (self, convolutions[i].w, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  y = fake_find_descriptor (self, convolutions[i].y, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  alpha = fake_find (self, convolutions[i].alpha, CUDNN_TYPE_FLOAT, 1);
  beta = fake_find (self, convolutions[i].beta, CUDNN_TYPE_FLOAT, 1);
  c->kind = self->type;
  if (window == NULL || x == NULL || w == NULL || y == NULL || alpha == NULL || *alpha != 1
      || beta == NULL || *beta != 0 || !fake_read_tensor (x, &c->x) || !fake_read_tensor (w, &c->w)
      || !fake_read_tensor (y, &c->y))
    return 0;
  memcpy (c->strides,
          fake_find (window, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2),
          sizeof c->strides);
  memcpy (c->before, fake_find (window, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2),
          sizeof c->before);
  memcpy (c->after, fake_find (window, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2),
          sizeof c->after);
  return has_shapes (c);
}

/* values in the order [dim 0, 2, 3, 1], channels side by side */
typedef struct
{
  Convolution c;
  float *x, *w, *y;
  double *sums; /* of what is computed */
} Run;

static float *
load_all (const Tensor *tensor, const void *from)
{
  float *values = malloc (fake_tensor_count (tensor) * sizeof *values), *to = values;

  for (int64_t i = 0; i < tensor->dims[0]; i++)
    for (int64_t k = 0; k < tensor->dims[2]; k++)
      for (int64_t l = 0; l < tensor->dims[3]; l++)
        for (int64_t j = 0; j < tensor->dims[1]; j++)
          *to++ = fake_load (tensor, from, i, j, k, l);
  return values;
}

static void
store_all (const Tensor *tensor, void *to, const double *sums)
{
  for (int64_t i = 0; i < tensor->dims[0]; i++)
    for (int64_t k = 0; k < tensor->dims[2]; k++)
      for (int64_t l = 0; l < tensor->dims[3]; l++)
        for (int64_t j = 0; j < tensor->dims[1]; j++)
          fake_store (tensor, to, i, j, k, l, *sums++);
}

/* all that one pixel of the result has to do with one tap of the window; pixel_y and tap are their
 * first elements */
static void
add_tap (Run *run, int64_t pixel_x, int64_t pixel_y, int64_t tap)
{
  int64_t n_in = run->c.x.dims[1], n_out = run->c.y.dims[1],
          weights = n_in * run->c.w.dims[2] * run->c.w.dims[3];

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
        int64_t y = oy * c->strides[0] + ky - c->before[0],
                x = ox * c->strides[1] + kx - c->before[1];

        if (y >= 0 && x >= 0 && y < dx[2] && x < dx[3])
          add_tap (run, ((n * dx[2] + y) * dx[3] + x) * dx[1],
                   ((n * dy[2] + oy) * dy[3] + ox) * dy[1], (ky * dw[3] + kx) * dw[1]);
      }
}

int
fake_convolution_run (const void *data)
{
  const ConvolutionCall *call = data;
  const Convolution *c = &call->c;
  Run run = { *c, load_all (&c->x, call->pointers[0]), load_all (&c->w, call->pointers[1]),
              load_all (&c->y, call->pointers[2]) };
  int which = c->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR         ? 2
              : c->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? 0
                                                                                        : 1;
  const Tensor *result = which == 2 ? &c->y : which == 0 ? &c->x : &c->w;

  if (call->delay > 0)
    usleep (call->delay);
  run.sums = calloc (fake_tensor_count (result), sizeof *run.sums);
  for (int64_t n = 0; n < c->y.dims[0]; n++)
    for (int64_t oy = 0; oy < c->y.dims[2]; oy++)
      for (int64_t ox = 0; ox < c->y.dims[3]; ox++)
        add_pixel (&run, n, oy, ox);
  memset (call->workspace, 0xff, CONVOLUTION_WORKSPACE);
  store_all (result, call->pointers[which], run.sums);
  free (run.x);
  free (run.w);
  free (run.y);
  free (run.sums);
  return 0;
}
