/* test-policy.c - the policy update against what it is derived from
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "toy-model.h"

#include "base/vard-error.h"
#include "base/vard-random.h"
#include "diffusion/vard-guidance.h"
#include "diffusion/vard-pipeline-private.h"
#include "engine/vard-reference-engine.h"
#include "learn/vard-optimizer.h"
#include "algorithms/vard/vard-policy-step.h"

#include <math.h>

/* ---- value functions ---- */

/* The slope times the sum of x: the exact value of the reward sum (x_0), where mu is 0 */
static VardNode *
record_linear (VardNode *x, VardNode *t, VardNode *text, gpointer model)
{
  VardNode *scaled = vard_mul (toy_model_record_slope (model, t), x);

  return vard_reshape (vard_sum (scaled, 0xe), VARD_SHAPE (x->shape.dims[0]));
}

/* anything curved that depends on all of its arguments: sum of sin (x (1 + t / 1000) + 0.3 mu) */
static VardNode *
record_curved (VardNode *x, VardNode *t, VardNode *text, gpointer data)
{
  gint64 n = x->shape.dims[0];
  VardNode *rate = vard_affine (vard_reshape (t, VARD_SHAPE (n, 1, 1, 1)), 1e-3, 1);
  VardNode *mu = vard_reshape (vard_slice (text, 1, 0, 1), VARD_SHAPE (n, 1, 1, 1));
  VardNode *wave = vard_sin (vard_add (vard_mul (x, rate), vard_scale (mu, 0.3)));

  return vard_reshape (vard_sum (wave, 0xe), VARD_SHAPE (n));
}

static double
eval_curved (const float *x, gsize n, double t, double mu)
{
  double sum = 0;

  for (gsize i = 0; i < n; i++)
    sum += sin (x[i] * (1 + t / 1000) + 0.3 * mu);

  return sum;
}

/* ---- a set-up ---- */

typedef struct
{
  VardEngine *engine;
  VardModel *model;
  VardPipeline *pipeline;
  VardSampler *sampler;
  VardFrozenWeights *frozen;
  VardParameterSet *set;
  VardPolicyStepConfig config;
  gsize state_size;
} Bench;

static void
bench_init (Bench *bench,
            gint64 side,
            gint64 channels,
            VardPrediction prediction,
            double disturbance,
            guint n_steps)
{
  bench->engine = vard_reference_engine_new ();
  bench->model = toy_model_new (side, side, channels, prediction);
  if (disturbance > 0)
    toy_model_disturb (TOY_MODEL (bench->model), 5, disturbance);
  bench->pipeline = vard_pipeline_new (bench->engine, bench->model, NULL);
  bench->sampler =
    vard_sampler_new_with_eta (vard_pipeline_peek_process (bench->pipeline), n_steps, 1, NULL);
  bench->state_size = side * side * channels;

  VardModule *denoiser = vard_model_peek_denoiser (bench->model);

  vard_module_set_trainable (denoiser, TRUE);
  bench->frozen = vard_frozen_weights_new (bench->engine, denoiser, FALSE, NULL);
  bench->set = vard_parameter_set_new (bench->engine, denoiser, NULL);
  bench->config = (VardPolicyStepConfig) {
    .engine = bench->engine,
    .model = bench->model,
    .frozen = bench->frozen,
    .set = bench->set,
    .value = { .record = record_curved },
    .n = 4,
    .guidance_scale = 1,
  };
}

static void
bench_clear (Bench *bench)
{
  g_clear_pointer (&bench->set, vard_parameter_set_free);
  g_clear_pointer (&bench->frozen, vard_frozen_weights_free);
  g_clear_pointer (&bench->sampler, vard_sampler_free);
  g_clear_object (&bench->pipeline);
  g_clear_object (&bench->model);
  g_clear_object (&bench->engine);
}

static VardPolicyState
make_state (Bench *bench, const float *x, guint step, const char *prompt, guint64 noise_key)
{
  return (VardPolicyState) {
    .x = x,
    .step = &bench->sampler->steps[step],
    .value_time = bench->sampler->steps[step].value_time,
    .noise_key = noise_key,
    .gain = 1,
    .gradient_limit = INFINITY,
    .condition = vard_pipeline_encode (bench->pipeline, prompt, NULL, NULL),
  };
}

