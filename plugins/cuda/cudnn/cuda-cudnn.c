/* cuda-cudnn.c - describes graphs of operations to cuDNN
 *
 * It uses only attributes of version 9.0, except to describe a device that is not present.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-cudnn-private.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#define OLDEST_VERSION 90000
#define ALIGNMENT 16 /* bytes; pieces of the arena are aligned to more */

/* ---- the library ---- */

#define DNN_SYMBOL(function) { G_STRINGIFY (function), G_STRUCT_OFFSET (CudaDnnLibrary, function) },

static const struct
{
  const char *name;
  gsize offset;
} symbols[] = { CUDA_DNN_FUNCTIONS (DNN_SYMBOL) };

/* only from the folder when one is named, as the other libraries */
static gboolean
cuda_library_load (CudaDnnLibrary *self)
{
  const char *folder = g_getenv ("VARD_CUDA_LIBRARIES");
  g_autofree char *path = folder != NULL ? g_build_filename (folder, "libcudnn.so.9", NULL)
                                         : g_strdup ("libcudnn.so.9");
  void *handle = dlopen (path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

  for (guint i = 0; handle != NULL && i < G_N_ELEMENTS (symbols); i++)
    {
      void *symbol = dlsym (handle, symbols[i].name);

      if (symbol == NULL)
        return FALSE;
      *(void **) ((guint8 *) self + symbols[i].offset) = symbol;
    }

  return handle != NULL && self->cudnnGetVersion () >= OLDEST_VERSION;
}

const CudaDnnLibrary *
cuda_dnn_library_open (void)
{
  static GMutex mutex;
  static CudaDnnLibrary table;
  static gboolean is_open;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&mutex);

  is_open = is_open || cuda_library_load (&table);

  return is_open ? &table : NULL;
}

/* ---- the target ---- */

CudaDnnTarget *
cuda_dnn_target_new (const CudaDnnLibrary *library, gpointer stream)
{
  g_autoptr (CudaDnnTarget) self = g_new0 (CudaDnnTarget, 1);

  self->library = library;
  if (library->cudnnCreate (&self->handle) != CUDNN_STATUS_SUCCESS)
    {
      self->handle = NULL;
      return NULL;
    }

  return library->cudnnSetStream (self->handle, stream) == CUDNN_STATUS_SUCCESS
           ? g_steal_pointer (&self)
           : NULL;
}

CudaDnnTarget *
cuda_dnn_target_new_described (const CudaDnnLibrary *library, const char *json)
{
#if CUDNN_VERSION >= 90800
  g_autoptr (CudaDnnTarget) self = g_new0 (CudaDnnTarget, 1);

  self->library = library;
  if (library->cudnnBackendCreateDescriptor (CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &self->properties)
      != CUDNN_STATUS_SUCCESS)
    {
      self->properties = NULL;
      return NULL;
    }
  library->cudnnBackendSetAttribute (self->properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                     CUDNN_TYPE_CHAR, strlen (json) + 1, json);
  if (library->cudnnBackendFinalize (self->properties) == CUDNN_STATUS_SUCCESS)
    return g_steal_pointer (&self);
#endif

  return NULL;
}

void
cuda_dnn_target_free (CudaDnnTarget *self)
{
  if (self == NULL)
    return;
  if (self->handle != NULL)
    self->library->cudnnDestroy (self->handle);
  if (self->properties != NULL)
    self->library->cudnnBackendDestroyDescriptor (self->properties);
  g_free (self);
}

/* ---- descriptors: each lives as long as its graph ---- */

gboolean
cuda_dnn_graph_check (CudaDnnGraph *self, cudnnStatus_t status, const char *what)
{
  if (status == CUDNN_STATUS_SUCCESS)
    return TRUE;
  if (self->failure == NULL)
    self->failure =
      g_strdup_printf ("%s: %s", what, self->target->library->cudnnGetErrorString (status));

  return FALSE;
}

cudnnBackendDescriptor_t
cuda_dnn_graph_create (CudaDnnGraph *self, cudnnBackendDescriptorType_t type)
{
  cudnnBackendDescriptor_t descriptor = NULL;

  if (cuda_dnn_graph_check (self,
                            self->target->library->cudnnBackendCreateDescriptor (type, &descriptor),
                            "creating"))
    g_ptr_array_add (self->descriptors, descriptor);

  return descriptor;
}

void
cuda_dnn_graph_set (CudaDnnGraph *self,
                    cudnnBackendDescriptor_t descriptor,
                    cudnnBackendAttributeName_t name,
                    cudnnBackendAttributeType_t type,
                    gint64 count,
                    gconstpointer values)
{
  if (self->failure == NULL)
    cuda_dnn_graph_check (self,
                          self->target->library->cudnnBackendSetAttribute (descriptor, name, type,
                                                                           count, values),
                          "setting an attribute");
}

