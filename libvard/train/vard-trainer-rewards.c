/* vard-trainer-rewards.c - the trainer asks its rewards
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

#include "base/vard-error.h"

#include <math.h>

/* Training draws its prompts one by one: there are no groups */
gboolean
vard_trainer_check_rewards (VardTrainer *self, VardPromptSource *prompts, GError **error)
{
  g_auto (GStrv) keys = vard_prompt_source_dup_common_keys (prompts);
  gboolean has_prompts = TRUE;

  for (guint i = 0; i < vard_prompt_source_get_count (prompts); i++)
    has_prompts = has_prompts && vard_prompt_source_get_text (prompts, i)[0] != 0;
  return vard_reward_mix_check_needs (self->rewards, has_prompts, (const char *const *) keys, 1,
                                      error);
}

static VardRewardBatch *
make_batch (VardTrainer *self, GPtrArray *images, const guint *prompts, GError **error)
{
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();

  for (guint i = 0; i < images->len; i++)
    {
      VardImage *image = images->pdata[i];
      GBytes *rgb = vard_image_get_rgb (image);

      if (!vard_reward_batch_append (batch, rgb, vard_image_get_width (image),
                                     vard_image_get_height (image), self->texts[prompts[i]],
                                     vard_trainer_peek_metadata (self, prompts[i]), prompts[i],
                                     error))
        return NULL;
    }

  return g_steal_pointer (&batch);
}

VardRewardScores *
vard_trainer_score (VardTrainer *self,
                    GPtrArray *images,
                    const guint *prompts,
                    gboolean is_training,
                    GCancellable *cancellable,
                    GError **error)
{
  g_autoptr (VardRewardBatch) batch = make_batch (self, images, prompts, error);
  VardRewardScores *scores;

  if (batch == NULL)
    return NULL;
  scores = vard_reward_mix_score (self->rewards, batch, cancellable, error);
  if (scores == NULL)
    return NULL;
  if (is_training)
    self->reward_calls += images->len;

  const char *const *warnings = vard_reward_scores_get_warnings (scores);
  for (guint i = 0; warnings != NULL && warnings[i] != NULL; i++)
    vard_trainer_warn (self, "%s", warnings[i]);

  return scores;
}

double
vard_trainer_get_total (VardTrainer *self, VardRewardScores *scores, guint item)
{
  double total;

  return vard_reward_mix_get_total (self->rewards, scores, item, &total) ? total : NAN;
}

typedef struct
{
  guint n;
  double sum, squares, lowest, highest;
} Summary;

static void
summary_add (Summary *summary, double value)
{
  summary->lowest = summary->n > 0 ? MIN (summary->lowest, value) : value;
  summary->highest = summary->n > 0 ? MAX (summary->highest, value) : value;
  summary->sum += value;
  summary->squares += value * value;
  summary->n++;
}

static void
add_component (VardTrainer *self, VardRewardScores *scores, guint component, VardMetrics *metrics)
{
  const char *label = vard_reward_mix_get_label (self->rewards, component);
  g_autofree char *name = g_strdup_printf ("reward/%s/mean", label);
  g_autofree char *time = g_strdup_printf ("seconds/reward/%s", label);
  Summary summary = { 0 };
  double raw;

  for (guint i = 0; i < vard_reward_scores_get_n_items (scores); i++)
    if (vard_reward_scores_get_raw (scores, component, i, &raw))
      summary_add (&summary, raw);
  if (summary.n > 0)
    vard_metrics_set (metrics, name, summary.sum / summary.n);
  vard_metrics_set (metrics, time, vard_reward_scores_get_seconds (scores, component));
}

void
vard_trainer_add_reward_metrics (VardTrainer *self, VardRewardScores *scores, VardMetrics *metrics)
{
  Summary summary = { 0 };

  for (guint i = 0; i < vard_reward_scores_get_n_items (scores); i++)
    {
      double total = vard_trainer_get_total (self, scores, i);

      if (isfinite (total))
        summary_add (&summary, total);
    }
  for (guint k = 0; k < vard_reward_scores_get_n_components (scores); k++)
    add_component (self, scores, k, metrics);
  if (summary.n == 0)
    return;

  double mean = summary.sum / summary.n;

  vard_metrics_set (metrics, "reward/mean", mean);
  vard_metrics_set (metrics, "reward/std",
                    sqrt (MAX (0.0, summary.squares / summary.n - mean * mean)));
  vard_metrics_set (metrics, "reward/min", summary.lowest);
  vard_metrics_set (metrics, "reward/max", summary.highest);
}

