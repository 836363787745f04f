/* test-op-values.c - the reference functions against known answers and against other algorithms
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "vard-op-rows.h"

#include "base/vard-random.h"

#include <math.h>
#include <string.h>

typedef struct
{
  VardGraph *graph;
  guint n_inputs;
  gpointer inputs[4];
  VardTestValues *values;
} Fixture;

static void
fixture_init (Fixture *self, gconstpointer data)
{
  self->graph = vard_graph_new ();
}

static void
fixture_clear (Fixture *self, gconstpointer data)
{
  g_clear_pointer (&self->values, vard_test_values_free);
  vard_graph_unref (self->graph);
}

static VardNode *
add_typed (Fixture *self, VardDType dtype, VardShape shape, gconstpointer values)
{
  g_autofree char *name = g_strdup_printf ("x%u", self->n_inputs);

  self->inputs[self->n_inputs++] = (gpointer) values;
  return vard_input (self->graph, name, dtype, shape);
}

static VardNode *
add (Fixture *self, VardShape shape, const float *values)
{
  return add_typed (self, VARD_DTYPE_F32, shape, values);
}

/* valid until the next call */
static gconstpointer
evaluate (Fixture *self, VardNode *y)
{
  g_autofree char *name = g_strdup_printf ("y%u", y->id);

  g_assert_no_error (vard_graph_peek_error (self->graph));
  vard_graph_add_output (self->graph, name, y);
  g_clear_pointer (&self->values, vard_test_values_free);
  self->values = vard_test_eval (self->graph, self->inputs);
  return self->values->values[y->id];
}

static void
assert_values (Fixture *self, VardNode *y, const float *expected, double tolerance)
{
  const float *values = evaluate (self, y);

  for (gint64 i = 0; i < vard_node_get_count (y); i++)
    if (values[i] != expected[i])
      g_assert_cmpfloat_with_epsilon (values[i], expected[i], tolerance);
}

#define ASSERT_VALUES(y, tolerance, ...)                                       \
  do                                                                           \
    {                                                                          \
      static const float expected_[] = { __VA_ARGS__ };                        \
      g_assert_cmpint (vard_node_get_count (y), ==, G_N_ELEMENTS (expected_)); \
      assert_values (self, y, expected_, tolerance);                           \
    }                                                                          \
  while (0)

/* ---- elementwise: one row an operation, values to nine digits from tables ---- */

typedef struct
{
  const char *name;
  VardNode *(*function) (VardNode *x);
  float x[3], y[3];
} UnaryCase;

static const UnaryCase unary_cases[] = {
  { "neg", vard_neg, { 0.5f, -1, 3 }, { -0.5f, 1, -3 } },
  { "exp", vard_exp, { 0, 1, -2 }, { 1, 2.718281828f, 0.135335283f } },
  { "log", vard_log, { 1, 10, 0.5f }, { 0, 2.302585093f, -0.693147181f } },
  { "sqrt", vard_sqrt, { 0, 2, 9 }, { 0, 1.414213562f, 3 } },
  { "rsqrt", vard_rsqrt, { 1, 2, 16 }, { 1, 0.707106781f, 0.25f } },
  { "square", vard_square, { 0, -3, 0.5f }, { 0, 9, 0.25f } },
  { "reciprocal", vard_reciprocal, { 1, -4, 0.5f }, { 1, -0.25f, 2 } },
  { "sigmoid", vard_sigmoid, { 0, 2, -100 }, { 0.5f, 0.880797078f, 0 } },
  { "silu", vard_silu, { 0, 2, -100 }, { 0, 1.761594156f, 0 } },
  { "tanh", vard_tanh, { 0, 0.5f, -100 }, { 0, 0.462117157f, -1 } },
  { "erf", vard_erf, { 0, 0.5f, -3 }, { 0, 0.520499878f, -0.999977910f } },
  { "gelu", vard_gelu, { 0, 1, -1 }, { 0, 0.841344746f, -0.158655254f } },
  { "quick-gelu", vard_quick_gelu, { 0, 1, -1 }, { 0, 0.845795763f, -0.154204237f } },
  { "sin", vard_sin, { 0, 1, -2 }, { 0, 0.841470985f, -0.909297427f } },
  { "cos", vard_cos, { 0, 1, -2 }, { 1, 0.540302306f, -0.416146837f } },
  { "abs", vard_abs, { 0, 1.5f, -2 }, { 0, 1.5f, 2 } },
  { "step", vard_step, { 0, 1.5f, -2 }, { 0, 1, 0 } },
  { "relu", vard_relu, { 0, 1.5f, -INFINITY }, { 0, 1.5f, 0 } },
  { "complement", vard_complement, { 0, 1.5f, -2 }, { 1, -0.5f, 3 } },
  { "stop", vard_stop, { 0, 1.5f, -2 }, { 0, 1.5f, -2 } },
};

