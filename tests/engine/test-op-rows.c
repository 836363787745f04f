/* test-op-rows.c - every row and its derivatives on an engine against the reference functions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "vard-op-rows.h"

#include "engine/vard-reference-engine.h"

/* every order of a row that engines meet: values, gradients and, where they exist, second derivatives */
static void
test_row (gconstpointer data)
{
  const VardOpRow *row = data;
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();

  for (guint order = 0; order <= row->n_slopes; order++)
    {
      g_autoptr (VardOpFunction) function = vard_op_function_new (row, order);
      g_autoptr (GError) error = NULL;
      double difference;

      vard_op_function_compare (function, engine, &difference, &error);
      g_assert_no_error (error);
      g_assert_cmpfloat (difference, ==, 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < vard_n_op_rows; i++)
    {
      g_autofree char *path = g_strdup_printf ("/engine/reference/%s", vard_op_rows[i].name);

      g_test_add_data_func (path, &vard_op_rows[i], test_row);
    }
  return g_test_run ();
}
