/* vard-trainer-step.c - one policy iteration: rollout, value updates, policy updates
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

#include "base/vard-random.h"
#include "learn/vard-learning-rate.h"

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>

/* What one iteration adds up for its metrics */
typedef struct
{
  double loss, value, norm, gradient_norm, kl, kl_capped;
  double value_loss, learning_rate;
  guint n_samples, n_updates, n_value_updates;
  double rollout_seconds, reward_seconds, value_seconds, policy_seconds;
} StepSums;

static double
lap (gint64 *since)
{
  gint64 now = g_get_monotonic_time ();
  double seconds = (now - *since) / 1e6;

  *since = now;

  return seconds;
}

static void
rollout_progress (double fraction, gpointer data)
{
  VardTrainer *self = data;

  /* about half of a step; nothing but a bar depends on it */
  vard_trainer_emit_progress (self, "step", (self->step + fraction / 2) / self->settings->steps,
                              NULL);
}

/* ---- value refresh ---- */

static void
keep_ring_scores (VardTrainer *self, VardRewardScores *scores, guint item)
{
  guint n = vard_reward_scores_get_n_components (scores);
  double *to = self->ring_scores + (self->ring->n_pushed % self->ring->capacity) * (gsize) n;

  for (guint k = 0; k < n; k++)
    if (!vard_reward_scores_get_raw (scores, k, item, &to[k]))
      to[k] = NAN;
}

static gboolean
push_ring (VardTrainer *self,
           const VardTrajectory *rollout,
           VardRewardScores *scores,
           GError **error)
{
  for (guint i = 0; i < rollout->n; i++)
    {
      double total = vard_trainer_get_total (self, scores, i);

      if (!isfinite (total))
        continue;
      if (self->ring_scores != NULL)
        keep_ring_scores (self, scores, i);
      vard_trajectory_store_push (self->ring, rollout, i, total);
    }
  if (self->ring_scores == NULL)
    return TRUE;
  vard_reward_mix_update_running (self->rewards, scores);

  return vard_trainer_rewhiten (self, error);
}

static gboolean
refresh_value (VardTrainer *self, StepSums *sums, GCancellable *cancellable, GError **error)
{
  const VardTrainerSettings *settings = self->settings;

  for (guint i = 0; i < settings->value_updates; i++)
    {
      double loss;

      if (!vard_trainer_update_value (self, settings->value_refresh_learning_rate,
                                      settings->ring_share, &loss, cancellable, error))
        {
          g_prefix_error (error, "step %" G_GUINT64_FORMAT ": ", self->step + 1);
          return FALSE;
        }
      sums->value_loss += loss;
      sums->n_value_updates++;
    }

  return TRUE;
}

/* ---- policy ---- */

static int
compare_floats (const void *a, const void *b)
{
  float x = *(const float *) a, y = *(const float *) b;

  return (x > y) - (x < y);
}

/* The quantile of a noise level's recent gradient norms; no limit while they are few */
static double
find_limit (VardTrainer *self, guint step)
{
  const VardNormHistory *history = &self->histories[step];
  guint n = MIN (history->count, VARD_TRAINER_N_NORMS);
  float sorted[VARD_TRAINER_N_NORMS];

  if (self->settings->value_gradient_quantile >= 1 || n < 8)
    return INFINITY;
  memcpy (sorted, history->norms, n * sizeof (float));
  qsort (sorted, n, sizeof (float), compare_floats);

  return sorted[(guint) (self->settings->value_gradient_quantile * (n - 1))];
}

static void
remember_norm (VardTrainer *self, guint step, double norm)
{
  VardNormHistory *history = &self->histories[step];

  history->norms[history->count++ % VARD_TRAINER_N_NORMS] = (float) norm;
}

