/* vard-shape.h - the dimensions of a tensor
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VARD_MAX_DIMS 6

/* n_dims 0 is a scalar: one element. Unused extents are zero, so that shapes compare by memcmp. */
typedef struct
{
  guint n_dims;
  gint64 dims[VARD_MAX_DIMS];
} VardShape;

/* VARD_SHAPE (2, 16, 16, 4) */
#define VARD_SHAPE(...)                              \
  vard_shape_make ((const gint64[]) { __VA_ARGS__ }, \
                   sizeof ((const gint64[]) { __VA_ARGS__ }) / sizeof (gint64))
#define VARD_SCALAR ((VardShape) { 0 })

VardShape vard_shape_make (const gint64 *dims, guint n_dims);
gint64 vard_shape_get_count (const VardShape *self);
gboolean vard_shape_equal (const VardShape *a, const VardShape *b);
char *vard_shape_to_string (const VardShape *self);

/* the product of the extents [from, to) */
gint64 vard_shape_get_span (const VardShape *self, guint from, guint to);

G_END_DECLS
