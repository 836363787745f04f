/* test-op-shapes.c - shape inference: what comes out, and what is said when inputs do not fit
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "vard-op-rows.h"

typedef struct
{
  const char *name;
  VardNode *(*build) (VardNode *a, VardNode *b);
  VardShape a, b;
  VardDType dtype;      /* of b */
  const char *expected; /* the shape, or the message's pattern */
} Case;

/* ---- builders ---- */

static const VardConv2dAttrs same = { 1, 1, 1, 1, 1 }, half = { 2, 0, 1, 0, 1 }, none = { 1 },
                             wrong = { 0 };

static VardNode *
build_matmul_nt (VardNode *a, VardNode *b)
{
  return vard_matmul (a, b, FALSE, TRUE);
}

static VardNode *
build_matmul_tn (VardNode *a, VardNode *b)
{
  return vard_matmul (a, b, TRUE, FALSE);
}

static VardNode *
build_matmul (VardNode *a, VardNode *b)
{
  return vard_matmul (a, b, FALSE, FALSE);
}

static VardNode *
build_conv_same (VardNode *a, VardNode *b)
{
  return vard_conv2d (a, b, &same);
}

static VardNode *
build_conv_half (VardNode *a, VardNode *b)
{
  return vard_conv2d (a, b, &half);
}

static VardNode *
build_conv_none (VardNode *a, VardNode *b)
{
  return vard_conv2d (a, b, &none);
}

static VardNode *
build_conv_wrong (VardNode *a, VardNode *b)
{
  return vard_conv2d (a, b, &wrong);
}

static VardNode *
build_input_gradient (VardNode *a, VardNode *b)
{
  return vard_conv2d_input_gradient (a, b, VARD_SHAPE (1, 6, 6, 3), &half);
}

static VardNode *
build_weight_gradient (VardNode *a, VardNode *b)
{
  return vard_conv2d_weight_gradient (a, b, VARD_SHAPE (2, 3, 3, 3), &same);
}

static VardNode *
build_attention (VardNode *a, VardNode *b)
{
  return vard_attention (a, b, b, 1, FALSE);
}

static VardNode *
build_attention_gradient (VardNode *a, VardNode *b)
{
  return vard_attention_gradient (a, a, a, b, 1, FALSE, 1);
}

static VardNode *
build_attention_which (VardNode *a, VardNode *b)
{
  return vard_attention_gradient (a, b, b, a, 1, FALSE, 3);
}

static VardNode *
build_reshape (VardNode *a, VardNode *b)
{
  return vard_reshape (a, b->shape);
}

static VardNode *
build_reshape_zero (VardNode *a, VardNode *b)
{
  return vard_reshape (a, VARD_SHAPE (0, 7));
}

static VardNode *
build_reshape_huge (VardNode *a, VardNode *b)
{
  return vard_reshape (a, VARD_SHAPE (G_MAXINT64, 3));
}

static VardNode *
build_broadcast (VardNode *a, VardNode *b)
{
  return vard_broadcast (a, b->shape);
}

static VardNode *
build_permute_120 (VardNode *a, VardNode *b)
{
  return vard_permute (a, (const guint[]) { 1, 2, 0 });
}

static VardNode *
build_permute_110 (VardNode *a, VardNode *b)
{
  return vard_permute (a, (const guint[]) { 1, 1, 0 });
}

static VardNode *
build_permute_013 (VardNode *a, VardNode *b)
{
  return vard_permute (a, (const guint[]) { 0, 1, 3 });
}

static VardNode *
build_slice (VardNode *a, VardNode *b)
{
  return vard_slice (a, 1, 1, 3);
}

static VardNode *
build_slice_nothing (VardNode *a, VardNode *b)
{
  return vard_slice (a, 0, 1, 0);
}

static VardNode *
build_pad (VardNode *a, VardNode *b)
{
  return vard_pad (a, 1, 2, 3);
}

static VardNode *
build_pad_negative (VardNode *a, VardNode *b)
{
  return vard_pad (a, 0, -1, 3);
}

static VardNode *
build_concat (VardNode *a, VardNode *b)
{
  return vard_concat ((VardNode *[]) { a, b, a }, 3, 1);
}

static VardNode *
build_sum (VardNode *a, VardNode *b)
{
  return vard_sum (a, 5);
}

