/* test-algorithm-table.c - algorithms are found by name, also those that the library does not know
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard-algorithm-table.h"
#include "algorithms/vard/vard-vard-algorithm.h"
#include "base/vard-error.h"

#include <string.h>

/* An algorithm of somebody else, which does nothing */
#define IDLE_TYPE_ALGORITHM (idle_algorithm_get_type ())
G_DECLARE_FINAL_TYPE (IdleAlgorithm, idle_algorithm, IDLE, ALGORITHM, VardAlgorithm)

struct _IdleAlgorithm
{
  VardAlgorithm parent_instance;
};

G_DEFINE_FINAL_TYPE (IdleAlgorithm, idle_algorithm, VARD_TYPE_ALGORITHM)

static guint
idle_algorithm_get_group_size (VardAlgorithm *self)
{
  return 3;
}

static void
idle_algorithm_class_init (IdleAlgorithmClass *klass)
{
  VardAlgorithmClass *algorithm = VARD_ALGORITHM_CLASS (klass);

  algorithm->name = "idle";
  algorithm->needs = VARD_ALGORITHM_NEEDS_GROUPS;
  algorithm->get_group_size = idle_algorithm_get_group_size;
}

static void
idle_algorithm_init (IdleAlgorithm *self)
{
}

static void
test_algorithm_table_find (void)
{
  g_autoptr (GError) near = NULL, far = NULL;
  guint n_types;
  g_autofree GType *types = vard_algorithm_list_types (&n_types);

  g_assert_cmpuint (n_types, ==, 2);
  g_assert_true (types[0] == VARD_TYPE_VARD_ALGORITHM);
  g_assert_true (types[1] == IDLE_TYPE_ALGORITHM);
  g_assert_true (vard_algorithm_find_type ("vard", NULL) == VARD_TYPE_VARD_ALGORITHM);
  g_assert_true (vard_algorithm_find_type ("idle", NULL) == IDLE_TYPE_ALGORITHM);

  g_assert_true (vard_algorithm_find_type ("vrad", &near) == G_TYPE_INVALID);
  g_assert_error (near, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_nonnull (strstr (near->message, "did you mean \"vard\"?"));
  g_assert_true (vard_algorithm_find_type ("reinforcement", &far) == G_TYPE_INVALID);
  g_assert_nonnull (strstr (far->message, "vard, idle"));
}

static void
test_algorithm_table_defaults (void)
{
  g_autoptr (VardAlgorithm) idle = vard_algorithm_new (IDLE_TYPE_ALGORITHM, NULL);
  g_autoptr (VardAlgorithm) vard = vard_algorithm_new (VARD_TYPE_VARD_ALGORITHM, NULL);
  VardAlgorithmCosts costs;

  g_assert_null (vard_algorithm_peek_settings (idle));
  g_assert_cmpuint (vard_algorithm_count_phases (idle), ==, 0);
  g_assert_cmpuint (vard_algorithm_get_group_size (idle), ==, 3);
  g_assert_false (vard_algorithm_can_measure_kl (idle));
  vard_algorithm_forecast (idle, &costs);
  g_assert_cmpfloat (costs.forwards, ==, 0);
  g_assert_null (vard_algorithm_peek_remedies (idle, "memory/pool")[0]);

  g_assert_nonnull (vard_algorithm_peek_settings (vard));
  g_assert_cmpuint (vard_algorithm_count_phases (vard), ==, 2);
  g_assert_cmpuint (vard_algorithm_get_group_size (vard), ==, 1);
  g_assert_true (vard_algorithm_can_measure_kl (vard));
  g_assert_cmpstr (vard_algorithm_peek_remedies (vard, "calls/training")[1], ==,
                   "value-refresh=false");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_type_ensure (IDLE_TYPE_ALGORITHM);
  g_test_add_func ("/algorithm-table/find", test_algorithm_table_find);
  g_test_add_func ("/algorithm-table/defaults", test_algorithm_table_defaults);
  return g_test_run ();
}
