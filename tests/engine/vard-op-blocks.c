/* vard-op-blocks.c - rows of several operations as models put them together: values with several
 * readers, weights used twice, chains that engines fuse
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "vard-op-rows.h"

#include <math.h>

/* [..., c] to [rows, c] and a linear layer on it. Scaled as layers are initialised: with plain
 * normal weights attention scores reach hundreds, and the softmax turns a rounding in their last
 * digit into 2e-4 of a gradient. */
static VardNode *
project (VardNode *x, VardNode *w)
{
  gint64 c = x->shape.dims[x->shape.n_dims - 1];

  return vard_matmul (vard_reshape (x, VARD_SHAPE (vard_node_get_count (x) / c, c)),
                      vard_scale (w, 1 / sqrt (c)), FALSE, TRUE);
}

/* value times gelu of the gate, with a residual; in: x [n, c], w [2 c, c], bias [2 c] */
VardNode *
vard_op_build_gated (const VardOpRow *row, VardNode **in)
{
  gint64 c = in[0]->shape.dims[1];
  VardNode *h = vard_add (vard_matmul (in[0], in[1], FALSE, TRUE), in[2]);
  VardNode *value = vard_slice (h, 1, 0, c), *gate = vard_slice (h, 1, c, c);

  return vard_add (vard_mul (value, vard_gelu (gate)), vard_silu (in[0]));
}

/* in: x [n, h, w, c], w [c, 3, 3, c] used twice, gamma [c], time [n, c] */
VardNode *
vard_op_build_res_block (const VardOpRow *row, VardNode **in)
{
  static const VardConv2dAttrs same = { 1, 1, 1, 1, 1 };
  const gint64 *x = in[0]->shape.dims;
  VardNode *h = vard_add (vard_mul (vard_normalize (in[0], 1, 2, 1e-5), in[2]), in[2]);

  h = vard_conv2d (vard_silu (h), in[1], &same);
  h = vard_add (h, vard_reshape (vard_silu (in[3]), VARD_SHAPE (x[0], 1, 1, x[3])));
  h = vard_mul (vard_normalize (h, 1, 2, 1e-5), in[2]);
  h = vard_conv2d (vard_silu (h), in[1], &same);
  return vard_scale (vard_add (in[0], h), 0.7);
}

static VardNode *
attend (VardNode *x, VardNode *context, VardNode *w, gint64 n_heads)
{
  const gint64 *dims = x->shape.dims;
  gint64 n_keys = context->shape.dims[1], d = dims[2] / n_heads;
  VardNode *q = vard_reshape (project (x, w), VARD_SHAPE (dims[0], dims[1], n_heads, d));
  VardNode *k = vard_reshape (project (context, w), VARD_SHAPE (dims[0], n_keys, n_heads, d));
  VardNode *v = vard_reshape (project (vard_tanh (context), w), k->shape);
  VardNode *y = vard_attention (q, k, v, 0.5, FALSE);

  return vard_reshape (project (vard_reshape (y, x->shape), w), x->shape);
}

/* in: x [n, t, c], context [n, s, c], w [c, c] used everywhere, w2 [2 c, c] */
VardNode *
vard_op_build_transformer_block (const VardOpRow *row, VardNode **in)
{
  VardNode *x = in[0], *h, *n;
  gint64 c = x->shape.dims[2];

  n = vard_normalize (x, 2, 1, 1e-5);
  x = vard_add (x, attend (n, n, in[2], row->numbers[0]));
  x = vard_add (x, attend (vard_normalize (x, 2, 1, 1e-5), in[1], in[2], row->numbers[0]));
  h = project (vard_normalize (x, 2, 1, 1e-5), in[3]);
  h = vard_mul (vard_slice (h, 1, 0, c), vard_gelu (vard_slice (h, 1, c, c)));
  return vard_add (x, vard_reshape (project (h, in[2]), x->shape));
}

/* down, up and a skip: in: x [n, h, w, c], w [c, 3, 3, c], w2 [c, 1, 1, 2 c] */
VardNode *
vard_op_build_down_up (const VardOpRow *row, VardNode **in)
{
  static const VardConv2dAttrs same = { 1, 1, 1, 1, 1 }, down = { 2, 1, 1, 1, 1 }, none = { 1 };
  VardNode *low = vard_silu (vard_conv2d (in[0], in[1], &down));
  VardNode *up = vard_conv2d (vard_upsample (low, 2), in[1], &same);
  VardNode *joint = vard_concat ((VardNode *[]) { up, in[0] }, 2, 3);

  return vard_conv2d (joint, in[2], &none);
}

/* one step of a sampler with guidance: in: latent [2 n, h, w, c], coefficients [3] */
VardNode *
vard_op_build_guidance (const VardOpRow *row, VardNode **in)
{
  gint64 n = in[0]->shape.dims[0] / 2;
  VardNode *base = vard_slice (in[0], 0, 0, n), *towards = vard_slice (in[0], 0, n, n);
  VardNode *guided =
    vard_add (base, vard_mul (vard_slice (in[1], 0, 0, 1), vard_sub (towards, base)));
  VardNode *x = vard_mul (vard_slice (in[1], 0, 1, 1), vard_clamp (guided, -20, 20));

  return vard_add (x, vard_mul (vard_slice (in[1], 0, 2, 1), vard_square (base)));
}
