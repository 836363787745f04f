/* vard-parameter.c - a module's parameter, between weight files and graphs
 *
 * A parameter that is frozen may stay stored: a view of the mapped file, in the file's type and
 * layout. Its graph then begins with a cast and a permutation, which an engine takes into the steps
 * that read the weight. Nothing is copied on loading, and a weight that no program reads is never
 * read from the disk.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "nn/vard-module.h"

#include <string.h>

VardShape
vard_parameter_get_file_shape (const VardParameter *self)
{
  const gint64 *dims = self->shape.dims;

  if (self->layout == VARD_LAYOUT_CONV)
    return VARD_SHAPE (dims[0], dims[3], dims[1], dims[2]);
  if (self->layout == VARD_LAYOUT_POINTWISE)
    return VARD_SHAPE (dims[0], dims[1], 1, 1);

  return self->shape;
}

/* [rows, a, b] -> [rows, b, a] */
static void
vard_parameter_swap_axes (const float *from, float *to, gint64 rows, gint64 a, gint64 b)
{
  for (gint64 row = 0; row < rows; row++, from += a * b, to += a * b)
    for (gint64 i = 0; i < a; i++)
      for (gint64 j = 0; j < b; j++)
        to[j * a + i] = from[i * b + j];
}

/* @stored in single precision, still in the file's layout */
static VardTensor *
vard_parameter_widen (VardTensor *stored)
{
  return vard_tensor_get_dtype (stored) == VARD_DTYPE_F32
           ? g_object_ref (stored)
           : vard_tensor_convert (stored, VARD_DTYPE_F32);
}

void
vard_parameter_copy (VardParameter *self, VardTensor *stored)
{
  g_autoptr (VardTensor) values = vard_parameter_widen (stored);
  const gint64 *dims = self->shape.dims;

  if (self->is_stored)
    {
      g_object_unref (self->tensor);
      self->tensor = vard_tensor_new (VARD_DTYPE_F32, &self->shape);
      self->is_stored = FALSE;
    }
  if (self->layout == VARD_LAYOUT_CONV)
    vard_parameter_swap_axes (vard_tensor_peek_f32 (values), vard_tensor_peek_f32 (self->tensor),
                              dims[0], dims[3], dims[1] * dims[2]);
  else if (vard_tensor_get_count (values))
    memcpy (vard_tensor_peek_f32 (self->tensor), vard_tensor_peek_f32 (values),
            vard_tensor_get_n_bytes (values));
}

void
vard_parameter_store (VardParameter *self, VardTensor *stored)
{
  VardShape shape = self->layout == VARD_LAYOUT_CONV ? vard_parameter_get_file_shape (self)
                                                     : self->shape;
  VardTensor *view = vard_tensor_new_view (vard_tensor_peek_buffer (stored),
                                           vard_tensor_get_offset (stored),
                                           vard_tensor_get_dtype (stored), &shape);

  g_object_unref (self->tensor);
  self->tensor = view;
  self->is_stored = TRUE;
}

VardTensor *
vard_parameter_dup_values (VardParameter *self)
{
  if (!self->is_stored)
    return g_object_ref (self->tensor);

  VardParameter copy = *self;

  copy.is_stored = FALSE;
  copy.tensor = vard_tensor_new (VARD_DTYPE_F32, &self->shape);
  vard_parameter_copy (&copy, self->tensor);

  return copy.tensor;
}

VardNode *
vard_parameter_record_stored (VardParameter *self, VardGraph *graph)
{
  g_autofree char *above = vard_module_dup_path (self->owner);
  g_autofree char *path = g_strconcat (above, *above ? "." : "", self->name, NULL);

  return vard_param (graph, path, self->tensor);
}

VardNode *
vard_parameter_record (VardParameter *self, VardGraph *graph)
{
  static const guint to_graph[] = { 0, 2, 3, 1 };
  VardNode *node = vard_parameter_record_stored (self, graph);

  if (!self->is_stored)
    return node;
  if (vard_tensor_get_dtype (self->tensor) != VARD_DTYPE_F32)
    node = vard_cast (node, VARD_DTYPE_F32);

  return self->layout == VARD_LAYOUT_CONV ? vard_permute (node, to_graph) : node;
}
