/* vard-vard-algorithm.c - VARD: learns the value of noisy states, then follows it
 *
 * Two phases come before the first step: a pool of pictures of the base model with their scores,
 * and a value network fitted to them. Each step then moves the policy along the value's gradient,
 * with a KL term to the pretrained model (arXiv 2505.15791).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-vard-algorithm-private.h"

#include "algorithms/vard/vard-value-net.h"
#include "algorithms/vard/vard-vard-metrics.h"
#include "base/vard-error.h"
#include "base/vard-random.h"
#include "learn/vard-host-weights.h"

#define VALUE_FILE "value-net.safetensors"

/* A policy update evaluates the policy, the reference and the value network, and goes back through
 * the policy */
#define FORWARDS_PER_STATE 4.0

G_DEFINE_FINAL_TYPE (VardVardAlgorithm, vard_vard_algorithm, VARD_TYPE_ALGORITHM)

static const char *const phases[] = { "pool", "value-fit", NULL };

/* ---- what it trains with ---- */

static gboolean
vard_vard_algorithm_check (VardAlgorithm *algorithm,
                           const VardTrainingSettings *loop,
                           VardModel *model,
                           GError **error)
{
  const VardVardSettings *settings = vard_algorithm_peek_settings (algorithm);

  if (settings->value_refresh && settings->ring_size < loop->batch_size)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 "ring-size is %u, but must be at least batch-size, %u", settings->ring_size,
                 loop->batch_size);
  else if (settings->whitening == VARD_WHITENING_RUNNING && !settings->value_refresh)
    g_set_error_literal (error, VARD_ERROR, VARD_ERROR_USAGE,
                         "whitening=running needs value-refresh, because only its new pictures "
                         "would count");
  else
    return TRUE;

  return FALSE;
}

static VardNode *
vard_vard_record_value (VardNode *x, VardNode *t, VardNode *summary, gpointer data)
{
  return vard_value_net_record (data, x, t, summary);
}

static gboolean
vard_vard_compile (VardVardAlgorithm *self, GError **error)
{
  const VardTraining *training = self->training;
  const VardTrainingSettings *loop = training->settings;
  const VardModelInfo *info = vard_model_peek_info (training->model);
  VardValueFunction value = { .record = vard_vard_record_value };
  guint first, share = vard_training_get_share (training, loop->states_per_update, 1, &first);
  guint micro = loop->micro_batch > 0 ? loop->micro_batch : share;

  self->value_net =
    VARD_MODULE (vard_value_net_new (info->channels, info->condition.summary_width,
                                     self->settings->value_channels,
                                     vard_random_derive_key (loop->seed, "value-net", 0)));
  value.data = value.module = self->value_net;
  self->value = vard_value_fit_new (training->engine, training->model, &value,
                                    self->settings->value_batch, error);
  if (self->value == NULL)
    return FALSE;

  VardPolicyStepConfig config = {
    .engine = training->engine,
    .model = training->model,
    .frozen = training->frozen,
    .set = training->set,
    .value = value,
    .n = MAX (1, MIN (micro, share)),
    .guidance_scale = loop->guidance_scale,
    .null_condition = training->null_condition,
  };

  self->policy = vard_policy_step_new (&config, error);
  self->meter = self->policy != NULL ? vard_kl_meter_new (&config, error) : NULL;

  return self->meter != NULL;
}

static gboolean
vard_vard_algorithm_prepare (VardAlgorithm *algorithm, GError **error)
{
  VardVardAlgorithm *self = VARD_VARD_ALGORITHM (algorithm);

  self->training = vard_algorithm_peek_training (algorithm);
  self->settings = vard_algorithm_peek_settings (algorithm);
  if (!vard_vard_compile (self, error))
    return FALSE;

  gsize state_size = vard_pipeline_get_state_size (self->training->pipeline);
  gsize n_rewards = vard_reward_mix_get_n_components (self->training->rewards);
  guint n_steps = self->training->sampler->n_steps;

  self->pool = vard_trajectory_store_new (self->settings->pool_size, n_steps + 1, state_size);
  if (self->settings->value_refresh)
    self->ring = vard_trajectory_store_new (self->settings->ring_size, n_steps + 1, state_size);
  if (self->settings->whitening == VARD_WHITENING_RUNNING)
    self->ring_scores = g_new0 (double, self->settings->ring_size *n_rewards);
  self->pool_scores = g_array_new (FALSE, FALSE, sizeof (double));
  self->pool_valid = g_array_new (FALSE, FALSE, sizeof (guint));
  self->r2 = g_new0 (double, n_steps + 1);
  self->histories = g_new0 (VardNormHistory, n_steps);
  vard_kl_controller_init (&self->kl, self->settings->kl_weight, self->settings->kl_target);

  return TRUE;
}

