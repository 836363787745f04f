/* vard-ops.h - the operations: builders record a node and return it, they never fail at the call
 *
 * Shapes are row-major; pictures are channels-last [n, h, w, c]. What does nothing (a factor of 1,
 * a reshape to the same shape) returns its input, and arithmetic on fills is done at once
 * (vard-simplify.c).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/vard-graph.h"
#include "graph/vard-op-classes.h"

G_BEGIN_DECLS

/* ---- elementwise, one input (op-unary.c) ---- */
VardNode *vard_neg (VardNode *x);
VardNode *vard_exp (VardNode *x);
VardNode *vard_log (VardNode *x);
VardNode *vard_sqrt (VardNode *x);
VardNode *vard_rsqrt (VardNode *x);
VardNode *vard_square (VardNode *x);
VardNode *vard_reciprocal (VardNode *x);
VardNode *vard_sigmoid (VardNode *x);
VardNode *vard_silu (VardNode *x);
VardNode *vard_tanh (VardNode *x);
VardNode *vard_erf (VardNode *x);
VardNode *vard_gelu (VardNode *x);       /* exact: x Phi(x) */
VardNode *vard_quick_gelu (VardNode *x); /* x sigmoid (1.702 x), composed */
VardNode *vard_sin (VardNode *x);
VardNode *vard_cos (VardNode *x);
VardNode *vard_abs (VardNode *x);
VardNode *vard_step (VardNode *x); /* 1 where x > 0, else 0; no gradient */
VardNode *vard_relu (VardNode *x); /* composed */
VardNode *vard_affine (VardNode *x, double scale, double shift); /* scale x + shift */
VardNode *vard_scale (VardNode *x, double scale);
VardNode *vard_complement (VardNode *x); /* 1 - x */
VardNode *vard_clamp (VardNode *x, double low, double high);
VardNode *vard_stop (VardNode *x);                  /* identity without gradient */
VardNode *vard_cast (VardNode *x, VardDType dtype); /* any type to a floating one */

/* ---- elementwise, two and three inputs: broadcast as NumPy does (op-binary.c) ---- */
VardNode *vard_add (VardNode *a, VardNode *b);
VardNode *vard_sub (VardNode *a, VardNode *b);
VardNode *vard_mul (VardNode *a, VardNode *b);
VardNode *vard_div (VardNode *a, VardNode *b);
VardNode *vard_maximum (VardNode *a, VardNode *b); /* where equal, a has the gradient */
VardNode *vard_minimum (VardNode *a, VardNode *b);
VardNode *vard_select (VardNode *mask, VardNode *a, VardNode *b); /* mask > 0 ? a : b */

/* ---- shape (op-shape.c) ---- */
VardNode *vard_reshape (VardNode *x, VardShape shape);
/* out dim i is x's order[i] */
VardNode *vard_permute (VardNode *x, const guint *order);
VardNode *vard_slice (VardNode *x, guint axis, gint64 start, gint64 length);
VardNode *vard_pad (VardNode *x, guint axis, gint64 before, gint64 after); /* zeros */
VardNode *vard_concat (VardNode *const *parts, guint n_parts, guint axis);
/* same n_dims; extent 1 repeats */
VardNode *vard_broadcast (VardNode *x, VardShape shape);

/* ---- reductions: reduced axes stay as extent 1 (op-reduce.c) ---- */
VardNode *vard_sum (VardNode *x, guint axes_mask);  /* bit i: axis i */
VardNode *vard_mean (VardNode *x, guint axes_mask); /* composed */
VardNode *vard_sum_all (VardNode *x);               /* to a scalar, n_dims 0 */
VardNode *vard_softmax (VardNode *x);               /* over the last axis */

/* ---- products (op-matmul.c, op-conv.c, op-attention.c) ---- */
/* [m, k] x [k, n], or with equal leading batch extents; flags take the last two axes transposed */
VardNode *vard_matmul (VardNode *a, VardNode *b, gboolean transpose_a, gboolean transpose_b);

/* x [n, h, w, c_in], w [c_out, kh, kw, c_in] -> [n, h', w', c_out], h' = (h + pads - kh) / stride +
 * 1 */
VardNode *vard_conv2d (VardNode *x, VardNode *w, const VardConv2dAttrs *attrs);
/* dy and w -> gradient for x of x_shape; also the transposed convolution */
VardNode *vard_conv2d_input_gradient (VardNode *dy,
                                      VardNode *w,
                                      VardShape x_shape,
                                      const VardConv2dAttrs *attrs);
VardNode *vard_conv2d_weight_gradient (VardNode *x,
                                       VardNode *dy,
                                       VardShape w_shape,
                                       const VardConv2dAttrs *attrs);

/* q [b, tq, heads, d], k and v [b, tk, heads, d] -> [b, tq, heads, d]; softmax (scale q k' + mask)
 * v. is_causal hides later keys. */
VardNode *vard_attention (VardNode *q, VardNode *k, VardNode *v, double scale, gboolean is_causal);
/* which 0, 1, 2: the gradient for q, k, v given y's cotangent; an engine may claim the three
 * together */
VardNode *vard_attention_gradient (VardNode *q,
                                   VardNode *k,
                                   VardNode *v,
                                   VardNode *dy,
                                   double scale,
                                   gboolean is_causal,
                                   guint which);

/* ---- normalisation (op-normalize.c) ---- */
/* x is seen as [outer, rows, groups, c / groups]: outer = the product of the first n_outer extents,
 * c the last extent, rows what is between. Mean 0 and variance 1 (biased, + eps) over rows and c /
 * groups. Group norm on [n, h, w, c]: n_outer 1. Layer norm on [n, t, c]: n_outer 2, groups 1. */
VardNode *vard_normalize (VardNode *x, guint n_outer, guint groups, double eps);
VardNode *vard_normalize_gradient (VardNode *x,
                                   VardNode *dy,
                                   guint n_outer,
                                   guint groups,
                                   double eps);

/* ---- resampling (op-resample.c) ---- */
/* nearest; [n, f h, f w, c] */
VardNode *vard_upsample (VardNode *x, guint factor);
VardNode *vard_pool_sum (VardNode *x, guint factor); /* sums of factor x factor */

/* ---- gathers and random numbers (op-gather.c, op-random.c) ---- */
/* an id outside the table is a row of zeros, and its gradient goes nowhere */
/* [v, c], i32 [...] -> [..., c] */
VardNode *vard_gather (VardNode *table, VardNode *ids);
VardNode *vard_gather_gradient (VardNode *ids, VardNode *dy, gint64 n_rows); /* -> [n_rows, c] */
/* counter: i64 [2] = (key, counter); element i depends on these and i alone, as
 * vard_random_fill_normal does (Philox 4x32-10). Or [n, 2] with shape [n, ...]: a draw for each
 * row. */
VardNode *vard_random_normal (VardNode *counter, VardShape shape);

/* Shape rules shared by the families */
gboolean vard_infer_same (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error);

G_END_DECLS