static VardPolicyStep *
new_policy (Bench *bench)
{
  g_autoptr (GError) error = NULL;
  VardPolicyStep *policy = vard_policy_step_new (&bench->config, &error);

  g_assert_no_error (error);

  return policy;
}

static void
accumulate (VardPolicyStep *policy,
            const VardPolicyState *states,
            guint n,
            double kl_weight,
            double w_max,
            VardPolicySample *samples)
{
  g_autoptr (GError) error = NULL;

  vard_policy_step_accumulate (policy, states, n, n, kl_weight, w_max, samples, NULL, &error);
  g_assert_no_error (error);
}

static float *
peek_gradients (Bench *bench)
{
  return vard_tensor_peek_f32 (bench->set->gradients);
}

/* ---- (1) the value's gradient against central differences of the value ---- */

/* The exact model's output at mu 0.5: the noise, or in a flow the velocity */
static double
eval_exact (VardPrediction prediction, const VardNoiseLevel *level, double x)
{
  double a = sqrt (level->signal2), b = sqrt (level->noise2), off = x - a * 0.5;

  return prediction == VARD_PREDICTION_VELOCITY ? (b - a) / (a * a + b * b) * off - 0.5 : b * off;
}

/* which of the toy's shifts a step takes */
static guint
find_shift (const VardSamplerStep *step)
{
  return MIN (999, (guint) nearbyint (step->model_time));
}

/* With one element a state and no KL, the shift's gradient is - out_scale g */
static void
test_policy_value_gradient (gconstpointer data)
{
  VardPrediction prediction = GPOINTER_TO_UINT (data);
  Bench bench;
  bench_init (&bench, 1, 1, prediction, 0.2, 20);
  bench.config.n = 1;
  g_autoptr (VardPolicyStep) policy = new_policy (&bench);

  for (guint step = 0; step < 19; step++)
    {
      const VardSamplerStep *own = &bench.sampler->steps[step];
      float x = 0.7f - 0.1f * step, z,
            shift = vard_tensor_peek_f32 (bench.set->weights)[find_shift (own)];
      float layer =
        vard_tensor_peek_f32 (bench.set->weights)[1008]; /* 1000 shifts, aligned to 16 */
      VardPolicyState state = make_state (&bench, &x, step, "0.5", step);
      VardPolicySample sample;

      memset (peek_gradients (&bench), 0, vard_tensor_get_n_bytes (bench.set->gradients));
      accumulate (policy, &state, 1, 0, 1e9, &sample);

      vard_random_fill_normal (step, 0, &z, 1);
      double out = eval_exact (prediction, &own->from, x) + shift + layer * x;
      double next = own->x_scale * x + own->out_scale * out + own->sigma * z;
      float up = next + 1e-3, down = next - 1e-3;
      double slope =
        (eval_curved (&up, 1, own->value_time, 0.5) - eval_curved (&down, 1, own->value_time, 0.5))
        / ((double) up - down);

      g_assert_cmpfloat_with_epsilon (peek_gradients (&bench)[find_shift (own)],
                                      -own->out_scale * slope, 2e-4);
      g_assert_cmpfloat_with_epsilon (sample.gradient_norm, fabs (slope), 1e-3);
    }
  bench_clear (&bench);
}

/* ---- (2) the loss's gradient against that of its definition, differentiated whole ---- */