static void
test_unary (Fixture *self, gconstpointer data)
{
  const UnaryCase *row = data;

  assert_values (self, row->function (add (self, VARD_SHAPE (3), row->x)), row->y, 1e-6);
}

static void
test_affine_and_clamp (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { -4, 0.5f, 3 };
  VardNode *x = add (self, VARD_SHAPE (3), x_values);

  ASSERT_VALUES (vard_affine (x, -2, 1), 0, 9, 0, -5);
  ASSERT_VALUES (vard_clamp (x, -1, 2), 0, -1, 0.5f, 2);
}

/* A NaN is not clamped away */
static void
test_clamp_nan (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { NAN };
  const float *y = evaluate (self, vard_clamp (add (self, VARD_SHAPE (1), x_values), 0, 1));

  g_assert_true (isnan (y[0]));
}

static void
test_binary (Fixture *self, gconstpointer data)
{
  static const float a_values[] = { 1, 2, 3, 4, 5, 6 }, b_values[] = { 2, -1, 4 };
  VardNode *a = add (self, VARD_SHAPE (2, 3), a_values);
  VardNode *b = add (self, VARD_SHAPE (3), b_values);

  ASSERT_VALUES (vard_add (a, b), 0, 3, 1, 7, 6, 4, 10);
  ASSERT_VALUES (vard_sub (b, a), 0, 1, -3, 1, -2, -6, -2);
  ASSERT_VALUES (vard_mul (a, b), 0, 2, -2, 12, 8, -5, 24);
  ASSERT_VALUES (vard_div (a, b), 0, 0.5f, -2, 0.75f, 2, -5, 1.5f);
  ASSERT_VALUES (vard_maximum (a, b), 0, 2, 2, 4, 4, 5, 6);
  ASSERT_VALUES (vard_minimum (a, b), 0, 1, -1, 3, 2, -1, 4);
  ASSERT_VALUES (vard_select (b, a, vard_neg (a)), 0, 1, -2, 3, 4, -5, 6);
}

/* who gets the gradient where it is a matter of agreement */
static void
test_ties (Fixture *self, gconstpointer data)
{
  static const float a_values[] = { 1, 2, 0 };
  VardNode *wrt[2] = { add (self, VARD_SHAPE (3), a_values), add (self, VARD_SHAPE (3), a_values) };
  VardNode *largest = vard_maximum (wrt[0], wrt[1]), *smallest = vard_minimum (wrt[0], wrt[1]);
  VardNode *clamped = vard_clamp (wrt[0], 0, 1), *positive = vard_relu (wrt[0]);
  VardNode *gradients[2];

  vard_vjp (&largest, NULL, 1, wrt, 2, gradients);
  ASSERT_VALUES (gradients[0], 0, 1, 1, 1);
  ASSERT_VALUES (gradients[1], 0, 0, 0, 0);
  vard_vjp (&smallest, NULL, 1, wrt, 2, gradients);
  ASSERT_VALUES (gradients[0], 0, 1, 1, 1);
  ASSERT_VALUES (gradients[1], 0, 0, 0, 0);
  vard_vjp (&clamped, NULL, 1, wrt, 1, gradients);
  ASSERT_VALUES (gradients[0], 0, 1, 0, 1);
  vard_vjp (&positive, NULL, 1, wrt, 1, gradients);
  ASSERT_VALUES (gradients[0], 0, 1, 1, 0);
}

static void
test_stop_gradient (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { 1, 2, 3 };
  VardNode *x = add (self, VARD_SHAPE (3), x_values);
  VardNode *y = vard_mul (x, vard_stop (x)), *gradient;

  vard_vjp (&y, NULL, 1, &x, 1, &gradient);
  ASSERT_VALUES (gradient, 0, 1, 2, 3);
}

