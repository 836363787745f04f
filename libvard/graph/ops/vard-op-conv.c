/* vard-op-conv.c - two-dimensional convolution and its two gradients
 *
 * With y = conv (x, w) the three are adjoint to each other: <conv (x, w), dy> = <x, input_gradient
 * (dy, w)> = <w, weight_gradient (x, dy)>. So each one's rule needs the other two only, and
 * derivatives of any order exist.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

static gint64
vard_op_conv_get_extent (gint64 x, gint32 before, gint32 after, gint64 kernel, gint32 stride)
{
  return (x + before + after - kernel) / stride + 1;
}

static gboolean
vard_op_conv_are_attrs_valid (const VardConv2dAttrs *attrs)
{
  return attrs->stride >= 1 && attrs->pad_top >= 0 && attrs->pad_bottom >= 0 && attrs->pad_left >= 0
         && attrs->pad_right >= 0;
}

char *
vard_conv2d_shape (const VardShape *x,
                   const VardShape *w,
                   const VardConv2dAttrs *attrs,
                   VardShape *y)
{
  g_autofree char *x_text = vard_shape_to_string (x);
  g_autofree char *w_text = vard_shape_to_string (w);

  if (!vard_op_conv_are_attrs_valid (attrs))
    return g_strdup_printf ("stride %d or pads %d, %d, %d, %d are out of range", attrs->stride,
                            attrs->pad_top, attrs->pad_bottom, attrs->pad_left, attrs->pad_right);
  if (x->n_dims != 4 || w->n_dims != 4)
    return g_strdup_printf ("pictures %s and weights %s must both have four dimensions", x_text,
                            w_text);
  if (x->dims[3] != w->dims[3])
    return g_strdup_printf ("pictures %s have %" G_GINT64_FORMAT
                            " channels, but weights %s take %" G_GINT64_FORMAT,
                            x_text, x->dims[3], w_text, w->dims[3]);
  if (x->dims[1] + attrs->pad_top + attrs->pad_bottom < w->dims[1]
      || x->dims[2] + attrs->pad_left + attrs->pad_right < w->dims[2])
    return g_strdup_printf ("padded pictures %s are smaller than the kernel %s", x_text, w_text);
  *y = VARD_SHAPE (x->dims[0],
                   vard_op_conv_get_extent (x->dims[1], attrs->pad_top, attrs->pad_bottom,
                                            w->dims[1], attrs->stride),
                   vard_op_conv_get_extent (x->dims[2], attrs->pad_left, attrs->pad_right,
                                            w->dims[2], attrs->stride),
                   w->dims[0]);

  return NULL;
}

/* ---- the oracle: one walk over all pairs of an output pixel and a tap ---- */

typedef struct
{
  gint64 n, h, w, c_in;   /* x */
  gint64 y_h, y_w, c_out; /* y */
  gint64 k_h, k_w;
  gint64 stride, top, left;
} Geometry;

/* x and y are where pixels of c_in and c_out channels begin, w where the tap's first weight is
 * (the next output channel's are w_step further) */
typedef void (*TapFunc) (const Geometry *g,
                         double *sums,
                         gint64 x,
                         gint64 y,
                         gint64 w,
                         const float *a,
                         const float *b);

static Geometry
vard_op_conv_get_geometry (const VardShape *x,
                           const VardShape *w,
                           const VardShape *y,
                           const VardConv2dAttrs *attrs)
{
  return (Geometry) {
    .n = x->dims[0],
    .h = x->dims[1],
    .w = x->dims[2],
    .c_in = x->dims[3],
    .y_h = y->dims[1],
    .y_w = y->dims[2],
    .c_out = y->dims[3],
    .k_h = w->dims[1],
    .k_w = w->dims[2],
    .stride = attrs->stride,
    .top = attrs->pad_top,
    .left = attrs->pad_left,
  };
}

/* the taps of one output pixel */
static void
vard_op_conv_walk_taps (const Geometry *g,
                        gint64 n,
                        gint64 oy,
                        gint64 ox,
                        TapFunc tap,
                        double *target,
                        const float *a,
                        const float *b)
{
  gint64 y = ((n * g->y_h + oy) * g->y_w + ox) * g->c_out;

  for (gint64 ky = 0; ky < g->k_h; ky++)
    for (gint64 kx = 0; kx < g->k_w; kx++)
      {
        gint64 iy = oy * g->stride + ky - g->top;
        gint64 ix = ox * g->stride + kx - g->left;

        if (iy >= 0 && iy < g->h && ix >= 0 && ix < g->w)
          tap (g, target, ((n * g->h + iy) * g->w + ix) * g->c_in, y, (ky * g->k_w + kx) * g->c_in,
               a, b);
      }
}

