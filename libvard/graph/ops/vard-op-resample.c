/* vard-op-resample.c - enlarges pictures by repeating pixels, shrinks them by summing pixels
 *
 * The two are adjoint to each other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

#include <string.h>

static gint64
vard_op_resample_get_factor (const VardNode *self)
{
  return ((const VardResampleAttrs *) self->attrs)->factor;
}

static gboolean
vard_op_resample_check_picture (const VardNode *self, VardDType *dtype, GError **error)
{
  if (!vard_op_check_float (self, dtype, error))
    return FALSE;
  if (self->inputs[0]->shape.n_dims != 4)
    return vard_op_fail (self, error, "pictures must have four dimensions, [n, h, w, c]");
  if (vard_op_resample_get_factor (self) < 1 || vard_op_resample_get_factor (self) > G_MAXUINT16)
    return vard_op_fail (self, error, "factor %" G_GINT64_FORMAT " is out of range",
                         vard_op_resample_get_factor (self));

  return TRUE;
}

static void
vard_op_resample_resample_describe (const VardNode *self, GString *text)
{
  g_string_append_printf (text, "factor=%" G_GINT64_FORMAT, vard_op_resample_get_factor (self));
}

static VardNode *
vard_op_resample_emit_resample (const VardOpClass *op, VardNode *x, guint factor)
{
  VardResampleAttrs attrs = { factor };

  if (factor == 1 && x->shape.n_dims == 4)
    return x;
  return vard_node_emit (x->graph, op, &x, 1, &attrs);
}

/* ---- upsample ---- */

static gboolean
upsample_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  if (!vard_op_resample_check_picture (self, dtype, error))
    return FALSE;
  *shape = self->inputs[0]->shape;
  shape->dims[1] *= vard_op_resample_get_factor (self);
  shape->dims[2] *= vard_op_resample_get_factor (self);

  return vard_op_check_shape (self, shape, error);
}

static void
upsample_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  out[0] = vard_pool_sum (bar, vard_op_resample_get_factor (self));
}

static void
upsample_reference (const VardNode *self, float **in, float *out)
{
  const gint64 *small = self->inputs[0]->shape.dims, *large = self->shape.dims;
  gint64 c = large[3], factor = vard_op_resample_get_factor (self);

  for (gint64 row = 0; row < large[0] * large[1]; row++)
    for (gint64 column = 0; column < large[2]; column++)
      memcpy (out + (row * large[2] + column) * c,
              in[0] + (row / factor * small[2] + column / factor) * c, c * sizeof *out);
}

const VardOpClass vard_op_upsample = {
  .name = "upsample",
  .attrs_size = sizeof (VardResampleAttrs),
  .infer = upsample_infer,
  .vjp = upsample_vjp,
  .reference = upsample_reference,
  .describe = vard_op_resample_resample_describe,
};

VardNode *
vard_upsample (VardNode *x, guint factor)
{
  return vard_op_resample_emit_resample (&vard_op_upsample, x, factor);
}

/* ---- pool_sum ---- */

static gboolean
pool_sum_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardShape *x = &self->inputs[0]->shape;

  if (!vard_op_resample_check_picture (self, dtype, error))
    return FALSE;
  if (x->dims[1] % vard_op_resample_get_factor (self)
      || x->dims[2] % vard_op_resample_get_factor (self))
    return vard_op_fail (self, error,
                         "height and width are not multiples of factor %" G_GINT64_FORMAT,
                         vard_op_resample_get_factor (self));
  *shape = *x;
  shape->dims[1] /= vard_op_resample_get_factor (self);
  shape->dims[2] /= vard_op_resample_get_factor (self);

  return TRUE;
}

static void
pool_sum_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  out[0] = vard_upsample (bar, vard_op_resample_get_factor (self));
}

static void
pool_sum_reference (const VardNode *self, float **in, float *out)
{
  const gint64 *large = self->inputs[0]->shape.dims, *small = self->shape.dims;
  gint64 c = large[3], factor = vard_op_resample_get_factor (self);

  for (gint64 i = 0; i < vard_node_get_count (self); i++)
    {
      gint64 channel = i % c, column = i / c % small[2], row = i / c / small[2];
      double sum = 0;

      for (gint64 tap = 0; tap < factor * factor; tap++)
        {
          gint64 y = row * factor + tap / factor, x = column * factor + tap % factor;

          sum += in[0][(y * large[2] + x) * c + channel];
        }
      out[i] = sum;
    }
}

const VardOpClass vard_op_pool_sum = {
  .name = "pool_sum",
  .attrs_size = sizeof (VardResampleAttrs),
  .infer = pool_sum_infer,
  .vjp = pool_sum_vjp,
  .reference = pool_sum_reference,
  .describe = vard_op_resample_resample_describe,
};

VardNode *
vard_pool_sum (VardNode *x, guint factor)
{
  return vard_op_resample_emit_resample (&vard_op_pool_sum, x, factor);
}
