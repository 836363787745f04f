/* vard-simplify.c - simplifies nodes as they are emitted
 *
 * Only rewrites that are right for every value, that need no search, and that the reverse sweep
 * makes often: cotangents of ones and zeros, scales by one. A rewrite may look through a fill and
 * through nothing else: joining two scales or two reshapes would bypass the node between them, and
 * a gradient asked for with respect to that node would miss the path.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

gboolean
vard_node_is_fill (const VardNode *x, double *value)
{
  if (x->op != &vard_op_fill || x->dtype != VARD_DTYPE_F32)
    return FALSE;
  *value = ((const VardFillAttrs *) x->attrs)->value;
  return TRUE;
}

static VardNode *
vard_simplify_simplify_affine (VardNode *x, const VardAffineAttrs *attrs)
{
  double value;

  if (attrs->scale == 1 && attrs->shift == 0)
    return x;
  if (vard_node_is_fill (x, &value))
    return vard_fill (x->graph, attrs->scale * value + attrs->shift, x->shape);

  return NULL;
}

VardNode *
vard_simplify_unary (const VardOpClass *op, VardNode *x, gconstpointer attrs)
{
  if (op == &vard_op_affine)
    return vard_simplify_simplify_affine (x, attrs);
  if (op == &vard_op_stop && x->op == &vard_op_stop)
    return x;
  return NULL;
}

/* a OP value, with the number on the right */
static VardNode *
vard_simplify_simplify_right (const VardOpClass *op, VardNode *a, double value)
{
  if (op == &vard_op_add)
    return vard_affine (a, 1, value);
  if (op == &vard_op_sub)
    return vard_affine (a, 1, -value);
  if (op == &vard_op_mul)
    return value == -1 ? vard_neg (a) : vard_scale (a, value);
  if (op == &vard_op_div && value != 0)
    return vard_scale (a, 1 / value);

  return NULL;
}

VardNode *
vard_simplify_binary (const VardOpClass *op, VardNode *a, VardNode *b)
{
  double value;

  if (a->dtype != VARD_DTYPE_F32 || b->dtype != VARD_DTYPE_F32)
    return NULL;
  if (vard_node_is_fill (b, &value))
    return vard_simplify_simplify_right (op, a, value);
  if (!vard_node_is_fill (a, &value))
    return NULL;
  if (op == &vard_op_add || op == &vard_op_mul)
    return vard_simplify_simplify_right (op, b, value);
  if (op == &vard_op_sub)
    return vard_affine (b, -1, value);
  if (op == &vard_op_div && value == 1)
    return vard_reciprocal (b);

  return NULL;
}
