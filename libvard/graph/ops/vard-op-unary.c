/* vard-op-unary.c - elementwise operations of one input
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

#include <math.h>

/* One operation in a line: its name, one element's value as a function of x, and the derivative as
 * nodes of the input x and the output y. The rule, the oracle, the record and the builder follow
 * from them. */
#define UNARY(name_, value_, slope_)                                           \
  static VardNode *name_##_slope (VardNode *x, VardNode *y)                    \
  {                                                                            \
    return slope_;                                                             \
  }                                                                            \
  static void name_##_vjp (VardNode *self, VardNode *bar, VardNode **out)      \
  {                                                                            \
    out[0] = vard_mul (bar, name_##_slope (self->inputs[0], self));            \
  }                                                                            \
  static void name_##_reference (const VardNode *self, float **in, float *out) \
  {                                                                            \
    for (gint64 i = 0; i < vard_node_get_count (self); i++)                    \
      {                                                                        \
        float x = in[0][i];                                                    \
                                                                               \
        out[i] = value_;                                                       \
      }                                                                        \
  }                                                                            \
  const VardOpClass vard_op_##name_ = {                                        \
    .name = #name_,                                                            \
    .flags = VARD_OP_FLAG_ELEMENTWISE | VARD_OP_FLAG_INPLACE,                  \
    .infer = vard_infer_same,                                                  \
    .vjp = name_##_vjp,                                                        \
    .reference = name_##_reference,                                            \
  };                                                                           \
  VardNode *vard_##name_ (VardNode *x)                                         \
  {                                                                            \
    return vard_op_unary (&vard_op_##name_, x, NULL);                          \
  }

/* Phi, the normal distribution, and its density phi */
static VardNode *
vard_op_unary_normal_distribution (VardNode *x)
{
  return vard_affine (vard_erf (vard_scale (x, G_SQRT2 / 2)), 0.5, 0.5);
}

static VardNode *
vard_op_unary_normal_density (VardNode *x)
{
  return vard_scale (vard_exp (vard_scale (vard_square (x), -0.5)), 1 / sqrt (2 * G_PI));
}

static VardNode *
vard_op_unary_silu_derivative (VardNode *x, VardNode *y)
{
  VardNode *s = vard_sigmoid (x);

  /* y = x s, so y' = s + y (1 - s) */
  return vard_add (s, vard_mul (y, vard_complement (s)));
}

UNARY (neg, -x, vard_fill_like (x, -1))
UNARY (exp, expf (x), y)
UNARY (log, logf (x), vard_reciprocal (x))
UNARY (sqrt, sqrtf (x), vard_scale (vard_reciprocal (y), 0.5))
UNARY (rsqrt, 1 / sqrtf (x), vard_scale (vard_mul (y, vard_square (y)), -0.5))
UNARY (square, x *x, vard_scale (x, 2))
UNARY (reciprocal, 1 / x, vard_neg (vard_square (y)))
UNARY (sigmoid, 1 / (1 + expf (-x)), vard_mul (y, vard_complement (y)))
UNARY (silu, x / (1 + expf (-x)), vard_op_unary_silu_derivative (x, y))
UNARY (tanh, tanhf (x), vard_complement (vard_square (y)))
UNARY (erf, erff (x), vard_scale (vard_exp (vard_neg (vard_square (x))), 2 / sqrt (G_PI)))
UNARY (gelu,
       0.5f * x * (1 + erff (x * (float) (G_SQRT2 / 2))),
       vard_add (vard_op_unary_normal_distribution (x),
                 vard_mul (x, vard_op_unary_normal_density (x))))
UNARY (sin, sinf (x), vard_cos (x))
UNARY (cos, cosf (x), vard_neg (vard_sin (x)))
UNARY (abs, fabsf (x), vard_sub (vard_step (x), vard_step (vard_neg (x))))

static void
step_reference (const VardNode *self, float **in, float *out)
{
  for (gint64 i = 0; i < vard_node_get_count (self); i++)
    out[i] = in[0][i] > 0 ? 1 : 0;
}

const VardOpClass vard_op_step = {
  .name = "step",
  .flags = VARD_OP_FLAG_ELEMENTWISE | VARD_OP_FLAG_INPLACE | VARD_OP_FLAG_NO_GRADIENT,
  .infer = vard_infer_same,
  .reference = step_reference,
};

VardNode *
vard_step (VardNode *x)
{
  return vard_op_unary (&vard_op_step, x, NULL);
}

static void
stop_reference (const VardNode *self, float **in, float *out)
{
  for (gint64 i = 0; i < vard_node_get_count (self); i++)
    out[i] = in[0][i];
}

const VardOpClass vard_op_stop = {
  .name = "stop",
  .flags = VARD_OP_FLAG_ELEMENTWISE | VARD_OP_FLAG_INPLACE | VARD_OP_FLAG_NO_GRADIENT,
  .infer = vard_infer_same,
  .reference = stop_reference,
};

VardNode *
vard_stop (VardNode *x)
{
  return vard_op_unary (&vard_op_stop, x, NULL);
}

static void
affine_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  const VardAffineAttrs *attrs = self->attrs;

  out[0] = vard_scale (bar, attrs->scale);
}

