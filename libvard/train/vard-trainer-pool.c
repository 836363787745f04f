/* vard-trainer-pool.c - the trainer's first two phases: pictures of the base model, and the value
 * fitted on them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

#include "base/vard-random.h"
#include "learn/vard-learning-rate.h"

#include <math.h>

/* Updates of the value between two looks at the clock and at who wants to stop */
#define FIT_BURST 10
#define VALUE_CLIP_NORM 1.0
#define VALUE_BETA1 0.9
#define VALUE_BETA2 0.99

/* ---- pool ---- */

static void
pool_progress (double fraction, gpointer data)
{
  VardTrainer *self = data;
  guint n = MIN (self->settings->batch_size, self->settings->pool_size - self->pool_next);

  vard_trainer_emit_progress (self, "pool",
                              (self->pool_next + n * fraction) / self->settings->pool_size, NULL);
}

static void
keep_scores (VardTrainer *self, VardRewardScores *scores, guint item)
{
  for (guint k = 0; k < vard_reward_scores_get_n_components (scores); k++)
    {
      double raw = NAN;

      vard_reward_scores_get_raw (scores, k, item, &raw);
      g_array_append_val (self->pool_scores, raw);
    }
}

gboolean
vard_trainer_advance_pool (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  guint n = MIN (self->settings->batch_size, self->settings->pool_size - self->pool_next);
  g_autoptr (VardTrajectory) rollout =
    vard_trainer_rollout (self, "pool", self->pool_next, n, pool_progress, cancellable, error);
  if (rollout == NULL)
    return FALSE;

  g_autoptr (GPtrArray) images =
    vard_pipeline_decode (self->pipeline,
                          vard_trajectory_peek_state (rollout, rollout->n_states - 1, 0), n, n,
                          cancellable, error);
  if (images == NULL)
    return FALSE;

  g_autoptr (VardRewardScores) scores =
    vard_trainer_score (self, images, rollout->prompts, TRUE, cancellable, error);
  if (scores == NULL)
    return FALSE;

  for (guint i = 0; i < n; i++)
    {
      vard_trajectory_store_push (self->pool, rollout, i, NAN);
      keep_scores (self, scores, i);
    }
  self->pool_next += n;

  if (self->pool_next < self->settings->pool_size)
    return TRUE;
  if (!vard_trainer_settle_pool (self, error))
    return FALSE;
  self->phase = VARD_TRAINER_PHASE_VALUE_FIT;

  return TRUE;
}

/* ---- value ---- */

static guint
count_held_out (VardTrainer *self)
{
  return MIN (MAX (16, self->pool_valid->len / 8), self->pool_valid->len / 2);
}

/* Of the finished picture for every state when the value network knows no other */
double
vard_trainer_get_value_time (VardTrainer *self, guint state)
{
  return vard_sampler_get_state_time (self->sampler,
                                      self->settings->value_noisy ? state : self->sampler->n_steps);
}

static void
set_state (VardTrainer *self,
           const VardTrajectoryStore *store,
           guint trajectory,
           guint state,
           VardValueState *out)
{
  out->x = vard_trajectory_store_peek_state (store, trajectory, state);
  out->time = vard_trainer_get_value_time (self, state);
  out->condition = vard_trainer_peek_condition (self, store->prompts[trajectory]);
  out->target = (store->rewards[trajectory] - self->reward_mean) / self->reward_sd;
}

