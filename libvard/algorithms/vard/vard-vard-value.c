/* vard-vard-value.c - VARD's second phase, the fit of the value network, and its later updates
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-vard-algorithm-private.h"

#include "base/vard-random.h"
#include "learn/vard-learning-rate.h"

#include <math.h>

/* Value updates in one unit of work; between two units a run can pause, stop or be saved */
#define FIT_BURST 1
#define VALUE_CLIP_NORM 1.0
#define VALUE_BETA1 0.9
#define VALUE_BETA2 0.99

static guint
vard_vard_count_held_out (VardVardAlgorithm *self)
{
  return MIN (MAX (16, self->pool_valid->len / 8), self->pool_valid->len / 2);
}

/* The finished picture's time for every state, if the value network knows no other */
double
vard_vard_algorithm_get_value_time (VardVardAlgorithm *self, guint state)
{
  return vard_sampler_get_state_time (self->training->sampler,
                                      self->settings->value_noisy
                                        ? state
                                        : self->training->sampler->n_steps);
}

static void
vard_vard_set_state (VardVardAlgorithm *self,
                     const VardTrajectoryStore *store,
                     guint trajectory,
                     guint state,
                     VardValueState *out)
{
  out->x = vard_trajectory_store_peek_state (store, trajectory, state);
  out->time = vard_vard_algorithm_get_value_time (self, state);
  out->condition = vard_training_peek_condition (self->training, store->prompts[trajectory]);
  out->target = (store->rewards[trajectory] - self->reward_mean) / self->reward_sd;
}

/* Trajectories at random, states in strata: every noise level has its share of every batch */
static void
vard_vard_draw_states (VardVardAlgorithm *self, guint n, double ring_share, VardValueState *states)
{
  guint64 key = vard_random_derive_key (self->training->settings->seed, "value-states",
                                        vard_optimizer_get_n_updates (
                                          vard_value_fit_peek_optimizer (self->value)));
  guint n_train = self->pool_valid->len - vard_vard_count_held_out (self);
  guint n_ring = self->ring != NULL ? vard_trajectory_store_get_count (self->ring) : 0;
  guint n_from_ring = n_ring > 0 ? (guint) (n * ring_share + 0.5) : 0;
  guint n_states = self->training->sampler->n_steps + 1;
  g_autofree guint *order = g_new (guint, n);

  /* the permutation unties the noise level from the store that a row comes from */
  vard_random_permutation (key, 2, order, n);
  for (guint i = 0; i < n; i++)
    {
      double place = (order[i] + vard_random_uniform (key, 0, i)) / n;
      guint state = self->settings->value_noisy ? MIN ((guint) (place * n_states), n_states - 1)
                                                : n_states - 1;

      if (i < n_from_ring)
        vard_vard_set_state (self, self->ring, vard_random_uniform_int (key, 1, i, n_ring), state,
                             &states[i]);
      else
        vard_vard_set_state (self, self->pool,
                             g_array_index (self->pool_valid, guint,
                                            vard_random_uniform_int (key, 1, i, n_train)),
                             state, &states[i]);
    }
}

gboolean
vard_vard_algorithm_update_value (VardVardAlgorithm *self,
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

  vard_vard_draw_states (self, n, ring_share, states);

  return vard_value_fit_update (self->value, states, &numbers, loss, cancellable, error);
}

/* R2 of one state over the held-out trajectories: 1 - MSE / variance */
static double
vard_vard_measure_r2 (const VardValueState *states, const float *values, guint n)
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
vard_vard_measure_fit (VardVardAlgorithm *self, GCancellable *cancellable, GError **error)
{
  guint n = vard_vard_count_held_out (self), first = self->pool_valid->len - n;
  g_autofree VardValueState *states = g_new (VardValueState, n);
  g_autofree float *values = g_new (float, n);

  for (guint state = 0; state <= self->training->sampler->n_steps; state++)
    {
      for (guint i = 0; i < n; i++)
        vard_vard_set_state (self, self->pool, g_array_index (self->pool_valid, guint, first + i),
                             state, &states[i]);
      if (!vard_value_fit_predict (self->value, states, n, values, cancellable, error))
        return FALSE;
      self->r2[state] = vard_vard_measure_r2 (states, values, n);
    }

  return TRUE;
}

gboolean
vard_vard_algorithm_advance_value_fit (VardVardAlgorithm *self,
                                       gboolean *is_done,
                                       GCancellable *cancellable,
                                       GError **error)
{
  for (guint i = 0; i < FIT_BURST && self->fit_updates < self->settings->value_fit_updates; i++)
    {
      double rate = vard_learning_rate_cosine (self->fit_updates, self->settings->value_fit_updates,
                                               self->settings->value_learning_rate,
                                               self->settings->value_learning_rate_end);
      double loss;

      if (!vard_vard_algorithm_update_value (self, rate, 0, &loss, cancellable, error))
        {
          g_prefix_error (error, "value fit: ");
          return FALSE;
        }
      self->fit_loss = self->fit_updates > 0 ? 0.9 * self->fit_loss + 0.1 * loss : loss;
      self->fit_updates++;
    }

  g_autoptr (VardMetrics) metrics =
    vard_metrics_new (0, vard_training_get_seconds (self->training));
  vard_metrics_set (metrics, "value/loss", self->fit_loss);
  vard_training_emit_progress (self->training, "value-fit",
                               self->fit_updates / (double) self->settings->value_fit_updates,
                               metrics);

  *is_done = self->fit_updates >= self->settings->value_fit_updates;

  return !*is_done || vard_vard_measure_fit (self, cancellable, error);
}