static void
affine_reference (const VardNode *self, float **in, float *out)
{
  const VardAffineAttrs *attrs = self->attrs;
  float scale = attrs->scale, shift = attrs->shift;

  for (gint64 i = 0; i < vard_node_get_count (self); i++)
    out[i] = scale * in[0][i] + shift;
}

static void
affine_describe (const VardNode *self, GString *text)
{
  const VardAffineAttrs *attrs = self->attrs;

  g_string_append_printf (text, "scale=%g shift=%g", attrs->scale, attrs->shift);
}

const VardOpClass vard_op_affine = {
  .name = "affine",
  .flags = VARD_OP_FLAG_ELEMENTWISE | VARD_OP_FLAG_INPLACE,
  .attrs_size = sizeof (VardAffineAttrs),
  .infer = vard_infer_same,
  .vjp = affine_vjp,
  .reference = affine_reference,
  .describe = affine_describe,
};

VardNode *
vard_affine (VardNode *x, double scale, double shift)
{
  VardAffineAttrs attrs = { scale, shift };

  return vard_op_unary (&vard_op_affine, x, &attrs);
}

VardNode *
vard_scale (VardNode *x, double scale)
{
  return vard_affine (x, scale, 0);
}

VardNode *
vard_complement (VardNode *x)
{
  return vard_affine (x, -1, 1);
}

static gboolean
clamp_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardClampAttrs *attrs = self->attrs;

  if (!(attrs->low <= attrs->high))
    return vard_op_fail (self, error, "the lower bound %g is above the upper bound %g", attrs->low,
                         attrs->high);

  return vard_infer_same (self, shape, dtype, error);
}

static void
clamp_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  const VardClampAttrs *attrs = self->attrs;
  VardNode *x = self->inputs[0];
  VardNode *above = vard_step (vard_affine (x, 1, -attrs->high));
  VardNode *below = vard_step (vard_affine (x, -1, attrs->low));

  /* the bounds themselves count as inside */
  out[0] = vard_mul (bar, vard_complement (vard_add (above, below)));
}

static void
clamp_reference (const VardNode *self, float **in, float *out)
{
  const VardClampAttrs *attrs = self->attrs;
  float low = attrs->low, high = attrs->high;

  for (gint64 i = 0; i < vard_node_get_count (self); i++)
    {
      float x = in[0][i];

      out[i] = x < low ? low : x > high ? high : x;
    }
}

static void
clamp_describe (const VardNode *self, GString *text)
{
  const VardClampAttrs *attrs = self->attrs;

  g_string_append_printf (text, "low=%g high=%g", attrs->low, attrs->high);
}

const VardOpClass vard_op_clamp = {
  .name = "clamp",
  .flags = VARD_OP_FLAG_ELEMENTWISE | VARD_OP_FLAG_INPLACE,
  .attrs_size = sizeof (VardClampAttrs),
  .infer = clamp_infer,
  .vjp = clamp_vjp,
  .reference = clamp_reference,
  .describe = clamp_describe,
};

VardNode *
vard_clamp (VardNode *x, double low, double high)
{
  VardClampAttrs attrs = { low, high };

  return vard_op_unary (&vard_op_clamp, x, &attrs);
}

/* ---- composed ---- */

VardNode *
vard_quick_gelu (VardNode *x)
{
  return vard_mul (x, vard_sigmoid (vard_scale (x, 1.702)));
}

VardNode *
vard_relu (VardNode *x)
{
  return vard_select (x, x, vard_fill_like (x, 0));
}
