/* vard-tensor.h - a typed, shaped view of a buffer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "tensor/vard-buffer.h"
#include "tensor/vard-dtype.h"
#include "tensor/vard-shape.h"

G_BEGIN_DECLS

#define VARD_TYPE_TENSOR (vard_tensor_get_type ())
G_DECLARE_FINAL_TYPE (VardTensor, vard_tensor, VARD, TENSOR, GObject)

VardTensor *vard_tensor_new (VardDType dtype, const VardShape *shape);
VardTensor *vard_tensor_new_view (VardBuffer *buffer,
                                  gsize offset,
                                  VardDType dtype,
                                  const VardShape *shape);
VardTensor *vard_tensor_new_from_bytes (VardDType dtype,
                                        const gint64 *dims,
                                        guint n_dims,
                                        GBytes *bytes,
                                        GError **error);
VardDType vard_tensor_get_dtype (VardTensor *self);
const VardShape *vard_tensor_peek_shape (VardTensor *self);
gint64 *vard_tensor_get_dims (VardTensor *self, guint *n_dims);
gint64 vard_tensor_get_count (VardTensor *self);
gsize vard_tensor_get_n_bytes (VardTensor *self);
/* Gives the memory of a view of a mapped file back to the system, which reads it again when it is
 * used. Returns how many bytes that were; 0 for any other tensor. */
gsize vard_tensor_drop_pages (VardTensor *self);
GBytes *vard_tensor_get_bytes (VardTensor *self);

/* Where the elements are; a host address only while the buffer is on the host */
VardBuffer *vard_tensor_peek_buffer (VardTensor *self);
gsize vard_tensor_get_offset (VardTensor *self);
gpointer vard_tensor_peek_data (VardTensor *self);
float *vard_tensor_peek_f32 (VardTensor *self);

/* Moves the view to another buffer with the same contents: an engine does this when it adopts a
 * tensor, and flat parameter storage does when it gathers them. */
void vard_tensor_set_storage (VardTensor *self, VardBuffer *buffer, gsize offset);

/* A new host tensor of another type, converted element by element */
VardTensor *vard_tensor_convert (VardTensor *self, VardDType dtype);

G_END_DECLS
