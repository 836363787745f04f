/* test-cpu-engine.c - what the CPU engine promises as a whole: the same bits again, nearly the same
 * with other threads, fused steps equal to single ones, cancellation
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "cpu-engine.h"

#include <math.h>
#include <string.h>

#define N 6
#define SIDE 8
#define CHANNELS 32
#define TOKENS (SIDE * SIDE)

static const char *const output_names[] = { "y", "dx", "dw", "dg", "dq" };

typedef struct
{
  VardGraph *graph;
  gsize sizes[G_N_ELEMENTS (output_names)]; /* in floats */
} Network;

static VardNode *
add_weights (VardGraph *graph, VardShape shape, guint64 counter)
{
  gint64 n = vard_shape_get_count (&shape);
  g_autofree float *values = g_new (float, n);

  vard_random_fill_normal (3, counter, values, n);
  for (gint64 i = 0; i < n; i++)
    values[i] *= 0.1f;
  return vard_constant_f32 (graph, shape, values);
}

static VardNode *
add_channels (VardNode *x, VardNode *vector)
{
  return vard_add (x, vard_reshape (vector, VARD_SHAPE (1, 1, 1, CHANNELS)));
}

/* A residual block and an attention, with enough readers of inner values that fusing has to be
 * careful. @separate makes every value an output, so that nothing can be fused away. */
static Network
make_network (gboolean separate)
{
  Network self = { vard_graph_new () };
  const VardConv2dAttrs same = { 1, 1, 1, 1, 1 };
  VardNode *x = vard_input (self.graph, "x", VARD_DTYPE_F32, VARD_SHAPE (N, SIDE, SIDE, CHANNELS));
  VardNode *w = add_weights (self.graph, VARD_SHAPE (CHANNELS, 3, 3, CHANNELS), 1);
  VardNode *gamma = add_weights (self.graph, VARD_SHAPE (CHANNELS), 2);
  VardNode *q = add_weights (self.graph, VARD_SHAPE (CHANNELS, CHANNELS), 3);
  VardNode *normal = vard_normalize (x, 1, 8, 1e-5);
  VardNode *h = vard_silu (
    add_channels (vard_mul (normal, vard_reshape (gamma, VARD_SHAPE (1, 1, 1, CHANNELS))), gamma));
  VardNode *y = vard_add (x, add_channels (vard_conv2d (h, w, &same), gamma));
  VardNode *tokens = vard_reshape (y, VARD_SHAPE (N * TOKENS, CHANNELS));
  VardNode *query =
    vard_reshape (vard_matmul (tokens, q, FALSE, TRUE), VARD_SHAPE (N, TOKENS, 2, CHANNELS / 2));
  VardNode *both = vard_concat ((VardNode *[]) { y, h }, 2, 3);
  VardNode *gate = vard_mul (vard_slice (both, 3, 0, CHANNELS),
                             vard_gelu (vard_slice (both, 3, CHANNELS, CHANNELS)));
  VardNode *out =
    vard_add (vard_reshape (vard_attention (query, query, query, 0.25, FALSE), y->shape),
              vard_mul (gate, normal));
  VardNode *wrt[] = { x, w, gamma, q }, *gradients[4], *cotangent = vard_tanh (out);

  vard_vjp (&out, &cotangent, 1, wrt, 4, gradients);
  VardNode *outputs[] = { out, gradients[0], gradients[1], gradients[2], gradients[3] };

  for (guint i = 0; i < G_N_ELEMENTS (outputs); i++)
    {
      vard_graph_add_output (self.graph, output_names[i], outputs[i]);
      self.sizes[i] = vard_node_get_count (outputs[i]);
    }
  for (guint id = 0; separate && id < vard_graph_get_n_nodes (self.graph); id++)
    {
      VardNode *node = vard_graph_get_node (self.graph, id);
      g_autofree char *name = g_strdup_printf ("node-%u", id);

      if (node->op != &vard_op_source)
        vard_graph_add_output (self.graph, g_intern_string (name), node);
    }
  g_assert_no_error (vard_graph_peek_error (self.graph));
  return self;
}

static VardEngine *
make_engine (guint threads)
{
  return g_object_new (VARD_TYPE_CPU_ENGINE, "threads", threads, NULL);
}

static VardExecutable *
compile (VardEngine *engine, const Network *network)
{
  g_autoptr (GError) error = NULL;
  g_autofree float *x = g_new (float, N *TOKENS *CHANNELS);
  VardExecutable *executable = vard_engine_compile (engine, network->graph, &error);

  g_assert_no_error (error);
  vard_random_fill_normal (5, 1, x, N * TOKENS * CHANNELS);
  vard_executable_set_input (executable, "x", x, N * TOKENS * CHANNELS * sizeof *x, &error);
  g_assert_no_error (error);
  return executable;
}

/* all outputs, one after the other */
static float *
run (VardExecutable *executable, const Network *network, gsize *count)
{
  g_autoptr (GError) error = NULL;
  gsize total = 0, at = 0;
  float *values;

  for (guint i = 0; i < G_N_ELEMENTS (output_names); i++)
    total += network->sizes[i];
  values = g_new (float, total);
  vard_executable_run (executable, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (output_names); i++)
    {
      vard_executable_get_output (executable, output_names[i], values + at,
                                  network->sizes[i] * sizeof *values, &error);
      g_assert_no_error (error);
      at += network->sizes[i];
    }
  *count = total;
  return values;
}