/* mean of - V (mean + sigma z) + kl_weight |mean - mean'|^2 / (2 sigma^2) */
static VardNode *
record_definition (Bench *bench,
                   VardGraph *graph,
                   const VardPolicyState *states,
                   guint n,
                   double kl_weight)
{
  VardNode *sum = NULL;

  for (guint i = 0; i < n; i++)
    {
      const VardSamplerStep *step = states[i].step;
      const VardModelInfo *info = vard_model_peek_info (bench->model);
      VardShape shape = VARD_SHAPE (1, info->height, info->width, info->channels);
      g_autofree float *z = g_new (float, bench->state_size);
      float t = step->model_time, next_t = step->value_time;
      VardGuidanceInputs inputs = {
        .latents = vard_constant_f32 (graph, shape, states[i].x),
        .timesteps = vard_constant_f32 (graph, VARD_SHAPE (1), &t),
      };

      vard_condition_record_constants (states[i].condition, graph, inputs.condition);
      vard_random_fill_normal (states[i].noise_key, 0, z, bench->state_size);
      VardNode *out = vard_guidance_record (bench->model, &inputs);
      vard_frozen_weights_enter (bench->frozen);
      VardNode *out_frozen = vard_guidance_record (bench->model, &inputs);
      vard_frozen_weights_leave (bench->frozen);

      VardNode *shared = vard_scale (inputs.latents, step->x_scale);
      VardNode *mean = vard_add (shared, vard_scale (out, step->out_scale));
      VardNode *mean_frozen = vard_add (shared, vard_scale (out_frozen, step->out_scale));
      VardNode *next =
        vard_add (mean, vard_scale (vard_constant_f32 (graph, shape, z), step->sigma));
      VardNode *value =
        record_curved (next, vard_constant_f32 (graph, VARD_SHAPE (1), &next_t),
                       vard_constant_f32 (graph, VARD_SHAPE (1, info->condition.summary_width),
                                          vard_condition_peek_summary (states[i].condition)),
                       NULL);
      VardNode *kl = vard_scale (vard_sum_all (vard_square (vard_sub (mean, mean_frozen))),
                                 1 / (2 * step->sigma * step->sigma));
      VardNode *loss = vard_sub (vard_scale (kl, kl_weight), vard_sum_all (value));

      sum = sum != NULL ? vard_add (sum, loss) : loss;
    }

  return vard_scale (sum, 1.0 / n);
}

static void
move_weights (Bench *bench, double size)
{
  float *weights = vard_tensor_peek_f32 (bench->set->weights);
  g_autofree float *noise = g_new (float, bench->set->count);

  vard_random_fill_normal (99, 0, noise, bench->set->count);
  for (gint64 i = 0; i < bench->set->count; i++)
    weights[i] += size * noise[i];
}

static void
test_policy_definition (gconstpointer data)
{
  enum
  {
    N = 6
  };
  VardPrediction prediction = GPOINTER_TO_UINT (data);
  Bench bench;
  bench_init (&bench, 2, 3, prediction, 0.2, 20);
  move_weights (&bench, 0.1);
  g_autoptr (VardPolicyStep) policy = new_policy (&bench);
  float x[N][12];
  VardPolicyState states[N];
  VardPolicySample samples[N];

  for (guint i = 0; i < N; i++)
    {
      vard_random_fill_normal (3, i, x[i], 12);
      states[i] = make_state (&bench, x[i], i * 3, i % 2 ? "0.5" : "-0.25", 70 + i);
    }
  /* six states in batches of four: the rows that only fill the second batch must not count */
  accumulate (policy, states, N, 0.07, 1e9, samples);
  g_autofree float *own = g_memdup2 (peek_gradients (&bench), bench.set->count * sizeof (float));

  memset (peek_gradients (&bench), 0, bench.set->count * sizeof (float));
  g_autoptr (VardGraph) graph = vard_graph_new ();
  vard_parameter_set_record_gradients (bench.set,
                                       record_definition (&bench, graph, states, N, 0.07));
  g_autoptr (GError) error = NULL;
  g_autoptr (VardExecutable) definition = vard_engine_compile (bench.engine, graph, &error);
  g_assert_no_error (error);
  vard_executable_run (definition, NULL, &error);
  g_assert_no_error (error);

  double difference = 0, size = 0;
  for (gint64 i = 0; i < bench.set->count; i++)
    {
      difference += pow (own[i] - peek_gradients (&bench)[i], 2);
      size += pow (peek_gradients (&bench)[i], 2);
    }
  g_assert_cmpfloat (size, >, 0.01);
  g_assert_cmpfloat (sqrt (difference / size), <, 1e-5);
  bench_clear (&bench);
}

/* ---- gates, caps and limits ---- */

/* A step above w_max, and one without noise, have a penalty and no value gradient: at the
 * pretrained weights both are nothing. */
