/* test-processes.c - every process and sampler with noise on data whose marginals, value and best
 * policy are known
 *
 * Data are N (m, d^2), so at x = a x_0 + b noise, with D = a^2 d^2 + b^2, the exact model knows
 *   E[x_0 | x] = m + a d^2 / D (x - a m),   E[noise | x] = b / D (x - a m),
 * a state's marginal is N (a m, D), the value of the reward x_0 is E[x_0 | x], and with m = 0 and d
 * = 1 the best policy at a price eta of KL is x_0 ~ N (1 / eta, 1). Steps are linear, so that
 * nothing is drawn: means and variances are carried along.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler.h"

#include <math.h>

typedef struct
{
  const char *name;
  VardProcessKind process;
  VardPrediction prediction;
  VardSamplerKind kind;
  double eta;
  /* d = 1: the fixed point of the policy step, eta E[x_0], and the variance of x_0, by the number
   * of steps; computed apart from this code (method.md 2.6 for DDIM). 0 for none */
  struct
  {
    guint n_steps;
    double tilt, variance;
  } known[4];
} Case;

static const Case cases[] = {
  { "ddim",
    VARD_PROCESS_VARIANCE_PRESERVING,
    VARD_PREDICTION_EPSILON,
    VARD_SAMPLER_KIND_DDIM,
    1,
    { { 20, 0.775, 0.783 }, { 50, 0.888, 0.894 }, { 100, 0.936, 0.941 }, { 250, 0.969, 0.974 } } },
  { "ddim-v",
    VARD_PROCESS_VARIANCE_PRESERVING,
    VARD_PREDICTION_V,
    VARD_SAMPLER_KIND_DDIM,
    1,
    { { 20, 0.775, 0.783 }, { 50, 0.888, 0.894 } } },
  { "ddim-clean",
    VARD_PROCESS_VARIANCE_PRESERVING,
    VARD_PREDICTION_CLEAN,
    VARD_SAMPLER_KIND_DDIM,
    1,
    { { 20, 0.775, 0.783 }, { 50, 0.888, 0.894 } } },
  { "ddim-half", VARD_PROCESS_VARIANCE_PRESERVING, VARD_PREDICTION_V, VARD_SAMPLER_KIND_DDIM, 0.5 },
  { "ddpm", VARD_PROCESS_VARIANCE_PRESERVING, VARD_PREDICTION_EPSILON, VARD_SAMPLER_KIND_DDPM, 1 },
  { "euler-ancestral", VARD_PROCESS_VARIANCE_PRESERVING, VARD_PREDICTION_EPSILON,
    VARD_SAMPLER_KIND_EULER_ANCESTRAL, 1 },
  { "flow-euler",
    VARD_PROCESS_FLOW,
    VARD_PREDICTION_VELOCITY,
    VARD_SAMPLER_KIND_FLOW_EULER,
    0,
    { { 20, 0, 0.8793 }, { 50, 0, 0.9499 }, { 100, 0, 0.9746 }, { 250, 0, 0.9898 } } },
  { "flow-sde",
    VARD_PROCESS_FLOW,
    VARD_PREDICTION_VELOCITY,
    VARD_SAMPLER_KIND_FLOW_SDE,
    1,
    { { 20, 0.7935, 0.7935 },
      { 50, 0.9072, 0.9072 },
      { 100, 0.9514, 0.9514 },
      { 250, 0.9800, 0.9800 } } },
  { "flow-sde-clean",
    VARD_PROCESS_FLOW,
    VARD_PREDICTION_CLEAN,
    VARD_SAMPLER_KIND_FLOW_SDE,
    1,
    { { 20, 0.7935, 0.7935 }, { 50, 0.9072, 0.9072 } } },
  /* with memory of where it began: far from the best policy, however many the steps */
  { "flow-sde-half",
    VARD_PROCESS_FLOW,
    VARD_PREDICTION_VELOCITY,
    VARD_SAMPLER_KIND_FLOW_SDE,
    0.5,
    { { 20, 0.3106, 0.8624 },
      { 50, 0.3602, 0.9410 },
      { 100, 0.3792, 0.9697 },
      { 250, 0.3914, 0.9877 } } },
  { "flow-sde-still",
    VARD_PROCESS_FLOW,
    VARD_PREDICTION_VELOCITY,
    VARD_SAMPLER_KIND_FLOW_SDE,
    0,
    { { 20, 0, 0.8793 }, { 50, 0, 0.9499 } } },
};

