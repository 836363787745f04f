/* test-reference-engine.c - what the reference engine refuses
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <string.h>

/* halves are for casts: anything else on them is refused by name, not computed from the wrong
 * bytes */
static void
test_reference_engine_halves (void)
{
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (VardGraph) good = vard_graph_new (), bad = vard_graph_new ();
  g_autoptr (VardExecutable) first = NULL, second = NULL;
  g_autoptr (GError) error = NULL;
  VardNode *x = vard_input (good, "x", VARD_DTYPE_F16, VARD_SHAPE (3));
  VardNode *y = vard_input (bad, "x", VARD_DTYPE_F16, VARD_SHAPE (3));

  vard_graph_add_output (good, "y", vard_exp (vard_cast (x, VARD_DTYPE_F32)));
  first = vard_engine_compile (engine, good, &error);
  g_assert_no_error (error);
  g_assert_nonnull (first);
  vard_graph_add_output (bad, "y", vard_exp (y));
  second = vard_engine_compile (engine, bad, &error);
  g_assert_null (second);
  g_assert_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "exp"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reference-engine/halves", test_reference_engine_halves);
  return g_test_run ();
}
