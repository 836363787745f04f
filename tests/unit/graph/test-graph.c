/* test-graph.c - recording: sharing, errors, scopes, what is live
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>
#include <math.h>
#include <string.h>

static void
test_graph_shares_equal_nodes (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (2, 3));
  VardNode *y = vard_input (graph, "y", VARD_DTYPE_F32, VARD_SHAPE (2, 3));

  g_assert_true (vard_add (x, y) == vard_add (x, y));
  g_assert_true (vard_affine (x, 2, 1) == vard_affine (x, 2, 1));
  g_assert_false (vard_affine (x, 2, 1) == vard_affine (x, 2, 3));
  g_assert_false (vard_add (x, y) == vard_sub (x, y));
  g_assert_no_error (vard_graph_peek_error (graph));
}

static void
test_graph_params_are_one_node (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardShape shape = VARD_SHAPE (4);
  g_autoptr (VardTensor) tensor = vard_tensor_new (VARD_DTYPE_F32, &shape);

  g_assert_true (vard_param (graph, "w", tensor) == vard_param (graph, "w", tensor));
}

static void
test_graph_keeps_first_error (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (GError) error = NULL;
  VardNode *a = vard_input (graph, "a", VARD_DTYPE_F32, VARD_SHAPE (2, 3));
  VardNode *b = vard_input (graph, "b", VARD_DTYPE_F32, VARD_SHAPE (4, 5));

  vard_graph_push_scope (graph, "mid");
  vard_graph_push_scope (graph, "proj");

  VardNode *bad = vard_matmul (a, b, FALSE, FALSE);

  vard_graph_pop_scope (graph);
  vard_graph_pop_scope (graph);
  vard_graph_add_output (graph, "y", vard_silu (vard_add (bad, bad)));
  g_assert_null (vard_engine_compile (engine, graph, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_GRAPH);
  g_assert_nonnull (strstr (error->message, "mid.proj"));
  g_assert_nonnull (strstr (error->message, "[2, 3]"));
  g_assert_nonnull (strstr (error->message, "[4, 5]"));
}

static void
test_graph_names_are_unique (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();

  vard_input (graph, "x", VARD_DTYPE_F32, VARD_SCALAR);
  vard_input (graph, "x", VARD_DTYPE_F32, VARD_SCALAR);
  g_assert_error (vard_graph_peek_error (graph), VARD_ERROR, VARD_ERROR_GRAPH);
}

static void
test_graph_assign_needs_a_param (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (2));

  vard_assign (x, vard_neg (x));
  g_assert_error (vard_graph_peek_error (graph), VARD_ERROR, VARD_ERROR_GRAPH);
}

static void
test_graph_dead_nodes_are_not_live (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (2));
  VardNode *used = vard_exp (x);
  VardNode *unused = vard_log (x);

  vard_graph_add_output (graph, "y", used);

  g_autofree guint8 *live = vard_graph_mark_live (graph);

  g_assert_true (live[x->id] && live[used->id]);
  g_assert_false (live[unused->id]);
}

static void
test_graph_dump_names_everything (void)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();

  vard_graph_push_scope (graph, "block");
  vard_graph_add_output (graph, "y",
                         vard_exp (vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (2, 7))));

  g_autofree char *text = vard_graph_dump (graph);

  g_assert_cmpstr (text, ==,
                   "%0 = input f32 [2, 7] \"x\"  # block\n"
                   "%1 = exp f32 [2, 7] (%0)  # block\n"
                   "output \"y\" = %1\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/graph/shares-equal-nodes", test_graph_shares_equal_nodes);
  g_test_add_func ("/graph/params-are-one-node", test_graph_params_are_one_node);
  g_test_add_func ("/graph/keeps-first-error", test_graph_keeps_first_error);
  g_test_add_func ("/graph/names-are-unique", test_graph_names_are_unique);
  g_test_add_func ("/graph/assign-needs-a-param", test_graph_assign_needs_a_param);
  g_test_add_func ("/graph/dead-nodes-are-not-live", test_graph_dead_nodes_are_not_live);
  g_test_add_func ("/graph/dump-names-everything", test_graph_dump_names_everything);
  return g_test_run ();
}