/* ---- phases ---- */

static gboolean
vard_vard_algorithm_advance (VardAlgorithm *algorithm,
                             guint phase,
                             gboolean *is_done,
                             GCancellable *cancellable,
                             GError **error)
{
  VardVardAlgorithm *self = VARD_VARD_ALGORITHM (algorithm);

  return phase == VARD_VARD_PHASE_POOL
           ? vard_vard_algorithm_advance_pool (self, is_done, cancellable, error)
           : vard_vard_algorithm_advance_value_fit (self, is_done, cancellable, error);
}

/* If no step trusts the value network, the run changes nothing: fail before it wastes an hour */
static void
vard_vard_warn_of_value (VardVardAlgorithm *self)
{
  double best = self->r2[0];

  for (guint i = 1; i <= self->training->sampler->n_steps; i++)
    best = MAX (best, self->r2[i]);
  if (best < self->settings->q_min)
    vard_training_warn (self->training,
                        "the value network does not predict the reward yet (value/r2 is at most "
                        "%.2f, q-min is %g), so the model does not change: raise pool-size or "
                        "value-fit-updates",
                        best, self->settings->q_min);
}

/* What the phases found, as the numbers of step 0 */
static void
vard_vard_algorithm_describe (VardAlgorithm *algorithm, VardMetrics *metrics)
{
  VardVardAlgorithm *self = VARD_VARD_ALGORITHM (algorithm);
  const VardSampler *sampler = self->training->sampler;
  guint n = sampler->n_steps + 1;
  double sum = 0;

  vard_metrics_set (metrics, "reward/mean", self->reward_mean);
  vard_metrics_set (metrics, "reward/std", self->reward_sd);
  vard_metrics_set (metrics, "reward-calls", self->training->reward_calls);
  vard_metrics_set (metrics, "kl/trajectory", 0);
  vard_metrics_set (metrics, "kl-weight", self->kl.weight);
  vard_metrics_set (metrics, "value/loss", self->fit_loss);
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *name =
        g_strdup_printf ("value/r2/%g", vard_sampler_get_state_time (sampler, i));

      vard_metrics_set (metrics, name, self->r2[i]);
      sum += self->r2[i];
    }
  vard_metrics_set (metrics, "value/r2", sum / n);
  vard_vard_warn_of_value (self);
}

static gboolean
vard_vard_algorithm_measure_kl (VardAlgorithm *algorithm,
                                const VardTrajectory *rollout,
                                guint i,
                                double *kl,
                                double *kl_capped,
                                GCancellable *cancellable,
                                GError **error)
{
  VardVardAlgorithm *self = VARD_VARD_ALGORITHM (algorithm);
  guint n = self->training->sampler->n_steps;
  g_autofree VardPolicyState *states = g_new0 (VardPolicyState, n);
  g_autofree VardPolicySample *samples = g_new (VardPolicySample, n);

  for (guint k = 0; k < n; k++)
    {
      states[k].x = vard_trajectory_peek_state (rollout, k, i);
      states[k].step = &self->training->sampler->steps[k];
      states[k].condition = vard_training_peek_condition (self->training, rollout->prompts[i]);
    }
  if (!vard_kl_meter_measure (self->meter, states, n, self->settings->w_max, samples, cancellable,
                              error))
    return FALSE;

  for (guint k = 0; k < n; k++)
    {
      kl[k] = samples[k].kl;
      kl_capped[k] = samples[k].kl_capped;
    }

  return TRUE;
}

/* ---- final files and the forecast ---- */

static gboolean
vard_vard_algorithm_export_files (VardAlgorithm *algorithm, const char *directory, GError **error)
{
  VardVardAlgorithm *self = VARD_VARD_ALGORITHM (algorithm);
  g_autofree char *path = g_build_filename (directory, VALUE_FILE, NULL);
  g_autoptr (VardHostWeights) weights = vard_host_weights_new (self->training->engine);

  return vard_host_weights_add (weights, self->value_net, error)
         && vard_value_net_save (VARD_VALUE_NET (self->value_net), path, error);
}

