/* vard-op-rows.c - the table: every operation and composed builder at several shapes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "vard-op-rows.h"

/* ---- builders: inputs and the row's attributes to a node ---- */

static VardNode *
build_unary (const VardOpRow *row, VardNode **in)
{
  return row->unary (in[0]);
}

static VardNode *
build_binary (const VardOpRow *row, VardNode **in)
{
  return row->binary (in[0], in[1]);
}

static VardNode *
build_affine (const VardOpRow *row, VardNode **in)
{
  return vard_affine (in[0], row->numbers[0], row->numbers[1]);
}

static VardNode *
build_clamp (const VardOpRow *row, VardNode **in)
{
  return vard_clamp (in[0], row->numbers[0], row->numbers[1]);
}

/* with a factor, so that what is stopped is not all there is */
static VardNode *
build_stop (const VardOpRow *row, VardNode **in)
{
  return vard_stop (in[0]);
}

static VardNode *
build_cast (const VardOpRow *row, VardNode **in)
{
  VardNode *y = in[0];

  for (guint i = 0; i < row->numbers[0]; i++)
    y = vard_cast (y, row->numbers[1 + i]);
  return y;
}

static VardNode *
build_select (const VardOpRow *row, VardNode **in)
{
  return vard_select (in[0], in[1], in[2]);
}

static VardNode *
build_reshape (const VardOpRow *row, VardNode **in)
{
  return vard_reshape (in[0], row->shape);
}

static VardNode *
build_broadcast (const VardOpRow *row, VardNode **in)
{
  return vard_broadcast (in[0], row->shape);
}

static VardNode *
build_permute (const VardOpRow *row, VardNode **in)
{
  guint order[VARD_MAX_DIMS];

  for (guint i = 0; i < VARD_MAX_DIMS; i++)
    order[i] = row->numbers[i];
  return vard_permute (in[0], order);
}

static VardNode *
build_slice (const VardOpRow *row, VardNode **in)
{
  return vard_slice (in[0], row->numbers[0], row->numbers[1], row->numbers[2]);
}

static VardNode *
build_pad (const VardOpRow *row, VardNode **in)
{
  return vard_pad (in[0], row->numbers[0], row->numbers[1], row->numbers[2]);
}

static VardNode *
build_concat (const VardOpRow *row, VardNode **in)
{
  return vard_concat (in, row->numbers[1], row->numbers[0]);
}

static VardNode *
build_sum (const VardOpRow *row, VardNode **in)
{
  return vard_sum (in[0], row->numbers[0]);
}

static VardNode *
build_mean (const VardOpRow *row, VardNode **in)
{
  return vard_mean (in[0], row->numbers[0]);
}

static VardNode *
build_matmul (const VardOpRow *row, VardNode **in)
{
  return vard_matmul (in[0], in[1], row->numbers[0], row->numbers[1]);
}

static VardConv2dAttrs
get_conv (const VardOpRow *row)
{
  return (VardConv2dAttrs) { row->numbers[0], row->numbers[1], row->numbers[2], row->numbers[3],
                             row->numbers[4] };
}

static VardNode *
build_conv2d (const VardOpRow *row, VardNode **in)
{
  VardConv2dAttrs attrs = get_conv (row);

  return vard_conv2d (in[0], in[1], &attrs);
}

static VardNode *
build_conv2d_input_gradient (const VardOpRow *row, VardNode **in)
{
  VardConv2dAttrs attrs = get_conv (row);

  return vard_conv2d_input_gradient (in[0], in[1], row->shape, &attrs);
}

static VardNode *
build_conv2d_weight_gradient (const VardOpRow *row, VardNode **in)
{
  VardConv2dAttrs attrs = get_conv (row);

  return vard_conv2d_weight_gradient (in[0], in[1], row->shape, &attrs);
}

static VardNode *
build_attention (const VardOpRow *row, VardNode **in)
{
  return vard_attention (in[0], in[1], in[2], row->numbers[0], row->numbers[1]);
}

