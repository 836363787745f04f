/* vard-reward-statistics.c - the mean and standard deviation that scale the rewards of a mix
 *
 * Each raw score is whitened by the mean and the standard deviation that its reward had on the base
 * model's pool, fixed for the run: a weight then counts in standard deviations of the base model.
 * Beside them run the mean and the standard deviation of the newest pictures, about as many as the
 * pool has: for a run that is to learn from what is good among the pictures of now.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-mix-private.h"

#include "base/vard-error.h"

#include <math.h>

/* Relative to the size of the scores, what remains of equal ones after rounding */
#define SMALLEST_SPREAD 1e-9

/* The running spread is at least this part of the pool's: when all pictures come to look alike,
 * rounding is not to be learned from. */
#define SMALLEST_RUNNING_SPREAD 0.1

static gboolean
vard_reward_component_check_spread (VardRewardComponent *self,
                                    guint n,
                                    double mean,
                                    double sd,
                                    GError **error)
{
  if (n >= 2 && sd > SMALLEST_SPREAD * MAX (fabs (mean), 1e-3))
    return TRUE;
  if (n < 2)
    g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                 "the reward %s scored %u pictures of the base model's pool, but at least 2 are "
                 "needed",
                 self->label, n);
  else
    g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                 "the reward %s gave all %u pictures of the base model's pool the score %g, so "
                 "there is nothing to learn from it: change its settings or set "
                 "policy=monitor-only",
                 self->label, n, mean);

  return FALSE;
}

/* Two passes, so that a small spread around a large mean is not lost */
static gboolean
vard_reward_component_fit (VardRewardComponent *self,
                           guint component,
                           VardRewardScores **pool,
                           guint n_pool,
                           GError **error)
{
  double sum = 0, square = 0, score;
  guint n = 0;

  for (guint p = 0; p < n_pool; p++)
    for (guint i = 0; i < vard_reward_scores_get_n_items (pool[p]); i++)
      if (vard_reward_scores_get_raw (pool[p], component, i, &score))
        {
          sum += score;
          n++;
        }
  double mean = n > 0 ? sum / n : 0;
  for (guint p = 0; p < n_pool; p++)
    for (guint i = 0; i < vard_reward_scores_get_n_items (pool[p]); i++)
      if (vard_reward_scores_get_raw (pool[p], component, i, &score))
        square += (score - mean) * (score - mean);
  double sd = n > 0 ? sqrt (square / n) : 0;

  if (self->policy != VARD_REWARD_POLICY_MONITOR_ONLY
      && !vard_reward_component_check_spread (self, n, mean, sd, error))
    return FALSE;
  self->mean = self->running_mean = mean;
  self->sd = self->running_sd = sd;
  self->n_pool = n;

  return TRUE;
}

/**
 * vard_reward_mix_fit_statistics:
 * @self: a mix
 * @pool: (array length=n_pool): scores of pictures of the base model
 * @n_pool: how many batches they are
 * @error: return location
 *
 * Takes the mean and the standard deviation of each reward over the pool.
 *
 * Returns: %FALSE when a reward that counts has no spread there
 */
gboolean
vard_reward_mix_fit_statistics (VardRewardMix *self,
                                VardRewardScores **pool,
                                guint n_pool,
                                GError **error)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self) && (pool != NULL || n_pool == 0), FALSE);

  for (guint p = 0; p < n_pool; p++)
    g_return_val_if_fail (vard_reward_scores_get_n_components (pool[p]) == self->components->len,
                          FALSE);
  for (guint c = 0; c < self->components->len; c++)
    if (!vard_reward_component_fit (vard_reward_mix_peek (self, c), c, pool, n_pool, error))
      return FALSE;

  return TRUE;
}

/**
 * vard_reward_mix_has_statistics:
 * @self: a mix
 *
 * Returns: whether totals can be had: the mean and the standard deviation of each reward are known
 */
