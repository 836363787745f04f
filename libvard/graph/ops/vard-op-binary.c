/* vard-op-binary.c - elementwise operations of two and three inputs
 *
 * Broadcasting is explicit: the builders reshape and broadcast the smaller operands, so that the
 * rules here see equal shapes only and the sum back is broadcast's own rule.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

#include <math.h>

/* The shape that both grow to: extents are matched from the last on, 1 goes with anything */
static gboolean
vard_op_binary_join_shapes (const VardShape *a, const VardShape *b, VardShape *joint)
{
  VardShape shape = { .n_dims = MAX (a->n_dims, b->n_dims) };

  for (guint i = 1; i <= shape.n_dims; i++)
    {
      gint64 extent_a = i <= a->n_dims ? a->dims[a->n_dims - i] : 1;
      gint64 extent_b = i <= b->n_dims ? b->dims[b->n_dims - i] : 1;

      if (extent_a != extent_b && extent_a != 1 && extent_b != 1)
        return FALSE;
      shape.dims[shape.n_dims - i] = extent_a == 1 ? extent_b : extent_a;
    }
  *joint = shape;

  return TRUE;
}

static VardNode *
vard_op_binary_grow (VardNode *x, const VardShape *shape)
{
  VardShape padded = { .n_dims = shape->n_dims };
  guint missing = shape->n_dims - x->shape.n_dims;

  for (guint i = 0; i < shape->n_dims; i++)
    padded.dims[i] = i < missing ? 1 : x->shape.dims[i - missing];

  return vard_broadcast (vard_reshape (x, padded), *shape);
}

/* Operands that do not fit are emitted as they are: infer has the words for it */
static VardNode *
vard_op_binary_emit_binary (const VardOpClass *op, VardNode *a, VardNode *b)
{
  VardNode *inputs[2] = { a, b };
  VardNode *simpler = NULL;
  VardShape joint;

  if (vard_op_binary_join_shapes (&a->shape, &b->shape, &joint))
    {
      inputs[0] = vard_op_binary_grow (a, &joint);
      inputs[1] = vard_op_binary_grow (b, &joint);
      simpler = vard_simplify_binary (op, inputs[0], inputs[1]);
    }

  return simpler != NULL ? simpler : vard_node_emit (a->graph, op, inputs, 2, NULL);
}

/* As in vard-op-unary.c: a name, one element's value, and the cotangents of both operands */
#define BINARY(name_, value_, vjp_a_, vjp_b_)                                           \
  static VardNode *name_##_vjp_a (VardNode *y, VardNode *a, VardNode *b, VardNode *bar) \
  {                                                                                     \
    return vjp_a_;                                                                      \
  }                                                                                     \
  static VardNode *name_##_vjp_b (VardNode *y, VardNode *a, VardNode *b, VardNode *bar) \
  {                                                                                     \
    return vjp_b_;                                                                      \
  }                                                                                     \
  static void name_##_vjp (VardNode *self, VardNode *bar, VardNode **out)               \
  {                                                                                     \
    out[0] = name_##_vjp_a (self, self->inputs[0], self->inputs[1], bar);               \
    out[1] = name_##_vjp_b (self, self->inputs[0], self->inputs[1], bar);               \
  }                                                                                     \
  static void name_##_reference (const VardNode *self, float **in, float *out)          \
  {                                                                                     \
    for (gint64 i = 0; i < vard_node_get_count (self); i++)                             \
      {                                                                                 \
        float a = in[0][i], b = in[1][i];                                               \
                                                                                        \
        out[i] = value_;                                                                \
      }                                                                                 \
  }                                                                                     \
  const VardOpClass vard_op_##name_ = {                                                 \
    .name = #name_,                                                                     \
    .flags = VARD_OP_FLAG_ELEMENTWISE | VARD_OP_FLAG_INPLACE,                           \
    .infer = vard_infer_same,                                                           \
    .vjp = name_##_vjp,                                                                 \
    .reference = name_##_reference,                                                     \
  };                                                                                    \
  VardNode *vard_##name_ (VardNode *a, VardNode *b)                                     \
  {                                                                                     \
    return vard_op_binary_emit_binary (&vard_op_##name_, a, b);                         \
  }

BINARY (add, a + b, bar, bar)
BINARY (sub, a - b, bar, vard_neg (bar))
BINARY (mul, (a * b), vard_mul (bar, b), vard_mul (bar, a))
BINARY (div, a / b, vard_div (bar, b), vard_neg (vard_mul (vard_div (bar, b), y)))

/* The winner has the whole cotangent, the first operand where they are equal */
BINARY (maximum,
        b > a ? b : a,
        vard_mul (bar, vard_complement (vard_step (vard_sub (b, a)))),
        vard_mul (bar, vard_step (vard_sub (b, a))))
BINARY (minimum,
        b < a ? b : a,
        vard_mul (bar, vard_complement (vard_step (vard_sub (a, b)))),
        vard_mul (bar, vard_step (vard_sub (a, b))))

static void
select_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  VardNode *zero = vard_fill_like (bar, 0);

  out[0] = NULL;
  out[1] = vard_select (self->inputs[0], bar, zero);
  out[2] = vard_select (self->inputs[0], zero, bar);
}

static void
select_reference (const VardNode *self, float **in, float *out)
{
  for (gint64 i = 0; i < vard_node_get_count (self); i++)
    out[i] = in[0][i] > 0 ? in[1][i] : in[2][i];
}

const VardOpClass vard_op_select = {
  .name = "select",
  .flags = VARD_OP_FLAG_ELEMENTWISE | VARD_OP_FLAG_INPLACE,
  .infer = vard_infer_same,
  .vjp = select_vjp,
  .reference = select_reference,
};

VardNode *
vard_select (VardNode *mask, VardNode *a, VardNode *b)
{
  VardNode *inputs[3] = { mask, a, b };
  VardShape joint;

  if (vard_op_binary_join_shapes (&a->shape, &b->shape, &joint)
      && vard_op_binary_join_shapes (&mask->shape, &joint, &joint))
    for (guint i = 0; i < G_N_ELEMENTS (inputs); i++)
      inputs[i] = vard_op_binary_grow (inputs[i], &joint);

  return vard_node_emit (mask->graph, &vard_op_select, inputs, 3, NULL);
}