/* queries that depend on the keys: each gradient must count the two paths once */
static VardNode *
build_attention_shared (const VardOpRow *row, VardNode **in)
{
  VardNode *y = vard_attention (vard_tanh (in[0]), in[0], in[0], row->numbers[0], FALSE);

  return vard_square (y);
}

static VardNode *
build_attention_gradient (const VardOpRow *row, VardNode **in)
{
  return vard_attention_gradient (in[0], in[1], in[2], in[3], row->numbers[0], row->numbers[1],
                                  row->numbers[2]);
}

static VardNode *
build_normalize (const VardOpRow *row, VardNode **in)
{
  return vard_normalize (in[0], row->numbers[0], row->numbers[1], row->numbers[2]);
}

/* a cotangent that depends on x */
static VardNode *
build_normalize_squared (const VardOpRow *row, VardNode **in)
{
  return vard_square (build_normalize (row, in));
}

static VardNode *
build_normalize_gradient (const VardOpRow *row, VardNode **in)
{
  return vard_normalize_gradient (in[0], in[1], row->numbers[0], row->numbers[1], row->numbers[2]);
}

static VardNode *
build_upsample (const VardOpRow *row, VardNode **in)
{
  return vard_upsample (in[0], row->numbers[0]);
}

static VardNode *
build_pool_sum (const VardOpRow *row, VardNode **in)
{
  return vard_pool_sum (in[0], row->numbers[0]);
}

static VardNode *
build_gather_gradient (const VardOpRow *row, VardNode **in)
{
  return vard_gather_gradient (in[0], in[1], row->numbers[0]);
}

static VardNode *
build_random_normal (const VardOpRow *row, VardNode **in)
{
  return vard_random_normal (in[0], row->shape);
}

static VardNode *
build_fill (const VardOpRow *row, VardNode **in)
{
  return vard_fill (in[0]->graph, row->numbers[0], row->shape);
}

/* ---- rows ---- */

#define SHAPE(...)                                         \
  {                                                        \
    sizeof ((gint64[]) { __VA_ARGS__ }) / sizeof (gint64), \
    {                                                      \
      __VA_ARGS__                                          \
    }                                                      \
  }
#define IN(draw_, ...)                     \
  {                                        \
    VARD_DRAW_##draw_, SHAPE (__VA_ARGS__) \
  }
#define IDS(limit_, ...)                       \
  {                                            \
    VARD_DRAW_IDS, SHAPE (__VA_ARGS__), limit_ \
  }
#define ROW(op_, case_, ...)                                                        \
  {                                                                                 \
    .name = #op_ "/" case_, .op = &vard_op_##op_, .build = build_##op_, __VA_ARGS__ \
  }
#define UNARY(op_, draw_, n_slopes_)                                                       \
  { .name = #op_ "/3x5x7",                                                                 \
    .op = &vard_op_##op_,                                                                  \
    .build = build_unary,                                                                  \
    .unary = vard_##op_,                                                                   \
    .inputs = { IN (draw_, 3, 5, 7) },                                                     \
    .n_slopes = n_slopes_ },                                                               \
    { .name = #op_ "/1",                                                                   \
      .op = &vard_op_##op_,                                                                \
      .build = build_unary,                                                                \
      .unary = vard_##op_,                                                                 \
      .inputs = { IN (draw_, 1) },                                                         \
      .n_slopes = n_slopes_ },                                                             \
  {                                                                                        \
    .name = #op_ "/4099", .op = &vard_op_##op_, .build = build_unary, .unary = vard_##op_, \
    .inputs = { IN (draw_, 4099) }, .n_slopes = n_slopes_, .is_large = TRUE                \
  }
#define BINARY(op_, case_, a_, b_)                                                             \
  {                                                                                            \
    .name = #op_ "/" case_, .op = &vard_op_##op_, .build = build_binary, .binary = vard_##op_, \
    .inputs = { a_, b_ }, .n_slopes = 2                                                        \
  }
