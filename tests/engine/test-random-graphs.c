/* test-random-graphs.c - graphs that nobody would write, on an engine against plain loops
 *
 *   test-random-graphs ENGINE TOLERANCE N_GRAPHS
 *
 * What is computed together, what lies over what in memory and when a param is written depend on
 * how operations are mixed and on who reads what; rows of single operations never meet that. Each
 * graph goes twice, so that what the first execution left in a param is read by the second.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "base/vard-random.h"
#include "engine/vard-reference-engine.h"
#include "graph/vard-ops.h"
#include "plugin/vard-plugin-manager.h"

#include <math.h>

#define N 2
#define SIDE 8
#define CHANNELS 16
#define COUNT (N * SIDE * SIDE * CHANNELS)
#define N_PARAMS 3
#define N_OUTPUTS 3
#define N_EXECUTIONS 2

static const char *const output_names[N_OUTPUTS] = { "y0", "y1", "y2" };

static VardEngine *engine, *reference;
static double tolerance;

typedef struct
{
  guint64 key, counter;
  VardGraph *graph;
  GPtrArray *pool; /* nodes of the one shape that operations begin and end with */
  VardTensor *params[N_PARAMS];
} Maker;

static guint
choose (Maker *self, guint n)
{
  return vard_random_uniform_int (self->key, 0, self->counter++, n);
}

/* mostly one of the last few, so that chains come to be */
static VardNode *
choose_node (Maker *self)
{
  guint n = self->pool->len, recent = MIN (n, 4);

  return self->pool->pdata[choose (self, 3) > 0 ? n - 1 - choose (self, recent) : choose (self, n)];
}

/* so small that no product is larger than what went in */
static VardNode *
make_constant (Maker *self, VardShape shape)
{
  float scale = 1 / sqrtf (vard_shape_get_span (&shape, 1, shape.n_dims));
  gint64 n = vard_shape_get_count (&shape);
  g_autofree float *values = g_new (float, n);

  vard_random_fill_normal (self->key, self->counter++, values, n);
  for (gint64 i = 0; i < n; i++)
    values[i] *= scale;
  return vard_constant_f32 (self->graph, shape, values);
}

static VardNode *
make_unary (Maker *self, VardNode *x)
{
  static VardNode *(*const operations[]) (
    VardNode *) = { vard_tanh, vard_sigmoid, vard_silu, vard_gelu,      vard_neg,
                    vard_abs,  vard_sin,     vard_relu, vard_complement };

  return operations[choose (self, G_N_ELEMENTS (operations))](x);
}

static VardNode *
make_binary (Maker *self, VardNode *x, VardNode *other)
{
  switch (choose (self, 6))
    {
    case 0:
    case 1: return vard_add (x, other);
    case 2: return vard_scale (vard_sub (x, other), 0.5);
    case 3: return vard_mul (x, vard_tanh (other));
    case 4: return vard_minimum (x, other);
    default: return vard_maximum (x, other);
    }
}

/* a vector over channels, one number for all, or what a sum leaves */
static VardNode *
make_broadcast (Maker *self, VardNode *x)
{
  guint kind = choose (self, 3);
  VardNode *other = choose_node (self);

  if (kind == 0)
    other = make_constant (self, VARD_SHAPE (1, 1, 1, CHANNELS));
  else
    other = vard_scale (vard_sum (other, kind == 1 ? 1 << 1 | 1 << 2 : 1 << 3),
                        kind == 1 ? 1.0 / (SIDE * SIDE) : 1.0 / CHANNELS);
  return make_binary (self, x, other);
}

static VardNode *
make_attention (Maker *self, VardNode *x)
{
  VardShape heads = VARD_SHAPE (N, SIDE * SIDE, 2, CHANNELS / 2);
  VardNode *k = vard_reshape (choose_node (self), heads),
           *v = vard_reshape (choose_node (self), heads);

  return vard_reshape (vard_attention (vard_reshape (x, heads), k, v, 0.3, FALSE), x->shape);
}

