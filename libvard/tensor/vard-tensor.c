/* vard-tensor.c - a typed, shaped view of a buffer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-tensor.h"

#include "base/vard-error.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct _VardTensor
{
  GObject parent_instance;

  VardBuffer *buffer;
  gsize offset;
  VardDType dtype;
  VardShape shape;
};

G_DEFINE_FINAL_TYPE (VardTensor, vard_tensor, G_TYPE_OBJECT)

static void
vard_tensor_finalize (GObject *object)
{
  vard_buffer_unref (VARD_TENSOR (object)->buffer);
  G_OBJECT_CLASS (vard_tensor_parent_class)->finalize (object);
}

static void
vard_tensor_class_init (VardTensorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_tensor_finalize;
}

static void
vard_tensor_init (VardTensor *self)
{
}

/**
 * vard_tensor_new: (skip)
 * @dtype: the type of the elements
 * @shape: the extents
 *
 * Returns: (transfer full): a tensor of zeros in host memory
 */
VardTensor *
vard_tensor_new (VardDType dtype, const VardShape *shape)
{
  gsize size = vard_shape_get_count (shape) * vard_dtype_get_size (dtype);
  g_autoptr (VardBuffer) buffer = vard_buffer_new (size);

  return vard_tensor_new_view (buffer, 0, dtype, shape);
}

/**
 * vard_tensor_new_view: (skip)
 * @buffer: the memory; the tensor keeps a reference
 * @offset: where the elements begin, in bytes
 * @dtype: the type of the elements
 * @shape: the extents; they must fit the buffer
 *
 * Returns: (transfer full): a tensor on memory that is already there
 */
VardTensor *
vard_tensor_new_view (VardBuffer *buffer, gsize offset, VardDType dtype, const VardShape *shape)
{
  VardTensor *self = g_object_new (VARD_TYPE_TENSOR, NULL);

  self->dtype = dtype;
  self->shape = *shape;
  vard_tensor_set_storage (self, buffer, offset);

  return self;
}

/**
 * vard_tensor_new_from_bytes:
 * @dtype: the type of the elements
 * @dims: (array length=n_dims): the extents, slowest first
 * @n_dims: how many extents
 * @bytes: the elements, row-major
 * @error: return location
 *
 * A tensor that copies @bytes.
 *
 * Returns: (transfer full): the tensor, or %NULL when sizes disagree
 */
VardTensor *
vard_tensor_new_from_bytes (VardDType dtype,
                            const gint64 *dims,
                            guint n_dims,
                            GBytes *bytes,
                            GError **error)
{
  gsize size, expected = vard_dtype_get_size (dtype);
  gconstpointer data = g_bytes_get_data (bytes, &size);

  if (n_dims > VARD_MAX_DIMS)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                   "%u dimensions are too many; at most %d are supported", n_dims, VARD_MAX_DIMS);
      return NULL;
    }
  for (guint i = 0; i < n_dims; i++)
    if (dims[i] < 0 || !g_size_checked_mul (&expected, expected, dims[i]))
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "dimension %u is %" G_GINT64_FORMAT, i,
                     dims[i]);
        return NULL;
      }
  if (expected != size)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "the shape takes %" G_GSIZE_FORMAT " bytes, %" G_GSIZE_FORMAT " were given",
                   expected, size);
      return NULL;
    }

  VardShape shape = vard_shape_make (dims, n_dims);
  VardTensor *self = vard_tensor_new (dtype, &shape);

  if (size)
    memcpy (self->buffer->data, data, size);

  return self;
}

/**
 * vard_tensor_get_dtype:
 * @self: a tensor
 *
 * Returns: the type of the elements
 */
VardDType
vard_tensor_get_dtype (VardTensor *self)
{
  g_return_val_if_fail (VARD_IS_TENSOR (self), VARD_DTYPE_F32);

  return self->dtype;
}

/**
 * vard_tensor_peek_shape: (skip)
 * @self: a tensor
 *
 * Returns: (transfer none): the extents, slowest first
 */
