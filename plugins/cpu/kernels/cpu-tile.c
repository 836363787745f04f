/* cpu-tile.c - the loops behind a region's instructions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-tile.h"
#include "cpu-simd.h"

/* Operands may be the result itself but never overlap it shifted, which ivdep tells the compiler */
#define TILE_OP(name_, expression_)                                                            \
  CPU_SIMD static void tile_##name_ (float *y, const float *a, const float *b, const float *c, \
                                     gint64 n, float p, float q)                               \
  {                                                                                            \
    _Pragma ("GCC ivdep") for (gint64 i = 0; i < n; i++) y[i] = (expression_);                 \
  }

TILE_OP (neg, -a[i])
TILE_OP (exp, cpu_exp (a[i]))
TILE_OP (log, cpu_log (a[i]))
TILE_OP (sqrt, sqrtf (a[i]))
TILE_OP (rsqrt, 1 / sqrtf (a[i]))
TILE_OP (square, a[i] * a[i])
TILE_OP (reciprocal, 1 / a[i])
TILE_OP (sigmoid, cpu_sigmoid (a[i]))
TILE_OP (silu, a[i] * cpu_sigmoid (a[i]))
TILE_OP (tanh, cpu_tanh (a[i]))
TILE_OP (erf, cpu_erf (a[i]))
TILE_OP (gelu, cpu_gelu (a[i]))
TILE_OP (sin, cpu_sin (a[i]))
TILE_OP (cos, cpu_cos (a[i]))
TILE_OP (abs, fabsf (a[i]))
TILE_OP (step, a[i] > 0 ? 1.0f : 0.0f)
TILE_OP (affine, p *a[i] + q)
TILE_OP (clamp, a[i]<p ? p : a[i]> q ? q : a[i])
TILE_OP (copy, a[i])
TILE_OP (add, a[i] + b[i])
TILE_OP (sub, a[i] - b[i])
TILE_OP (mul, a[i] * b[i])
TILE_OP (div, a[i] / b[i])
TILE_OP (maximum, a[i] > b[i] ? a[i] : b[i])
TILE_OP (minimum, a[i] < b[i] ? a[i] : b[i])
TILE_OP (select, cpu_select (a[i], b[i], c[i]))

/* clang-format off */
const CpuTileOp cpu_tile_ops[CPU_N_OPS] = {
  [CPU_OP_NEG] = tile_neg, [CPU_OP_EXP] = tile_exp, [CPU_OP_LOG] = tile_log,
  [CPU_OP_SQRT] = tile_sqrt, [CPU_OP_RSQRT] = tile_rsqrt, [CPU_OP_SQUARE] = tile_square,
  [CPU_OP_RECIPROCAL] = tile_reciprocal, [CPU_OP_SIGMOID] = tile_sigmoid,
  [CPU_OP_SILU] = tile_silu, [CPU_OP_TANH] = tile_tanh, [CPU_OP_ERF] = tile_erf,
  [CPU_OP_GELU] = tile_gelu, [CPU_OP_SIN] = tile_sin, [CPU_OP_COS] = tile_cos,
  [CPU_OP_ABS] = tile_abs, [CPU_OP_STEP] = tile_step, [CPU_OP_AFFINE] = tile_affine,
  [CPU_OP_CLAMP] = tile_clamp, [CPU_OP_COPY] = tile_copy, [CPU_OP_ADD] = tile_add,
  [CPU_OP_SUB] = tile_sub, [CPU_OP_MUL] = tile_mul, [CPU_OP_DIV] = tile_div,
  [CPU_OP_MAXIMUM] = tile_maximum, [CPU_OP_MINIMUM] = tile_minimum,
  [CPU_OP_SELECT] = tile_select,
};
/* clang-format on */
