/* test-value.c - what a fitted value must be, and what following it does
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "toy-run.h"

#include "base/vard-random.h"
#include "algorithms/vard/vard-value-net.h"

#include <math.h>

/* ---- a value network that is fitted and trajectories that it has not seen ---- */

typedef struct
{
  ToyRun run;
  gboolean is_flow;
  VardTrajectory *fresh;
  double *rewards; /* [n] in the value's unit */
} Bench;

static double
reward_of (Bench *bench, const float *latent)
{
  double sum = 0;

  for (guint i = 0; i < 16; i++)
    sum += latent[i];

  /* the toy reward below its peak, without the picture's rounding */
  return (0.5 + 0.25 * sum / 16 - toy_run_peek_vard (&bench->run)->reward_mean)
         / toy_run_peek_vard (&bench->run)->reward_sd;
}

/* the trainer's unit in terms of grey levels: the mix whitens first, then the total */
static void
take_unit (VardVardAlgorithm *vard)
{
  g_autoptr (JsonObject) statistics = vard_reward_mix_get_statistics (vard->training->rewards);
  JsonObject *grey = json_object_get_object_member (statistics, "grey");
  double sd = json_object_get_double_member (grey, "sd");

  vard->reward_mean = json_object_get_double_member (grey, "mean") + vard->reward_mean * sd;
  vard->reward_sd *= sd;
}

static void
bench_init (Bench *bench, VardSamplerKind sampler, guint n_updates, guint n)
{
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  g_autoptr (GError) error = NULL;

  g_object_set (settings, "pool-size", 512, "batch-size", 64, "value-fit-updates", n_updates,
                "value-batch", 64, "value-learning-rate", 5e-3, "sampler-steps", 8, "sampler",
                sampler, NULL);
  bench->is_flow = sampler == VARD_SAMPLER_KIND_FLOW_SDE;
  toy_run_init (&bench->run, settings, 2);
  while (bench->run.trainer->phase != VARD_VARD_N_PHASES)
    {
      vard_trainer_advance (bench->run.trainer, NULL, &error);
      g_assert_no_error (error);
    }
  take_unit (toy_run_peek_vard (&bench->run));
  bench->fresh =
    vard_training_rollout (bench->run.trainer->training, "held-out", 0, n, NULL, NULL, NULL, NULL);
  bench->rewards = g_new (double, n);
  for (guint i = 0; i < n; i++)
    bench->rewards[i] = reward_of (bench, vard_trajectory_peek_state (bench->fresh, 8, i));
}

static void
bench_clear (Bench *bench)
{
  g_clear_pointer (&bench->fresh, vard_trajectory_free);
  g_clear_pointer (&bench->rewards, g_free);
  toy_run_clear (&bench->run);
}

static void
predict (Bench *bench, guint state, float *values)
{
  guint n = bench->fresh->n;
  g_autofree VardValueState *states = g_new0 (VardValueState, n);

  for (guint i = 0; i < n; i++)
    {
      states[i].x = vard_trajectory_peek_state (bench->fresh, state, i);
      states[i].time = vard_sampler_get_state_time (bench->run.trainer->training->sampler, state);
      states[i].condition =
        vard_training_peek_condition (bench->run.trainer->training, bench->fresh->prompts[i]);
    }
  g_assert_true (
    vard_value_fit_predict (toy_run_peek_vard (&bench->run)->value, states, n, values, NULL, NULL));
}

/* ---- (5) a value is a martingale along the model's own trajectories ---- */