static void
test_cast (Fixture *self, gconstpointer data)
{
  static const gint32 i32[] = { -3, 7 };
  static const gint64 i64[] = { -3, 1 << 20 };
  static const guint8 u8[] = { 0, 255 };
  /* 1 + 2^-8 is half way between two bf16 and goes to the even one, 1 + 3 2^-8 likewise upwards */
  static const float f32[] = { 1 + 0x1p-8f, 1 + 0x3p-8f, 65504, INFINITY };
  VardNode *x = add_typed (self, VARD_DTYPE_I32, VARD_SHAPE (2), i32);
  VardNode *y = add_typed (self, VARD_DTYPE_I64, VARD_SHAPE (2), i64);
  VardNode *z = add_typed (self, VARD_DTYPE_U8, VARD_SHAPE (2), u8);
  VardNode *w = add (self, VARD_SHAPE (4), f32);

  ASSERT_VALUES (vard_cast (x, VARD_DTYPE_F32), 0, -3, 7);
  ASSERT_VALUES (vard_cast (y, VARD_DTYPE_F32), 0, -3, 1 << 20);
  ASSERT_VALUES (vard_cast (z, VARD_DTYPE_F32), 0, 0, 255);
  ASSERT_VALUES (vard_cast (vard_cast (w, VARD_DTYPE_BF16), VARD_DTYPE_F32), 0, 1, 1 + 0x1p-6f,
                 65536, INFINITY);
  ASSERT_VALUES (vard_cast (vard_cast (w, VARD_DTYPE_F16), VARD_DTYPE_F32), 0, 1 + 0x1p-8f,
                 1 + 0x3p-8f, 65504, INFINITY);
}

/* the cotangent is rounded to the type in between on its way back */
static void
test_cast_gradient (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { 1, 2 }, bar_values[] = { 1 + 0x1p-12f, 4 };
  VardNode *x = add (self, VARD_SHAPE (2), x_values);
  VardNode *bar = add (self, VARD_SHAPE (2), bar_values);
  VardNode *y = vard_cast (vard_cast (x, VARD_DTYPE_F16), VARD_DTYPE_F32), *gradient;

  vard_vjp (&y, &bar, 1, &x, 1, &gradient);
  ASSERT_VALUES (gradient, 0, 1, 4);
}

/* ---- shapes ---- */

static void
test_shape (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { 1, 2, 3, 4, 5, 6 };
  VardNode *x = add (self, VARD_SHAPE (2, 3), x_values);

  ASSERT_VALUES (vard_reshape (x, VARD_SHAPE (3, 2)), 0, 1, 2, 3, 4, 5, 6);
  ASSERT_VALUES (vard_permute (x, (const guint[]) { 1, 0 }), 0, 1, 4, 2, 5, 3, 6);
  ASSERT_VALUES (vard_slice (x, 1, 1, 2), 0, 2, 3, 5, 6);
  ASSERT_VALUES (vard_pad (x, 1, 1, 0), 0, 0, 1, 2, 3, 0, 4, 5, 6);
  ASSERT_VALUES (vard_pad (x, 0, 0, 1), 0, 1, 2, 3, 4, 5, 6, 0, 0, 0);
  ASSERT_VALUES (vard_concat ((VardNode *[]) { x, vard_neg (x) }, 2, 1), 0, 1, 2, 3, -1, -2, -3, 4,
                 5, 6, -4, -5, -6);
  ASSERT_VALUES (vard_broadcast (vard_slice (x, 1, 0, 1), VARD_SHAPE (2, 2)), 0, 1, 1, 4, 4);
}

static void
test_reduce (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { 1, 2, 3, 4, 5, 6 };
  VardNode *x = add (self, VARD_SHAPE (2, 3), x_values);

  ASSERT_VALUES (vard_sum (x, 1), 0, 5, 7, 9);
  ASSERT_VALUES (vard_sum (x, 2), 0, 6, 15);
  ASSERT_VALUES (vard_mean (x, 2), 1e-6, 2, 5);
  ASSERT_VALUES (vard_sum_all (x), 0, 21);
}

/* large scores do not overflow, and rows of equal ones share alike */
static void
test_softmax (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { 1000, 1000, 1000, 1000, 0, 0.693147181f, 1.098612289f, -1000 };

  ASSERT_VALUES (vard_softmax (add (self, VARD_SHAPE (2, 4), x_values)), 1e-7, 0.25f, 0.25f, 0.25f,
                 0.25f, 1 / 6.0f, 1 / 3.0f, 0.5f, 0);
}

/* ---- products ---- */

