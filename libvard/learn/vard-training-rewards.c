/* vard-training-rewards.c - scores a run's pictures with its rewards
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-training-private.h"

#include "base/vard-error.h"

#include <math.h>

gboolean
vard_training_check_rewards (VardTraining *self, VardPromptSource *prompts, GError **error)
{
  g_auto (GStrv) keys = vard_prompt_source_dup_common_keys (prompts);
  gboolean has_prompts = TRUE;

  for (guint i = 0; i < vard_prompt_source_get_count (prompts); i++)
    has_prompts = has_prompts && vard_prompt_source_get_text (prompts, i)[0] != 0;

  return vard_reward_mix_check_needs (self->rewards, has_prompts, (const char *const *) keys,
                                      self->group_size, error);
}

static VardRewardBatch *
vard_training_make_batch (VardTraining *self,
                          GPtrArray *images,
                          const guint *prompts,
                          GError **error)
{
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();

  for (guint i = 0; i < images->len; i++)
    {
      VardImage *image = images->pdata[i];
      GBytes *rgb = vard_image_get_rgb (image);

      if (!vard_reward_batch_append (batch, rgb, vard_image_get_width (image),
                                     vard_image_get_height (image), self->texts[prompts[i]],
                                     vard_training_peek_metadata (self, prompts[i]), prompts[i],
                                     error))
        return NULL;
    }

  return g_steal_pointer (&batch);
}

/* The scores of this rank's own pictures */
static VardRewardScores *
vard_training_score_share (VardTraining *self,
                           GPtrArray *images,
                           const guint *prompts,
                           GCancellable *cancellable,
                           GError **error)
{
  g_autoptr (VardRewardBatch) batch = vard_training_make_batch (self, images, prompts, error);
  VardRewardScores *scores;

  if (batch == NULL)
    return NULL;
  if (images->len == 0)
    return vard_reward_scores_new (vard_reward_mix_get_n_components (self->rewards), 0);
  scores = vard_reward_mix_score (self->rewards, batch, cancellable, error);
  if (scores == NULL)
    return NULL;

  const char *const *warnings = vard_reward_scores_get_warnings (scores);
  for (guint i = 0; warnings != NULL && warnings[i] != NULL; i++)
    vard_training_warn (self, "%s", warnings[i]);

  return scores;
}

double
vard_training_get_total (VardTraining *self, VardRewardScores *scores, guint item)
{
  double total;

  return vard_reward_mix_get_total (self->rewards, scores, item, &total) ? total : NAN;
}

typedef struct
{
  guint n;
  double sum, squares, lowest, highest;
} VardScoreSummary;

static void
vard_score_summary_add (VardScoreSummary *summary, double value)
{
  summary->lowest = summary->n > 0 ? MIN (summary->lowest, value) : value;
  summary->highest = summary->n > 0 ? MAX (summary->highest, value) : value;
  summary->sum += value;
  summary->squares += value * value;
  summary->n++;
}

static void
vard_training_add_component (VardTraining *self,
                             VardRewardScores *scores,
                             guint component,
                             VardMetrics *metrics)
{
  const char *label = vard_reward_mix_get_label (self->rewards, component);
  g_autofree char *name = g_strdup_printf ("reward/%s/mean", label);
  g_autofree char *time = g_strdup_printf ("seconds/reward/%s", label);
  VardScoreSummary summary = { 0 };
  double raw;

  for (guint i = 0; i < vard_reward_scores_get_n_items (scores); i++)
    if (vard_reward_scores_get_raw (scores, component, i, &raw))
      vard_score_summary_add (&summary, raw);
  if (summary.n > 0)
    vard_metrics_set (metrics, name, summary.sum / summary.n);
  vard_metrics_set (metrics, time, vard_reward_scores_get_seconds (scores, component));
}

void
vard_training_add_reward_metrics (VardTraining *self,
                                  VardRewardScores *scores,
                                  VardMetrics *metrics)
{
  VardScoreSummary summary = { 0 };

  for (guint i = 0; i < vard_reward_scores_get_n_items (scores); i++)
    {
      double total = vard_training_get_total (self, scores, i);

      if (isfinite (total))
        vard_score_summary_add (&summary, total);
    }
  for (guint k = 0; k < vard_reward_scores_get_n_components (scores); k++)
    vard_training_add_component (self, scores, k, metrics);
  if (summary.n == 0)
    return;

  double mean = summary.sum / summary.n;

  vard_metrics_set (metrics, "reward/mean", mean);
  vard_metrics_set (metrics, "reward/std",
                    sqrt (MAX (0.0, summary.squares / summary.n - mean * mean)));
  vard_metrics_set (metrics, "reward/min", summary.lowest);
  vard_metrics_set (metrics, "reward/max", summary.highest);
}

/* Pictures of one prompt in a row stay on one rank: a reward may compare them */
static guint
vard_training_count_group (const guint *prompts, guint n)
{
  guint group = 1;

  while (group < n && prompts[group] == prompts[0])
    group++;

  return n % group == 0 ? group : 1;
}