static void
test_value_martingale (gconstpointer data)
{
  enum
  {
    N = 192
  };
  Bench *bench = (Bench *) data;
  float before[N], after[N];
  double covariance = 0, variance_v = 0, variance_r = 0, mean_v = 0, mean_r = 0;

  predict (bench, 0, before);
  for (guint state = 1; state <= 8; state++)
    {
      double sum = 0, squares = 0;

      predict (bench, state, after);
      for (guint i = 0; i < N; i++)
        {
          sum += after[i] - before[i];
          squares += pow (after[i] - before[i], 2);
        }

      double mean = sum / N, error = sqrt ((squares / N - mean * mean) / N);

      g_test_message ("state %u: %.4f +- %.4f", state, mean, error);
      g_assert_cmpfloat (fabs (mean), <, 3.5 * error);
      memcpy (before, after, sizeof before);
    }

  /* and it ends as the reward itself */
  for (guint i = 0; i < N; i++)
    {
      mean_v += after[i] / N;
      mean_r += bench->rewards[i] / N;
    }
  for (guint i = 0; i < N; i++)
    {
      covariance += (after[i] - mean_v) * (bench->rewards[i] - mean_r);
      variance_v += pow (after[i] - mean_v, 2);
      variance_r += pow (bench->rewards[i] - mean_r, 2);
    }
  g_assert_cmpfloat (covariance / sqrt (variance_v * variance_r), >, 0.95);
}

/* ---- (8) the direct test: a push along the value's gradient pays ---- */

/* the gradient of the value at the states before @step, of unit length each */
static void
find_directions (Bench *bench, guint step, float *directions)
{
  VardTrainer *trainer = bench->run.trainer;
  guint n = bench->fresh->n;
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autofree float *t = g_new (float, n);
  g_autofree float *text = g_new (float, n * 3);

  for (guint i = 0; i < n; i++)
    {
      t[i] = trainer->training->sampler->steps[step].model_time;
      memcpy (text + i * 3,
              vard_condition_peek_summary (
                vard_training_peek_condition (trainer->training, bench->fresh->prompts[i])),
              3 * sizeof (float));
    }

  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (n, 4, 4, 1));
  VardNode *value =
    vard_value_net_record (VARD_VALUE_NET (toy_run_peek_vard (&bench->run)->value_net), x,
                           vard_constant_f32 (graph, VARD_SHAPE (n), t),
                           vard_constant_f32 (graph, VARD_SHAPE (n, 3), text));
  VardNode *gradient;

  vard_vjp (&value, NULL, 1, &x, 1, &gradient);
  vard_graph_add_output (graph, "gradient", gradient);

  g_autoptr (VardExecutable) executable = vard_engine_compile (bench->run.engine, graph, NULL);
  gsize size = n * 16 * sizeof (float);

  g_assert_true (vard_executable_set_input (executable, "x",
                                            vard_trajectory_peek_state (bench->fresh, step, 0),
                                            size, NULL));
  g_assert_true (vard_executable_run (executable, NULL, NULL));
  g_assert_true (vard_executable_get_output (executable, "gradient", directions, size, NULL));
}

/* The mean gain in reward of moving the states before @step by @nats along the directions */
static double
push (Bench *bench, guint step, float *directions, double nats)
{
  VardTrainer *trainer = bench->run.trainer;
  guint n = bench->fresh->n;
  double distance = trainer->training->sampler->steps[step - 1].sigma * sqrt (2 * nats), gain = 0;
  g_autofree float *moved = g_new (float, n * 16);

  for (guint i = 0; i < n; i++)
    {
      const float *from = vard_trajectory_peek_state (bench->fresh, step, i);
      double norm = 0;

      for (guint k = 0; k < 16; k++)
        norm += pow (directions[i * 16 + k], 2);
      for (guint k = 0; k < 16; k++)
        moved[i * 16 + k] = from[k] + distance * directions[i * 16 + k] / sqrt (norm);
    }

  VardSampleRequest request = {
    .n = n,
    .prompts = (const char *const *) trainer->training->texts,
    .prompt_of = bench->fresh->prompts,
    .seeds = bench->fresh->seeds,
    .sampler = trainer->training->sampler,
    .guidance_scale = 1,
    .first_step = step,
    .initial_noise = moved,
  };
  g_autoptr (VardTrajectory) ends =
    vard_pipeline_rollout (bench->run.pipeline, &request, NULL, NULL, NULL, NULL);

  for (guint i = 0; i < n; i++)
    gain += (reward_of (bench, vard_trajectory_peek_state (ends, 0, i)) - bench->rewards[i]) / n;

  return gain;
}