/* Trajectories at random, states in strata: every noise level has its share of every batch */
static void
draw_states (VardTrainer *self, guint n, double ring_share, VardValueState *states)
{
  guint64 key = vard_random_derive_key (self->settings->seed, "value-states",
                                        vard_optimizer_get_n_updates (
                                          vard_value_fit_peek_optimizer (self->value)));
  guint n_train = self->pool_valid->len - count_held_out (self);
  guint n_ring = self->ring != NULL ? vard_trajectory_store_get_count (self->ring) : 0;
  guint n_from_ring = n_ring > 0 ? (guint) (n * ring_share + 0.5) : 0;
  guint n_states = self->sampler->n_steps + 1;
  g_autofree guint *order = g_new (guint, n);

  /* the permutation unties the noise level from the store that a row comes from */
  vard_random_permutation (key, 2, order, n);
  for (guint i = 0; i < n; i++)
    {
      double place = (order[i] + vard_random_uniform (key, 0, i)) / n;
      guint state = self->settings->value_noisy ? MIN ((guint) (place * n_states), n_states - 1)
                                                : n_states - 1;

      if (i < n_from_ring)
        set_state (self, self->ring, vard_random_uniform_int (key, 1, i, n_ring), state,
                   &states[i]);
      else
        set_state (self, self->pool,
                   g_array_index (self->pool_valid, guint,
                                  vard_random_uniform_int (key, 1, i, n_train)),
                   state, &states[i]);
    }
}

gboolean
vard_trainer_update_value (VardTrainer *self,
                           double learning_rate,
                           double ring_share,
                           double *loss,
                           GCancellable *cancellable,
                           GError **error)
{
  guint n = self->settings->value_batch;
  g_autofree VardValueState *states = g_new (VardValueState, n);
  VardOptimizerNumbers numbers = {
    .learning_rate = learning_rate,
    .beta1 = VALUE_BETA1,
    .beta2 = VALUE_BETA2,
    .epsilon = 1e-8,
    .clip_norm = VALUE_CLIP_NORM,
  };

  draw_states (self, n, ring_share, states);

  return vard_value_fit_update (self->value, states, &numbers, loss, cancellable, error);
}

/* R2 of one state over the held-out trajectories: 1 - MSE / variance */
static double
measure_r2 (const VardValueState *states, const float *values, guint n)
{
  double sum = 0, squares = 0, errors = 0;

  for (guint i = 0; i < n; i++)
    {
      sum += states[i].target;
      squares += states[i].target * states[i].target;
      errors += pow (values[i] - states[i].target, 2);
    }

  double variance = squares / n - sum / n * (sum / n);

  return variance > 0 ? 1 - errors / n / variance : 0;
}

static gboolean
measure_fit (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  guint n = count_held_out (self), first = self->pool_valid->len - n;
  g_autofree VardValueState *states = g_new (VardValueState, n);
  g_autofree float *values = g_new (float, n);

  for (guint state = 0; state <= self->sampler->n_steps; state++)
    {
      for (guint i = 0; i < n; i++)
        set_state (self, self->pool, g_array_index (self->pool_valid, guint, first + i), state,
                   &states[i]);
      if (!vard_value_fit_predict (self->value, states, n, values, cancellable, error))
        return FALSE;
      self->r2[state] = measure_r2 (states, values, n);
    }

  return TRUE;
}

gboolean
vard_trainer_advance_value_fit (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  const VardTrainerSettings *settings = self->settings;

  for (guint i = 0; i < FIT_BURST && self->fit_updates < settings->value_fit_updates; i++)
    {
      double rate = vard_learning_rate_cosine (self->fit_updates, settings->value_fit_updates,
                                               settings->value_learning_rate,
                                               settings->value_learning_rate_end);
      double loss;

      if (!vard_trainer_update_value (self, rate, 0, &loss, cancellable, error))
        {
          g_prefix_error (error, "value fit: ");
          return FALSE;
        }
      self->fit_loss = self->fit_updates > 0 ? 0.9 * self->fit_loss + 0.1 * loss : loss;
      self->fit_updates++;
    }

  g_autoptr (VardMetrics) metrics = vard_metrics_new (0, vard_trainer_get_seconds (self));
  vard_metrics_set (metrics, "value/loss", self->fit_loss);
  vard_trainer_emit_progress (self, "value-fit",
                              self->fit_updates / (double) settings->value_fit_updates, metrics);

  if (self->fit_updates < settings->value_fit_updates)
    return TRUE;
  if (!measure_fit (self, cancellable, error))
    return FALSE;
  self->phase = VARD_TRAINER_PHASE_BASE;

  return TRUE;
}