static VardSampler *
new_sampler (const Case *row, guint n_steps)
{
  VardScheduleConfig config = {
    .process = row->process,
    .n_train_timesteps = 1000,
    .beta_start = 0.00085,
    .beta_end = 0.012,
    .betas = VARD_BETAS_SCALED_LINEAR,
    .steps_offset = 1,
    .shift = 1,
    .prediction = row->prediction,
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (VardProcess) process = vard_process_new (&config, &error);
  VardSampler *sampler =
    process != NULL ? vard_sampler_new (process, row->kind, n_steps, row->eta, &error) : NULL;

  g_assert_no_error (error);

  return sampler;
}

/* ---- the exact model ---- */

typedef struct
{
  double mean, deviation;
} Data;

static double
get_variance (const Data *data, const VardNoiseLevel *level)
{
  return level->signal2 * data->deviation * data->deviation + level->noise2;
}

/* d value / d x */
static double
get_slope (const Data *data, const VardNoiseLevel *level)
{
  return sqrt (level->signal2) * data->deviation * data->deviation / get_variance (data, level);
}

static double
predict (VardPrediction prediction, const Data *data, const VardNoiseLevel *level, double x)
{
  double a = sqrt (level->signal2), b = sqrt (level->noise2), off = x - a * data->mean;
  double clean = data->mean + get_slope (data, level) * off;
  double epsilon = b / get_variance (data, level) * off;

  switch (prediction)
    {
    case VARD_PREDICTION_V: return a * epsilon - b * clean;
    case VARD_PREDICTION_CLEAN: return clean;
    case VARD_PREDICTION_VELOCITY: return epsilon - clean;
    case VARD_PREDICTION_EPSILON:
    default: return epsilon;
    }
}

static double
advance (const Case *row, const Data *data, const VardSamplerStep *step, double x)
{
  return step->x_scale * x + step->out_scale * predict (row->prediction, data, &step->from, x);
}

/* of the mean of x_s, per x_t */
static double
get_gain (const Case *row, const Data *data, const VardSamplerStep *step)
{
  return advance (row, data, step, 1) - advance (row, data, step, 0);
}

/* ---- marginals ---- */

/* The largest error of the states' variance, relative, from the right marginal of the first state
 * on; means are as right as the variances */
static double
measure_error (const Case *row, guint n_steps)
{
  const Data data = { 0.7, 0.6 };
  g_autoptr (VardSampler) sampler = new_sampler (row, n_steps);
  const VardNoiseLevel *first = &sampler->steps[0].from;
  double mean = sqrt (first->signal2) * data.mean, variance = get_variance (&data, first),
         worst = 0;

  for (guint i = 0; i < n_steps; i++)
    {
      const VardSamplerStep *step = &sampler->steps[i];
      double gain = get_gain (row, &data, step);

      mean = advance (row, &data, step, mean);
      variance = gain * gain * variance + step->sigma * step->sigma;
      worst = MAX (worst, fabs (variance / get_variance (&data, &step->to) - 1));
      g_assert_cmpfloat_with_epsilon (mean, sqrt (step->to.signal2) * data.mean, 1e-9);
    }

  return worst;
}

/* Each state has the marginal of its level, with noise and without, up to an error that halves with
 * the steps */
static void
test_processes_marginals (gconstpointer data)
{
  const Case *row = data;
  double few = measure_error (row, 100), more = measure_error (row, 200);

  g_test_message ("error of the variance: %.4f with 100 steps, %.4f with 200", few, more);
  g_assert_cmpfloat (few, <, 0.12);
  g_assert_cmpfloat (more / few, >, 0.4);
  g_assert_cmpfloat (more / few, <, 0.62);
}

/* ---- the best policy ---- */

/* eta E[x_0] where every step's mean is moved by sigma^2 / eta times the value's slope, and the
 * variance of x_0 */
static void
find_fixed_point (const Case *row, guint n_steps, double *tilt, double *variance, double *kl)
{
  const Data data = { 0, 1 };
  g_autoptr (VardSampler) sampler = new_sampler (row, n_steps);

  *tilt = *kl = 0;
  *variance = 1;
  for (guint i = 0; i < n_steps; i++)
    {
      const VardSamplerStep *step = &sampler->steps[i];
      double gain = get_gain (row, &data, step), square = step->sigma * step->sigma;
      double move = square * get_slope (&data, &step->to);

      *tilt = gain * *tilt + move;
      *variance = gain * gain * *variance + square;
      if (square == 0)
        continue;

      /* the change of the model that moves the mean so costs |move|^2 / (2 sigma^2) */
      double change = move / step->out_scale * step->change_per_out;

      g_assert_cmpfloat_with_epsilon (step->kl_per_change * change * change
                                        / (move * move / (2 * square)),
                                      1, 1e-9);
      *kl += step->kl_per_change * change * change;
    }
}

static void
test_processes_tilt (gconstpointer data)
{
  const Case *row = data;

  for (guint i = 0; i < G_N_ELEMENTS (row->known) && row->known[i].n_steps > 0; i++)
    {
      double tilt, variance, kl;

      find_fixed_point (row, row->known[i].n_steps, &tilt, &variance, &kl);
      g_test_message ("%u steps: eta E[x_0] %.4f, variance %.4f, eta^2 KL %.4f",
                      row->known[i].n_steps, tilt, variance, kl);
      g_assert_cmpfloat_with_epsilon (tilt, row->known[i].tilt, 6e-4);
      g_assert_cmpfloat_with_epsilon (variance, row->known[i].variance, 6e-4);
    }
}

/* In a flow without memory the value is a martingale at any number of steps, and so the best
 * policy's KL, that of N (1 / eta, 1) and N (0, 1) in the limit, is half its gain */
static void
test_processes_flow_kl (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const Case *row = &cases[i];
      double tilt, variance, kl;

      if (row->process != VARD_PROCESS_FLOW || row->eta < 1)
        continue;
      for (guint n_steps = 1; n_steps <= 1000; n_steps *= 10)
        {
          find_fixed_point (row, n_steps, &tilt, &variance, &kl);
          g_assert_cmpfloat_with_epsilon (kl, tilt / 2, 1e-9);
        }
      g_assert_cmpfloat_with_epsilon (kl, 0.5, 0.003);
    }
}