const VardShape *
vard_tensor_peek_shape (VardTensor *self)
{
  g_return_val_if_fail (VARD_IS_TENSOR (self), NULL);

  return &self->shape;
}

/**
 * vard_tensor_get_dims:
 * @self: a tensor
 * @n_dims: (out): how many extents
 *
 * Returns: (transfer full) (array length=n_dims): the extents, slowest first
 */
gint64 *
vard_tensor_get_dims (VardTensor *self, guint *n_dims)
{
  g_return_val_if_fail (VARD_IS_TENSOR (self), NULL);

  *n_dims = self->shape.n_dims;
  return g_memdup2 (self->shape.dims, self->shape.n_dims * sizeof (gint64));
}

/**
 * vard_tensor_get_count:
 * @self: a tensor
 *
 * Returns: the number of elements
 */
gint64
vard_tensor_get_count (VardTensor *self)
{
  g_return_val_if_fail (VARD_IS_TENSOR (self), 0);

  return vard_shape_get_count (&self->shape);
}

/**
 * vard_tensor_get_n_bytes:
 * @self: a tensor
 *
 * Returns: the size of all elements in bytes
 */
gsize
vard_tensor_get_n_bytes (VardTensor *self)
{
  g_return_val_if_fail (VARD_IS_TENSOR (self), 0);

  return vard_shape_get_count (&self->shape) * vard_dtype_get_size (self->dtype);
}

/**
 * vard_tensor_drop_pages: (skip)
 * @self: a tensor
 *
 * Gives the memory of a view of a mapped file back to the system, which reads the file again when
 * the elements are next used.
 *
 * Returns: the bytes given back; 0 for a tensor that is not a view of a mapped file
 */
gsize
vard_tensor_drop_pages (VardTensor *self)
{
  g_return_val_if_fail (VARD_IS_TENSOR (self), 0);

  gsize page = sysconf (_SC_PAGESIZE);
  guint8 *begin = self->buffer->data + self->offset, *end = begin + vard_tensor_get_n_bytes (self);

  /* only pages that are wholly the tensor's own */
  begin = (guint8 *) (((gsize) begin + page - 1) / page * page);
  end = (guint8 *) ((gsize) end / page * page);
  if (!self->buffer->is_file || begin >= end || madvise (begin, end - begin, MADV_DONTNEED) != 0)
    return 0;

  return end - begin;
}

/**
 * vard_tensor_get_bytes:
 * @self: a tensor on the host
 *
 * Returns: (transfer full): a copy of the elements
 */
GBytes *
vard_tensor_get_bytes (VardTensor *self)
{
  g_return_val_if_fail (VARD_IS_TENSOR (self), NULL);
  g_return_val_if_fail (self->buffer->is_host, NULL);

  return g_bytes_new (vard_tensor_peek_data (self), vard_tensor_get_n_bytes (self));
}

/**
 * vard_tensor_peek_buffer: (skip)
 * @self: a tensor
 *
 * Returns: (transfer none): the buffer that holds the elements
 */
VardBuffer *
vard_tensor_peek_buffer (VardTensor *self)
{
  g_return_val_if_fail (VARD_IS_TENSOR (self), NULL);

  return self->buffer;
}

/**
 * vard_tensor_get_offset: (skip)
 * @self: a tensor
 *
 * Returns: where the elements begin in the buffer, in bytes
 */
gsize
vard_tensor_get_offset (VardTensor *self)
{
  g_return_val_if_fail (VARD_IS_TENSOR (self), 0);

  return self->offset;
}

/**
 * vard_tensor_peek_data: (skip)
 * @self: a tensor
 *
 * Returns: (transfer none): the address of the first element; a device's own address when the
 *   buffer is not on the host
 */
gpointer
vard_tensor_peek_data (VardTensor *self)
{
  g_return_val_if_fail (VARD_IS_TENSOR (self), NULL);

  return self->buffer->data + self->offset;
}