static VardNode *
make_product (Maker *self, VardNode *x)
{
  const VardConv2dAttrs same = { 1, 1, 1, 1, 1 };
  guint kind = choose (self, 5);
  VardNode *rows;

  if (kind == 0)
    return make_attention (self, x);
  if (kind < 3)
    return vard_conv2d (x, make_constant (self, VARD_SHAPE (CHANNELS, 3, 3, CHANNELS)), &same);
  rows = vard_matmul (vard_reshape (x, VARD_SHAPE (N * SIDE * SIDE, CHANNELS)),
                      make_constant (self, VARD_SHAPE (CHANNELS, CHANNELS)), FALSE,
                      choose (self, 2));
  return vard_reshape (rows, x->shape);
}

static VardNode *
make_move (Maker *self, VardNode *x)
{
  static const guint transposed[] = { 0, 2, 1, 3 };
  guint kind = choose (self, 4);

  if (kind == 0)
    return vard_permute (x, transposed);
  if (kind == 1)
    return vard_upsample (vard_scale (vard_pool_sum (x, 2), 0.25), 2);
  if (kind == 2)
    return vard_pad (vard_slice (x, 2, 1, SIDE - 1), 2, 0, 1);

  VardNode *halves[] = { vard_slice (x, 3, CHANNELS / 2, CHANNELS / 2),
                         vard_slice (choose_node (self), 3, 0, CHANNELS / 2) };

  return vard_concat (halves, 2, 3);
}

/* of anything for anything before it, along a third; limited, since derivatives grow */
static VardNode *
make_gradient (Maker *self, VardNode *y)
{
  VardNode *x = self->pool->pdata[choose (self, self->pool->len)], *cotangent = choose_node (self),
           *gradient;

  vard_vjp (&y, &cotangent, 1, &x, 1, &gradient);
  return vard_tanh (gradient);
}

static VardNode *
make_node (Maker *self)
{
  VardNode *x = choose_node (self);

  switch (choose (self, 11))
    {
    case 0:
    case 1: return make_unary (self, x);
    case 2:
    case 3:
    case 4: return make_binary (self, x, choose_node (self));
    case 5: return make_broadcast (self, x);
    case 6:
    case 7: return make_product (self, x);
    case 8:
      return choose (self, 3) == 0 ? vard_softmax (x)
                                   : vard_normalize (x, 1, choose (self, 2) ? 4 : 1, 1e-2);
    case 9: return make_gradient (self, x);
    default: return make_move (self, x);
    }
}

static void
make_param (Maker *self, VardEngine *on, guint i)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_strdup_printf ("param%u", i);
  VardShape shape = VARD_SHAPE (N, SIDE, SIDE, CHANNELS);

  self->params[i] = vard_tensor_new (VARD_DTYPE_F32, &shape);
  vard_random_fill_normal (self->key, 1000000 + i,
                           (float *) vard_tensor_peek_data (self->params[i]), COUNT);
  vard_engine_adopt (on, self->params[i], &error);
  g_assert_no_error (error);
  g_ptr_array_add (self->pool, vard_param (self->graph, name, self->params[i]));
}

/* the same graph for the same seed, with params of its own */
static void
maker_init (Maker *self, VardEngine *on, guint64 seed)
{
  VardNode *params[N_PARAMS];
  guint n;

  *self = (Maker) { .key = seed, .graph = vard_graph_new (), .pool = g_ptr_array_new () };
  g_ptr_array_add (self->pool, vard_input (self->graph, "x", VARD_DTYPE_F32,
                                           VARD_SHAPE (N, SIDE, SIDE, CHANNELS)));
  for (guint i = 0; i < N_PARAMS; i++)
    make_param (self, on, i);
  for (guint i = 0; i < N_PARAMS; i++)
    params[i] = self->pool->pdata[i + 1];
  n = 4 + choose (self, 24);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (self->pool, make_node (self));
  for (guint i = 0; i < N_OUTPUTS; i++)
    vard_graph_add_output (self->graph, output_names[i], choose_node (self));
  /* what training does to gradients, or anything; a value of limited size, since it comes back */
  for (guint i = 0; i < N_PARAMS; i++)
    if (choose (self, 4) > 0)
      vard_assign (params[i], choose (self, 2)
                                ? vard_add (params[i], vard_tanh (choose_node (self)))
                                : vard_scale (choose_node (self), 0.5));
  g_assert_no_error (vard_graph_peek_error (self->graph));
}

