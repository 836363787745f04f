/* test-op-rows.c - every row and its derivatives on an engine against the reference functions
 *
 * The engine is the first argument: "reference", or what a plugin provides, with its settings
 * ("cpu:threads=2"). The second is the largest difference, relative to the largest value, where it
 * is not 1e-4; "bf16" finds it for each row.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "vard-op-rows.h"

#include "engine/vard-reference-engine.h"
#include "plugin/vard-plugin-manager.h"

#include <math.h>
#include <string.h>

static VardEngine *engine;
static double tolerance;
static gboolean is_half;

/* to nearest, of eight bits */
#define HALF_UNIT 0x1p-9

/* Roundings that follow one another add errors of independent signs; three times that, since the
 * largest of many counts. A product's length does not enter: its error grows with the square root
 * of that, and so does the largest value, to which it is compared. What goes through no product is
 * as exact as in single precision. */
static double
find_tolerance (const VardOpFunction *function)
{
  return is_half ? 1e-4 + 3 * HALF_UNIT * sqrt (vard_op_function_count_roundings (function))
                 : tolerance;
}

/* every order of a row that engines meet: values, gradients and, where they exist, second
 * derivatives */
static void
test_row (gconstpointer data)
{
  const VardOpRow *row = data;

  for (guint order = 0; order <= row->n_slopes; order++)
    {
      g_autoptr (VardOpFunction) function = vard_op_function_new (row, order);
      g_autoptr (GError) error = NULL;
      double difference = 0;

      vard_op_function_compare (function, engine, &difference, &error);
      g_assert_no_error (error);
      if (!(difference <= find_tolerance (function)) || g_test_verbose ())
        g_test_message ("order %u: %.2e of %.2e", order, difference, find_tolerance (function));
      g_assert_cmpfloat (difference, <=, find_tolerance (function));
    }
}

static VardEngine *
open_engine (const char *spec, GError **error)
{
  VardPluginManager *manager = vard_plugin_manager_get_default ();

  tolerance = 1e-4;
  if (!g_str_equal (spec, "reference"))
    return (VardEngine *) vard_plugin_manager_create_from_spec (manager, "engine", spec, NULL,
                                                                error);
  tolerance = 0;
  return vard_reference_engine_new ();
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  const char *spec;

  g_test_init (&argc, &argv, NULL);
  spec = argc > 1 ? argv[1] : "reference";
  engine = open_engine (spec, &error);
  is_half = argc > 2 && g_str_equal (argv[2], "bf16");
  if (argc > 2 && !is_half)
    tolerance = g_ascii_strtod (argv[2], NULL);
  if (engine == NULL)
    {
      g_print ("Bail out! engine %s: %s\n", spec, error->message);
      return 1;
    }
  for (guint i = 0; i < vard_n_op_rows; i++)
    {
      g_autofree char *path = g_strdup_printf ("/engine/%s/%s", spec, vard_op_rows[i].name);

      g_test_add_data_func (path, &vard_op_rows[i], test_row);
    }

  int status = g_test_run ();

  g_clear_object (&engine);
  return status;
}