/**
 * vard_tensor_peek_f32: (skip)
 * @self: a tensor of type f32 on the host
 *
 * Returns: (transfer none): the elements, row-major, valid as long as the tensor keeps its storage
 */
float *
vard_tensor_peek_f32 (VardTensor *self)
{
  g_return_val_if_fail (VARD_IS_TENSOR (self), NULL);
  g_return_val_if_fail (self->dtype == VARD_DTYPE_F32 && self->buffer->is_host, NULL);

  return vard_tensor_peek_data (self);
}

/**
 * vard_tensor_set_storage: (skip)
 * @self: a tensor
 * @buffer: a buffer with the same contents
 * @offset: where the elements begin in it, in bytes
 *
 * Moves the tensor to other memory. An engine does so when it adopts a tensor.
 */
void
vard_tensor_set_storage (VardTensor *self, VardBuffer *buffer, gsize offset)
{
  g_return_if_fail (VARD_IS_TENSOR (self));
  g_return_if_fail (offset + vard_tensor_get_n_bytes (self) <= buffer->size);

  vard_buffer_ref (buffer);
  vard_buffer_unref (self->buffer);
  self->buffer = buffer;
  self->offset = offset;
}

static float
vard_tensor_load_as_float (const guint8 *data, VardDType dtype, gint64 i)
{
  guint16 half;
  float value;

  switch (dtype)
    {
    case VARD_DTYPE_F32: memcpy (&value, data + 4 * i, 4); return value;
    case VARD_DTYPE_F16: memcpy (&half, data + 2 * i, 2); return vard_half_to_float (half);
    case VARD_DTYPE_BF16: memcpy (&half, data + 2 * i, 2); return vard_bf16_to_float (half);
    case VARD_DTYPE_I32:
      {
        gint32 integer;
        memcpy (&integer, data + 4 * i, 4);
        return integer;
      }
    case VARD_DTYPE_I64:
      {
        gint64 integer;
        memcpy (&integer, data + 8 * i, 8);
        return integer;
      }
    case VARD_DTYPE_U8:
    default: return data[i];
    }
}

static void
vard_tensor_store_float (guint8 *data, VardDType dtype, gint64 i, float value)
{
  switch (dtype)
    {
    case VARD_DTYPE_F32: ((float *) data)[i] = value; break;
    case VARD_DTYPE_F16: ((guint16 *) data)[i] = vard_float_to_half (value); break;
    case VARD_DTYPE_BF16: ((guint16 *) data)[i] = vard_float_to_bf16 (value); break;
    case VARD_DTYPE_I32: ((gint32 *) data)[i] = value; break;
    case VARD_DTYPE_I64: ((gint64 *) data)[i] = value; break;
    case VARD_DTYPE_U8:
    default: data[i] = CLAMP (value, 0, 255); break;
    }
}

/**
 * vard_tensor_convert: (skip)
 * @self: a tensor on the host
 * @dtype: the type wanted
 *
 * Converts element by element. Floating types round to nearest, ties to even; integers lose their
 * fraction.
 *
 * Returns: (transfer full): a new host tensor
 */
VardTensor *
vard_tensor_convert (VardTensor *self, VardDType dtype)
{
  g_return_val_if_fail (VARD_IS_TENSOR (self), NULL);
  g_return_val_if_fail (self->buffer->is_host, NULL);

  VardTensor *converted = vard_tensor_new (dtype, &self->shape);
  const guint8 *from = vard_tensor_peek_data (self);
  guint8 *to = vard_tensor_peek_data (converted);
  gint64 count = vard_tensor_get_count (self);

  if (dtype == self->dtype)
    memcpy (to, from, vard_tensor_get_n_bytes (self));
  else
    for (gint64 i = 0; i < count; i++)
      vard_tensor_store_float (to, dtype, i, vard_tensor_load_as_float (from, self->dtype, i));

  return converted;
}