static void
maker_clear (Maker *self)
{
  for (guint i = 0; i < N_PARAMS; i++)
    g_object_unref (self->params[i]);
  vard_graph_unref (self->graph);
  g_ptr_array_unref (self->pool);
}

static void
append_param (Maker *self, VardEngine *on, guint i, GArray *values)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VardTensor) host = vard_engine_fetch (on, self->params[i], &error);

  g_assert_no_error (error);
  g_array_append_vals (values, vard_tensor_peek_data (host), COUNT);
}

/* outputs and params after each execution */
static GArray *
run (VardEngine *on, guint64 seed)
{
  g_autoptr (GError) error = NULL;
  GArray *values = g_array_new (FALSE, FALSE, sizeof (float));
  float memory[COUNT];
  Maker maker;

  maker_init (&maker, on, seed);

  if (g_test_verbose () && on == engine)
    {
      g_autofree char *dump = vard_graph_dump (maker.graph);

      g_test_message ("%s", dump);
    }

  g_autoptr (VardExecutable) executable = vard_engine_compile (on, maker.graph, &error);

  g_assert_no_error (error);
  for (guint execution = 0; execution < N_EXECUTIONS; execution++)
    {
      vard_random_fill_normal (seed, 2000000 + execution, memory, COUNT);
      vard_executable_set_input (executable, "x", memory, sizeof memory, &error);
      g_assert_no_error (error);
      vard_executable_run (executable, NULL, &error);
      g_assert_no_error (error);
      for (guint i = 0; i < N_OUTPUTS; i++)
        {
          vard_executable_get_output (executable, output_names[i], memory, sizeof memory, &error);
          g_assert_no_error (error);
          g_array_append_vals (values, memory, COUNT);
        }
      for (guint i = 0; i < N_PARAMS; i++)
        append_param (&maker, on, i, values);
    }
  maker_clear (&maker);
  return values;
}

static void
test_graph (gconstpointer data)
{
  guint64 seed = GPOINTER_TO_SIZE (data);
  g_autoptr (GArray) expected = run (reference, seed), values = run (engine, seed);

  g_assert_cmpuint (values->len, ==, expected->len);
  for (guint part = 0; part < values->len / COUNT; part++)
    {
      const float *a = &g_array_index (values, float, part *COUNT),
                  *b = &g_array_index (expected, float, part *COUNT);
      double largest = 1e-2, difference = 0;

      for (guint i = 0; i < COUNT; i++)
        {
          g_assert_true (isfinite (b[i]));
          largest = MAX (largest, fabs (b[i]));
          difference = isfinite (a[i]) ? MAX (difference, fabs ((double) a[i] - b[i])) : INFINITY;
          if (!isfinite (difference))
            break;
        }
      if (difference > tolerance * largest || g_test_verbose ())
        g_test_message ("part %u of each execution's %u: %.1e of %.1e", part, N_OUTPUTS + N_PARAMS,
                        difference, largest);
      g_assert_cmpfloat (difference, <=, tolerance * largest);
    }
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  if (argc < 4)
    {
      g_print ("Bail out! test-random-graphs ENGINE TOLERANCE N_GRAPHS\n");
      return 2;
    }
  engine = (VardEngine *) vard_plugin_manager_create_from_spec (vard_plugin_manager_get_default (),
                                                                "engine", argv[1], NULL, &error);
  g_assert_no_error (error);
  reference = vard_reference_engine_new ();
  tolerance = g_ascii_strtod (argv[2], NULL);
  for (gsize seed = 1; seed <= strtoul (argv[3], NULL, 10); seed++)
    {
      g_autofree char *path = g_strdup_printf ("/random-graphs/%s/%" G_GSIZE_FORMAT, argv[1], seed);

      g_test_add_data_func (path, GSIZE_TO_POINTER (seed), test_graph);
    }

  int status = g_test_run ();

  g_clear_object (&engine);
  g_clear_object (&reference);
  return status;
}
