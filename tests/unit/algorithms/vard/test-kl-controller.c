/* test-kl-controller.c - when the controller sleeps, how far it goes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-kl-controller.h"

static void
test_kl_controller_off (void)
{
  VardKlController controller;

  vard_kl_controller_init (&controller, 0.03, 0);
  g_assert_cmpfloat (vard_kl_controller_update (&controller, 1000), ==, 0.03);
}

/* With no KL yet it must not wind the weight down */
static void
test_kl_controller_sleeps (void)
{
  VardKlController controller;

  vard_kl_controller_init (&controller, 0.03, 20);
  for (guint i = 0; i < 100; i++)
    g_assert_cmpfloat (vard_kl_controller_update (&controller, 9.9), ==, 0.03);
  g_assert_cmpfloat (vard_kl_controller_update (&controller, 11), <, 0.03);
  g_assert_cmpfloat (vard_kl_controller_update (&controller, 1), <, 0.0275);
}

static void
test_kl_controller_bounds (void)
{
  VardKlController controller;

  vard_kl_controller_init (&controller, 0.03, 20);
  g_assert_cmpfloat_with_epsilon (vard_kl_controller_update (&controller, 1e6), 0.033, 1e-12);
  for (guint i = 0; i < 100; i++)
    vard_kl_controller_update (&controller, 1e6);
  g_assert_cmpfloat_with_epsilon (controller.weight, 0.3, 1e-12);
  for (guint i = 0; i < 100; i++)
    vard_kl_controller_update (&controller, 0);
  g_assert_cmpfloat_with_epsilon (controller.weight, 0.01, 1e-12);
}

/* A model whose KL is inverse to the square of the price comes to rest at the target */
static void
test_kl_controller_settles (void)
{
  VardKlController controller;
  double kl = 0;

  vard_kl_controller_init (&controller, 0.03, 20);
  for (guint i = 0; i < 200; i++)
    {
      kl += 0.3 * (0.05 / (controller.weight * controller.weight) - kl);
      vard_kl_controller_update (&controller, kl);
    }
  g_assert_cmpfloat_with_epsilon (kl, 20, 0.5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/kl-controller/off", test_kl_controller_off);
  g_test_add_func ("/kl-controller/sleeps", test_kl_controller_sleeps);
  g_test_add_func ("/kl-controller/bounds", test_kl_controller_bounds);
  g_test_add_func ("/kl-controller/settles", test_kl_controller_settles);
  return g_test_run ();
}
