/* vard-shape.c - the dimensions of a tensor
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-shape.h"

#include <string.h>

/**
 * vard_shape_make: (skip)
 * @dims: (array length=n_dims): the extents, slowest first
 * @n_dims: at most %VARD_MAX_DIMS
 *
 * Returns: the shape; VARD_SHAPE() is shorter
 */
VardShape
vard_shape_make (const gint64 *dims, guint n_dims)
{
  VardShape shape = { .n_dims = n_dims };

  g_assert (n_dims <= VARD_MAX_DIMS);
  memcpy (shape.dims, dims, n_dims * sizeof *dims);
  return shape;
}

/**
 * vard_shape_get_span: (skip)
 * @self: a shape
 * @from: the first axis
 * @to: the axis after the last
 *
 * Returns: the product of the extents of the axes @from to @to - 1; 1 for none
 */
gint64
vard_shape_get_span (const VardShape *self, guint from, guint to)
{
  gint64 count = 1;

  for (guint i = from; i < to; i++)
    count *= self->dims[i];
  return count;
}

/**
 * vard_shape_get_count: (skip)
 * @self: a shape
 *
 * Returns: the number of elements; 1 for a scalar
 */
gint64
vard_shape_get_count (const VardShape *self)
{
  return vard_shape_get_span (self, 0, self->n_dims);
}

/**
 * vard_shape_equal: (skip)
 * @a: a shape
 * @b: another shape
 *
 * Returns: whether both have the same extents
 */
gboolean
vard_shape_equal (const VardShape *a, const VardShape *b)
{
  return a->n_dims == b->n_dims && memcmp (a->dims, b->dims, a->n_dims * sizeof *a->dims) == 0;
}

/**
 * vard_shape_to_string: (skip)
 * @self: a shape
 *
 * Returns: (transfer full): text for messages: "[2, 16, 16, 4]"
 */
char *
vard_shape_to_string (const VardShape *self)
{
  GString *text = g_string_new ("[");

  for (guint i = 0; i < self->n_dims; i++)
    g_string_append_printf (text, i ? ", %" G_GINT64_FORMAT : "%" G_GINT64_FORMAT, self->dims[i]);
  g_string_append_c (text, ']');

  return g_string_free (text, FALSE);
}
