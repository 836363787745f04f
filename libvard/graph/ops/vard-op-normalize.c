/* vard-op-normalize.c - group and layer normalisation without scale and shift
 *
 * x is seen as [outer, rows, groups, c / groups]; with the mean and r = 1 / sqrt (variance + eps)
 * over rows and c / groups: y = (x - mean) r, and dx = r (dy - mean (dy) - y mean (dy y)).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

#include <math.h>

/* rows and channels of a group in the view */
#define GROUP_AXES (1u << 1 | 1u << 3)

typedef struct
{
  gint64 outer, rows, groups, width;
} View;

static View
vard_op_normalize_get_view (const VardNode *self)
{
  const VardNormalizeAttrs *attrs = self->attrs;
  const VardShape *x = &self->inputs[0]->shape;

  return (View) { vard_shape_get_span (x, 0, attrs->n_outer),
                  vard_shape_get_span (x, attrs->n_outer, x->n_dims - 1), attrs->groups,
                  x->dims[x->n_dims - 1] / attrs->groups };
}

static gboolean
normalize_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardNormalizeAttrs *attrs = self->attrs;
  const VardShape *x = &self->inputs[0]->shape;

  if (!vard_infer_same (self, shape, dtype, error))
    return FALSE;
  if (attrs->n_outer >= x->n_dims)
    return vard_op_fail (self, error, "%u outer extents leave no channels", attrs->n_outer);
  if (attrs->groups < 1 || x->dims[x->n_dims - 1] % attrs->groups != 0)
    return vard_op_fail (self, error, "%" G_GINT64_FORMAT " channels do not make %u equal groups",
                         x->dims[x->n_dims - 1], attrs->groups);

  return TRUE;
}

/* ---- the oracle: sums over one group ---- */

typedef struct
{
  double mean, r;            /* of x */
  double mean_dy, mean_dy_y; /* of the cotangent */
} Moments;

/* where element (row, channel) of a group begins */
static gint64
vard_op_normalize_locate (const View *view, gint64 outer, gint64 group, gint64 row)
{
  return ((outer * view->rows + row) * view->groups + group) * view->width;
}

/* the mean of (a - shift_a) (b - shift_b) over one group; a NULL b counts as ones */
static double
vard_op_normalize_average (const View *view,
                           gint64 outer,
                           gint64 group,
                           const float *a,
                           double shift_a,
                           const float *b,
                           double shift_b)
{
  double sum = 0;

  for (gint64 row = 0; row < view->rows; row++)
    {
      gint64 at = vard_op_normalize_locate (view, outer, group, row);

      for (gint64 i = at; i < at + view->width; i++)
        sum += (a[i] - shift_a) * (b != NULL ? b[i] - shift_b : 1);
    }

  return sum / (view->rows * view->width);
}

static Moments
vard_op_normalize_measure (const VardNode *self,
                           const View *view,
                           gint64 outer,
                           gint64 group,
                           float **in)
{
  const VardNormalizeAttrs *attrs = self->attrs;
  const float *x = in[0], *dy = self->n_inputs > 1 ? in[1] : NULL;
  double mean = vard_op_normalize_average (view, outer, group, x, 0, NULL, 0);
  double variance = vard_op_normalize_average (view, outer, group, x, mean, x, mean);
  Moments moments = { .mean = mean, .r = 1 / sqrt (variance + attrs->eps) };

  if (dy != NULL)
    {
      moments.mean_dy = vard_op_normalize_average (view, outer, group, dy, 0, NULL, 0);
      moments.mean_dy_y = vard_op_normalize_average (view, outer, group, dy, 0, x, mean)
                          * moments.r;
    }

  return moments;
}

static void
vard_op_normalize_write_group (const View *view,
                               gint64 outer,
                               gint64 group,
                               const Moments *moments,
                               float **in,
                               gboolean is_gradient,
                               float *out)
{
  for (gint64 row = 0; row < view->rows; row++)
    {
      gint64 at = vard_op_normalize_locate (view, outer, group, row);

      for (gint64 i = at; i < at + view->width; i++)
        {
          double y = (in[0][i] - moments->mean) * moments->r;

          out[i] = is_gradient ? moments->r * (in[1][i] - moments->mean_dy - y * moments->mean_dy_y)
                               : y;
        }
    }
}