static void
test_matmul (Fixture *self, gconstpointer data)
{
  static const float a_values[] = { 1, 2, 3, 4 }, b_values[] = { 5, 6, 7, 8 };
  VardNode *a = add (self, VARD_SHAPE (2, 2), a_values);
  VardNode *b = add (self, VARD_SHAPE (2, 2), b_values);

  ASSERT_VALUES (vard_matmul (a, b, FALSE, FALSE), 0, 19, 22, 43, 50);
  ASSERT_VALUES (vard_matmul (a, b, FALSE, TRUE), 0, 17, 23, 39, 53);
  ASSERT_VALUES (vard_matmul (a, b, TRUE, FALSE), 0, 26, 30, 38, 44);
  ASSERT_VALUES (vard_matmul (a, b, TRUE, TRUE), 0, 23, 31, 34, 46);
}

/* correlation, not flipped convolution; zeros outside; the kernel's rows are y */
static void
test_conv2d (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { 1, 2, 3, 4, 5, 6 }, w_values[] = { 1, 10, 100, 1000 };
  VardNode *x = add (self, VARD_SHAPE (1, 2, 3, 1), x_values);
  VardNode *w = add (self, VARD_SHAPE (1, 2, 2, 1), w_values);
  VardConv2dAttrs none = { 1 }, lopsided = { 2, 0, 1, 1, 0 };

  ASSERT_VALUES (vard_conv2d (x, w, &none), 0, 5421, 6532);
  ASSERT_VALUES (vard_conv2d (x, w, &lopsided), 0, 4010, 6532);
}

/* where patches do not overlap a convolution is one matrix product of them; 3 wide with a stride of
 * 2, they are taken from two slices */
static void
test_conv2d_as_product (Fixture *self, gconstpointer data)
{
  float x_values[2 * 4 * 6 * 3], w_values[5 * 2 * 3 * 3];
  VardNode *x = add (self, VARD_SHAPE (2, 4, 6, 3), x_values);
  VardNode *w = add (self, VARD_SHAPE (5, 2, 3, 3), w_values);
  VardNode *patches =
    vard_permute (vard_reshape (x, VARD_SHAPE (2, 2, 2, 2, 9)), (const guint[]) { 0, 1, 3, 2, 4 });
  VardNode *product = vard_matmul (vard_reshape (patches, VARD_SHAPE (8, 18)),
                                   vard_reshape (w, VARD_SHAPE (5, 18)), FALSE, TRUE);
  VardNode *y;
  VardNode *left = vard_conv2d (vard_slice (x, 2, 0, 3), w, &(VardConv2dAttrs) { 2 });
  VardNode *right = vard_conv2d (vard_slice (x, 2, 3, 3), w, &(VardConv2dAttrs) { 2 });

  vard_random_fill_normal (1, 1, x_values, G_N_ELEMENTS (x_values));
  vard_random_fill_normal (1, 2, w_values, G_N_ELEMENTS (w_values));
  y = vard_concat ((VardNode *[]) { left, right }, 2, 2);
  ASSERT_VALUES (vard_sum_all (vard_abs (vard_sub (vard_reshape (y, VARD_SHAPE (8, 5)), product))),
                 1e-5, 0);
}

/* attention is compared with the products and the softmax that it stands for, and so are its
 * gradients */
static void
test_attention_as_products (Fixture *self, gconstpointer data)
{
  gboolean is_causal = GPOINTER_TO_INT (data);
  float q_values[2 * 4 * 3 * 5], k_values[2 * 6 * 3 * 5], v_values[2 * 6 * 3 * 5];
  VardNode *wrt[3] = { add (self, VARD_SHAPE (2, 4, 3, 5), q_values),
                       add (self, VARD_SHAPE (2, 6, 3, 5), k_values),
                       add (self, VARD_SHAPE (2, 6, 3, 5), v_values) };
  VardNode *y = vard_attention (wrt[0], wrt[1], wrt[2], 0.4, is_causal);
  VardNode *z = vard_op_attention.decompose (y), *bar = vard_sin (y);
  VardNode *direct[3], *composed[3];

  vard_random_fill_normal (2, 1, q_values, G_N_ELEMENTS (q_values));
  vard_random_fill_normal (2, 2, k_values, G_N_ELEMENTS (k_values));
  vard_random_fill_normal (2, 3, v_values, G_N_ELEMENTS (v_values));
  vard_vjp (&y, &bar, 1, wrt, 3, direct);
  vard_vjp (&z, &bar, 1, wrt, 3, composed);
  ASSERT_VALUES (vard_sum_all (vard_abs (vard_sub (y, z))), 1e-4, 0);
  for (guint i = 0; i < 3; i++)
    {
      VardNode *difference = vard_sub (direct[i], composed[i]);

      ASSERT_VALUES (vard_sum_all (vard_abs (difference)), 1e-4, 0);
      ASSERT_VALUES (vard_step (vard_sum_all (vard_abs (direct[i]))), 0, 1);
    }
}