static VardNode *
build_mean (VardNode *a, VardNode *b)
{
  return vard_mean (a, 2);
}

static VardNode *
build_sum_all (VardNode *a, VardNode *b)
{
  return vard_sum_all (a);
}

static VardNode *
build_softmax (VardNode *a, VardNode *b)
{
  return vard_softmax (a);
}

static VardNode *
build_clamp (VardNode *a, VardNode *b)
{
  return vard_clamp (a, 2, 1);
}

static VardNode *
build_cast (VardNode *a, VardNode *b)
{
  return vard_cast (a, VARD_DTYPE_I32);
}

static VardNode *
build_exp_of_b (VardNode *a, VardNode *b)
{
  return vard_exp (b);
}

static VardNode *
build_select (VardNode *a, VardNode *b)
{
  return vard_select (a, b, b);
}

static VardNode *
build_groups (VardNode *a, VardNode *b)
{
  return vard_normalize (a, 1, 4, 1e-5);
}

static VardNode *
build_layer (VardNode *a, VardNode *b)
{
  return vard_normalize (a, 2, 1, 1e-5);
}

static VardNode *
build_normalize_gradient (VardNode *a, VardNode *b)
{
  return vard_normalize_gradient (a, b, 1, 2, 1e-5);
}

static VardNode *
build_upsample (VardNode *a, VardNode *b)
{
  return vard_upsample (a, 3);
}

static VardNode *
build_pool_sum (VardNode *a, VardNode *b)
{
  return vard_pool_sum (a, 3);
}

static VardNode *
build_gather_gradient (VardNode *a, VardNode *b)
{
  return vard_gather_gradient (b, a, 10);
}

static VardNode *
build_random (VardNode *a, VardNode *b)
{
  return vard_random_normal (b, VARD_SHAPE (2, 3));
}

/* ---- rows ---- */

#define SHAPE(...)                                         \
  {                                                        \
    sizeof ((gint64[]) { __VA_ARGS__ }) / sizeof (gint64), \
    {                                                      \
      __VA_ARGS__                                          \
    }                                                      \
  }
#define I32 .dtype = VARD_DTYPE_I32
#define I64 .dtype = VARD_DTYPE_I64

