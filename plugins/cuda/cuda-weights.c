/* cuda-weights.c - parameters on the device in the layout that steps read
 *
 * A frozen weight is a view of a mapped file, in the file's type and layout. The engine uploads it
 * once, and the device converts and reorders it once; 16-bit weights are never widened for bf16
 * products. Trained weights stay in single precision in a flat buffer. Products read a converted
 * copy of the whole buffer, which one kernel makes again after an update.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-weights.h"

static CudaWeight *
cuda_find (CudaDevice *device, const char *key)
{
  CudaWeight *self = g_hash_table_lookup (device->weights, key);

  return self != NULL ? cuda_weight_ref (self) : NULL;
}

static CudaWeight *
cuda_add (CudaDevice *device, char *key, gint64 count, VardDType dtype)
{
  CudaWeight *self = g_new0 (CudaWeight, 1);

  g_ref_count_init (&self->ref_count);
  self->device = cuda_device_ref (device);
  self->key = key;
  self->dtype = dtype;
  self->values = cuda_device_reserve (device, count * vard_dtype_get_size (dtype));
  self->is_stale = TRUE;
  g_hash_table_insert (device->weights, self->key, self);

  return self;
}

CudaWeight *
cuda_weight_get (CudaDevice *device,
                 VardTensor *tensor,
                 const VardPermuteAttrs *order,
                 VardDType dtype)
{
  g_autoptr (GString) key = g_string_new (NULL);
  CudaWeight *self;

  g_string_printf (key, "%p %d", (gpointer) tensor, dtype);
  for (guint i = 0; order != NULL && i < vard_tensor_peek_shape (tensor)->n_dims; i++)
    g_string_append_printf (key, " %u", (guint) order->order[i]);
  self = cuda_find (device, key->str);
  if (self != NULL)
    return self;
  self = cuda_add (device, g_strdup (key->str), vard_tensor_get_count (tensor), dtype);
  self->tensor = g_object_ref (tensor);
  self->is_permuted = order != NULL;
  if (order != NULL)
    self->order = *order;

  return self;
}

CudaWeight *
cuda_weight_get_flat (CudaDevice *device, VardBuffer *source, VardDType dtype)
{
  g_autofree char *key = g_strdup_printf ("flat %p %d", (gpointer) source, dtype);
  CudaWeight *self = cuda_find (device, key);

  if (self != NULL)
    return self;
  self = cuda_add (device, g_steal_pointer (&key), source->size / sizeof (float), dtype);
  self->source = vard_buffer_ref (source);

  return self;
}

CudaWeight *
cuda_weight_ref (CudaWeight *self)
{
  g_ref_count_inc (&self->ref_count);
  return self;
}

void
cuda_weight_unref (gpointer data)
{
  CudaWeight *self = data;

  if (self == NULL || !g_ref_count_dec (&self->ref_count))
    return;
  g_hash_table_remove (self->device->weights, self->key);
  vard_buffer_unref (self->values);
  g_clear_pointer (&self->source, vard_buffer_unref);
  g_clear_object (&self->tensor);
  g_free (self->key);
  cuda_device_unref (self->device);
  g_free (self);
}

/* ---- conversion, on the device ---- */

/* element i of the result is at the sum of its indices' strides */
static CudaMap
cuda_make_map (const CudaWeight *self, int *n_dims)
{
  const VardShape *shape = vard_tensor_peek_shape (self->tensor);
  CudaMap map = { .offset = 0 };

  *n_dims = shape->n_dims;
  for (guint d = 0; d < shape->n_dims; d++)
    {
      guint from = self->order.order[d];

      map.extents[d] = shape->dims[from];
      map.strides[d] = vard_shape_get_span (shape, from + 1, shape->n_dims);
    }

  return map;
}

static void
cuda_convert (CudaWeight *self, gconstpointer from, VardDType dtype, gint64 count)
{
  CudaConvertArgs args = { .x = from,
                           .y = self->values->data,
                           .count = count,
                           .from = cuda_type_code (dtype),
                           .to = cuda_type_code (self->dtype) };
  CUfunction function = cuda_device_get_kernel (self->device, "move.cu", "convert");

  if (self->is_permuted)
    args.map = cuda_make_map (self, &args.n_dims);
  else
    {
      args.n_dims = 1;
      args.map = (CudaMap) { { count }, { 1 }, 0 };
    }
  if (function != NULL)
    cuda_device_launch_over (self->device, function, count, &args);
}

/* as it is in the file, then by a kernel; what is as it should be already goes to its place at
 * once */
static gboolean
cuda_upload (CudaWeight *self, GError **error)
{
  gsize size = vard_tensor_get_n_bytes (self->tensor);
  gconstpointer from = vard_tensor_peek_data (self->tensor);
  gint64 count = vard_tensor_get_count (self->tensor);
  g_autoptr (VardBuffer) stored = NULL;

  if (vard_tensor_get_dtype (self->tensor) == self->dtype && !self->is_permuted)
    return cuda_device_write (self->device, self->values->data, from, size, error);
  stored = cuda_device_alloc (self->device, size, error);
  if (stored == NULL || !cuda_device_write (self->device, stored->data, from, size, error))
    return FALSE;
  cuda_convert (self, stored->data, vard_tensor_get_dtype (self->tensor), count);

  return cuda_device_report (self->device, error);
}

gboolean
cuda_weight_refresh (CudaWeight *self, GError **error)
{
  VardBuffer *buffer = self->tensor != NULL ? vard_tensor_peek_buffer (self->tensor) : self->source;

  if (!self->is_stale)
    return TRUE;
  if (!cuda_device_realize (self->device, self->values, error))
    return FALSE;
  if (buffer->is_host)
    {
      if (!cuda_upload (self, error))
        return FALSE;
      vard_tensor_drop_pages (self->tensor);
    }
  else if (self->tensor != NULL)
    cuda_convert (self, buffer->data + vard_tensor_get_offset (self->tensor),
                  vard_tensor_get_dtype (self->tensor), vard_tensor_get_count (self->tensor));
  else
    cuda_convert (self, buffer->data, VARD_DTYPE_F32,
                  self->values->size / vard_dtype_get_size (self->dtype));
  self->is_stale = FALSE;

  return cuda_device_report (self->device, error);
}

void
cuda_weights_touch (CudaDevice *device, GHashTable *buffers)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, device->weights);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      CudaWeight *self = value;

      self->is_stale = self->is_stale
                       || g_hash_table_contains (buffers, self->tensor != NULL
                                                            ? vard_tensor_peek_buffer (self->tensor)
                                                            : self->source);
    }
}

gsize
cuda_weights_count (CudaDevice *device, gsize *n_made)
{
  GHashTableIter iter;
  gpointer value;
  gsize sum = 0;

  *n_made = 0;
  g_hash_table_iter_init (&iter, device->weights);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const VardBuffer *values = ((const CudaWeight *) value)->values;

      sum += values->size;
      *n_made += values->data != NULL ? values->size : 0;
    }

  return sum;
}
