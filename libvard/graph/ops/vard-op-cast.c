/* vard-op-cast.c - conversion between element types
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops/vard-op-family.h"

static gboolean
vard_op_cast_is_float (VardDType dtype)
{
  return dtype == VARD_DTYPE_F32 || dtype == VARD_DTYPE_F16 || dtype == VARD_DTYPE_BF16;
}

static gboolean
cast_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  const VardCastAttrs *attrs = self->attrs;

  if (!vard_op_cast_is_float (attrs->dtype))
    return vard_op_fail (self, error, "from %s to %s, which is not a floating type",
                         vard_dtype_get_name (self->inputs[0]->dtype),
                         vard_dtype_get_name (attrs->dtype));
  *shape = self->inputs[0]->shape;
  *dtype = attrs->dtype;

  return TRUE;
}

static void
cast_vjp (VardNode *self, VardNode *bar, VardNode **out)
{
  VardDType dtype = self->inputs[0]->dtype;

  out[0] = vard_op_cast_is_float (dtype) ? vard_cast (bar, dtype) : NULL;
}

static float
vard_op_cast_load (gconstpointer data, VardDType dtype, gint64 i)
{
  switch (dtype)
    {
    case VARD_DTYPE_F16: return vard_half_to_float (((const guint16 *) data)[i]);
    case VARD_DTYPE_BF16: return vard_bf16_to_float (((const guint16 *) data)[i]);
    case VARD_DTYPE_I32: return ((const gint32 *) data)[i];
    case VARD_DTYPE_I64: return ((const gint64 *) data)[i];
    case VARD_DTYPE_U8: return ((const guint8 *) data)[i];
    case VARD_DTYPE_F32:
    default: return ((const float *) data)[i];
    }
}

/* in and out are of the types that the nodes say, whatever the pointers' types */
static void
cast_reference (const VardNode *self, float **in, float *out)
{
  for (gint64 i = 0; i < vard_node_get_count (self); i++)
    {
      float x = vard_op_cast_load (in[0], self->inputs[0]->dtype, i);

      if (self->dtype == VARD_DTYPE_F16)
        ((guint16 *) out)[i] = vard_float_to_half (x);
      else if (self->dtype == VARD_DTYPE_BF16)
        ((guint16 *) out)[i] = vard_float_to_bf16 (x);
      else
        out[i] = x;
    }
}

static void
cast_describe (const VardNode *self, GString *text)
{
  const VardCastAttrs *attrs = self->attrs;

  g_string_append_printf (text, "to=%s", vard_dtype_get_name (attrs->dtype));
}

const VardOpClass vard_op_cast = {
  .name = "cast",
  .flags = VARD_OP_FLAG_ELEMENTWISE,
  .attrs_size = sizeof (VardCastAttrs),
  .infer = cast_infer,
  .vjp = cast_vjp,
  .reference = cast_reference,
  .describe = cast_describe,
};

VardNode *
vard_cast (VardNode *x, VardDType dtype)
{
  VardCastAttrs attrs = { .dtype = dtype };

  return x->dtype == dtype ? x : vard_node_emit (x->graph, &vard_op_cast, &x, 1, &attrs);
}