static const Case cases[] = {
  { "add/broadcast", vard_add, SHAPE (3, 1, 5), SHAPE (4, 1), .expected = "[3, 4, 5]" },
  { "add/scalar", vard_add, SHAPE (), SHAPE (4, 1), .expected = "[4, 1]" },
  { "add/misfit", vard_add, SHAPE (3, 4), SHAPE (3, 5),
    .expected = "add of [3, 4] and [3, 5]: the shapes differ" },
  { "add/types", vard_add, SHAPE (3, 4), SHAPE (3, 4), I32,
    "add of [3, 4] and [3, 4]: input 1 has elements of type i32*" },
  { "add/halves", vard_add, SHAPE (3, 4), SHAPE (3, 4), .dtype = VARD_DTYPE_F16,
    .expected = "add of *: inputs 0 and 1 must have elements of one type, but have f32 and f16" },
  { "select/broadcast", build_select, SHAPE (3, 1), SHAPE (4), .expected = "[3, 4]" },
  { "select/misfit", build_select, SHAPE (3), SHAPE (4),
    .expected = "select of [3], [4] and [4]: the shapes differ" },
  { "exp/integers", build_exp_of_b, SHAPE (3), SHAPE (4), I32, "exp of [4]: input 0 * i32*" },
  { "clamp/bounds", build_clamp, SHAPE (3), SHAPE (4),
    .expected = "clamp of [3]: the lower bound 2 is above the upper bound 1" },
  { "cast/to-integer", build_cast, SHAPE (3), SHAPE (4),
    .expected = "cast of [3]: from f32 to i32*" },
  { "reshape/fits", build_reshape, SHAPE (6, 4), SHAPE (3, 8), .expected = "[3, 8]" },
  { "reshape/misfit", build_reshape, SHAPE (6, 4), SHAPE (3, 7),
    .expected = "reshape of [6, 4]: [3, 7] has a different number of elements" },
  { "reshape/zero", build_reshape_zero, SHAPE (6, 4), SHAPE (3, 7),
    .expected = "reshape of [6, 4]: [0, 7] is not a shape" },
  { "reshape/huge", build_reshape_huge, SHAPE (6, 4), SHAPE (3, 7),
    .expected = "reshape of [6, 4]: [9223372036854775807, 3] is not a shape" },
  { "broadcast/misfit", build_broadcast, SHAPE (2, 4), SHAPE (2, 8),
    .expected = "broadcast of [2, 4]: axis 1 cannot be repeated to [2, 8]" },
  { "broadcast/dimensions", build_broadcast, SHAPE (4), SHAPE (2, 4),
    .expected = "broadcast of [4]: [2, 4] has a different number of dimensions" },
  { "permute/fits", build_permute_120, SHAPE (2, 3, 4), SHAPE (1), .expected = "[3, 4, 2]" },
  { "permute/twice", build_permute_110, SHAPE (2, 3, 4), SHAPE (1),
    .expected = "permute of [2, 3, 4]: place 1 of the order takes axis 1, taken before" },
  { "permute/absent", build_permute_013, SHAPE (2, 3, 4), SHAPE (1),
    .expected = "permute of [2, 3, 4]: place 2 of the order takes axis 3, which is not there" },
  { "slice/fits", build_slice, SHAPE (2, 4), SHAPE (1), .expected = "[2, 3]" },
  { "slice/outside", build_slice, SHAPE (2, 3), SHAPE (1),
    .expected = "slice of [2, 3]: 3 from 1 on is outside axis 1" },
  { "slice/axis", build_slice, SHAPE (9), SHAPE (1),
    .expected = "slice of [9]: there is no axis 1" },
  { "slice/nothing", build_slice_nothing, SHAPE (9), SHAPE (1),
    .expected = "slice of [9]: 0 from 1*" },
  { "pad/fits", build_pad, SHAPE (2, 3), SHAPE (1), .expected = "[2, 8]" },
  { "pad/negative", build_pad_negative, SHAPE (9), SHAPE (1),
    .expected = "pad of [9]: -1 zeros before and 3 after" },
  { "concat/fits", build_concat, SHAPE (2, 3), SHAPE (2, 5), .expected = "[2, 11]" },
  { "concat/misfit", build_concat, SHAPE (2, 3), SHAPE (3, 3),
    .expected = "concat of [2, 3], [3, 3] and [2, 3]: parts 0 and 1 may differ only in axis 1" },
  { "concat/dimensions", build_concat, SHAPE (2, 3), SHAPE (2),
    .expected = "concat of [2, 3], [2] and [2, 3]: parts 0 and 1 may differ only in axis 1" },
  { "sum/fits", build_sum, SHAPE (2, 3, 4), SHAPE (1), .expected = "[1, 3, 1]" },
  { "sum/axes", build_sum, SHAPE (2, 3), SHAPE (1),
    .expected = "sum of [2, 3]: the input does not have every axis of the mask 0x5" },
  { "mean/axes", build_mean, SHAPE (2), SHAPE (1), .expected = "sum of [2]: *0x2*" },
  { "sum-all/fits", build_sum_all, SHAPE (2, 3), SHAPE (1), .expected = "[]" },
  { "softmax/scalar", build_softmax, SHAPE (), SHAPE (1),
    .expected = "softmax of []: a scalar has no last axis" },
  { "matmul/nn", build_matmul, SHAPE (2, 3), SHAPE (3, 4), .expected = "[2, 4]" },
  { "matmul/nt", build_matmul_nt, SHAPE (2, 3), SHAPE (4, 3), .expected = "[2, 4]" },
  { "matmul/tn", build_matmul_tn, SHAPE (5, 3, 2), SHAPE (5, 3, 4), .expected = "[5, 2, 4]" },
  { "matmul/inner", build_matmul_nt, SHAPE (2, 3), SHAPE (3, 4),
    .expected =
      "matmul of [2, 3] and [3, 4]: the inner extents are 3 and 4 (transposed: no, yes)" },
  { "matmul/batch", build_matmul, SHAPE (5, 2, 3), SHAPE (4, 3, 4),
    .expected = "matmul of *: the inputs must*" },
  { "matmul/vector", build_matmul, SHAPE (3), SHAPE (3),
    .expected = "matmul of [3] and [3]: the inputs must*" },
  { "conv2d/same", build_conv_same, SHAPE (2, 5, 7, 3), SHAPE (4, 3, 3, 3),
    .expected = "[2, 5, 7, 4]" },
  { "conv2d/half", build_conv_half, SHAPE (2, 6, 9, 3), SHAPE (4, 3, 3, 3),
    .expected = "[2, 3, 4, 4]" },
  { "conv2d/none", build_conv_none, SHAPE (2, 6, 9, 3), SHAPE (4, 3, 2, 3),
    .expected = "[2, 4, 8, 4]" },
  { "conv2d/channels", build_conv_same, SHAPE (2, 5, 7, 3), SHAPE (4, 3, 3, 2),
    .expected =
      "conv2d of [2, 5, 7, 3] and [4, 3, 3, 2]: pictures * 3 channels, but weights * take 2" },
  { "conv2d/small", build_conv_none, SHAPE (2, 2, 7, 3), SHAPE (4, 3, 3, 3),
    .expected =
      "conv2d of *: padded pictures [2, 2, 7, 3] are smaller than the kernel [4, 3, 3, 3]" },
  { "conv2d/dimensions", build_conv_none, SHAPE (2, 7, 3), SHAPE (4, 3, 3, 3),
    .expected = "conv2d of *must both have four dimensions" },
  { "conv2d/stride", build_conv_wrong, SHAPE (2, 5, 7, 3), SHAPE (4, 3, 3, 3),
    .expected = "conv2d of *: stride 0 *" },
  { "conv2d-input-gradient/fits", build_input_gradient, SHAPE (1, 3, 3, 2), SHAPE (2, 3, 3, 3),
    .expected = "[1, 6, 6, 3]" },
  { "conv2d-input-gradient/misfit", build_input_gradient, SHAPE (1, 3, 4, 2), SHAPE (2, 3, 3, 3),
    .expected =
      "conv2d_input_gradient of [1, 3, 4, 2] and [2, 3, 3, 3]: * output is [1, 3, 3, 2]" },
  { "conv2d-weight-gradient/fits", build_weight_gradient, SHAPE (1, 4, 4, 3), SHAPE (1, 4, 4, 2),
    .expected = "[2, 3, 3, 3]" },
  { "conv2d-weight-gradient/misfit", build_weight_gradient, SHAPE (1, 4, 4, 3), SHAPE (2, 4, 4, 2),
    .expected = "conv2d_weight_gradient of *: the convolution's output is [1, 4, 4, 2]" },
  { "attention/cross", build_attention, SHAPE (2, 3, 4, 5), SHAPE (2, 7, 4, 5),
    .expected = "[2, 3, 4, 5]" },
  { "attention/heads", build_attention, SHAPE (2, 3, 4, 5), SHAPE (2, 7, 3, 5),
    .expected = "attention of [2, 3, 4, 5], [2, 7, 3, 5] and [2, 7, 3, 5]: queries and keys may "
                "differ only*" },
  { "attention/dimensions", build_attention, SHAPE (2, 3, 4), SHAPE (2, 7, 4),
    .expected = "attention of *: queries and keys must have four dimensions" },
  { "attention-gradient/cotangent", build_attention_gradient, SHAPE (2, 3, 4, 5),
    SHAPE (2, 7, 4, 5),
    .expected = "attention_gradient of *: the cotangent must have the shape of the queries" },
  { "attention-gradient/which", build_attention_which, SHAPE (2, 3, 4, 5), SHAPE (2, 7, 4, 5),
    .expected = "attention_gradient of *: there is no input 3" },
  { "normalize/groups", build_groups, SHAPE (2, 3, 3, 8), SHAPE (1), .expected = "[2, 3, 3, 8]" },
  { "normalize/channels", build_groups, SHAPE (2, 3, 3, 6), SHAPE (1),
    .expected = "normalize of [2, 3, 3, 6]: 6 channels do not make 4 equal groups" },
  { "normalize/outer", build_layer, SHAPE (2, 3), SHAPE (1),
    .expected = "normalize of [2, 3]: 2 outer extents leave no channels" },
  { "normalize-gradient/misfit", build_normalize_gradient, SHAPE (2, 3, 4), SHAPE (2, 4, 4),
    .expected = "normalize_gradient of [2, 3, 4] and [2, 4, 4]: the shapes differ" },
  { "upsample/fits", build_upsample, SHAPE (2, 3, 4, 5), SHAPE (1), .expected = "[2, 9, 12, 5]" },
  { "upsample/dimensions", build_upsample, SHAPE (3, 4, 5), SHAPE (1),
    .expected = "upsample of [3, 4, 5]: pictures must have four dimensions*" },
  { "pool-sum/fits", build_pool_sum, SHAPE (2, 3, 6, 5), SHAPE (1), .expected = "[2, 1, 2, 5]" },
  { "pool-sum/misfit", build_pool_sum, SHAPE (2, 3, 7, 5), SHAPE (1),
    .expected = "pool_sum of [2, 3, 7, 5]: height and width are not multiples of factor 3" },
  { "gather/fits", vard_gather, SHAPE (10, 4), SHAPE (2, 7), I32, "[2, 7, 4]" },
  { "gather/types", vard_gather, SHAPE (10, 4), SHAPE (2, 7), I64,
    "gather of *: row numbers must have the type i32, not i64" },
  { "gather/table", vard_gather, SHAPE (10), SHAPE (2, 7), I32,
    "gather of *: a table must have two dimensions" },
  { "gather-gradient/fits", build_gather_gradient, SHAPE (2, 7, 4), SHAPE (2, 7), I32, "[10, 4]" },
  { "gather-gradient/misfit", build_gather_gradient, SHAPE (2, 6, 4), SHAPE (2, 7), I32,
    "gather_gradient of [2, 7] and [2, 6, 4]: there must be one row for each number" },
  { "random-normal/fits", build_random, SHAPE (1), SHAPE (2), I64, "[2, 3]" },
  { "random-normal/types", build_random, SHAPE (1), SHAPE (2), I32,
    "random_normal of [2]: * i64, not i32" },
  { "random-normal/counter", build_random, SHAPE (1), SHAPE (3), I64,
    "random_normal of [3]: key and counter must be a vector of 2, or a row of 2 for each index of "
    "the first axis" },
  { "random-normal/rows", build_random, SHAPE (1), SHAPE (2, 2), I64, "[2, 3]" },
  { "random-normal/other-rows", build_random, SHAPE (1), SHAPE (3, 2), I64,
    "random_normal of [3, 2]: key and counter must be a vector of 2, or a row of 2 for each index "
    "of the first axis" },
};

