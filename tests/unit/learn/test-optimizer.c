/* test-optimizer.c - AdamW on flat tensors against the formula in double, and gradients that are
 * not finite
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-error.h"
#include "engine/vard-reference-engine.h"
#include "learn/vard-optimizer.h"

#include <math.h>

#define N 40

typedef struct
{
  VardModule *root;
  VardParameterSet *set;
  VardOptimizer *optimizer;
} Bench;

static void
bench_init (Bench *bench, double ema)
{
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  VardParameter *first, *second;

  bench->root = g_object_new (VARD_TYPE_MODULE, NULL);
  first = vard_module_add_parameter (bench->root, "first", VARD_SHAPE (3, 5), VARD_LAYOUT_PLAIN);
  second = vard_module_add_parameter (bench->root, "second", VARD_SHAPE (24), VARD_LAYOUT_PLAIN);
  for (guint i = 0; i < 15; i++)
    vard_tensor_peek_f32 (first->tensor)[i] = 0.1f * i;
  for (guint i = 0; i < 24; i++)
    vard_tensor_peek_f32 (second->tensor)[i] = 1 - 0.1f * i;
  vard_module_set_trainable (bench->root, TRUE);
  bench->set = vard_parameter_set_new (engine, bench->root, NULL);
  bench->optimizer = vard_optimizer_new (bench->set, ema, NULL);

  /* gathered side by side, on boundaries, and still what the modules read */
  g_assert_cmpint (bench->set->count, ==, 48);
  g_assert_cmpint (bench->set->n_trainable, ==, 39);
  g_assert_cmpfloat (vard_tensor_peek_f32 (bench->set->weights)[16], ==, 1);
  g_assert_true (vard_tensor_peek_f32 (second->tensor)
                 == vard_tensor_peek_f32 (bench->set->weights) + 16);
}

static void
bench_clear (Bench *bench)
{
  vard_optimizer_free (bench->optimizer);
  vard_parameter_set_free (bench->set);
  g_object_unref (bench->root);
}

static void
test_optimizer_formula (void)
{
  Bench bench;
  bench_init (&bench, 0);
  float *weights = vard_tensor_peek_f32 (bench.set->weights);
  float *gradients = vard_tensor_peek_f32 (bench.set->gradients);
  VardOptimizerNumbers numbers = { .learning_rate = 0.01,
                                   .beta1 = 0.9,
                                   .beta2 = 0.99,
                                   .epsilon = 1e-8,
                                   .weight_decay = 0.1,
                                   .clip_norm = 2 };
  double w[48], m[48] = { 0 }, v[48] = { 0 };

  for (guint i = 0; i < 48; i++)
    w[i] = weights[i];
  for (guint t = 1; t <= 5; t++)
    {
      double norm = 0, squares = 0;

      for (guint i = 0; i < 48; i++)
        {
          gradients[i] = i % 16 == 15 ? 0 : sinf (i + t);
          squares += (double) gradients[i] * gradients[i];
        }
      for (guint i = 0; i < 48; i++)
        {
          double g = gradients[i] * MIN (1, 2 / sqrt (squares));

          m[i] = 0.9 * m[i] + 0.1 * g;
          v[i] = 0.99 * v[i] + 0.01 * g * g;
          w[i] -=
            0.01
            * (0.1 * w[i] + m[i] / (1 - pow (0.9, t)) / (sqrt (v[i] / (1 - pow (0.99, t))) + 1e-8));
        }
      g_assert_true (vard_optimizer_update (bench.optimizer, &numbers, &norm, NULL, NULL));
      g_assert_cmpfloat_with_epsilon (norm, sqrt (squares), 1e-5);
      g_assert_cmpfloat (gradients[3], ==, 0);
    }
  for (guint i = 0; i < 48; i++)
    g_assert_cmpfloat_with_epsilon (weights[i], w[i], 2e-6);
  bench_clear (&bench);
}

static void
test_optimizer_diverged (void)
{
  Bench bench;
  bench_init (&bench, 0);
  float *weights = vard_tensor_peek_f32 (bench.set->weights);
  VardOptimizerNumbers numbers = { .learning_rate = 0.01,
                                   .beta1 = 0.9,
                                   .beta2 = 0.99,
                                   .clip_norm = 1 };
  g_autoptr (GError) error = NULL;
  double norm;

  vard_tensor_peek_f32 (bench.set->gradients)[7] = NAN;
  g_assert_false (vard_optimizer_update (bench.optimizer, &numbers, &norm, NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_DIVERGED);
  g_assert_cmpfloat (weights[7], ==, 0.7f);
  bench_clear (&bench);
}

static void
test_optimizer_average (void)
{
  Bench bench;
  bench_init (&bench, 0.5);
  float *weights = vard_tensor_peek_f32 (bench.set->weights);
  float *average = vard_tensor_peek_f32 (vard_optimizer_peek_average (bench.optimizer));
  VardOptimizerNumbers numbers = { .learning_rate = 0.1, .beta1 = 0, .beta2 = 0, .clip_norm = 9 };
  double norm;

  vard_tensor_peek_f32 (bench.set->gradients)[0] = 1;
  g_assert_true (vard_optimizer_update (bench.optimizer, &numbers, &norm, NULL, NULL));
  /* young: its decay is (1 + 1) / (10 + 1) */
  g_assert_cmpfloat_with_epsilon (weights[0], -0.1, 1e-6);
  g_assert_cmpfloat_with_epsilon (average[0], -0.1 * 9 / 11, 1e-6);
  vard_optimizer_swap_average (bench.optimizer, NULL);
  g_assert_cmpfloat_with_epsilon (weights[0], -0.1 * 9 / 11, 1e-6);
  vard_optimizer_swap_average (bench.optimizer, NULL);
  g_assert_cmpfloat_with_epsilon (weights[0], -0.1, 1e-6);
  bench_clear (&bench);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/optimizer/formula", test_optimizer_formula);
  g_test_add_func ("/optimizer/diverged", test_optimizer_diverged);
  g_test_add_func ("/optimizer/average", test_optimizer_average);
  return g_test_run ();
}