static float *
run_once (VardEngine *engine, gboolean separate, gsize *count)
{
  Network network = make_network (separate);
  g_autoptr (VardExecutable) executable = compile (engine, &network);
  float *values = run (executable, &network, count);

  vard_graph_unref (network.graph);
  return values;
}

/* relative to the largest of each output */
static double
get_difference (const float *a, const float *b, const Network *network)
{
  double worst = 0;
  gsize at = 0;

  for (guint i = 0; i < G_N_ELEMENTS (output_names); at += network->sizes[i++])
    {
      double largest = 1e-30, difference = 0;

      for (gsize k = at; k < at + network->sizes[i]; k++)
        {
          g_assert_true (isfinite (a[k]));
          largest = MAX (largest, fabs (b[k]));
          difference = MAX (difference, fabs ((double) a[k] - b[k]));
        }
      worst = MAX (worst, difference / largest);
    }
  return worst;
}

static void
test_same_bits_again (void)
{
  g_autoptr (VardEngine) engine = make_engine (3);
  Network network = make_network (FALSE);
  g_autoptr (VardExecutable) executable = compile (engine, &network);
  gsize n;
  g_autofree float *first = run (executable, &network, &n);

  for (guint i = 0; i < 50; i++)
    {
      g_autofree float *again = run (executable, &network, &n);

      g_assert_cmpmem (again, n * sizeof *again, first, n * sizeof *first);
    }
  vard_graph_unref (network.graph);
}

/* against plain loops, and with every inner value kept */
static void
test_fusion_changes_nothing (gconstpointer data)
{
  g_autoptr (VardEngine) engine = make_engine (GPOINTER_TO_UINT (data));
  g_autoptr (VardEngine) reference = vard_reference_engine_new ();
  Network network = make_network (FALSE);
  gsize n;
  g_autofree float *fused = run_once (engine, FALSE, &n);
  g_autofree float *separate = run_once (engine, TRUE, &n);
  g_autofree float *plain = run_once (reference, FALSE, &n);

  g_assert_cmpfloat (get_difference (separate, plain, &network), <, 2e-5);
  g_assert_cmpfloat (get_difference (fused, plain, &network), <, 2e-5);
  vard_graph_unref (network.graph);
}

/* the block above must really be fused: fewer steps than when all is kept, and the algorithms
 * named */
static void
test_steps (void)
{
  g_autoptr (VardEngine) engine = make_engine (2);
  Network network = make_network (FALSE);
  g_autoptr (VardExecutable) executable = compile (engine, &network);
  VardProgram *program = vard_executable_peek_program (executable);
  g_autoptr (GString) names = g_string_new (" ");

  for (guint i = 0; i < vard_program_get_n_steps (program); i++)
    g_string_append_printf (names, "%s ", vard_program_get_step (program, i)->name);
  g_test_message ("%s", names->str);
  g_assert_nonnull (strstr (names->str, " normalize+region "));
  g_assert_nonnull (strstr (names->str, " conv2d/winograd+region "));
  g_assert_nonnull (strstr (names->str, " conv2d_weight_gradient/winograd "));
  g_assert_nonnull (strstr (names->str, " region+normalize_gradient+region "));
  g_assert_nonnull (strstr (names->str, " attention_gradient "));
  g_assert_null (strstr (names->str, " slice "));
  vard_graph_unref (network.graph);
}

static void
test_cancelled (void)
{
  g_autoptr (VardEngine) engine = make_engine (2);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  Network network = make_network (FALSE);
  g_autoptr (VardExecutable) executable = compile (engine, &network);

  g_cancellable_cancel (cancellable);
  g_assert_false (vard_executable_run (executable, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (vard_executable_run (executable, NULL, NULL));
  vard_graph_unref (network.graph);
}

static void
test_describe (void)
{
  g_autoptr (VardEngine) engine = make_engine (2);
  g_autofree char *text = vard_engine_describe (engine);

  g_assert_true (g_str_has_prefix (text, "cpu: 2 threads, "));
}

static void
test_unsupported_is_named (void)
{
  g_autoptr (VardEngine) engine = make_engine (1);
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (GError) error = NULL;
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F16, VARD_SHAPE (4));

  vard_graph_add_output (graph, "y", vard_exp (x));
  g_assert_null (vard_engine_compile (engine, graph, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "exp"));
}

/* A weight that lies in a flat buffer with others stays there: an update of the buffer is an update
 * of the weight */
static void
test_weights_stay (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VardEngine) engine = make_engine (1);
  VardShape shape = VARD_SHAPE (4);
  g_autoptr (VardTensor) weight = vard_tensor_new (VARD_DTYPE_F32, &shape);
  gpointer before = vard_tensor_peek_data (weight);

  g_assert_true (vard_engine_adopt (engine, weight, &error));
  g_assert_no_error (error);
  g_assert_true (vard_tensor_peek_data (weight) == before);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cpu/engine/same-bits-again", test_same_bits_again);
  for (guint n = 1; n <= 3; n++)
    {
      g_autofree char *path = g_strdup_printf ("/cpu/engine/fusion/%u", n);

      g_test_add_data_func (path, GUINT_TO_POINTER (n), test_fusion_changes_nothing);
    }
  g_test_add_func ("/cpu/engine/steps", test_steps);
  g_test_add_func ("/cpu/engine/weights-stay", test_weights_stay);
  g_test_add_func ("/cpu/engine/cancelled", test_cancelled);
  g_test_add_func ("/cpu/engine/describe", test_describe);
  g_test_add_func ("/cpu/engine/unsupported", test_unsupported_is_named);
  return g_test_run ();
}