static void
vard_op_conv_walk (const Geometry *g,
                   TapFunc tap,
                   const float *a,
                   const float *b,
                   gint64 count,
                   float *out)
{
  g_autofree double *target = g_new0 (double, count);

  for (gint64 n = 0; n < g->n; n++)
    for (gint64 oy = 0; oy < g->y_h; oy++)
      for (gint64 ox = 0; ox < g->y_w; ox++)
        vard_op_conv_walk_taps (g, n, oy, ox, tap, target, a, b);
  for (gint64 i = 0; i < count; i++)
    out[i] = target[i];
}

static void
vard_op_conv_tap_forward (const Geometry *g,
                          double *sums,
                          gint64 x,
                          gint64 y,
                          gint64 w,
                          const float *a,
                          const float *b)
{
  gint64 w_step = g->k_h * g->k_w * g->c_in;

  for (gint64 co = 0; co < g->c_out; co++)
    for (gint64 ci = 0; ci < g->c_in; ci++)
      sums[y + co] += (double) a[x + ci] * b[w + co * w_step + ci];
}

static void
vard_op_conv_tap_input_gradient (const Geometry *g,
                                 double *sums,
                                 gint64 x,
                                 gint64 y,
                                 gint64 w,
                                 const float *a,
                                 const float *b)
{
  gint64 w_step = g->k_h * g->k_w * g->c_in;

  for (gint64 co = 0; co < g->c_out; co++)
    for (gint64 ci = 0; ci < g->c_in; ci++)
      sums[x + ci] += (double) a[y + co] * b[w + co * w_step + ci];
}

static void
vard_op_conv_tap_weight_gradient (const Geometry *g,
                                  double *sums,
                                  gint64 x,
                                  gint64 y,
                                  gint64 w,
                                  const float *a,
                                  const float *b)
{
  gint64 w_step = g->k_h * g->k_w * g->c_in;

  for (gint64 co = 0; co < g->c_out; co++)
    for (gint64 ci = 0; ci < g->c_in; ci++)
      sums[w + co * w_step + ci] += (double) a[x + ci] * b[y + co];
}

/* ---- conv2d ---- */

static gboolean
conv2d_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  g_autofree char *problem = NULL;

  if (!vard_op_check_float (self, dtype, error))
    return FALSE;
  problem =
    vard_conv2d_shape (&self->inputs[0]->shape, &self->inputs[1]->shape, self->attrs, shape);

  return problem != NULL ? vard_op_fail (self, error, "%s", problem) : TRUE;
}

static void
conv2d_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  VardNode *x = self->inputs[0], *w = self->inputs[1];

  out[0] = vard_conv2d_input_gradient (bar, w, x->shape, self->attrs);
  out[1] = vard_conv2d_weight_gradient (x, bar, w->shape, self->attrs);
}

static void
conv2d_reference (const VardNode *self, float **in, float *out)
{
  Geometry g = vard_op_conv_get_geometry (&self->inputs[0]->shape, &self->inputs[1]->shape,
                                          &self->shape, self->attrs);

  vard_op_conv_walk (&g, vard_op_conv_tap_forward, in[0], in[1], vard_node_get_count (self), out);
}

static void
vard_op_conv_describe_conv (const VardConv2dAttrs *attrs, GString *text)
{
  g_string_append_printf (text, "stride=%d pads=%d,%d,%d,%d", attrs->stride, attrs->pad_top,
                          attrs->pad_bottom, attrs->pad_left, attrs->pad_right);
}

static void
conv2d_describe (const VardNode *self, GString *text)
{
  vard_op_conv_describe_conv (self->attrs, text);
}

const VardOpClass vard_op_conv2d = {
  .name = "conv2d",
  .attrs_size = sizeof (VardConv2dAttrs),
  .infer = conv2d_infer,
  .vjp = conv2d_vjp,
  .reference = conv2d_reference,
  .describe = conv2d_describe,
};

VardNode *
vard_conv2d (VardNode *x, VardNode *w, const VardConv2dAttrs *attrs)
{
  VardNode *inputs[2] = { x, w };

  return vard_node_emit (x->graph, &vard_op_conv2d, inputs, 2, attrs);
}

/* ---- the gradients ---- */

/* x, w and dy must be what conv2d makes of each other */
static gboolean
vard_op_conv_check_gradient (const VardNode *self,
                             const VardShape *x,
                             const VardShape *w,
                             const VardShape *dy,
                             GError **error)
{
  const VardConv2dGradientAttrs *attrs = self->attrs;
  VardShape y;
  g_autofree char *problem = NULL;
  g_autofree char *text = NULL;

  if (!vard_op_check_shape (self, &attrs->shape, error))
    return FALSE;
  problem = vard_conv2d_shape (x, w, &attrs->conv, &y);
  if (problem != NULL)
    return vard_op_fail (self, error, "%s", problem);
  text = vard_shape_to_string (&y);
  if (!vard_shape_equal (&y, dy))
    return vard_op_fail (self, error, "the convolution's output is %s", text);

  return TRUE;
}

