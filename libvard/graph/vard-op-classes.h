/* vard-op-classes.h - the operations as an engine sees them: records and attributes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/vard-graph-view.h"

G_BEGIN_DECLS

typedef struct
{
  gint32 stride;
  gint32 pad_top, pad_bottom, pad_left, pad_right;
} VardConv2dAttrs;

/* ---- attributes, for engines ---- */
typedef struct
{
  double scale, shift;
} VardAffineAttrs; /* affine */
typedef struct
{
  double low, high;
} VardClampAttrs; /* clamp */
typedef struct
{
  double value;
  VardShape shape;
} VardFillAttrs; /* fill */
typedef struct
{
  VardDType dtype;
  guint32 reserved;
} VardCastAttrs;
/* reshape, broadcast, random_normal */
typedef struct
{
  VardShape shape;
} VardShapeAttrs;
typedef struct
{
  guint order[VARD_MAX_DIMS];
} VardPermuteAttrs;
typedef struct
{
  gint64 axis, start, length;
} VardSliceAttrs;
typedef struct
{
  gint64 axis, before, after;
} VardPadAttrs;
typedef struct
{
  gint64 axis;
} VardConcatAttrs;
typedef struct
{
  guint32 axes_mask;
} VardReduceAttrs;
typedef struct
{
  gint32 transpose_a, transpose_b;
} VardMatmulAttrs;
typedef struct
{
  VardConv2dAttrs conv;
  gint32 reserved;
  VardShape shape;
} VardConv2dGradientAttrs;
typedef struct
{
  double scale;
  gint32 is_causal;
  gint32 which;
} VardAttentionAttrs;
typedef struct
{
  double eps;
  guint32 n_outer, groups;
} VardNormalizeAttrs;
typedef struct
{
  gint64 factor;
} VardResampleAttrs;
typedef struct
{
  gint64 n_rows;
} VardGatherGradientAttrs;

extern const VardOpClass vard_op_neg, vard_op_exp, vard_op_log, vard_op_sqrt, vard_op_rsqrt,
  vard_op_square, vard_op_reciprocal, vard_op_sigmoid, vard_op_silu, vard_op_tanh, vard_op_erf,
  vard_op_gelu, vard_op_sin, vard_op_cos, vard_op_abs, vard_op_step, vard_op_affine, vard_op_clamp,
  vard_op_stop, vard_op_cast, vard_op_add, vard_op_sub, vard_op_mul, vard_op_div, vard_op_maximum,
  vard_op_minimum, vard_op_select, vard_op_reshape, vard_op_permute, vard_op_slice, vard_op_pad,
  vard_op_concat, vard_op_broadcast, vard_op_sum, vard_op_softmax, vard_op_matmul, vard_op_conv2d,
  vard_op_conv2d_input_gradient, vard_op_conv2d_weight_gradient, vard_op_attention,
  vard_op_attention_gradient, vard_op_normalize, vard_op_normalize_gradient, vard_op_upsample,
  vard_op_pool_sum, vard_op_gather, vard_op_gather_gradient, vard_op_random_normal, vard_op_fill;

/* All of them */
extern const VardOpClass *const vard_ops[];
extern const guint vard_n_ops;

gint64 vard_random_normal_count_rows (const VardNode *self);

G_END_DECLS
