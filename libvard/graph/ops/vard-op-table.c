/* vard-op-table.c - the table of all operations, for tests and engines
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/vard-ops.h"

/* clang-format off */
const VardOpClass *const vard_ops[] = {
  &vard_op_neg, &vard_op_exp, &vard_op_log, &vard_op_sqrt, &vard_op_rsqrt, &vard_op_square,
  &vard_op_reciprocal, &vard_op_sigmoid, &vard_op_silu, &vard_op_tanh, &vard_op_erf,
  &vard_op_gelu, &vard_op_sin, &vard_op_cos, &vard_op_abs, &vard_op_step, &vard_op_affine,
  &vard_op_clamp, &vard_op_stop, &vard_op_cast, &vard_op_add, &vard_op_sub, &vard_op_mul,
  &vard_op_div, &vard_op_maximum, &vard_op_minimum, &vard_op_select, &vard_op_reshape,
  &vard_op_permute, &vard_op_slice, &vard_op_pad, &vard_op_concat, &vard_op_broadcast,
  &vard_op_sum, &vard_op_softmax, &vard_op_matmul, &vard_op_conv2d,
  &vard_op_conv2d_input_gradient, &vard_op_conv2d_weight_gradient, &vard_op_attention,
  &vard_op_attention_gradient, &vard_op_normalize, &vard_op_normalize_gradient,
  &vard_op_upsample, &vard_op_pool_sum, &vard_op_gather, &vard_op_gather_gradient,
  &vard_op_random_normal, &vard_op_fill,
};
/* clang-format on */

const guint vard_n_ops = G_N_ELEMENTS (vard_ops);
