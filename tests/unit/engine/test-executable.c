/* test-executable.c - ports, assignments, places, cancellation
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine/vard-engine-private.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <vard-internal.h>

static VardTensor *
new_tensor (guint n, const float *values)
{
  VardShape shape = VARD_SHAPE (n);
  VardTensor *tensor = vard_tensor_new (VARD_DTYPE_F32, &shape);

  memcpy (vard_tensor_peek_f32 (tensor), values, n * sizeof *values);
  return tensor;
}

static VardExecutable *
compile (VardGraph *graph)
{
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (GError) error = NULL;
  VardExecutable *executable = vard_engine_compile (engine, graph, &error);

  g_assert_no_error (error);
  return executable;
}

static void
test_executable_port_sizes (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (2, 3));
  g_autoptr (GError) error = NULL;
  float data[6] = { 0 };

  vard_graph_add_output (graph, "y", vard_neg (x));

  g_autoptr (VardExecutable) executable = compile (graph);

  g_assert_false (vard_executable_set_input (executable, "x", data, 20, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_GRAPH);
  g_assert_nonnull (strstr (error->message, "24"));
  g_assert_nonnull (strstr (error->message, "20"));
  g_clear_error (&error);
  g_assert_false (vard_executable_set_input (executable, "z", data, 24, &error));
  g_assert_nonnull (strstr (error->message, "\"z\""));
  g_clear_error (&error);
  g_assert_false (vard_executable_get_output (executable, "y", data, 4, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_GRAPH);
}

/* outputs that are an input, a view, a param, or the same node twice */
static void
test_executable_odd_outputs (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (VardTensor) tensor = new_tensor (4, (float[]) { 5, 6, 7, 8 });
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (4));
  VardNode *y = vard_affine (x, 2, 0);
  float data[] = { 1, 2, 3, 4 }, got[4];

  vard_graph_add_output (graph, "input", x);
  vard_graph_add_output (graph, "once", y);
  vard_graph_add_output (graph, "twice", y);
  vard_graph_add_output (graph, "view", vard_reshape (y, VARD_SHAPE (2, 2)));
  vard_graph_add_output (graph, "param", vard_param (graph, "p", tensor));

  g_autoptr (VardExecutable) executable = compile (graph);
  const char *names[] = { "input", "once", "twice", "view", "param" };
  const float expected[] = { 2, 4, 4, 4, 6 };

  vard_executable_set_input (executable, "x", data, sizeof data, NULL);
  g_assert_true (vard_executable_run (executable, NULL, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_assert_true (vard_executable_get_output (executable, names[i], got, sizeof got, NULL));
      g_assert_cmpfloat (got[1], ==, expected[i]);
    }
}

/* every read of a param sees what it held before the execution, also when two params exchange
 * values */
static void
test_executable_assign_is_last (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (VardTensor) a = new_tensor (2, (float[]) { 1, 2 });
  g_autoptr (VardTensor) b = new_tensor (2, (float[]) { 10, 20 });
  VardNode *na = vard_param (graph, "a", a), *nb = vard_param (graph, "b", b);
  float got[2];

  vard_assign (na, vard_add (na, nb));
  vard_assign (nb, vard_sub (nb, na));
  vard_graph_add_output (graph, "a-before", vard_affine (na, 1, 0.5));

  g_autoptr (VardExecutable) executable = compile (graph);

  g_assert_true (vard_executable_run (executable, NULL, NULL));
  g_assert_true (vard_executable_get_output (executable, "a-before", got, sizeof got, NULL));
  g_assert_cmpfloat (got[0], ==, 1.5);
  g_assert_cmpfloat (vard_tensor_peek_f32 (a)[1], ==, 22);
  g_assert_cmpfloat (vard_tensor_peek_f32 (b)[1], ==, 18);
  g_assert_true (vard_executable_run (executable, NULL, NULL));
  g_assert_cmpfloat (vard_tensor_peek_f32 (a)[1], ==, 40);
  g_assert_cmpfloat (vard_tensor_peek_f32 (b)[1], ==, -4);
}

/* one param takes over the other's old value: the order of the copies must not show */
static void
test_executable_assign_swaps (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (VardTensor) a = new_tensor (2, (float[]) { 1, 2 });
  g_autoptr (VardTensor) b = new_tensor (2, (float[]) { 10, 20 });
  VardNode *na = vard_param (graph, "a", a), *nb = vard_param (graph, "b", b);

  vard_assign (na, nb);
  vard_assign (nb, na);

  g_autoptr (VardExecutable) executable = compile (graph);

  g_assert_true (vard_executable_run (executable, NULL, NULL));
  g_assert_cmpfloat (vard_tensor_peek_f32 (a)[0], ==, 10);
  g_assert_cmpfloat (vard_tensor_peek_f32 (b)[0], ==, 1);
}