void
cuda_dnn_graph_finalize (CudaDnnGraph *self, cudnnBackendDescriptor_t descriptor, const char *what)
{
  if (self->failure == NULL)
    cuda_dnn_graph_check (self, self->target->library->cudnnBackendFinalize (descriptor), what);
}

static void
cuda_set_descriptor (CudaDnnGraph *self,
                     cudnnBackendDescriptor_t to,
                     cudnnBackendAttributeName_t name,
                     cudnnBackendDescriptor_t value)
{
  cuda_dnn_graph_set (self, to, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static void
cuda_set_tensor (CudaDnnGraph *self,
                 cudnnBackendDescriptor_t to,
                 cudnnBackendAttributeName_t name,
                 guint tensor)
{
  cuda_set_descriptor (self, to, name, self->tensors[tensor]);
}

static void
cuda_finish_operation (CudaDnnGraph *self, cudnnBackendDescriptor_t operation, const char *what)
{
  cuda_dnn_graph_finalize (self, operation, what);
  g_ptr_array_add (self->operations, operation);
}

/* ---- the graph ---- */

CudaDnnGraph *
cuda_dnn_graph_new (const CudaDnnTarget *target)
{
  CudaDnnGraph *self = g_new0 (CudaDnnGraph, 1);

  self->target = target;
  self->descriptors = g_ptr_array_new ();
  self->operations = g_ptr_array_new ();

  return self;
}

/* what refers to others goes first */
void
cuda_dnn_graph_free (CudaDnnGraph *self)
{
  if (self == NULL)
    return;
  for (guint i = self->descriptors->len; i-- > 0;)
    self->target->library->cudnnBackendDestroyDescriptor (self->descriptors->pdata[i]);
  g_ptr_array_unref (self->descriptors);
  g_ptr_array_unref (self->operations);
  g_free (self->failure);
  g_free (self);
}

const char *
cuda_dnn_graph_peek_failure (CudaDnnGraph *self)
{
  return self->failure;
}

guint
cuda_dnn_graph_add_tensor (CudaDnnGraph *self, const CudaDnnTensor *tensor)
{
  guint number = self->n_tensors++;
  gint64 id = number + 1,
         alignment = tensor->flags & CUDA_DNN_BY_VALUE ? sizeof (float) : ALIGNMENT;
  gboolean is_virtual = (tensor->flags & CUDA_DNN_VIRTUAL) != 0,
           is_by_value = (tensor->flags & CUDA_DNN_BY_VALUE) != 0;
  bool flags[] = { is_virtual, is_by_value };
  cudnnBackendDescriptor_t descriptor =
    cuda_dnn_graph_create (self, CUDNN_BACKEND_TENSOR_DESCRIPTOR);

  g_assert (number < CUDA_DNN_MAX_TENSORS);
  cuda_dnn_graph_set (self, descriptor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1,
                      &tensor->type);
  cuda_dnn_graph_set (self, descriptor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4,
                      tensor->dims);
  cuda_dnn_graph_set (self, descriptor, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4,
                      tensor->strides);
  cuda_dnn_graph_set (self, descriptor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
  cuda_dnn_graph_set (self, descriptor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1,
                      &alignment);
  if (is_virtual)
    cuda_dnn_graph_set (self, descriptor, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1,
                        &flags[0]);
  if (is_by_value)
    cuda_dnn_graph_set (self, descriptor, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1,
                        &flags[1]);
  cuda_dnn_graph_finalize (self, descriptor, "a tensor");
  self->tensors[number] = descriptor;
  self->is_bound[number] = !is_virtual;

  return number;
}

typedef struct
{
  cudnnBackendDescriptorType_t kind;
  cudnnBackendAttributeName_t window, x, w, y, alpha, beta;
} ConvolutionNames;

static const ConvolutionNames convolution_names[] = {
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

static cudnnBackendDescriptor_t
cuda_make_window (CudaDnnGraph *self, const CudaDnnWindow *window)
{
  cudnnBackendDescriptor_t made =
    cuda_dnn_graph_create (self, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  gint64 n = 2;
  const gint64 dilations[2] = { 1, 1 };

  cuda_dnn_graph_set (self, made, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  cuda_dnn_graph_set (self, made, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1,
                      &mode);
  cuda_dnn_graph_set (self, made, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &n);
  cuda_dnn_graph_set (self, made, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, n, dilations);
  cuda_dnn_graph_set (self, made, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, n,
                      window->strides);
  cuda_dnn_graph_set (self, made, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, n,
                      window->before);
  cuda_dnn_graph_set (self, made, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, n,
                      window->after);
  cuda_dnn_graph_finalize (self, made, "a convolution's window");

  return made;
}

void
cuda_dnn_graph_add_convolution (CudaDnnGraph *self,
                                cudnnBackendDescriptorType_t kind,
                                const CudaDnnWindow *window,
                                guint x,
                                guint w,
                                guint y)
{
  const ConvolutionNames *names = convolution_names;
  cudnnBackendDescriptor_t operation = cuda_dnn_graph_create (self, kind);
  float alpha = 1, beta = 0;

  while (names->kind != kind)
    names++;
  cuda_set_descriptor (self, operation, names->window, cuda_make_window (self, window));
  cuda_set_tensor (self, operation, names->x, x);
  cuda_set_tensor (self, operation, names->w, w);
  cuda_set_tensor (self, operation, names->y, y);
  cuda_dnn_graph_set (self, operation, names->alpha, CUDNN_TYPE_FLOAT, 1, &alpha);
  cuda_dnn_graph_set (self, operation, names->beta, CUDNN_TYPE_FLOAT, 1, &beta);
  cuda_finish_operation (self, operation, "a convolution");
}

void
cuda_dnn_graph_add_matmul (CudaDnnGraph *self, guint a, guint b, guint c)
{
  cudnnBackendDescriptor_t how = cuda_dnn_graph_create (self, CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  cudnnBackendDescriptor_t operation =
    cuda_dnn_graph_create (self, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
  cudnnDataType_t type = CUDNN_DATA_FLOAT;

  cuda_dnn_graph_set (self, how, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  cuda_dnn_graph_finalize (self, how, "a product's type");
  cuda_set_descriptor (self, operation, CUDNN_ATTR_OPERATION_MATMUL_DESC, how);
  cuda_set_tensor (self, operation, CUDNN_ATTR_OPERATION_MATMUL_ADESC, a);
  cuda_set_tensor (self, operation, CUDNN_ATTR_OPERATION_MATMUL_BDESC, b);
  cuda_set_tensor (self, operation, CUDNN_ATTR_OPERATION_MATMUL_CDESC, c);
  cuda_finish_operation (self, operation, "a product");
}

void
cuda_dnn_graph_add_pointwise (CudaDnnGraph *self,
                              cudnnPointwiseMode_t mode,
                              const guint *inputs,
                              guint n_inputs,
                              guint y)
{
  static const cudnnBackendAttributeName_t names[] = { CUDNN_ATTR_OPERATION_POINTWISE_XDESC,
                                                       CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
                                                       CUDNN_ATTR_OPERATION_POINTWISE_TDESC };
  cudnnBackendDescriptor_t how = cuda_dnn_graph_create (self, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  cudnnBackendDescriptor_t operation =
    cuda_dnn_graph_create (self, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  cudnnDataType_t type = CUDNN_DATA_FLOAT;

  cuda_dnn_graph_set (self, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
  cuda_dnn_graph_set (self, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &type);
  cuda_dnn_graph_finalize (self, how, "an elementwise function");
  cuda_set_descriptor (self, operation, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
  for (guint i = 0; i < n_inputs; i++)
    cuda_set_tensor (self, operation, names[i], inputs[i]);
  cuda_set_tensor (self, operation, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  cuda_finish_operation (self, operation, "an elementwise operation");
}

void
cuda_dnn_graph_add_reduction (CudaDnnGraph *self, cudnnReduceTensorOp_t operator, guint x, guint y)
{
  cudnnBackendDescriptor_t how = cuda_dnn_graph_create (self, CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  cudnnBackendDescriptor_t operation =
    cuda_dnn_graph_create (self, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
  cudnnDataType_t type = CUDNN_DATA_FLOAT;

  cuda_dnn_graph_set (self, how, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE,
                      1, &operator);
  cuda_dnn_graph_set (self, how, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  cuda_dnn_graph_finalize (self, how, "a reduction's function");
  cuda_set_descriptor (self, operation, CUDNN_ATTR_OPERATION_REDUCTION_DESC, how);
  cuda_set_tensor (self, operation, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x);
  cuda_set_tensor (self, operation, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y);
  cuda_finish_operation (self, operation, "a reduction");
}

void
cuda_dnn_graph_add_reshape (CudaDnnGraph *self, guint x, guint y)
{
  cudnnBackendDescriptor_t operation =
    cuda_dnn_graph_create (self, CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);

  cuda_set_tensor (self, operation, CUDNN_ATTR_OPERATION_RESHAPE_XDESC, x);
  cuda_set_tensor (self, operation, CUDNN_ATTR_OPERATION_RESHAPE_YDESC, y);
  cuda_finish_operation (self, operation, "a reshape");
}