/* Trajectories in turn, noise levels in strata, everything by the update's own key */
static void
draw_states (VardTrainer *self,
             const VardTrajectory *rollout,
             guint64 update,
             VardPolicyState *states,
             guint *steps)
{
  const VardTrainerSettings *settings = self->settings;
  guint n = settings->states_per_update, n_steps = self->sampler->n_steps;
  guint64 key = vard_random_derive_key (settings->seed, "policy-states", update);
  g_autofree guint *order = g_new (guint, rollout->n);

  vard_random_permutation (key, 1, order, rollout->n);
  for (guint i = 0; i < n; i++)
    {
      double place = (i + vard_random_uniform (key, 0, i)) / n;
      guint step = MIN ((guint) (place * n_steps), n_steps - 1);
      guint trajectory = order[i % rollout->n];
      gboolean is_trusted = self->r2[step + 1] >= settings->q_min || settings->q_min <= -1;

      steps[i] = step;
      states[i] = (VardPolicyState) {
        .x = vard_trajectory_peek_state (rollout, step, trajectory),
        .step = &self->sampler->steps[step],
        .value_time = vard_trainer_get_value_time (self, step + 1),
        .condition = vard_trainer_peek_condition (self, rollout->prompts[trajectory]),
        .noise_key = vard_random_derive_key (key, "noise", i),
        .gain = is_trusted ? pow (settings->gamma, n_steps - 1 - step) : 0,
        .gradient_limit = find_limit (self, step),
      };
    }
}

static void
add_samples (VardTrainer *self,
             const VardPolicySample *samples,
             const guint *steps,
             guint n,
             StepSums *sums)
{
  for (guint i = 0; i < n; i++)
    {
      sums->loss += samples[i].loss;
      sums->value += samples[i].value;
      sums->gradient_norm += samples[i].gradient_norm;
      sums->kl += samples[i].kl;
      sums->kl_capped += samples[i].kl_capped;
      remember_norm (self, steps[i], samples[i].gradient_norm);
    }
  sums->n_samples += n;
}

static VardOptimizerNumbers
get_numbers (VardTrainer *self)
{
  const VardTrainerSettings *settings = self->settings;
  guint64 n_steps = settings->decay_steps > 0 ? settings->decay_steps : settings->steps;
  double factor = vard_learning_rate_linear (vard_optimizer_get_n_updates (self->optimizer),
                                             n_steps * settings->policy_updates, settings->warm_up,
                                             settings->learning_rate_end);

  return (VardOptimizerNumbers) {
    .learning_rate = settings->learning_rate * factor,
    .beta1 = settings->adam_beta1,
    .beta2 = settings->adam_beta2,
    .epsilon = settings->adam_epsilon,
    .weight_decay = settings->weight_decay,
    .clip_norm = settings->clip_norm,
  };
}

static gboolean
update_policy (VardTrainer *self,
               const VardTrajectory *rollout,
               StepSums *sums,
               GCancellable *cancellable,
               GError **error)
{
  guint n = self->settings->states_per_update;
  g_autofree VardPolicyState *states = g_new (VardPolicyState, n);
  g_autofree VardPolicySample *samples = g_new (VardPolicySample, n);
  g_autofree guint *steps = g_new (guint, n);
  VardOptimizerNumbers numbers = get_numbers (self);
  double norm;

  draw_states (self, rollout, vard_optimizer_get_n_updates (self->optimizer), states, steps);
  if (!vard_policy_step_accumulate (self->policy, states, n, self->kl.weight, self->settings->w_max,
                                    samples, cancellable, error)
      || !vard_optimizer_update (self->optimizer, &numbers, &norm, cancellable, error))
    {
      g_prefix_error (error, "step %" G_GUINT64_FORMAT ": ", self->step + 1);
      return FALSE;
    }
  add_samples (self, samples, steps, n, sums);
  sums->norm += norm;
  sums->learning_rate = numbers.learning_rate;
  sums->n_updates++;

  return TRUE;
}

/* ---- metrics ---- */

