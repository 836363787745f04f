/* vard-vard-step.c - one step of VARD: rollout, value updates, policy updates
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-vard-algorithm-private.h"

#include "base/vard-random.h"

#include <math.h>
#include <stdlib.h>

/* What one iteration adds up for its metrics */
typedef struct
{
  double loss, value, norm, gradient_norm, kl, kl_capped;
  double value_loss, learning_rate;
  guint n_samples, n_updates, n_value_updates;
  double rollout_seconds, reward_seconds, value_seconds, policy_seconds;
} VardStepSums;

static double
vard_vard_lap (gint64 *since)
{
  gint64 now = g_get_monotonic_time ();
  double seconds = (now - *since) / 1e6;

  *since = now;

  return seconds;
}

static void
vard_vard_rollout_progress (double fraction, gpointer data)
{
  VardVardAlgorithm *self = data;

  /* about half of a step; only the progress bar depends on it */
  vard_training_emit_progress (self->training, "step",
                               (self->training->step + fraction / 2)
                                 / self->training->settings->steps,
                               NULL);
}

/* ---- value refresh ---- */

static double *
vard_vard_peek_ring_scores (VardVardAlgorithm *self)
{
  gsize slot = self->ring->n_pushed % self->ring->capacity;

  return self->ring_scores + slot * vard_reward_mix_get_n_components (self->training->rewards);
}

static void
vard_vard_push_ring (VardVardAlgorithm *self,
                     const VardTrajectory *rollout,
                     VardRewardScores *scores)
{
  for (guint i = 0; i < rollout->n; i++)
    {
      double total = vard_training_get_total (self->training, scores, i);

      if (!isfinite (total))
        continue;
      if (self->ring_scores != NULL)
        vard_training_copy_raw (self->training, scores, i, vard_vard_peek_ring_scores (self));
      vard_trajectory_store_push (self->ring, rollout, i, total);
    }
  if (self->ring_scores == NULL)
    return;
  vard_reward_mix_update_running (self->training->rewards, scores);
  vard_vard_algorithm_rewhiten (self);
}

static gboolean
vard_vard_refresh_value (VardVardAlgorithm *self,
                         VardStepSums *sums,
                         GCancellable *cancellable,
                         GError **error)
{
  for (guint i = 0; i < self->settings->value_updates; i++)
    {
      double loss;

      if (!vard_vard_algorithm_update_value (self, self->settings->value_refresh_learning_rate,
                                             self->settings->ring_share, &loss, cancellable, error))
        {
          g_prefix_error (error, "step %" G_GUINT64_FORMAT ": ", self->training->step + 1);
          return FALSE;
        }
      sums->value_loss += loss;
      sums->n_value_updates++;
    }

  return TRUE;
}

/* ---- policy ---- */

static int
vard_vard_compare_floats (const void *a, const void *b)
{
  float x = *(const float *) a, y = *(const float *) b;

  return (x > y) - (x < y);
}

/* The quantile of a noise level's recent gradient norms; no limit while they are few */
static double
vard_vard_find_limit (VardVardAlgorithm *self, guint step)
{
  const VardNormHistory *history = &self->histories[step];
  guint n = MIN (history->count, VARD_VARD_N_NORMS);
  float sorted[VARD_VARD_N_NORMS];

  if (self->settings->value_gradient_quantile >= 1 || n < 8)
    return INFINITY;
  memcpy (sorted, history->norms, n * sizeof (float));
  qsort (sorted, n, sizeof (float), vard_vard_compare_floats);

  return sorted[(guint) (self->settings->value_gradient_quantile * (n - 1))];
}

static void
vard_vard_remember_norm (VardVardAlgorithm *self, guint step, double norm)
{
  VardNormHistory *history = &self->histories[step];

  history->norms[history->count++ % VARD_VARD_N_NORMS] = (float) norm;
}