gboolean
vard_reward_mix_has_statistics (VardRewardMix *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self), FALSE);

  for (guint c = 0; c < self->components->len; c++)
    if (vard_reward_mix_peek (self, c)->sd <= 0
        && vard_reward_mix_peek (self, c)->policy != VARD_REWARD_POLICY_MONITOR_ONLY)
      return FALSE;

  return TRUE;
}

/**
 * vard_reward_mix_get_statistics:
 * @self: a mix
 *
 * Returns: (transfer full): by label, mean, sd and count of the pool, running-mean and running-sd
 */
JsonObject *
vard_reward_mix_get_statistics (VardRewardMix *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self), NULL);

  JsonObject *json = json_object_new ();

  for (guint c = 0; c < self->components->len; c++)
    {
      const VardRewardComponent *component = vard_reward_mix_peek (self, c);
      JsonObject *entry = json_object_new ();

      json_object_set_double_member (entry, "mean", component->mean);
      json_object_set_double_member (entry, "sd", component->sd);
      json_object_set_int_member (entry, "count", component->n_pool);
      json_object_set_double_member (entry, "running-mean", component->running_mean);
      json_object_set_double_member (entry, "running-sd", component->running_sd);
      json_object_set_object_member (json, component->label, entry);
    }

  return json;
}

/* A number of an object, or what stands for it where it is missing or makes no sense */
static double
vard_reward_statistics_get_number (JsonObject *entry,
                                   const char *name,
                                   double minimum,
                                   double otherwise)
{
  double value = json_object_get_double_member_with_default (entry, name, otherwise);

  return isfinite (value) && value >= minimum ? value : otherwise;
}

static gboolean
vard_reward_component_read (VardRewardComponent *self, JsonObject *statistics, GError **error)
{
  JsonNode *node = json_object_get_member (statistics, self->label);
  JsonObject *entry = node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                                                    : NULL;
  double mean = entry != NULL ? json_object_get_double_member_with_default (entry, "mean", NAN)
                              : NAN;
  double sd = entry != NULL ? json_object_get_double_member_with_default (entry, "sd", NAN) : NAN;

  if (!isfinite (mean) || !isfinite (sd) || sd < 0
      || (sd == 0 && self->policy != VARD_REWARD_POLICY_MONITOR_ONLY))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "the statistics lack a mean and a positive standard deviation for the reward %s",
                   self->label);
      return FALSE;
    }
  self->mean = mean;
  self->sd = sd;
  self->running_mean =
    vard_reward_statistics_get_number (entry, "running-mean", -G_MAXDOUBLE, mean);
  self->running_sd =
    vard_reward_statistics_get_number (entry, "running-sd", SMALLEST_RUNNING_SPREAD * sd, sd);
  self->n_pool = (guint) MAX (json_object_get_int_member_with_default (entry, "count", 0), 0);

  return TRUE;
}

/**
 * vard_reward_mix_set_statistics:
 * @self: a mix
 * @statistics: what vard_reward_mix_get_statistics() gave
 * @error: return location
 *
 * Returns: %FALSE when one of the rewards is not in @statistics
 */
gboolean
vard_reward_mix_set_statistics (VardRewardMix *self, JsonObject *statistics, GError **error)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self) && statistics != NULL, FALSE);

  for (guint c = 0; c < self->components->len; c++)
    if (!vard_reward_component_read (vard_reward_mix_peek (self, c), statistics, error))
      return FALSE;

  return TRUE;
}

/**
 * vard_reward_mix_get_whitened:
 * @self: a mix
 * @scores: scores from this mix
 * @component: which reward
 * @item: which picture
 * @score: (out) (optional): its score in standard deviations from the base model's mean
 *
 * Returns: %FALSE, and @score is not written, when the picture has none or the pool is not known
 */
gboolean
vard_reward_mix_get_whitened (VardRewardMix *self,
                              VardRewardScores *scores,
                              guint component,
                              guint item,
                              double *score)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self) && VARD_IS_REWARD_SCORES (scores), FALSE);
  g_return_val_if_fail (component < self->components->len, FALSE);

  const VardRewardComponent *entry = vard_reward_mix_peek (self, component);
  double raw;

  if (entry->sd <= 0 || !vard_reward_scores_get_raw (scores, component, item, &raw))
    return FALSE;
  if (score != NULL)
    *score = (raw - entry->mean) / entry->sd;

  return TRUE;
}

