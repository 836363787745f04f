/* vard-op-family.h - shape rules, messages and builders that the operations share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/vard-ops.h"

#include <string.h>

G_BEGIN_DECLS

/* Sets VARD_ERROR_GRAPH to "OP of SHAPES: REASON" and returns FALSE */
gboolean vard_op_fail (const VardNode *self, GError **error, const char *format, ...)
  G_GNUC_PRINTF (3, 4);

/* One floating type for all inputs; *dtype is set to it */
gboolean vard_op_check_float (const VardNode *self, VardDType *dtype, GError **error);
gboolean vard_op_check_axis (const VardNode *self, gint64 axis, GError **error);
/* The number of elements, or FALSE unless all extents are 1 or more and their product fits */
gboolean vard_shape_count (const VardShape *shape, gint64 *count);
gboolean vard_op_check_shape (const VardNode *self, const VardShape *shape, GError **error);
/* NULL when they fit; what is wrong with them otherwise (transfer full). Writes [n, h', w',
 * c_out]. */
char *vard_conv2d_shape (const VardShape *x,
                         const VardShape *w,
                         const VardConv2dAttrs *attrs,
                         VardShape *y);

/* Equal nodes must have equal attribute bytes: writes the shape without stray padding */
void vard_shape_store (VardShape *to, const VardShape *from);
void vard_shape_describe (const VardShape *shape, GString *text);

VardNode *vard_op_unary (const VardOpClass *op, VardNode *x, gconstpointer attrs);
/* A fill of x's type and shape */
VardNode *vard_fill_like (VardNode *x, double value);

/* ---- rewriting at emission (vard-simplify.c): the node to use instead, or NULL ---- */
gboolean vard_node_is_fill (const VardNode *x, double *value);
VardNode *vard_simplify_unary (const VardOpClass *op, VardNode *x, gconstpointer attrs);
VardNode *vard_simplify_binary (const VardOpClass *op, VardNode *a, VardNode *b);

G_END_DECLS