static void
normalize_reference (const VardNode *self, float **in, float *out)
{
  View view = vard_op_normalize_get_view (self);

  for (gint64 outer = 0; outer < view.outer; outer++)
    for (gint64 group = 0; group < view.groups; group++)
      {
        Moments moments = vard_op_normalize_measure (self, &view, outer, group, in);

        vard_op_normalize_write_group (&view, outer, group, &moments, in, self->n_inputs > 1, out);
      }
}

/* ---- the same from simpler operations ---- */

static VardNode *
vard_op_normalize_to_view (const VardNode *self, VardNode *x)
{
  View view = vard_op_normalize_get_view (self);

  return vard_reshape (x, VARD_SHAPE (view.outer, view.rows, view.groups, view.width));
}

/* y of x, both in the view; r is also returned */
static VardNode *
vard_op_normalize_compose_normalize (const VardNode *self, VardNode *x, VardNode **r)
{
  const VardNormalizeAttrs *attrs = self->attrs;
  VardNode *centred = vard_sub (x, vard_mean (x, GROUP_AXES));
  VardNode *variance = vard_mean (vard_square (centred), GROUP_AXES);

  *r = vard_rsqrt (vard_affine (variance, 1, attrs->eps));

  return vard_mul (centred, *r);
}

static VardNode *
normalize_decompose (VardNode *self)
{
  VardNode *r;
  VardNode *y =
    vard_op_normalize_compose_normalize (self, vard_op_normalize_to_view (self, self->inputs[0]),
                                         &r);

  return vard_reshape (y, self->shape);
}

static VardNode *
vard_op_normalize_gradient_decompose (VardNode *self)
{
  VardNode *r;
  VardNode *y =
    vard_op_normalize_compose_normalize (self, vard_op_normalize_to_view (self, self->inputs[0]),
                                         &r);
  VardNode *dy = vard_op_normalize_to_view (self, self->inputs[1]);
  VardNode *along = vard_mul (y, vard_mean (vard_mul (dy, y), GROUP_AXES));
  VardNode *dx = vard_sub (vard_sub (dy, vard_mean (dy, GROUP_AXES)), along);

  return vard_reshape (vard_mul (r, dx), self->shape);
}

static void
normalize_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  const VardNormalizeAttrs *attrs = self->attrs;

  out[0] =
    vard_normalize_gradient (self->inputs[0], bar, attrs->n_outer, attrs->groups, attrs->eps);
}

static void
normalize_describe (const VardNode *self, GString *text)
{
  const VardNormalizeAttrs *attrs = self->attrs;

  g_string_append_printf (text, "outer=%u groups=%u eps=%g", attrs->n_outer, attrs->groups,
                          attrs->eps);
}

const VardOpClass vard_op_normalize = {
  .name = "normalize",
  .attrs_size = sizeof (VardNormalizeAttrs),
  .infer = normalize_infer,
  .vjp = normalize_vjp,
  .reference = normalize_reference,
  .decompose = normalize_decompose,
  .describe = normalize_describe,
};

VardNode *
vard_normalize (VardNode *x, guint n_outer, guint groups, double eps)
{
  VardNormalizeAttrs attrs = { eps, n_outer, groups };

  return vard_node_emit (x->graph, &vard_op_normalize, &x, 1, &attrs);
}

const VardOpClass vard_op_normalize_gradient = {
  .name = "normalize_gradient",
  .attrs_size = sizeof (VardNormalizeAttrs),
  .infer = normalize_infer,
  .reference = normalize_reference,
  .decompose = vard_op_normalize_gradient_decompose,
  .describe = normalize_describe,
};

VardNode *
vard_normalize_gradient (VardNode *x, VardNode *dy, guint n_outer, guint groups, double eps)
{
  VardNormalizeAttrs attrs = { eps, n_outer, groups };
  VardNode *inputs[2] = { x, dy };

  return vard_node_emit (x->graph, &vard_op_normalize_gradient, inputs, 2, &attrs);
}