/* Trajectories in turn, noise levels in strata, everything by the update's own key */
static void
vard_vard_draw_states (VardVardAlgorithm *self,
                       const VardTrajectory *rollout,
                       guint64 update,
                       VardPolicyState *states,
                       guint *steps)
{
  const VardTrainingSettings *settings = self->training->settings;
  guint n = settings->states_per_update, n_steps = self->training->sampler->n_steps;
  guint64 key = vard_random_derive_key (settings->seed, "policy-states", update);
  g_autofree guint *order = g_new (guint, rollout->n);

  vard_random_permutation (key, 1, order, rollout->n);
  for (guint i = 0; i < n; i++)
    {
      double place = (i + vard_random_uniform (key, 0, i)) / n;
      guint step = MIN ((guint) (place * n_steps), n_steps - 1);
      guint trajectory = order[i % rollout->n];
      gboolean is_trusted = self->r2[step + 1] >= self->settings->q_min
                            || self->settings->q_min <= -1;

      steps[i] = step;
      states[i] = (VardPolicyState) {
        .x = vard_trajectory_peek_state (rollout, step, trajectory),
        .step = &self->training->sampler->steps[step],
        .value_time = vard_vard_algorithm_get_value_time (self, step + 1),
        .condition = vard_training_peek_condition (self->training, rollout->prompts[trajectory]),
        .noise_key = vard_random_derive_key (key, "noise", i),
        .gain = is_trusted ? pow (self->settings->gamma, n_steps - 1 - step) : 0,
        .gradient_limit = vard_vard_find_limit (self, step),
      };
    }
}

static void
vard_vard_add_samples (VardVardAlgorithm *self,
                       const VardPolicySample *samples,
                       const guint *steps,
                       guint n,
                       VardStepSums *sums)
{
  for (guint i = 0; i < n; i++)
    {
      sums->loss += samples[i].loss;
      sums->value += samples[i].value;
      sums->gradient_norm += samples[i].gradient_norm;
      sums->kl += samples[i].kl;
      sums->kl_capped += samples[i].kl_capped;
      vard_vard_remember_norm (self, steps[i], samples[i].gradient_norm);
    }
  sums->n_samples += n;
}

/* Each rank adds the gradient of its share of the states; all of them have the samples of all */
static gboolean
vard_vard_accumulate (VardVardAlgorithm *self,
                      const VardPolicyState *states,
                      guint n,
                      VardPolicySample *samples,
                      GCancellable *cancellable,
                      GError **error)
{
  guint first, n_own = vard_training_get_share (self->training, n, 1, &first);

  return vard_policy_step_accumulate (self->policy, states + first, n_own, n, self->kl.weight,
                                      self->settings->w_max, samples + first, cancellable, error)
         && vard_training_gather (self->training, samples, n, 1, sizeof (VardPolicySample), error);
}

static gboolean
vard_vard_update_policy (VardVardAlgorithm *self,
                         const VardTrajectory *rollout,
                         VardStepSums *sums,
                         GCancellable *cancellable,
                         GError **error)
{
  guint n = self->training->settings->states_per_update;
  g_autofree VardPolicyState *states = g_new (VardPolicyState, n);
  g_autofree VardPolicySample *samples = g_new (VardPolicySample, n);
  g_autofree guint *steps = g_new (guint, n);
  VardOptimizerNumbers numbers =
    vard_training_get_numbers (self->training, self->training->settings->policy_updates);
  double norm;

  vard_vard_draw_states (self, rollout, vard_optimizer_get_n_updates (self->training->optimizer),
                         states, steps);
  if (!vard_vard_accumulate (self, states, n, samples, cancellable, error)
      || !vard_optimizer_update (self->training->optimizer, &numbers, &norm, cancellable, error))
    {
      g_prefix_error (error, "step %" G_GUINT64_FORMAT ": ", self->training->step + 1);
      return FALSE;
    }
  vard_vard_add_samples (self, samples, steps, n, sums);
  sums->norm += norm;
  sums->learning_rate = numbers.learning_rate;
  sums->n_updates++;

  return TRUE;
}