/* a gradient goes straight to its param: no arena, no copy */
static void
test_executable_direct_assignment (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (VardTensor) gradient = new_tensor (4, (float[]) { 0, 0, 0, 0 });
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (4));
  float data[] = { 1, 2, 3, 4 };

  vard_assign (vard_param (graph, "g", gradient), vard_exp (x));

  g_autoptr (VardExecutable) executable = compile (graph);

  g_assert_cmpuint (vard_executable_get_workspace_size (executable), ==, 0);
  vard_executable_set_input (executable, "x", data, sizeof data, NULL);
  g_assert_true (vard_executable_run (executable, NULL, NULL));
  g_assert_cmpfloat_with_epsilon (vard_tensor_peek_f32 (gradient)[3], expf (4), 1e-4);
}

static void
test_executable_cancelled (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  vard_graph_add_output (graph, "y",
                         vard_exp (vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (4))));

  g_autoptr (VardExecutable) executable = compile (graph);

  g_cancellable_cancel (cancellable);
  g_assert_false (vard_executable_run (executable, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* two programs share the arena: the larger one's size, and neither disturbs the other's outputs */
static void
test_executable_shared_arena (void)
{
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  VardExecutable *executables[2];
  float data[256], got[256];

  for (guint k = 0; k < 2; k++)
    {
      g_autoptr (VardGraph) graph = vard_graph_new ();
      VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (256));

      for (guint i = 0; i <= k * 3; i++)
        x = vard_tanh (vard_sin (x));
      vard_graph_add_output (graph, "y", x);
      executables[k] = vard_engine_compile (engine, graph, NULL);
    }
  for (guint i = 0; i < 256; i++)
    data[i] = 0.01 * i;
  for (guint k = 0; k < 2; k++)
    {
      vard_executable_set_input (executables[k], "x", data, sizeof data, NULL);
      g_assert_true (vard_executable_run (executables[k], NULL, NULL));
    }
  g_assert_true (vard_executable_get_output (executables[0], "y", got, sizeof got, NULL));
  g_assert_cmpfloat_with_epsilon (got[100], tanhf (sinf (1)), 1e-6);
  g_assert_cmpuint (vard_engine_peek_arena (engine)->size, ==,
                    MAX (vard_executable_get_workspace_size (executables[0]),
                         vard_executable_get_workspace_size (executables[1])));
  for (guint k = 0; k < 2; k++)
    g_object_unref (executables[k]);
}

/* each step's line of the trace says what was computed from what */
static void
test_executable_trace (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *a = vard_input (graph, "a", VARD_DTYPE_F32, VARD_SHAPE (2, 3));
  VardNode *b = vard_input (graph, "b", VARD_DTYPE_F32, VARD_SHAPE (3, 5));
  g_autofree char *folder = g_dir_make_tmp ("vard-trace-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "trace.json", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  float zeros[15] = { 0 };

  vard_graph_add_output (graph, "y", vard_matmul (a, b, FALSE, FALSE));

  g_autoptr (VardExecutable) executable = compile (graph);

  g_assert_true (vard_executable_set_input (executable, "a", zeros, 6 * sizeof *zeros, &error));
  g_assert_true (vard_executable_set_input (executable, "b", zeros, 15 * sizeof *zeros, &error));
  g_assert_true (vard_trace_open (path, &error));
  g_assert_true (vard_executable_run (executable, NULL, &error));
  g_assert_no_error (error);
  vard_trace_close ();
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "\"name\":\"matmul\""));
  g_assert_nonnull (strstr (text, "\"args\":{\"in\":\"[2, 3] [3, 5]\",\"out\":\"[2, 5]\","));
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

int
main (int argc, char **argv)
{
  g_setenv ("VARD_DEBUG", "poison", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/executable/port-sizes", test_executable_port_sizes);
  g_test_add_func ("/executable/odd-outputs", test_executable_odd_outputs);
  g_test_add_func ("/executable/assign-is-last", test_executable_assign_is_last);
  g_test_add_func ("/executable/assign-swaps", test_executable_assign_swaps);
  g_test_add_func ("/executable/direct-assignment", test_executable_direct_assignment);
  g_test_add_func ("/executable/cancelled", test_executable_cancelled);
  g_test_add_func ("/executable/trace", test_executable_trace);
  g_test_add_func ("/executable/shared-arena", test_executable_shared_arena);
  return g_test_run ();
}