/* '*' stands for anything; brackets for themselves */
static gboolean
matches (const char *pattern, const char *text)
{
  g_autoptr (GPatternSpec) spec = g_pattern_spec_new (pattern);

  return g_pattern_spec_match_string (spec, text);
}

static void
test_shape (gconstpointer data)
{
  const Case *row = data;
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *a = vard_input (graph, "a", VARD_DTYPE_F32, row->a);
  VardNode *b = vard_input (graph, "b", row->dtype, row->b);
  VardNode *y = row->build (a, b);
  const GError *error = vard_graph_peek_error (graph);

  if (*row->expected != '[')
    {
      g_assert_error (error, VARD_ERROR, VARD_ERROR_GRAPH);
      g_test_message ("%s", error->message);
      g_assert_true (matches (row->expected, error->message));
      return;
    }

  g_autofree char *shape = vard_shape_to_string (&y->shape);

  g_assert_no_error (error);
  g_assert_cmpstr (shape, ==, row->expected);
}

/* a first error is not covered by what depends on it, and recording goes on to the end */
static void
test_after_error (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *a = vard_input (graph, "a", VARD_DTYPE_F32, VARD_SHAPE (2, 3));
  VardNode *bad = vard_matmul (a, a, FALSE, FALSE);
  VardNode *y =
    vard_normalize (vard_permute (vard_add (bad, a), (const guint[]) { 1, 0 }), 1, 1, 1e-5);
  VardNode *gradient;

  y = vard_concat ((VardNode *[]) { y, vard_mean (vard_reshape (bad, VARD_SHAPE (4)), 1) }, 2, 0);
  vard_vjp (&y, NULL, 1, &a, 1, &gradient);
  g_assert_nonnull (gradient);
  g_assert_error (vard_graph_peek_error (graph), VARD_ERROR, VARD_ERROR_GRAPH);
  g_assert_true (
    g_str_has_prefix (vard_graph_peek_error (graph)->message, "matmul of [2, 3] and [2, 3]"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/shapes/after-error", test_after_error);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/shapes/%s", cases[i].name);

      g_test_add_data_func (path, &cases[i], test_shape);
    }
  return g_test_run ();
}
