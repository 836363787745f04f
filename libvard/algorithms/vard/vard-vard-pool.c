/* vard-vard-pool.c - VARD's first phase: pictures of the base model, with their scores
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-vard-algorithm-private.h"

#include <math.h>

static void
vard_vard_pool_progress (double fraction, gpointer data)
{
  VardVardAlgorithm *self = data;
  guint n = MIN (self->training->settings->batch_size, self->settings->pool_size - self->pool_next);

  vard_training_emit_progress (self->training, "pool",
                               (self->pool_next + n * fraction) / self->settings->pool_size, NULL);
}

static void
vard_vard_keep_scores (VardVardAlgorithm *self, VardRewardScores *scores, guint item)
{
  guint n_before = self->pool_scores->len;

  g_array_set_size (self->pool_scores, n_before + vard_reward_scores_get_n_components (scores));
  vard_training_copy_raw (self->training, scores, item,
                          &g_array_index (self->pool_scores, double, n_before));
}

gboolean
vard_vard_algorithm_settle_pool (VardVardAlgorithm *self, GError **error)
{
  return vard_training_settle (self->training, (const double *) self->pool_scores->data,
                               vard_trajectory_store_get_count (self->pool), self->pool->rewards,
                               self->pool_valid, &self->reward_mean, &self->reward_sd, error);
}

void
vard_vard_algorithm_rewhiten (VardVardAlgorithm *self)
{
  vard_training_rewhiten (self->training, (const double *) self->pool_scores->data,
                          vard_trajectory_store_get_count (self->pool), self->pool->rewards);
  vard_training_rewhiten (self->training, self->ring_scores,
                          vard_trajectory_store_get_count (self->ring), self->ring->rewards);
}

gboolean
vard_vard_algorithm_advance_pool (VardVardAlgorithm *self,
                                  gboolean *is_done,
                                  GCancellable *cancellable,
                                  GError **error)
{
  guint n = MIN (self->training->settings->batch_size, self->settings->pool_size - self->pool_next);
  g_autoptr (VardTrajectory) rollout =
    vard_training_rollout (self->training, "pool", self->pool_next, n, vard_vard_pool_progress,
                           self, cancellable, error);
  if (rollout == NULL)
    return FALSE;

  g_autoptr (VardRewardScores) scores =
    vard_training_score_rollout (self->training, rollout, cancellable, error);
  if (scores == NULL)
    return FALSE;

  for (guint i = 0; i < n; i++)
    {
      vard_trajectory_store_push (self->pool, rollout, i, NAN);
      vard_vard_keep_scores (self, scores, i);
    }
  self->pool_next += n;

  *is_done = self->pool_next >= self->settings->pool_size;

  return !*is_done || vard_vard_algorithm_settle_pool (self, error);
}