static void
test_value_push (gconstpointer data)
{
  enum
  {
    N = 192
  };
  Bench *bench = (Bench *) data;
  static float along[N * 16], random[N * 16];
  double first = 0, last = 0, most = 0;

  for (guint step = 7; step <= 7; step -= 2)
    {
      find_directions (bench, step, along);
      vard_random_fill_normal (8, step, random, N * 16);

      double guided = push (bench, step, along, 4), blind = push (bench, step, random, 4);

      g_test_message ("before step %u: along %.3f, at random %.3f", step, guided, blind);
      g_assert_cmpfloat (guided, >, 0.05);
      g_assert_cmpfloat (guided, >, 5 * fabs (blind));
      if (step == 7)
        first = guided;
      last = guided;
      most = MAX (most, guided);
    }
  /* per nat, high noise buys more: sigma is larger there. In a flow the value's slope falls as
   * sigma grows, so that the middle buys most. */
  g_assert_cmpfloat (bench->is_flow ? most : last, >, 2 * first);
}

/* ---- (7) a frozen value without KL: the reward rises, then falls while the value still promises
 * more ---- */

typedef struct
{
  double reward[64], value[64];
  guint n;
} Curve;

static void
on_step (VardTrainer *trainer, guint64 step, VardMetrics *metrics, Curve *curve)
{
  if (step == 0)
    return;
  curve->reward[curve->n] = toy_run_lookup (metrics, "reward/mean");
  curve->value[curve->n++] = toy_run_lookup (metrics, "policy/value");
}

static guint
draw_curve (double kl_weight, Curve *curve)
{
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  ToyRun run;
  guint best = 0;

  *curve = (Curve) { .n = 0 };
  g_object_set (settings, "pool-size", 128, "batch-size", 16, "value-fit-updates", 100, "steps", 40,
                "value-learning-rate", 5e-3, "learning-rate", 0.12, "learning-rate-end",
                kl_weight > 0 ? 0.05 : 1.0, "kl-weight", kl_weight, NULL);
  toy_run_init (&run, settings, 0.7);
  g_signal_connect (run.trainer, "step", G_CALLBACK (on_step), curve);
  toy_run_go (&run);
  toy_run_clear (&run);

  for (guint i = 0; i < curve->n; i++)
    if (curve->reward[i] > curve->reward[best])
      best = i;
  for (guint i = 0; i < curve->n; i += 4)
    g_test_message ("step %u: reward %.2f, promised %.2f", i + 1, curve->reward[i],
                    curve->value[i]);

  return best;
}

/* over the last eight steps */
static double
average_end (const double *values, guint n)
{
  double sum = 0;

  for (guint i = n - 8; i < n; i++)
    sum += values[i] / 8;

  return sum;
}

static void
test_value_frozen_without_kl (void)
{
  Curve curve;
  guint best = draw_curve (0, &curve);

  g_assert_cmpfloat (curve.reward[best], >, curve.reward[0] + 1.5);
  g_assert_cmpfloat (average_end (curve.reward, curve.n), <, curve.reward[best] - 0.9);
  g_assert_cmpfloat (average_end (curve.value, curve.n), >, curve.value[best] + 0.4);

  /* the same with a price on KL keeps what it gained */
  best = draw_curve (0.1, &curve);
  g_assert_cmpfloat (average_end (curve.reward, curve.n), >, curve.reward[0] + 0.8);
  g_assert_cmpfloat (average_end (curve.reward, curve.n), >, curve.reward[best] - 0.9);
}

int
main (int argc, char **argv)
{
  Bench bench, flow;

  g_test_init (&argc, &argv, NULL);
  bench_init (&bench, VARD_SAMPLER_KIND_DDIM, 300, 192);
  bench_init (&flow, VARD_SAMPLER_KIND_FLOW_SDE, 450, 192);
  g_test_add_data_func ("/value/martingale", &bench, test_value_martingale);
  g_test_add_data_func ("/value/martingale-flow", &flow, test_value_martingale);
  g_test_add_data_func ("/value/push", &bench, test_value_push);
  g_test_add_data_func ("/value/push-flow", &flow, test_value_push);
  g_test_add_func ("/value/frozen-without-kl", test_value_frozen_without_kl);

  int status = g_test_run ();

  bench_clear (&bench);
  bench_clear (&flow);

  return status;
}