/* Combines the ranks' scores into those of all @n pictures */
static VardRewardScores *
vard_training_gather_scores (VardTraining *self,
                             VardRewardScores *own,
                             guint first,
                             guint n,
                             guint group,
                             GError **error)
{
  guint n_components = vard_reward_mix_get_n_components (self->rewards);
  g_autofree double *raw = NULL;

  if (vard_training_is_alone (self))
    return g_object_ref (own);

  raw = g_new0 (double, (gsize) n *n_components);
  for (guint i = 0; i < vard_reward_scores_get_n_items (own); i++)
    vard_training_copy_raw (self, own, i, raw + (gsize) (first + i) * n_components);
  if (!vard_training_gather (self, raw, n, group, n_components * sizeof (double), error))
    return NULL;

  VardRewardScores *scores = vard_reward_scores_new_from_raw (n_components, n, raw);

  for (guint k = 0; k < n_components; k++)
    vard_reward_scores_set_seconds (scores, k, vard_reward_scores_get_seconds (own, k));

  return scores;
}

VardRewardScores *
vard_training_score (VardTraining *self,
                     GPtrArray *images,
                     const guint *prompts,
                     gboolean is_training,
                     GCancellable *cancellable,
                     GError **error)
{
  guint group = vard_training_count_group (prompts, images->len), first;
  guint n = vard_training_get_share (self, images->len, group, &first);
  g_autoptr (GPtrArray) part = g_ptr_array_new ();

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (part, images->pdata[first + i]);

  g_autoptr (VardRewardScores) own =
    vard_training_score_share (self, part, prompts + first, cancellable, error);
  VardRewardScores *scores =
    own != NULL ? vard_training_gather_scores (self, own, first, images->len, group, error) : NULL;

  if (scores != NULL && is_training)
    self->reward_calls += images->len;

  return scores;
}

VardRewardScores *
vard_training_score_rollout (VardTraining *self,
                             const VardTrajectory *rollout,
                             GCancellable *cancellable,
                             GError **error)
{
  guint group = self->group_size, first;
  guint n = vard_training_get_share (self, rollout->n, group, &first);
  g_autoptr (GPtrArray) images =
    vard_training_decode_share (self, rollout, first, n, cancellable, error);
  g_autoptr (VardRewardScores) own =
    images != NULL
      ? vard_training_score_share (self, images, rollout->prompts + first, cancellable, error)
      : NULL;
  VardRewardScores *scores =
    own != NULL ? vard_training_gather_scores (self, own, first, rollout->n, group, error) : NULL;

  if (scores != NULL)
    self->reward_calls += rollout->n;

  return scores;
}

/* ---- stored raw scores ---- */

void
vard_training_copy_raw (VardTraining *self, VardRewardScores *scores, guint item, double *raw)
{
  for (guint k = 0; k < vard_reward_scores_get_n_components (scores); k++)
    if (!vard_reward_scores_get_raw (scores, k, item, &raw[k]))
      raw[k] = NAN;
}

static VardRewardScores *
vard_training_restore_scores (VardTraining *self, const double *raw, guint n)
{
  return vard_reward_scores_new_from_raw (vard_reward_mix_get_n_components (self->rewards), n, raw);
}

void
vard_training_rewhiten (VardTraining *self, const double *raw, guint n, float *totals)
{
  g_autoptr (VardRewardScores) scores = vard_training_restore_scores (self, raw, n);
  double total;

  for (guint i = 0; i < n; i++)
    totals[i] = vard_reward_mix_get_running_total (self->rewards, scores, i, &total) ? (float) total
                                                                                     : NAN;
}

/* Mean and standard deviation of the valid totals, in which there must be something to learn */
static gboolean
vard_training_measure_totals (const float *totals,
                              guint n,
                              const GArray *valid,
                              double *mean,
                              double *sd,
                              GError **error)
{
  double sum = 0, squares = 0;

  for (guint i = 0; i < valid->len; i++)
    {
      double total = totals[g_array_index (valid, guint, i)];

      sum += total;
      squares += total * total;
    }
  if (valid->len < 16)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                   "only %u of the pool's %u pictures have a score, which are too few to learn "
                   "from: check the rewards' messages in the log",
                   valid->len, n);
      return FALSE;
    }
  *mean = sum / valid->len;
  *sd = sqrt (MAX (0.0, squares / valid->len - *mean * *mean));
  if (*sd < 1e-9)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                   "every picture of the pool has the same total reward, %g, so there is nothing "
                   "to learn: change the rewards or their weights",
                   *mean);
      return FALSE;
    }

  return TRUE;
}

gboolean
vard_training_settle (VardTraining *self,
                      const double *raw,
                      guint n,
                      float *totals,
                      GArray *valid,
                      double *mean,
                      double *sd,
                      GError **error)
{
  g_autoptr (VardRewardScores) scores = vard_training_restore_scores (self, raw, n);

  if (!vard_reward_mix_has_statistics (self->rewards)
      && !vard_reward_mix_fit_statistics (self->rewards, &scores, 1, error))
    return FALSE;

  g_array_set_size (valid, 0);
  for (guint i = 0; i < n; i++)
    {
      double total = vard_training_get_total (self, scores, i);

      totals[i] = total;
      if (isfinite (total))
        g_array_append_val (valid, i);
    }

  return vard_training_measure_totals (totals, n, valid, mean, sd, error);
}