static gsize
vard_vard_count_store (const VardTrajectoryStore *store)
{
  return store != NULL
           ? (gsize) store->capacity * store->n_states * store->state_size * sizeof (float)
           : 0;
}

static void
vard_vard_algorithm_forecast (VardAlgorithm *algorithm, VardAlgorithmCosts *costs)
{
  VardVardAlgorithm *self = VARD_VARD_ALGORITHM (algorithm);
  const VardTrainingSettings *loop = self->training->settings;
  guint interval = self->settings->score_interval;
  double scored = self->settings->value_refresh ? loop->steps
                  : interval > 0                ? loop->steps / interval
                                                : 0;

  costs->optimizer = vard_optimizer_count_bytes (vard_value_fit_peek_optimizer (self->value));
  costs->pool = vard_vard_count_store (self->pool);
  costs->ring = vard_vard_count_store (self->ring);
  costs->workspace = vard_policy_step_get_workspace_size (self->policy);
  costs->pictures = self->settings->pool_size;
  costs->updates = self->settings->value_fit_updates;
  costs->states = self->settings->value_batch;
  costs->calls = scored * loop->batch_size;
  costs->forwards = FORWARDS_PER_STATE * loop->steps * loop->policy_updates
                    * loop->states_per_update;
}

/* clang-format off */
static const VardAlgorithmRemedy remedies[] = {
  { "work/pool", { "pool-size" } },
  { "work/value-updates", { "value-fit-updates" } },
  { "work/value-states", { "value-batch" } },
  { "calls/pool", { "pool-size" } },
  { "calls/training", { "score-interval", "value-refresh=false" } },
  { "memory/pool", { "pool-size" } },
  { "memory/ring", { "ring-size" } },
  { "device/activations", { "value-batch" } },
  { "disk/checkpoint", { "pool-size" } },
  { "time/evaluations", { "pool-size" } },
  { "time/total", { "pool-size" } },
};
/* clang-format on */

/* ---- the object ---- */

static void
vard_vard_algorithm_finalize (GObject *object)
{
  VardVardAlgorithm *self = VARD_VARD_ALGORITHM (object);

  g_clear_pointer (&self->policy, vard_policy_step_free);
  g_clear_pointer (&self->meter, vard_kl_meter_free);
  g_clear_pointer (&self->value, vard_value_fit_free);
  g_clear_object (&self->value_net);
  g_clear_pointer (&self->pool, vard_trajectory_store_free);
  g_clear_pointer (&self->ring, vard_trajectory_store_free);
  g_clear_pointer (&self->ring_scores, g_free);
  g_clear_pointer (&self->pool_scores, g_array_unref);
  g_clear_pointer (&self->pool_valid, g_array_unref);
  g_clear_pointer (&self->r2, g_free);
  g_clear_pointer (&self->histories, g_free);

  G_OBJECT_CLASS (vard_vard_algorithm_parent_class)->finalize (object);
}

static void
vard_vard_algorithm_class_init (VardVardAlgorithmClass *klass)
{
  VardAlgorithmClass *algorithm = VARD_ALGORITHM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = vard_vard_algorithm_finalize;
  algorithm->name = "vard";
  algorithm->summary = "learns the value of noisy states and follows its gradient";
  algorithm->settings_type = VARD_TYPE_VARD_SETTINGS;
  algorithm->needs = VARD_ALGORITHM_NEEDS_VALUE;
  algorithm->phases = phases;
  algorithm->metrics = vard_vard_metrics;
  algorithm->n_metrics = vard_n_vard_metrics;
  algorithm->remedies = remedies;
  algorithm->n_remedies = G_N_ELEMENTS (remedies);
  algorithm->check = vard_vard_algorithm_check;
  algorithm->prepare = vard_vard_algorithm_prepare;
  algorithm->advance = vard_vard_algorithm_advance;
  algorithm->describe = vard_vard_algorithm_describe;
  algorithm->step = vard_vard_algorithm_step;
  algorithm->measure_kl = vard_vard_algorithm_measure_kl;
  algorithm->save = vard_vard_algorithm_save;
  algorithm->load = vard_vard_algorithm_load;
  algorithm->export_files = vard_vard_algorithm_export_files;
  algorithm->forecast = vard_vard_algorithm_forecast;
}

static void
vard_vard_algorithm_init (VardVardAlgorithm *self)
{
}