/* Raw scores, [n][n_components], as the mix gives them: also after a resume, when only the numbers
 * are left */
static VardRewardScores *
restore_scores (VardTrainer *self, const double *raw, guint n, GError **error)
{
  guint n_components = vard_reward_mix_get_n_components (self->rewards);
  g_autoptr (VardRewardScores) scores = vard_reward_scores_new (n_components, n);
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();
  g_autoptr (GBytes) pixel = g_bytes_new_static ("\0\0\0", 3);

  for (guint i = 0; i < n; i++)
    if (!vard_reward_batch_append (batch, pixel, 1, 1, "", NULL, 0, error))
      return NULL;

  for (guint k = 0; k < n_components; k++)
    {
      vard_reward_batch_reset (batch);
      for (guint i = 0; i < n; i++)
        if (isnan (raw[i * n_components + k]))
          vard_reward_batch_set_failed (batch, i, "no score was kept");
        else
          vard_reward_batch_set_score (batch, i, raw[i * n_components + k]);
      vard_reward_scores_read_batch (scores, k, batch, 0);
    }

  return g_steal_pointer (&scores);
}

static gboolean
rewhiten_store (VardTrainer *self, VardTrajectoryStore *store, const double *raw, GError **error)
{
  guint n = vard_trajectory_store_get_count (store);
  g_autoptr (VardRewardScores) scores = restore_scores (self, raw, n, error);
  double total;

  for (guint i = 0; scores != NULL && i < n; i++)
    store->rewards[i] =
      vard_reward_mix_get_running_total (self->rewards, scores, i, &total) ? (float) total : NAN;

  return scores != NULL;
}

gboolean
vard_trainer_rewhiten (VardTrainer *self, GError **error)
{
  return rewhiten_store (self, self->pool, (const double *) self->pool_scores->data, error)
         && rewhiten_store (self, self->ring, self->ring_scores, error);
}

/* The unit of the value: the pool's totals have mean 0 and standard deviation 1 */
static gboolean
measure_pool (VardTrainer *self, GError **error)
{
  double sum = 0, squares = 0;
  guint n = self->pool_valid->len;

  for (guint i = 0; i < n; i++)
    {
      double total = self->pool->rewards[g_array_index (self->pool_valid, guint, i)];

      sum += total;
      squares += total * total;
    }
  if (n < 16)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                   "only %u of the pool's %u pictures have a score: too few to learn from", n,
                   vard_trajectory_store_get_count (self->pool));
      return FALSE;
    }
  self->reward_mean = sum / n;
  self->reward_sd = sqrt (MAX (0.0, squares / n - self->reward_mean * self->reward_mean));
  if (self->reward_sd < 1e-9)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                   "all pictures of the pool have the same total reward, %g: nothing can be "
                   "learned",
                   self->reward_mean);
      return FALSE;
    }

  return TRUE;
}

gboolean
vard_trainer_settle_pool (VardTrainer *self, GError **error)
{
  guint n = vard_trajectory_store_get_count (self->pool);
  g_autoptr (VardRewardScores) scores =
    restore_scores (self, (const double *) self->pool_scores->data, n, error);

  if (scores == NULL)
    return FALSE;
  if (!vard_reward_mix_has_statistics (self->rewards)
      && !vard_reward_mix_fit_statistics (self->rewards, &scores, 1, error))
    return FALSE;

  g_array_set_size (self->pool_valid, 0);
  for (guint i = 0; i < n; i++)
    {
      double total = vard_trainer_get_total (self, scores, i);

      self->pool->rewards[i] = total;
      if (isfinite (total))
        g_array_append_val (self->pool_valid, i);
    }

  return measure_pool (self, error);
}
