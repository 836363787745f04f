/* test-learning-rate.c - rates at the points that matter
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-learning-rate.h"

static void
test_learning_rate_linear (void)
{
  g_assert_cmpfloat_with_epsilon (vard_learning_rate_linear (0, 101, 0, 0.05), 1, 1e-12);
  g_assert_cmpfloat_with_epsilon (vard_learning_rate_linear (50, 101, 0, 0.05), 0.525, 1e-12);
  g_assert_cmpfloat_with_epsilon (vard_learning_rate_linear (100, 101, 0, 0.05), 0.05, 1e-12);
  g_assert_cmpfloat_with_epsilon (vard_learning_rate_linear (500, 101, 0, 0.05), 0.05, 1e-12);
  g_assert_cmpfloat_with_epsilon (vard_learning_rate_linear (0, 1, 9, 0.05), 0.1, 1e-12);
  g_assert_cmpfloat (vard_learning_rate_linear (8, 101, 9, 0.05), <, 0.9);
  g_assert_cmpfloat (vard_learning_rate_linear (9, 101, 9, 0.05), >, 0.9);
}

static void
test_learning_rate_cosine (void)
{
  g_assert_cmpfloat_with_epsilon (vard_learning_rate_cosine (0, 301, 1e-3, 1e-4), 1e-3, 1e-15);
  g_assert_cmpfloat_with_epsilon (vard_learning_rate_cosine (150, 301, 1e-3, 1e-4), 5.5e-4, 1e-15);
  g_assert_cmpfloat_with_epsilon (vard_learning_rate_cosine (300, 301, 1e-3, 1e-4), 1e-4, 1e-15);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/learning-rate/linear", test_learning_rate_linear);
  g_test_add_func ("/learning-rate/cosine", test_learning_rate_cosine);
  return g_test_run ();
}