static void
test_processes_martingale (gconstpointer user_data)
{
  const Case *row = user_data;
  const Data data = { 0.7, 0.6 };
  g_autoptr (VardSampler) sampler = new_sampler (row, 20);

  for (guint i = 0; i < 20; i++)
    {
      const VardSamplerStep *step = &sampler->steps[i];
      double after = get_slope (&data, &step->to) * get_gain (row, &data, step);

      g_assert_cmpfloat_with_epsilon (after, get_slope (&data, &step->from), 1e-9);
    }
}

/* ---- kinship ---- */

/* Small steps of flow-sde are those of Euler and Maruyama on
 *   dx = (v + g^2 / (2 t) (x + (1 - t) v)) dt + g dw,   g = a sqrt (t / (1 - t)),
 * with a = eta sqrt (2)
 * (arXiv 2505.05470, with time running down) */
static void
test_processes_flow_grpo (void)
{
  const Case row = { "", VARD_PROCESS_FLOW, VARD_PREDICTION_VELOCITY, VARD_SAMPLER_KIND_FLOW_SDE,
                     0.5 };
  g_autoptr (VardSampler) sampler = new_sampler (&row, 1000);

  for (guint i = 100; i <= 900; i += 100)
    {
      const VardSamplerStep *step = &sampler->steps[i];
      double t = sqrt (step->from.noise2), dt = t - sqrt (step->to.noise2);
      double g2 = 2 * 0.5 * 0.5 * t / (1 - t), correction = g2 / (2 * t);

      g_assert_cmpfloat_with_epsilon (step->sigma / sqrt (g2 * dt), 1, 0.015);
      g_assert_cmpfloat_with_epsilon ((1 - step->x_scale) / (correction * dt), 1, 0.02);
      g_assert_cmpfloat_with_epsilon (-step->out_scale / ((1 + correction * (1 - t)) * dt), 1,
                                      0.02);
    }
}

/* Finite at both ends: all of the first step's noise is fresh, the last step has none and arrives
 * at x_0 */
static void
test_processes_flow_ends (void)
{
  const Case row = { "", VARD_PROCESS_FLOW, VARD_PREDICTION_VELOCITY, VARD_SAMPLER_KIND_FLOW_SDE,
                     1 };
  g_autoptr (VardSampler) sampler = new_sampler (&row, 10);
  const VardSamplerStep *first = &sampler->steps[0], *last = &sampler->steps[9];

  g_assert_cmpfloat (sampler->initial_scale, ==, 1);
  g_assert_cmpfloat (first->model_time, ==, 1000);
  g_assert_cmpfloat_with_epsilon (first->value_time, 900, 1e-9);
  g_assert_cmpfloat_with_epsilon (first->sigma, 0.9, 1e-9);
  g_assert_cmpfloat_with_epsilon (first->x_scale, 0.1, 1e-9);
  g_assert_cmpfloat_with_epsilon (first->out_scale, -0.1, 1e-9);
  g_assert_cmpfloat (last->sigma, ==, 0);
  g_assert_cmpfloat (last->value_time, ==, 0);
  g_assert_cmpfloat_with_epsilon (last->x_scale, 1, 1e-9);
  g_assert_cmpfloat_with_epsilon (last->out_scale, -0.1, 1e-9);
  g_assert_true (isinf (last->kl_per_change));
}

static void
add_case (const char *law, const Case *row, GTestDataFunc test)
{
  g_autofree char *path = g_strdup_printf ("/processes/%s/%s", law, row->name);

  g_test_add_data_func (path, row, test);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      add_case ("marginals", &cases[i], test_processes_marginals);
      if (cases[i].known[0].n_steps > 0)
        add_case ("tilt", &cases[i], test_processes_tilt);
      if (cases[i].eta == 1)
        add_case ("martingale", &cases[i], test_processes_martingale);
    }
  g_test_add_func ("/processes/flow-kl", test_processes_flow_kl);
  g_test_add_func ("/processes/flow-grpo", test_processes_flow_grpo);
  g_test_add_func ("/processes/flow-ends", test_processes_flow_ends);
  return g_test_run ();
}