static void
add_policy_metrics (VardTrainer *self, const StepSums *sums, VardMetrics *metrics)
{
  double n = sums->n_samples, per_trajectory = self->sampler->n_steps / n;

  vard_metrics_set (metrics, "reward-calls", self->reward_calls);
  vard_metrics_set (metrics, "kl/trajectory", sums->kl * per_trajectory);
  vard_metrics_set (metrics, "kl/capped", sums->kl_capped * per_trajectory);
  vard_metrics_set (metrics, "kl-weight", self->kl.weight);
  vard_metrics_set (metrics, "policy/loss", sums->loss / n);
  vard_metrics_set (metrics, "policy/value", sums->value / n);
  vard_metrics_set (metrics, "value/gradient-norm", sums->gradient_norm / n);
  vard_metrics_set (metrics, "grad-norm", sums->norm / sums->n_updates);
  vard_metrics_set (metrics, "learning-rate", sums->learning_rate);
  if (sums->n_value_updates > 0)
    vard_metrics_set (metrics, "value/loss", sums->value_loss / sums->n_value_updates);
}

static void
add_times (VardTrainer *self, const StepSums *sums, VardMetrics *metrics)
{
  double all = sums->rollout_seconds + sums->reward_seconds + sums->value_seconds
               + sums->policy_seconds;
  struct rusage usage;

  vard_metrics_set (metrics, "seconds/rollout", sums->rollout_seconds);
  vard_metrics_set (metrics, "seconds/reward", sums->reward_seconds);
  vard_metrics_set (metrics, "seconds/value", sums->value_seconds);
  vard_metrics_set (metrics, "seconds/policy", sums->policy_seconds);
  vard_metrics_set (metrics, "images-per-second", self->settings->batch_size / all);
  /* the kernel counts in kilobytes */
  if (getrusage (RUSAGE_SELF, &usage) == 0)
    vard_metrics_set (metrics, "memory/peak-bytes", usage.ru_maxrss * 1024.0);
}

/* ---- the iteration ---- */

static gboolean
is_scored (VardTrainer *self)
{
  guint interval = self->settings->score_interval;

  return self->ring != NULL || (interval > 0 && self->step % interval == 0);
}

static VardRewardScores *
score_rollout (VardTrainer *self,
               const VardTrajectory *rollout,
               GCancellable *cancellable,
               GError **error)
{
  const float *latents = vard_trajectory_peek_state (rollout, rollout->n_states - 1, 0);
  g_autoptr (GPtrArray) images =
    vard_pipeline_decode (self->pipeline, latents, rollout->n, rollout->n, cancellable, error);

  return images != NULL
           ? vard_trainer_score (self, images, rollout->prompts, TRUE, cancellable, error)
           : NULL;
}

gboolean
vard_trainer_advance_step (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  const VardTrainerSettings *settings = self->settings;
  gint64 clock = g_get_monotonic_time ();
  StepSums sums = { 0 };
  g_autoptr (VardRewardScores) scores = NULL;
  g_autoptr (VardTrajectory) rollout =
    vard_trainer_rollout (self, "rollout", self->step * settings->batch_size, settings->batch_size,
                          rollout_progress, cancellable, error);
  if (rollout == NULL)
    return FALSE;
  sums.rollout_seconds = lap (&clock);

  if (is_scored (self))
    {
      scores = score_rollout (self, rollout, cancellable, error);
      if (scores == NULL)
        return FALSE;
    }
  sums.reward_seconds = lap (&clock);

  if (self->ring != NULL)
    {
      if (!push_ring (self, rollout, scores, error)
          || !refresh_value (self, &sums, cancellable, error))
        return FALSE;
    }
  sums.value_seconds = lap (&clock);

  for (guint i = 0; i < settings->policy_updates; i++)
    if (!update_policy (self, rollout, &sums, cancellable, error))
      return FALSE;
  sums.policy_seconds = lap (&clock);

  self->step++;
  g_clear_pointer (&self->metrics, vard_metrics_unref);
  self->metrics = vard_metrics_new (self->step, vard_trainer_get_seconds (self));
  if (scores != NULL)
    vard_trainer_add_reward_metrics (self, scores, self->metrics);
  add_policy_metrics (self, &sums, self->metrics);
  add_times (self, &sums, self->metrics);
  vard_kl_controller_update (&self->kl, sums.kl_capped * self->sampler->n_steps / sums.n_samples);

  return TRUE;
}