static void
test_policy_gates (void)
{
  Bench bench;
  bench_init (&bench, 2, 1, VARD_PREDICTION_EPSILON, 0.2, 20);
  g_autoptr (VardPolicyStep) policy = new_policy (&bench);
  float x[4] = { 0.1f, -0.2f, 0.3f, 0.4f };
  VardSamplerStep silent = bench.sampler->steps[19];
  VardPolicyState states[3] = { make_state (&bench, x, 18, "0", 1),
                                make_state (&bench, x, 5, "0", 2),
                                make_state (&bench, x, 19, "0", 3) };
  VardPolicySample samples[3];

  silent.sigma = 0;
  silent.kl_per_change = INFINITY;
  states[2].step = &silent;
  states[1].gain = 0;
  g_assert_cmpfloat (states[0].step->kl_per_change, >, 1);
  accumulate (policy, states, 3, 0.05, 1, samples);
  for (gint64 i = 0; i < bench.set->count; i++)
    g_assert_cmpfloat (peek_gradients (&bench)[i], ==, 0);

  /* away from them the capped weight acts, and the true one is reported */
  move_weights (&bench, 0.1);
  accumulate (policy, states, 3, 0.05, 1, samples);
  g_assert_cmpfloat_with_epsilon (samples[0].kl / samples[0].kl_capped,
                                  states[0].step->kl_per_change, 1e-9);
  g_assert_cmpfloat_with_epsilon (samples[0].loss, 0.05 * samples[0].kl_capped, 1e-6);
  g_assert_cmpfloat (samples[2].kl, ==, 0);
  g_assert_cmpfloat (samples[2].loss, >, 0);
  bench_clear (&bench);
}

static void
test_policy_gradient_limit (void)
{
  Bench bench;
  bench_init (&bench, 2, 1, VARD_PREDICTION_EPSILON, 0.2, 20);
  g_autoptr (VardPolicyStep) policy = new_policy (&bench);
  float x[4] = { 0.1f, -0.2f, 0.3f, 0.4f };
  VardPolicyState state = make_state (&bench, x, 8, "0", 1);
  VardPolicySample sample;
  guint t = bench.sampler->steps[8].model_time;

  accumulate (policy, &state, 1, 0, 1e9, &sample);
  double whole = peek_gradients (&bench)[t], norm = sample.gradient_norm;

  memset (peek_gradients (&bench), 0, bench.set->count * sizeof (float));
  state.gradient_limit = norm / 4;
  accumulate (policy, &state, 1, 0, 1e9, &sample);
  g_assert_cmpfloat_with_epsilon (peek_gradients (&bench)[t] / whole, 0.25, 1e-4);
  g_assert_cmpfloat_with_epsilon (sample.gradient_norm, norm, 1e-6);
  bench_clear (&bench);
}

/* ---- (4) no KL before the first update ---- */

static void
test_policy_no_kl_at_first (gconstpointer data)
{
  Bench bench;
  bench_init (&bench, 2, 3, GPOINTER_TO_UINT (data), 0.3, 20);
  g_autoptr (VardKlMeter) meter = vard_kl_meter_new (&bench.config, NULL);
  float x[12];
  VardPolicyState states[19];
  VardPolicySample samples[19];

  vard_random_fill_normal (3, 0, x, 12);
  for (guint i = 0; i < 19; i++)
    states[i] = make_state (&bench, x, i, "0.1", i);
  vard_kl_meter_measure (meter, states, 19, 1, samples, NULL, NULL);
  for (guint i = 0; i < 19; i++)
    g_assert_cmpfloat (samples[i].kl, ==, 0);

  move_weights (&bench, 0.01);
  vard_kl_meter_measure (meter, states, 19, 1, samples, NULL, NULL);
  for (guint i = 0; i < 19; i++)
    g_assert_cmpfloat (samples[i].kl, >, 0);
  bench_clear (&bench);
}

/* ---- (3) and (6) the closed form: data N (0, 1), reward x_0 ---- */

/* Where the sampler's mean ends when all of its noise is nothing: the model is linear */
static double
measure_mean (Bench *bench)
{
  float zero[20] = { 0 };
  VardSampleRequest request = {
    .n = 1,
    .prompts = (const char *[]) { "0", NULL },
    .prompt_of = (guint[]) { 0 },
    .seeds = (guint64[]) { 0 },
    .sampler = bench->sampler,
    .guidance_scale = 1,
    .initial_noise = zero,
    .step_noise = zero,
  };
  g_autoptr (VardTrajectory) end =
    vard_pipeline_rollout (bench->pipeline, &request, NULL, NULL, NULL, NULL);

  return end->states[0];
}

/* Plain gradient descent on all steps with noise at once until it stands still; returns E[x_0].
 * @kl: of a trajectory, in nats */