/* the first query of a causal row sees the first key only */
static void
test_attention_causal (Fixture *self, gconstpointer data)
{
  static const float q_values[] = { 0, 0 }, v_values[] = { 3, 5 };
  VardNode *q = add (self, VARD_SHAPE (1, 2, 1, 1), q_values);
  VardNode *v = add (self, VARD_SHAPE (1, 2, 1, 1), v_values);

  ASSERT_VALUES (vard_attention (q, q, v, 1, TRUE), 1e-6, 3, 4);
  ASSERT_VALUES (vard_attention (q, q, v, 1, FALSE), 1e-6, 4, 4);
}

/* ---- the others ---- */

/* groups are runs of neighbouring channels: { 1, 3 } and { 5, 7 } */
static void
test_normalize (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { 1, 3, 10, 30, 5, 7, 50, 70 };
  VardNode *x = add (self, VARD_SHAPE (1, 2, 1, 4), x_values);
  VardNode *rows = vard_reshape (x, VARD_SHAPE (4, 2));

  /* mean 4, variance 5; mean 40, variance 500 */
  ASSERT_VALUES (vard_normalize (x, 1, 2, 0), 1e-6, -1.341640787f, -0.447213595f, -1.341640787f,
                 -0.447213595f, 0.447213595f, 1.341640787f, 0.447213595f, 1.341640787f);
  ASSERT_VALUES (vard_normalize (rows, 1, 1, 3), 1e-5, -0.5f, 0.5f, -0.985329278f, 0.985329278f,
                 -0.5f, 0.5f, -0.985329278f, 0.985329278f);
}

/* large means must not cost the small variance its digits */
static void
test_normalize_far (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { 4095.5f, 4096.5f, 4095.5f, 4096.5f };

  ASSERT_VALUES (vard_normalize (add (self, VARD_SHAPE (1, 4), x_values), 1, 1, 0), 1e-6, -1, 1, -1,
                 1);
}

static void
test_resample (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { 1, 2, 3, 4 };
  VardNode *x = add (self, VARD_SHAPE (1, 2, 2, 1), x_values);

  ASSERT_VALUES (vard_upsample (x, 2), 0, 1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4);
  ASSERT_VALUES (vard_pool_sum (x, 2), 0, 10);
}

static void
test_gather (Fixture *self, gconstpointer data)
{
  static const float table_values[] = { 1, 2, 3, 4, 5, 6 };
  static const gint32 ids[] = { 2, 0, 2, 3, -1 };
  VardNode *table = add (self, VARD_SHAPE (3, 2), table_values);
  VardNode *y = vard_gather (table, add_typed (self, VARD_DTYPE_I32, VARD_SHAPE (5), ids));
  VardNode *gradient;

  vard_vjp (&y, &y, 1, &table, 1, &gradient);
  ASSERT_VALUES (y, 0, 5, 6, 1, 2, 5, 6, 0, 0, 0, 0);
  ASSERT_VALUES (gradient, 0, 1, 2, 0, 0, 10, 12);
}

static void
test_random_normal (Fixture *self, gconstpointer data)
{
  static const gint64 counter[] = { 42, 7 };
  float expected[35];
  VardNode *x = add_typed (self, VARD_DTYPE_I64, VARD_SHAPE (2), counter);

  vard_random_fill_normal (42, 7, expected, G_N_ELEMENTS (expected));
  assert_values (self, vard_random_normal (x, VARD_SHAPE (5, 7)), expected, 1e-6);
}

static void
test_random_normal_rows (Fixture *self, gconstpointer data)
{
  static const gint64 counters[] = { 42, 7, 43, 7, 42, 8 };
  float expected[15];
  VardNode *x = add_typed (self, VARD_DTYPE_I64, VARD_SHAPE (3, 2), counters);

  for (guint i = 0; i < 3; i++)
    vard_random_fill_normal (counters[2 * i], counters[2 * i + 1], expected + 5 * i, 5);
  assert_values (self, vard_random_normal (x, VARD_SHAPE (3, 5)), expected, 1e-6);
}

/* ---- rewrites at emission ---- */

