/* test-condition.c - the numbers that a prompt becomes, in their slots
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-condition.h"

#include "base/vard-error.h"
#include "engine/vard-reference-engine.h"

static VardConditionLayout
make_layout (void)
{
  VardConditionLayout layout = { .summary_width = 3 };

  vard_condition_layout_add (&layout, "x", VARD_DTYPE_F32, VARD_SHAPE (2, 2));
  vard_condition_layout_add (&layout, "label", VARD_DTYPE_I32, VARD_SHAPE (1));
  vard_condition_layout_add (&layout, "scalar", VARD_DTYPE_F32, VARD_SCALAR);

  return layout;
}

static VardCondition *
make_condition (const VardConditionLayout *layout, int base)
{
  VardCondition *self = vard_condition_new (layout);

  for (int i = 0; i < 4; i++)
    ((float *) vard_condition_peek_values (self, 0))[i] = base + i;
  *(gint32 *) vard_condition_peek_values (self, 1) = base + 4;
  *(float *) vard_condition_peek_values (self, 2) = base + 5;

  return self;
}

static void
test_condition_layout (void)
{
  VardConditionLayout layout = make_layout ();
  g_autoptr (VardCondition) condition = vard_condition_new (&layout);

  g_assert_cmpuint (layout.n_slots, ==, 3);
  g_assert_cmpuint (vard_condition_layout_get_size (&layout, 0), ==, 16);
  g_assert_cmpuint (vard_condition_layout_get_size (&layout, 1), ==, 4);
  g_assert_cmpuint (vard_condition_layout_get_size (&layout, 2), ==, 4);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpfloat (vard_condition_peek_summary (condition)[i], ==, 0);
}

/* as a value of a property or of a signal, the condition is shared and not copied */
static void
test_condition_boxed (void)
{
  VardConditionLayout layout = make_layout ();
  VardCondition *condition = make_condition (&layout, 0);
  VardCondition *copy = g_boxed_copy (VARD_TYPE_CONDITION, condition);

  g_assert_true (copy == condition);
  vard_condition_unref (condition);
  g_assert_cmpfloat (((float *) vard_condition_peek_values (copy, 0))[3], ==, 3);
  g_boxed_free (VARD_TYPE_CONDITION, copy);
}

static void
check_rows (VardExecutable *executable, guint n)
{
  float x[8], scalar[2];

  g_assert_true (vard_executable_get_output (executable, "x", x, n * 16, NULL));
  g_assert_true (vard_executable_get_output (executable, "scalar", scalar, n * 4, NULL));
  for (guint row = 0; row < n; row++)
    {
      g_assert_cmpfloat (x[row * 4 + 3], ==, 10 * (row + 1) + 3);
      g_assert_cmpfloat (scalar[row], ==, 10 * (row + 1) + 5);
    }
}

/* a row for each prompt, slot by slot; a model's slot may have any name */
static void
test_condition_bind (void)
{
  VardConditionLayout layout = make_layout ();
  g_autoptr (VardCondition) first = make_condition (&layout, 10);
  g_autoptr (VardCondition) second = make_condition (&layout, 20);
  const VardCondition *conditions[] = { first, second };
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (GError) error = NULL;
  VardNode *other = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (1)), *nodes[3];
  gint32 labels[2];

  vard_condition_layout_record_inputs (&layout, graph, "condition", 2, nodes);
  vard_graph_add_output (graph, "other", vard_square (other));
  vard_graph_add_output (graph, "x", nodes[0]);
  vard_graph_add_output (graph, "label", vard_reshape (nodes[1], VARD_SHAPE (2)));
  vard_graph_add_output (graph, "scalar", nodes[2]);

  g_autoptr (VardExecutable) executable = vard_engine_compile (engine, graph, &error);

  g_assert_no_error (error);
  g_assert_true (vard_condition_bind (conditions, 2, executable, "condition", &error));
  g_assert_true (vard_executable_run (executable, NULL, &error));
  check_rows (executable, 2);
  g_assert_true (vard_executable_get_output (executable, "label", labels, sizeof labels, &error));
  g_assert_cmpint (labels[0], ==, 14);
  g_assert_cmpint (labels[1], ==, 24);

  g_assert_false (vard_condition_bind (conditions, 1, executable, "condition", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_GRAPH);
  g_assert_nonnull (strstr (error->message, "condition/x"));
}

static void
test_condition_constants (void)
{
  VardConditionLayout layout = make_layout ();
  g_autoptr (VardCondition) condition = make_condition (&layout, 10);
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (GError) error = NULL;
  VardNode *nodes[3];

  vard_condition_record_constants (condition, graph, nodes);
  g_assert_cmpint (nodes[1]->dtype, ==, VARD_DTYPE_I32);
  g_assert_cmpint (nodes[0]->shape.n_dims, ==, 3);
  g_assert_cmpint (nodes[0]->shape.dims[0], ==, 1);
  vard_graph_add_output (graph, "x", nodes[0]);
  vard_graph_add_output (graph, "scalar", nodes[2]);

  g_autoptr (VardExecutable) executable = vard_engine_compile (engine, graph, &error);

  g_assert_no_error (error);
  g_assert_true (vard_executable_run (executable, NULL, &error));
  check_rows (executable, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/condition/layout", test_condition_layout);
  g_test_add_func ("/condition/boxed", test_condition_boxed);
  g_test_add_func ("/condition/bind", test_condition_bind);
  g_test_add_func ("/condition/constants", test_condition_constants);

  return g_test_run ();
}