static VardNode *
vard_op_conv_emit_gradient (const VardOpClass *op,
                            VardNode *a,
                            VardNode *b,
                            const VardShape *shape,
                            const VardConv2dAttrs *conv)
{
  VardConv2dGradientAttrs attrs = { .conv = *conv };
  VardNode *inputs[2] = { a, b };

  vard_shape_store (&attrs.shape, shape);
  return vard_node_emit (a->graph, op, inputs, 2, &attrs);
}

static void
vard_op_conv_gradient_describe (const VardNode *self, GString *text)
{
  const VardConv2dGradientAttrs *attrs = self->attrs;

  vard_op_conv_describe_conv (&attrs->conv, text);
}

static gboolean
vard_op_conv_input_gradient_infer (const VardNode *self,
                                   VardShape *shape,
                                   VardDType *dtype,
                                   GError **error)
{
  const VardConv2dGradientAttrs *attrs = self->attrs;

  if (!vard_op_check_float (self, dtype, error)
      || !vard_op_conv_check_gradient (self, &attrs->shape, &self->inputs[1]->shape,
                                       &self->inputs[0]->shape, error))
    return FALSE;
  *shape = attrs->shape;

  return TRUE;
}

static void
vard_op_conv_input_gradient_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  const VardConv2dGradientAttrs *attrs = self->attrs;
  VardNode *dy = self->inputs[0], *w = self->inputs[1];

  out[0] = vard_conv2d (bar, w, &attrs->conv);
  out[1] = vard_conv2d_weight_gradient (bar, dy, w->shape, &attrs->conv);
}

static void
vard_op_conv_input_gradient_reference (const VardNode *self, float **in, float *out)
{
  const VardConv2dGradientAttrs *attrs = self->attrs;
  Geometry g = vard_op_conv_get_geometry (&self->shape, &self->inputs[1]->shape,
                                          &self->inputs[0]->shape, &attrs->conv);

  vard_op_conv_walk (&g, vard_op_conv_tap_input_gradient, in[0], in[1], vard_node_get_count (self),
                     out);
}

const VardOpClass vard_op_conv2d_input_gradient = {
  .name = "conv2d_input_gradient",
  .attrs_size = sizeof (VardConv2dGradientAttrs),
  .infer = vard_op_conv_input_gradient_infer,
  .vjp = vard_op_conv_input_gradient_vjp,
  .reference = vard_op_conv_input_gradient_reference,
  .describe = vard_op_conv_gradient_describe,
};

VardNode *
vard_conv2d_input_gradient (VardNode *dy,
                            VardNode *w,
                            VardShape x_shape,
                            const VardConv2dAttrs *attrs)
{
  return vard_op_conv_emit_gradient (&vard_op_conv2d_input_gradient, dy, w, &x_shape, attrs);
}

static gboolean
vard_op_conv_weight_gradient_infer (const VardNode *self,
                                    VardShape *shape,
                                    VardDType *dtype,
                                    GError **error)
{
  const VardConv2dGradientAttrs *attrs = self->attrs;

  if (!vard_op_check_float (self, dtype, error)
      || !vard_op_conv_check_gradient (self, &self->inputs[0]->shape, &attrs->shape,
                                       &self->inputs[1]->shape, error))
    return FALSE;
  *shape = attrs->shape;

  return TRUE;
}

static void
vard_op_conv_weight_gradient_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  const VardConv2dGradientAttrs *attrs = self->attrs;
  VardNode *x = self->inputs[0], *dy = self->inputs[1];

  out[0] = vard_conv2d_input_gradient (dy, bar, x->shape, &attrs->conv);
  out[1] = vard_conv2d (x, bar, &attrs->conv);
}

static void
vard_op_conv_weight_gradient_reference (const VardNode *self, float **in, float *out)
{
  const VardConv2dGradientAttrs *attrs = self->attrs;
  Geometry g = vard_op_conv_get_geometry (&self->inputs[0]->shape, &self->shape,
                                          &self->inputs[1]->shape, &attrs->conv);

  vard_op_conv_walk (&g, vard_op_conv_tap_weight_gradient, in[0], in[1], vard_node_get_count (self),
                     out);
}

const VardOpClass vard_op_conv2d_weight_gradient = {
  .name = "conv2d_weight_gradient",
  .attrs_size = sizeof (VardConv2dGradientAttrs),
  .infer = vard_op_conv_weight_gradient_infer,
  .vjp = vard_op_conv_weight_gradient_vjp,
  .reference = vard_op_conv_weight_gradient_reference,
  .describe = vard_op_conv_gradient_describe,
};

VardNode *
vard_conv2d_weight_gradient (VardNode *x,
                             VardNode *dy,
                             VardShape w_shape,
                             const VardConv2dAttrs *attrs)
{
  return vard_op_conv_emit_gradient (&vard_op_conv2d_weight_gradient, x, dy, &w_shape, attrs);
}