#define BINARIES(op_, draw_a, draw_b)                               \
  BINARY (op_, "same", IN (draw_a, 3, 5, 7), IN (draw_b, 3, 5, 7)), \
    BINARY (op_, "row", IN (draw_a, 4, 5), IN (draw_b, 5)),         \
    BINARY (op_, "column", IN (draw_a, 4, 1), IN (draw_b, 4, 5)),   \
    BINARY (op_, "outer", IN (draw_a, 3, 1, 5), IN (draw_b, 4, 1)), \
    BINARY (op_, "scalar", IN (draw_a, ), IN (draw_b, 2, 3)),       \
    BINARY (op_, "picture", IN (draw_a, 2, 3, 3, 5), IN (draw_b, 2, 1, 1, 5))

#define COMPOSED(name_, function_, draw_)                                                       \
  {                                                                                             \
    .name = name_, .build = build_unary, .unary = function_, .inputs = { IN (draw_, 3, 5, 2) }, \
    .n_slopes = 2                                                                               \
  }

/* clang-format off */
const VardOpRow vard_op_rows[] = {
  UNARY (neg, NORMAL, 2), UNARY (exp, NORMAL, 2), UNARY (log, POSITIVE, 2),
  UNARY (sqrt, POSITIVE, 2), UNARY (rsqrt, POSITIVE, 2), UNARY (square, NORMAL, 2),
  UNARY (reciprocal, POSITIVE, 2), UNARY (sigmoid, NORMAL, 2), UNARY (silu, NORMAL, 2),
  UNARY (tanh, NORMAL, 2), UNARY (erf, NORMAL, 2), UNARY (gelu, NORMAL, 2), UNARY (sin, NORMAL, 2),
  UNARY (cos, NORMAL, 2), UNARY (abs, HALVES, 2), UNARY (step, HALVES, 0),
  COMPOSED ("quick-gelu", vard_quick_gelu, NORMAL), COMPOSED ("relu", vard_relu, HALVES),
  COMPOSED ("complement", vard_complement, NORMAL), COMPOSED ("sum-all", vard_sum_all, NORMAL),
  ROW (affine, "scale-shift", .inputs = { IN (NORMAL, 3, 5, 7) }, .numbers = { -2.5, 0.75 },
       .n_slopes = 2),
  ROW (affine, "scale", .inputs = { IN (NORMAL, 67) }, .numbers = { 3, 0 }, .n_slopes = 2),
  ROW (clamp, "both", .inputs = { IN (HALVES, 3, 5, 7) }, .numbers = { -1, 2 }, .n_slopes = 2),
  ROW (clamp, "above", .inputs = { IN (HALVES, 19) }, .numbers = { -G_MAXFLOAT, 1 }, .n_slopes = 2),
  ROW (stop, "3x5", .inputs = { IN (NORMAL, 3, 5) }),
  ROW (cast, "i32", .inputs = { IDS (100, 3, 5) }, .numbers = { 1, VARD_DTYPE_F32 }),
  ROW (cast, "f16-and-back", .inputs = { IN (NORMAL, 3, 37) },
       .numbers = { 2, VARD_DTYPE_F16, VARD_DTYPE_F32 }),
  ROW (cast, "bf16-and-back", .inputs = { IN (NORMAL, 3, 37) },
       .numbers = { 2, VARD_DTYPE_BF16, VARD_DTYPE_F32 }),

  BINARIES (add, NORMAL, NORMAL), BINARIES (sub, NORMAL, NORMAL), BINARIES (mul, NORMAL, NORMAL),
  BINARIES (div, NORMAL, POSITIVE), BINARIES (maximum, GRID, HALVES),
  BINARIES (minimum, GRID, HALVES),
  ROW (select, "same", .inputs = { IN (HALVES, 3, 5), IN (NORMAL, 3, 5), IN (NORMAL, 3, 5) },
       .n_slopes = 2),
  ROW (select, "mask", .inputs = { IN (HALVES, 5, 1), IN (NORMAL, 3, 1, 4), IN (NORMAL, 4) },
       .n_slopes = 2),

  ROW (reshape, "split", .inputs = { IN (NORMAL, 6, 5) }, .shape = SHAPE (2, 3, 5), .n_slopes = 2),
  ROW (reshape, "to-scalar", .inputs = { IN (NORMAL, 1, 1) }, .n_slopes = 2),
  ROW (permute, "102", .inputs = { IN (NORMAL, 3, 4, 5) }, .numbers = { 1, 0, 2 }, .n_slopes = 2),
  ROW (permute, "2031", .inputs = { IN (NORMAL, 2, 3, 4, 5) }, .numbers = { 2, 0, 3, 1 },
       .n_slopes = 2),
  ROW (permute, "0213", .inputs = { IN (NORMAL, 2, 33, 3, 17) }, .numbers = { 0, 2, 1, 3 },
       .is_large = TRUE, .n_slopes = 1),
  ROW (permute, "10", .inputs = { IN (NORMAL, 70, 37) }, .numbers = { 1, 0 }, .is_large = TRUE,
       .n_slopes = 1),
  ROW (slice, "first-axis", .inputs = { IN (NORMAL, 5, 3) }, .numbers = { 0, 1, 3 }, .n_slopes = 2),
  ROW (slice, "last-axis", .inputs = { IN (NORMAL, 2, 3, 7) }, .numbers = { 2, 4, 3 },
       .n_slopes = 2),
  ROW (pad, "first-axis", .inputs = { IN (NORMAL, 5, 3) }, .numbers = { 0, 1, 3 }, .n_slopes = 2),
  ROW (pad, "middle-axis", .inputs = { IN (NORMAL, 2, 3, 7) }, .numbers = { 1, 0, 2 },
       .n_slopes = 2),
  ROW (concat, "last-axis", .inputs = { IN (NORMAL, 2, 3), IN (NORMAL, 2, 5), IN (NORMAL, 2, 1) },
       .numbers = { 1, 3 }, .n_slopes = 2),
  ROW (concat, "first-axis", .inputs = { IN (NORMAL, 2, 3), IN (NORMAL, 4, 3) },
       .numbers = { 0, 2 }, .n_slopes = 2),
  ROW (broadcast, "middle", .inputs = { IN (NORMAL, 2, 1, 5) }, .shape = SHAPE (2, 3, 5),
       .n_slopes = 2),
  ROW (broadcast, "all", .inputs = { IN (NORMAL, 1, 1) }, .shape = SHAPE (7, 9), .n_slopes = 2),
  ROW (broadcast, "channels", .inputs = { IN (NORMAL, 1, 1, 1, 37) }, .shape = SHAPE (2, 9, 7, 37),
       .n_slopes = 1, .is_large = TRUE),

  ROW (sum, "first-axis", .inputs = { IN (NORMAL, 4, 5) }, .numbers = { 1 }, .n_slopes = 2),
  ROW (sum, "last-axis", .inputs = { IN (NORMAL, 3, 4, 5) }, .numbers = { 4 }, .n_slopes = 2),
  ROW (sum, "outer-axes", .inputs = { IN (NORMAL, 3, 4, 5) }, .numbers = { 5 }, .n_slopes = 2),
  ROW (sum, "rows-of-pixels", .inputs = { IN (NORMAL, 2, 9, 7, 37) }, .numbers = { 7 },
       .n_slopes = 1, .is_large = TRUE),
  ROW (sum, "pixels", .inputs = { IN (NORMAL, 2, 9, 7, 37) }, .numbers = { 6 }, .n_slopes = 1,
       .is_large = TRUE),
  { .name = "mean/first-axis", .build = build_mean, .inputs = { IN (NORMAL, 4, 5) },
    .numbers = { 1 }, .n_slopes = 2 },
  { .name = "mean/all-axes", .build = build_mean, .inputs = { IN (NORMAL, 3, 4, 5) },
    .numbers = { 7 }, .n_slopes = 2 },
  UNARY (softmax, NORMAL, 2),

  ROW (matmul, "nn", .inputs = { IN (NORMAL, 3, 4), IN (NORMAL, 4, 5) }, .numbers = { 0, 0 },
       .n_slopes = 2),
  ROW (matmul, "nt", .inputs = { IN (NORMAL, 3, 4), IN (NORMAL, 5, 4) }, .numbers = { 0, 1 },
       .n_slopes = 2),
  ROW (matmul, "tn", .inputs = { IN (NORMAL, 4, 3), IN (NORMAL, 4, 5) }, .numbers = { 1, 0 },
       .n_slopes = 2),
  ROW (matmul, "tt", .inputs = { IN (NORMAL, 4, 3), IN (NORMAL, 5, 4) }, .numbers = { 1, 1 },
       .n_slopes = 2),
  ROW (matmul, "batch-nt", .inputs = { IN (NORMAL, 2, 3, 1, 4), IN (NORMAL, 2, 3, 5, 4) },
       .numbers = { 0, 1 }, .n_slopes = 2),
  ROW (matmul, "batch-tn", .inputs = { IN (NORMAL, 3, 4, 2), IN (NORMAL, 3, 4, 5) },
       .numbers = { 1, 0 }, .n_slopes = 2),
  ROW (matmul, "large", .inputs = { IN (NORMAL, 131, 67), IN (NORMAL, 99, 67) },
       .numbers = { 0, 1 }, .n_slopes = 1, .is_large = TRUE),
  ROW (matmul, "vector", .inputs = { IN (NORMAL, 1, 130), IN (NORMAL, 130, 77) }, .n_slopes = 1,
       .is_large = TRUE),
  ROW (matmul, "batch-large", .inputs = { IN (NORMAL, 5, 33, 41), IN (NORMAL, 5, 41, 29) },
       .n_slopes = 1, .is_large = TRUE),

  ROW (conv2d, "3x3", .inputs = { IN (NORMAL, 2, 5, 4, 3), IN (NORMAL, 2, 3, 3, 3) },
       .numbers = { 1, 1, 1, 1, 1 }, .n_slopes = 2),
  ROW (conv2d, "1x1", .inputs = { IN (NORMAL, 2, 3, 4, 3), IN (NORMAL, 5, 1, 1, 3) },
       .numbers = { 1 }, .n_slopes = 2),
  ROW (conv2d, "stride-2", .inputs = { IN (NORMAL, 1, 6, 7, 2), IN (NORMAL, 3, 3, 3, 2) },
       .numbers = { 2, 1, 1, 1, 1 }, .n_slopes = 2),
  ROW (conv2d, "lopsided", .inputs = { IN (NORMAL, 1, 6, 6, 2), IN (NORMAL, 3, 3, 3, 2) },
       .numbers = { 2, 0, 1, 0, 1 }, .n_slopes = 2),
  ROW (conv2d, "patches", .inputs = { IN (NORMAL, 2, 9, 8, 3), IN (NORMAL, 5, 4, 4, 3) },
       .numbers = { 4 }, .n_slopes = 2),
  ROW (conv2d, "wide-pads", .inputs = { IN (NORMAL, 1, 2, 3, 2), IN (NORMAL, 2, 3, 2, 2) },
       .numbers = { 1, 3, 2, 1, 4 }, .n_slopes = 2),
  ROW (conv2d, "3x3-tiles", .inputs = { IN (NORMAL, 3, 17, 13, 24), IN (NORMAL, 40, 3, 3, 24) },
       .numbers = { 1, 1, 1, 1, 1 }, .n_slopes = 1, .is_large = TRUE),
  ROW (conv2d, "3x3-even", .inputs = { IN (NORMAL, 2, 16, 16, 32), IN (NORMAL, 32, 3, 3, 32) },
       .numbers = { 1, 1, 1, 1, 1 }, .n_slopes = 1, .is_large = TRUE),
  ROW (conv2d, "3x3-unpadded", .inputs = { IN (NORMAL, 1, 11, 10, 19), IN (NORMAL, 21, 3, 3, 19) },
       .numbers = { 1 }, .n_slopes = 1, .is_large = TRUE),
  ROW (conv2d, "3x3-one-pixel", .inputs = { IN (NORMAL, 5, 1, 1, 17), IN (NORMAL, 18, 3, 3, 17) },
       .numbers = { 1, 1, 1, 1, 1 }, .n_slopes = 1, .is_large = TRUE),
  ROW (conv2d, "stride-2-large",
       .inputs = { IN (NORMAL, 2, 16, 14, 19), IN (NORMAL, 33, 3, 3, 19) },
       .numbers = { 2, 1, 1, 1, 1 }, .n_slopes = 1, .is_large = TRUE),
  ROW (conv2d, "1x1-large", .inputs = { IN (NORMAL, 2, 9, 11, 37), IN (NORMAL, 29, 1, 1, 37) },
       .numbers = { 1 }, .n_slopes = 1, .is_large = TRUE),
  ROW (conv2d, "first-layer", .inputs = { IN (NORMAL, 2, 16, 16, 4), IN (NORMAL, 32, 3, 3, 4) },
       .numbers = { 1, 1, 1, 1, 1 }, .n_slopes = 1, .is_large = TRUE),
  ROW (conv2d_input_gradient, "3x3", .inputs = { IN (NORMAL, 2, 5, 4, 2), IN (NORMAL, 2, 3, 3, 3) },
       .shape = SHAPE (2, 5, 4, 3), .numbers = { 1, 1, 1, 1, 1 }, .n_slopes = 2),
  ROW (conv2d_input_gradient, "stride-2",
       .inputs = { IN (NORMAL, 1, 3, 4, 3), IN (NORMAL, 3, 3, 3, 2) }, .shape = SHAPE (1, 6, 7, 2),
       .numbers = { 2, 1, 1, 1, 1 }, .n_slopes = 2),
  ROW (conv2d_weight_gradient, "3x3",
       .inputs = { IN (NORMAL, 2, 5, 4, 3), IN (NORMAL, 2, 5, 4, 2) }, .shape = SHAPE (2, 3, 3, 3),
       .numbers = { 1, 1, 1, 1, 1 }, .n_slopes = 2),
  ROW (conv2d_weight_gradient, "stride-2",
       .inputs = { IN (NORMAL, 1, 6, 7, 2), IN (NORMAL, 1, 3, 4, 3) }, .shape = SHAPE (3, 3, 3, 2),
       .numbers = { 2, 1, 1, 1, 1 }, .n_slopes = 2),

  ROW (attention, "cross",
       .inputs = { IN (NORMAL, 2, 3, 2, 4), IN (NORMAL, 2, 5, 2, 4), IN (NORMAL, 2, 5, 2, 4) },
       .numbers = { 0.5 }, .n_slopes = 2),
  ROW (attention, "causal",
       .inputs = { IN (NORMAL, 1, 4, 2, 3), IN (NORMAL, 1, 4, 2, 3), IN (NORMAL, 1, 4, 2, 3) },
       .numbers = { 0.7, 1 }, .n_slopes = 2),
  ROW (attention, "one-key",
       .inputs = { IN (NORMAL, 1, 3, 1, 5), IN (NORMAL, 1, 1, 1, 5), IN (NORMAL, 1, 1, 1, 5) },
       .numbers = { 1 }, .n_slopes = 2),
  { .name = "attention/shared", .op = &vard_op_attention, .build = build_attention_shared,
    .inputs = { IN (NORMAL, 1, 4, 1, 3) }, .numbers = { 0.5 }, .n_slopes = 2 },
  ROW (attention, "large",
       .inputs = { IN (NORMAL, 2, 69, 3, 24), IN (NORMAL, 2, 131, 3, 24),
       IN (NORMAL, 2, 131, 3, 24) }, .numbers = { 0.2 }, .n_slopes = 1, .is_large = TRUE),
  ROW (attention, "causal-large",
       .inputs = { IN (NORMAL, 1, 77, 2, 19), IN (NORMAL, 1, 77, 2, 19),
       IN (NORMAL, 1, 77, 2, 19) }, .numbers = { 0.23, 1 }, .n_slopes = 1, .is_large = TRUE),
  ROW (attention, "many-tokens",
       .inputs = { IN (NORMAL, 1, 256, 2, 32), IN (NORMAL, 1, 256, 2, 32),
       IN (NORMAL, 1, 256, 2, 32) }, .numbers = { 0.177 }, .n_slopes = 1, .is_large = TRUE),
  ROW (attention, "many-pictures",
       .inputs = { IN (NORMAL, 3, 3, 2, 4), IN (NORMAL, 3, 5, 2, 4), IN (NORMAL, 3, 5, 2, 4) },
       .numbers = { 0.5 }, .n_slopes = 2),
  ROW (attention, "many-pictures-causal",
       .inputs = { IN (NORMAL, 3, 4, 2, 3), IN (NORMAL, 3, 4, 2, 3), IN (NORMAL, 3, 4, 2, 3) },
       .numbers = { 0.7, 1 }, .n_slopes = 2),
  ROW (attention_gradient, "query",
       .inputs = { IN (NORMAL, 1, 3, 2, 4), IN (NORMAL, 1, 5, 2, 4), IN (NORMAL, 1, 5, 2, 4),
       IN (NORMAL, 1, 3, 2, 4) }, .numbers = { 0.5, 0, 0 }, .n_slopes = 2),
  ROW (attention_gradient, "key",
       .inputs = { IN (NORMAL, 1, 3, 2, 4), IN (NORMAL, 1, 5, 2, 4), IN (NORMAL, 1, 5, 2, 4),
       IN (NORMAL, 1, 3, 2, 4) }, .numbers = { 0.5, 0, 1 }, .n_slopes = 2),
  ROW (attention_gradient, "value-causal",
       .inputs = { IN (NORMAL, 1, 4, 2, 3), IN (NORMAL, 1, 4, 2, 3), IN (NORMAL, 1, 4, 2, 3),
       IN (NORMAL, 1, 4, 2, 3) }, .numbers = { 0.5, 1, 2 }, .n_slopes = 2),
  ROW (attention_gradient, "key-causal",
       .inputs = { IN (NORMAL, 1, 4, 2, 3), IN (NORMAL, 1, 4, 2, 3), IN (NORMAL, 1, 4, 2, 3),
       IN (NORMAL, 1, 4, 2, 3) }, .numbers = { 0.5, 1, 1 }, .n_slopes = 2),

  ROW (normalize, "groups", .inputs = { IN (NORMAL, 2, 3, 2, 6) }, .numbers = { 1, 3, 1e-5 },
       .n_slopes = 2),
  ROW (normalize, "layer", .inputs = { IN (NORMAL, 2, 3, 7) }, .numbers = { 2, 1, 1e-5 },
       .n_slopes = 2),
  ROW (normalize, "whole", .inputs = { IN (NORMAL, 2, 3, 4) }, .numbers = { 0, 1, 1e-2 },
       .n_slopes = 2),
  { .name = "normalize/squared", .op = &vard_op_normalize, .build = build_normalize_squared,
    .inputs = { IN (NORMAL, 2, 3, 2, 6) }, .numbers = { 1, 2, 1e-5 }, .n_slopes = 2 },
  ROW (normalize, "groups-large", .inputs = { IN (NORMAL, 3, 9, 7, 96) },
       .numbers = { 1, 32, 1e-6 }, .n_slopes = 1, .is_large = TRUE),
  ROW (normalize, "layer-large", .inputs = { IN (NORMAL, 3, 19, 131) }, .numbers = { 2, 1, 1e-5 },
       .n_slopes = 1, .is_large = TRUE),
  ROW (normalize_gradient, "groups", .inputs = { IN (NORMAL, 2, 3, 2, 6), IN (NORMAL, 2, 3, 2, 6) },
       .numbers = { 1, 3, 1e-5 }, .n_slopes = 2),
  ROW (normalize_gradient, "layer", .inputs = { IN (NORMAL, 2, 3, 7), IN (NORMAL, 2, 3, 7) },
       .numbers = { 2, 1, 1e-5 }, .n_slopes = 2),

  ROW (upsample, "2", .inputs = { IN (NORMAL, 2, 3, 2, 5) }, .numbers = { 2 }, .n_slopes = 2),
  ROW (upsample, "3", .inputs = { IN (NORMAL, 1, 2, 3, 1) }, .numbers = { 3 }, .n_slopes = 2),
  ROW (pool_sum, "2", .inputs = { IN (NORMAL, 2, 4, 6, 5) }, .numbers = { 2 }, .n_slopes = 2),
  ROW (pool_sum, "3", .inputs = { IN (NORMAL, 1, 3, 6, 1) }, .numbers = { 3 }, .n_slopes = 2),

  { .name = "gather/tokens", .op = &vard_op_gather, .build = build_binary, .binary = vard_gather,
    .inputs = { IN (NORMAL, 6, 5), IDS (6, 2, 9) }, .n_slopes = 2 },
  { .name = "gather/flat", .op = &vard_op_gather, .build = build_binary, .binary = vard_gather,
    .inputs = { IN (NORMAL, 4, 1), IDS (4, 7) }, .n_slopes = 2 },
  ROW (gather_gradient, "tokens", .inputs = { IDS (6, 2, 9), IN (NORMAL, 2, 9, 5) },
       .numbers = { 6 }, .n_slopes = 2),
  ROW (random_normal, "3x5x7", .inputs = { IN (COUNTER, 2) }, .shape = SHAPE (3, 5, 7)),
  ROW (random_normal, "3x5x7-each", .inputs = { IN (COUNTER, 3, 2) }, .shape = SHAPE (3, 5, 7)),
  ROW (random_normal, "5x4099-each", .inputs = { IN (COUNTER, 5, 2) }, .shape = SHAPE (5, 4099),
       .is_large = TRUE),
  ROW (random_normal, "4099", .inputs = { IN (COUNTER, 2) }, .shape = SHAPE (4099),
       .is_large = TRUE),
  ROW (fill, "3x5", .inputs = { IN (NORMAL, 1) }, .numbers = { 2.5 }, .shape = SHAPE (3, 5)),

  { .name = "gated/3", .build = vard_op_build_gated,
    .inputs = { IN (NORMAL, 4, 3), IN (NORMAL, 6, 3), IN (NORMAL, 6) }, .n_slopes = 2 },
  { .name = "gated/67", .build = vard_op_build_gated,
    .inputs = { IN (NORMAL, 35, 67), IN (NORMAL, 134, 67), IN (NORMAL, 134) }, .n_slopes = 1,
    .is_large = TRUE },
  { .name = "res-block/4", .build = vard_op_build_res_block,
    .inputs = { IN (NORMAL, 2, 3, 2, 4), IN (NORMAL, 4, 3, 3, 4), IN (NORMAL, 4),
    IN (NORMAL, 2, 4) }, .n_slopes = 2 },
  { .name = "res-block/34", .build = vard_op_build_res_block,
    .inputs = { IN (NORMAL, 2, 9, 8, 34), IN (NORMAL, 34, 3, 3, 34), IN (NORMAL, 34),
    IN (NORMAL, 2, 34) }, .n_slopes = 1, .is_large = TRUE },
  { .name = "transformer-block/4", .build = vard_op_build_transformer_block,
    .inputs = { IN (NORMAL, 2, 3, 4), IN (NORMAL, 2, 2, 4), IN (NORMAL, 4, 4), IN (NORMAL, 8, 4) },
    .numbers = { 2 }, .n_slopes = 2 },
  { .name = "transformer-block/36", .build = vard_op_build_transformer_block,
    .inputs = { IN (NORMAL, 2, 49, 36), IN (NORMAL, 2, 13, 36), IN (NORMAL, 36, 36),
    IN (NORMAL, 72, 36) }, .numbers = { 3 }, .n_slopes = 1, .is_large = TRUE },
  { .name = "down-up/3", .build = vard_op_build_down_up,
    .inputs = { IN (NORMAL, 1, 4, 6, 3), IN (NORMAL, 3, 3, 3, 3), IN (NORMAL, 2, 1, 1, 6) },
    .n_slopes = 2 },
  { .name = "down-up/20", .build = vard_op_build_down_up,
    .inputs = { IN (NORMAL, 2, 12, 10, 20), IN (NORMAL, 20, 3, 3, 20), IN (NORMAL, 7, 1, 1, 40) },
    .n_slopes = 1, .is_large = TRUE },
  { .name = "guidance", .build = vard_op_build_guidance,
    .inputs = { IN (NORMAL, 4, 3, 3, 2), IN (NORMAL, 3) }, .n_slopes = 2 },
};
/* clang-format on */

const guint vard_n_op_rows = G_N_ELEMENTS (vard_op_rows);
