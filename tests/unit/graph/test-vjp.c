/* test-vjp.c - reverse mode: known gradients, accumulation, second order, segments
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>
#include <math.h>
#include <string.h>

static void
run_graph (VardGraph *graph,
           const float *x,
           gsize n_x,
           const char *output,
           float *y,
           gsize n_y,
           gsize *workspace)
{
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VardExecutable) executable = vard_engine_compile (engine, graph, &error);

  g_assert_no_error (error);
  vard_executable_set_input (executable, "x", x, n_x * sizeof *x, &error);
  g_assert_no_error (error);
  vard_executable_run (executable, NULL, &error);
  g_assert_no_error (error);
  vard_executable_get_output (executable, output, y, n_y * sizeof *y, &error);
  g_assert_no_error (error);
  if (workspace != NULL)
    *workspace = vard_executable_get_workspace_size (executable);
}

static void
test_vjp_known (void)
{
  /* f = x^2 + sin x through a node that is used three times */
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (3));
  VardNode *f = vard_add (vard_mul (x, x), vard_sin (x));
  VardNode *gradient, *second;
  float at[] = { -1, 0.5, 2 }, got[3];

  vard_vjp (&f, NULL, 1, &x, 1, &gradient);
  vard_vjp (&gradient, NULL, 1, &x, 1, &second);
  vard_graph_add_output (graph, "gradient", gradient);
  vard_graph_add_output (graph, "second", second);
  run_graph (graph, at, 3, "gradient", got, 3, NULL);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpfloat_with_epsilon (got[i], 2 * at[i] + cosf (at[i]), 1e-5);
  run_graph (graph, at, 3, "second", got, 3, NULL);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpfloat_with_epsilon (got[i], 2 - sinf (at[i]), 1e-5);
}

static void
test_vjp_intermediate_and_stop (void)
{
  /* with respect to a node in the middle, and through a stop */
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (2));
  VardNode *middle = vard_stop (vard_exp (x));
  VardNode *f = vard_mul (middle, vard_mul (middle, x));
  VardNode *wrt[] = { middle, x }, *gradients[2];
  float at[] = { 0.3, -0.7 }, got[2];

  vard_vjp (&f, NULL, 1, wrt, 2, gradients);
  vard_graph_add_output (graph, "middle", gradients[0]);
  vard_graph_add_output (graph, "x-bar", gradients[1]);
  run_graph (graph, at, 2, "middle", got, 2, NULL);
  for (guint i = 0; i < 2; i++)
    g_assert_cmpfloat_with_epsilon (got[i], 2 * expf (at[i]) * at[i], 1e-5);
  run_graph (graph, at, 2, "x-bar", got, 2, NULL);
  for (guint i = 0; i < 2; i++)
    g_assert_cmpfloat_with_epsilon (got[i], expf (2 * at[i]), 1e-5);
}

static void
test_vjp_unreached_is_zero (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (2));
  VardNode *other = vard_input (graph, "other", VARD_DTYPE_F32, VARD_SHAPE (4));
  VardNode *f = vard_exp (x), *gradient;
  float at[] = { 1, 2 }, got[4] = { 1, 1, 1, 1 };

  vard_vjp (&f, NULL, 1, &other, 1, &gradient);
  vard_graph_add_output (graph, "gradient", gradient);
  run_graph (graph, at, 2, "gradient", got, 4, NULL);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpfloat (got[i], ==, 0);
}

/* a stack of blocks whose inner values are many times larger than what passes between them */
static VardNode *
record_blocks (VardNode *x, gboolean use_segments)
{
  for (guint block = 0; block < 6; block++)
    {
      if (use_segments)
        vard_graph_begin_segment (x->graph);

      VardNode *wide = vard_broadcast (vard_reshape (x, VARD_SHAPE (1, 64)), VARD_SHAPE (100, 64));

      wide =
        vard_tanh (vard_mul (vard_sin (wide), vard_cos (vard_affine (wide, 0.5, 0.1 * block))));
      x = vard_reshape (vard_mean (vard_exp (wide), 1 << 0), VARD_SHAPE (64));
      if (use_segments)
        vard_graph_end_segment (x->graph);
    }
  return x;
}

static void
test_vjp_segments (void)
{
  float at[64], plain[64], segmented[64];
  gsize plain_size, segmented_size;

  for (guint i = 0; i < 64; i++)
    at[i] = 0.05 * i - 1;
  for (guint use_segments = 0; use_segments < 2; use_segments++)
    {
      g_autoptr (VardGraph) graph = vard_graph_new ();
      VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (64));
      VardNode *y = record_blocks (x, use_segments), *gradient;

      vard_vjp (&y, NULL, 1, &x, 1, &gradient);
      vard_graph_add_output (graph, "gradient", gradient);
      run_graph (graph, at, 64, "gradient", use_segments ? segmented : plain, 64,
                 use_segments ? &segmented_size : &plain_size);
    }
  for (guint i = 0; i < 64; i++)
    g_assert_cmpfloat (plain[i], ==, segmented[i]);
  g_test_message ("arena: %" G_GSIZE_FORMAT " plain, %" G_GSIZE_FORMAT " with segments", plain_size,
                  segmented_size);
  g_assert_cmpuint (segmented_size * 2, <, plain_size);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vjp/known", test_vjp_known);
  g_test_add_func ("/vjp/intermediate-and-stop", test_vjp_intermediate_and_stop);
  g_test_add_func ("/vjp/unreached-is-zero", test_vjp_unreached_is_zero);
  g_test_add_func ("/vjp/segments", test_vjp_segments);
  return g_test_run ();
}