static gboolean
vard_reward_mix_sum (VardRewardMix *self,
                     VardRewardScores *scores,
                     guint item,
                     gboolean is_running,
                     double *total)
{
  double sum = 0, raw;

  for (guint c = 0; c < self->components->len; c++)
    {
      const VardRewardComponent *component = vard_reward_mix_peek (self, c);

      if (component->policy == VARD_REWARD_POLICY_MONITOR_ONLY)
        continue;
      if (component->sd <= 0 || !vard_reward_scores_get_raw (scores, c, item, &raw))
        return FALSE;
      sum += component->weight
             * (is_running ? (raw - component->running_mean) / component->running_sd
                           : (raw - component->mean) / component->sd);
    }
  if (total != NULL)
    *total = sum;

  return TRUE;
}

/**
 * vard_reward_mix_get_total:
 * @self: a mix
 * @scores: scores from this mix
 * @item: which picture
 * @total: (out) (optional): the sum of weight x whitened score
 *
 * Returns: %FALSE, and @total is not written, when a reward that counts has no score for the
 * picture: it
 *   is to be left out
 */
gboolean
vard_reward_mix_get_total (VardRewardMix *self, VardRewardScores *scores, guint item, double *total)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self) && VARD_IS_REWARD_SCORES (scores), FALSE);

  return vard_reward_mix_sum (self, scores, item, FALSE, total);
}

/* The newest pictures' place in statistics that stand for n_pool pictures */
static void
vard_reward_component_run (VardRewardComponent *self, guint component, VardRewardScores *scores)
{
  double sum = 0, square = 0, score;
  guint n = 0, n_items = vard_reward_scores_get_n_items (scores);

  for (guint i = 0; i < n_items; i++)
    if (vard_reward_scores_get_raw (scores, component, i, &score))
      {
        sum += score;
        n++;
      }
  if (n == 0 || self->sd <= 0)
    return;
  for (guint i = 0; i < n_items; i++)
    if (vard_reward_scores_get_raw (scores, component, i, &score))
      square += (score - sum / n) * (score - sum / n);

  /* Two groups as one: their spreads, and what their means lie apart */
  double share = n / ((double) n + self->n_pool), apart = sum / n - self->running_mean;
  double variance = (1 - share) * self->running_sd * self->running_sd + share * square / n
                    + share * (1 - share) * apart * apart;

  self->running_mean += share * apart;
  self->running_sd = MAX (sqrt (variance), SMALLEST_RUNNING_SPREAD * self->sd);
}

/**
 * vard_reward_mix_update_running:
 * @self: a mix whose statistics are known
 * @scores: scores of new pictures
 *
 * Moves the running mean and standard deviation of each reward towards @scores: they are those of
 * about as many of the newest pictures as the base model's pool had.
 */
void
vard_reward_mix_update_running (VardRewardMix *self, VardRewardScores *scores)
{
  g_return_if_fail (VARD_IS_REWARD_MIX (self) && VARD_IS_REWARD_SCORES (scores));
  g_return_if_fail (vard_reward_scores_get_n_components (scores) == self->components->len);

  for (guint c = 0; c < self->components->len; c++)
    vard_reward_component_run (vard_reward_mix_peek (self, c), c, scores);
}

/**
 * vard_reward_mix_get_running_total:
 * @self: a mix
 * @scores: scores from this mix
 * @item: which picture
 * @total: (out) (optional): the sum of weight x score, whitened by the running statistics
 *
 * Returns: %FALSE, and @total is not written, where vard_reward_mix_get_total() has none
 */
gboolean
vard_reward_mix_get_running_total (VardRewardMix *self,
                                   VardRewardScores *scores,
                                   guint item,
                                   double *total)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self) && VARD_IS_REWARD_SCORES (scores), FALSE);

  return vard_reward_mix_sum (self, scores, item, TRUE, total);
}