/* ---- metrics ---- */

static void
vard_vard_add_policy_metrics (VardVardAlgorithm *self,
                              const VardStepSums *sums,
                              VardMetrics *metrics)
{
  double n = sums->n_samples, per_trajectory = self->training->sampler->n_steps / n;

  vard_metrics_set (metrics, "reward-calls", self->training->reward_calls);
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
vard_vard_add_times (VardVardAlgorithm *self, const VardStepSums *sums, VardMetrics *metrics)
{
  double all = sums->rollout_seconds + sums->reward_seconds + sums->value_seconds
               + sums->policy_seconds;

  vard_metrics_set (metrics, "seconds/rollout", sums->rollout_seconds);
  vard_metrics_set (metrics, "seconds/reward", sums->reward_seconds);
  vard_metrics_set (metrics, "seconds/value", sums->value_seconds);
  vard_metrics_set (metrics, "seconds/policy", sums->policy_seconds);
  vard_metrics_set (metrics, "images-per-second", self->training->settings->batch_size / all);
}

/* ---- the iteration ---- */

static gboolean
vard_vard_is_scored (VardVardAlgorithm *self)
{
  guint interval = self->settings->score_interval;

  return self->ring != NULL || (interval > 0 && self->training->step % interval == 0);
}

/* Value updates with what was just scored, where the value network is kept fresh */
static gboolean
vard_vard_follow (VardVardAlgorithm *self,
                  const VardTrajectory *rollout,
                  VardRewardScores *scores,
                  VardStepSums *sums,
                  GCancellable *cancellable,
                  GError **error)
{
  if (self->ring == NULL)
    return TRUE;
  vard_vard_push_ring (self, rollout, scores);

  return vard_vard_refresh_value (self, sums, cancellable, error);
}

static VardMetrics *
vard_vard_finish_step (VardVardAlgorithm *self, VardRewardScores *scores, const VardStepSums *sums)
{
  VardMetrics *metrics = vard_training_new_metrics (self->training);

  if (scores != NULL)
    vard_training_add_reward_metrics (self->training, scores, metrics);
  vard_vard_add_policy_metrics (self, sums, metrics);
  vard_vard_add_times (self, sums, metrics);
  vard_kl_controller_update (&self->kl,
                             sums->kl_capped * self->training->sampler->n_steps / sums->n_samples);

  return metrics;
}

VardMetrics *
vard_vard_algorithm_step (VardAlgorithm *algorithm, GCancellable *cancellable, GError **error)
{
  VardVardAlgorithm *self = VARD_VARD_ALGORITHM (algorithm);
  const VardTrainingSettings *settings = self->training->settings;
  gint64 clock = g_get_monotonic_time ();
  VardStepSums sums = { 0 };
  g_autoptr (VardRewardScores) scores = NULL;
  g_autoptr (VardTrajectory) rollout =
    vard_training_rollout (self->training, "rollout", self->training->step * settings->batch_size,
                           settings->batch_size, vard_vard_rollout_progress, self, cancellable,
                           error);
  if (rollout == NULL)
    return NULL;
  sums.rollout_seconds = vard_vard_lap (&clock);

  if (vard_vard_is_scored (self))
    {
      scores = vard_training_score_rollout (self->training, rollout, cancellable, error);
      if (scores == NULL)
        return NULL;
    }
  sums.reward_seconds = vard_vard_lap (&clock);

  if (!vard_vard_follow (self, rollout, scores, &sums, cancellable, error))
    return NULL;
  sums.value_seconds = vard_vard_lap (&clock);

  for (guint i = 0; i < settings->policy_updates; i++)
    if (!vard_vard_update_policy (self, rollout, &sums, cancellable, error))
      return NULL;
  sums.policy_seconds = vard_vard_lap (&clock);

  return vard_vard_finish_step (self, scores, &sums);
}