static void
test_simplify (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { 1, 2, 3 };
  VardNode *x = add (self, VARD_SHAPE (3), x_values);
  VardNode *one = vard_fill (self->graph, 1, VARD_SCALAR), *two = vard_scale (one, 2);

  g_assert_true (vard_mul (x, one) == x);
  g_assert_true (vard_mul (one, x) == x);
  g_assert_true (vard_div (x, one) == x);
  g_assert_true (vard_affine (x, 1, 0) == x);
  g_assert_true (vard_reshape (x, VARD_SHAPE (3)) == x);
  g_assert_true (vard_broadcast (x, VARD_SHAPE (3)) == x);
  g_assert_true (vard_sum (vard_reshape (x, VARD_SHAPE (3, 1)), 2)->op == &vard_op_reshape);
  g_assert_true (two->op == &vard_op_fill);
  g_assert_true (vard_mul (x, two) == vard_scale (x, 2));
  ASSERT_VALUES (vard_sub (two, x), 0, 1, 0, -1);
  ASSERT_VALUES (vard_div (one, x), 1e-7, 1, 0.5f, 1 / 3.0f);
  ASSERT_VALUES (vard_add (two, x), 0, 3, 4, 5);
}

/* an intermediate node keeps its place on the path: gradients with respect to it exist */
static void
test_intermediate_gradient (Fixture *self, gconstpointer data)
{
  static const float x_values[] = { 1, 2, 3, 4 };
  VardNode *x = add (self, VARD_SHAPE (4), x_values);
  VardNode *wrt[3] = { vard_scale (x, 2) };
  VardNode *y, *gradients[3];

  wrt[1] = vard_reshape (vard_scale (wrt[0], 3), VARD_SHAPE (2, 2));
  wrt[2] = vard_neg (vard_reshape (wrt[1], VARD_SHAPE (4)));
  y = vard_neg (wrt[2]);
  vard_vjp (&y, NULL, 1, wrt, 3, gradients);
  ASSERT_VALUES (gradients[0], 0, 3, 3, 3, 3);
  ASSERT_VALUES (gradients[1], 0, 1, 1, 1, 1);
  ASSERT_VALUES (gradients[2], 0, -1, -1, -1, -1);
}

/* attributes are told in dumps */
static void
test_describe (Fixture *self, gconstpointer data)
{
  static const float x_values[4];
  VardNode *x = add (self, VARD_SHAPE (1, 2, 2, 1), x_values);
  VardNode *y = vard_slice (vard_affine (vard_upsample (x, 2), 2, 1), 1, 1, 3);
  g_autofree char *dump = vard_graph_dump (self->graph);

  g_assert_nonnull (y);
  g_assert_nonnull (strstr (dump, "factor=2"));
  g_assert_nonnull (strstr (dump, "scale=2 shift=1"));
  g_assert_nonnull (strstr (dump, "axis=1 start=1 length=3"));
}

static const struct
{
  const char *path;
  void (*test) (Fixture *self, gconstpointer data);
  gconstpointer data;
} tests[] = {
  { "/values/affine-and-clamp", test_affine_and_clamp },
  { "/values/clamp-nan", test_clamp_nan },
  { "/values/binary", test_binary },
  { "/values/ties", test_ties },
  { "/values/stop-gradient", test_stop_gradient },
  { "/values/cast", test_cast },
  { "/values/cast-gradient", test_cast_gradient },
  { "/values/shape", test_shape },
  { "/values/reduce", test_reduce },
  { "/values/softmax", test_softmax },
  { "/values/matmul", test_matmul },
  { "/values/conv2d", test_conv2d },
  { "/values/conv2d-as-product", test_conv2d_as_product },
  { "/values/attention-as-products", test_attention_as_products, GINT_TO_POINTER (FALSE) },
  { "/values/attention-as-products-causal", test_attention_as_products, GINT_TO_POINTER (TRUE) },
  { "/values/attention-causal", test_attention_causal },
  { "/values/normalize", test_normalize },
  { "/values/normalize-far", test_normalize_far },
  { "/values/resample", test_resample },
  { "/values/gather", test_gather },
  { "/values/random-normal", test_random_normal },
  { "/values/random-normal-rows", test_random_normal_rows },
  { "/values/simplify", test_simplify },
  { "/values/intermediate-gradient", test_intermediate_gradient },
  { "/values/describe", test_describe },
};

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (unary_cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/values/unary/%s", unary_cases[i].name);

      g_test_add (path, Fixture, &unary_cases[i], fixture_init, test_unary, fixture_clear);
    }
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, tests[i].data, fixture_init, tests[i].test, fixture_clear);
  return g_test_run ();
}
