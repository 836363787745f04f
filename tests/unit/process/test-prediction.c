/* test-prediction.c - every spelling of a model's output says the same of picture and noise
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-prediction.h"

#include <math.h>

#define CLEAN 0.7
#define EPSILON -1.3

static double
say (VardPrediction prediction, double a, double b)
{
  switch (prediction)
    {
    case VARD_PREDICTION_V: return a * EPSILON - b * CLEAN;
    case VARD_PREDICTION_VELOCITY: return EPSILON - CLEAN;
    case VARD_PREDICTION_CLEAN: return CLEAN;
    case VARD_PREDICTION_EPSILON:
    default: return EPSILON;
    }
}

static void
check (VardPrediction prediction, double a, double b)
{
  VardNoiseLevel level = { 0, a * a, b * b };
  double x = a * CLEAN + b * EPSILON, out = say (prediction, a, b);
  VardLinear clean = vard_prediction_get_clean (prediction, &level);
  VardLinear epsilon = vard_prediction_get_epsilon (prediction, &level);

  g_assert_cmpfloat_with_epsilon (clean.per_x * x + clean.per_out * out, CLEAN, 1e-9);
  g_assert_cmpfloat_with_epsilon (epsilon.per_x * x + epsilon.per_out * out, EPSILON, 1e-9);
}

static void
test_prediction_values (void)
{
  for (double t = 0.1; t < 0.95; t += 0.1)
    {
      check (VARD_PREDICTION_EPSILON, sqrt (1 - t), sqrt (t));
      check (VARD_PREDICTION_V, sqrt (1 - t), sqrt (t));
      check (VARD_PREDICTION_CLEAN, sqrt (1 - t), sqrt (t));
      check (VARD_PREDICTION_CLEAN, 1 - t, t);
      check (VARD_PREDICTION_VELOCITY, 1 - t, t);
    }
}

/* At a fixed x a change of any prediction by its own unit is 1, and that of the others follows */
static void
test_prediction_change (void)
{
  VardNoiseLevel preserving = { 0, 0.64, 0.36 }, flow = { 0, 0.49, 0.09 };

  for (VardPrediction own = VARD_PREDICTION_EPSILON; own <= VARD_PREDICTION_CLEAN; own++)
    g_assert_cmpfloat_with_epsilon (vard_prediction_get_change (own, own, &preserving), 1, 1e-9);
  g_assert_cmpfloat_with_epsilon (vard_prediction_get_change (VARD_PREDICTION_V,
                                                              VARD_PREDICTION_EPSILON, &preserving),
                                  0.8, 1e-9);
  g_assert_cmpfloat_with_epsilon (vard_prediction_get_change (VARD_PREDICTION_CLEAN,
                                                              VARD_PREDICTION_EPSILON, &preserving),
                                  -0.8 / 0.6, 1e-9);
  g_assert_cmpfloat_with_epsilon (vard_prediction_get_change (VARD_PREDICTION_VELOCITY,
                                                              VARD_PREDICTION_VELOCITY, &flow),
                                  1, 1e-9);
  g_assert_cmpfloat_with_epsilon (vard_prediction_get_change (VARD_PREDICTION_CLEAN,
                                                              VARD_PREDICTION_VELOCITY, &flow),
                                  -1 / 0.3, 1e-9);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/prediction/values", test_prediction_values);
  g_test_add_func ("/prediction/change", test_prediction_change);
  return g_test_run ();
}