static double
descend (VardPrediction prediction, double kl_weight, guint n_steps, guint n_updates, double *kl)
{
  Bench bench;
  bench_init (&bench, 1, 1, prediction, 0, n_steps);
  bench.config.value = (VardValueFunction) { .record = record_linear, .data = bench.model };
  bench.config.n = n_steps;
  g_autoptr (VardPolicyStep) policy = new_policy (&bench);
  float *weights = vard_tensor_peek_f32 (bench.set->weights), *gradients = peek_gradients (&bench);
  VardPolicyState states[20];
  VardPolicySample samples[20];
  float x = 0;

  guint n = n_steps;

  if (bench.sampler->steps[n_steps - 1].sigma == 0)
    n--;
  for (guint i = 0; i < n; i++)
    states[i] = make_state (&bench, &x, i, "0", i);

  for (guint update = 0; update < n_updates; update++)
    {
      memset (gradients, 0, bench.set->count * sizeof (float));
      accumulate (policy, states, n, kl_weight, 1e9, samples);
      for (guint i = 0; i < n; i++)
        {
          const VardSamplerStep *step = states[i].step;
          double curvature = 2 * kl_weight * step->kl_per_change
                             / n; /* of the loss, along this shift */

          weights[find_shift (step)] -= 0.8 / curvature * gradients[find_shift (step)];
        }
    }
  *kl = 0;
  for (guint i = 0; i < n; i++)
    *kl += samples[i].kl;

  double mean = measure_mean (&bench);
  bench_clear (&bench);

  return mean;
}

/* Whoever follows the exact value of a linear reward, under the sampler of 20 steps, ends here, and
 * pays half as many nats as the reward gains: tests/law/test-processes.c has the numbers */
static void
test_policy_closed_form (gconstpointer data)
{
  VardPrediction prediction = GPOINTER_TO_UINT (data);
  double expected = prediction == VARD_PREDICTION_VELOCITY ? 0.7935 : 0.7747, kl;

  g_assert_cmpfloat_with_epsilon (descend (prediction, 1.0, 20, 30, &kl), expected, 0.002);
  g_assert_cmpfloat_with_epsilon (kl, expected / 2, 0.002);
}

static void
test_policy_displacement (gconstpointer data)
{
  VardPrediction prediction = GPOINTER_TO_UINT (data);
  double kl, one = descend (prediction, 1, 6, 30, &kl), four = descend (prediction, 4, 6, 30, &kl);

  g_assert_cmpfloat (one, >, 0.2);
  g_assert_cmpfloat_with_epsilon (one / four, 4, 0.01);
}

typedef struct
{
  const char *name;
  VardPrediction prediction;
} Spelling;

static const Spelling spellings[] = {
  { "epsilon", VARD_PREDICTION_EPSILON },
  { "v", VARD_PREDICTION_V },
  { "clean", VARD_PREDICTION_CLEAN },
  { "flow", VARD_PREDICTION_VELOCITY },
};

/* a law for one of the spellings, or all of them where it is NULL */
static void
add_law (const char *law, const char *only, GTestDataFunc test)
{
  for (guint i = 0; i < G_N_ELEMENTS (spellings); i++)
    {
      g_autofree char *path = g_strdup_printf ("/policy/%s/%s", law, spellings[i].name);

      if (only == NULL || g_str_equal (only, spellings[i].name))
        g_test_add_data_func (path, GUINT_TO_POINTER (spellings[i].prediction), test);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_law ("value-gradient", "epsilon", test_policy_value_gradient);
  add_law ("value-gradient", "flow", test_policy_value_gradient);
  add_law ("definition", NULL, test_policy_definition);
  g_test_add_func ("/policy/gates", test_policy_gates);
  g_test_add_func ("/policy/gradient-limit", test_policy_gradient_limit);
  add_law ("no-kl-at-first", "v", test_policy_no_kl_at_first);
  add_law ("no-kl-at-first", "flow", test_policy_no_kl_at_first);
  add_law ("closed-form", "epsilon", test_policy_closed_form);
  add_law ("closed-form", "flow", test_policy_closed_form);
  add_law ("displacement", "epsilon", test_policy_displacement);
  add_law ("displacement", "flow", test_policy_displacement);
  return g_test_run ();
}
