/* vard-reward-scores.c - the scores of several rewards for one batch
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-scores.h"

#include <math.h>

struct _VardRewardScores
{
  GObject parent_instance;
  guint n_components, n_items;
  double *raw;         /* [component, item], NaN where there is none */
  char **messages;     /* [component, item], NULL where there is a score */
  double *seconds;     /* [component] */
  GPtrArray *warnings; /* of char, ends with NULL */
};

G_DEFINE_FINAL_TYPE (VardRewardScores, vard_reward_scores, G_TYPE_OBJECT)

/**
 * vard_reward_scores_new: (skip)
 * @n_components: how many rewards
 * @n_items: how many pictures
 *
 * Returns: (transfer full): scores where nothing was scored yet
 */
VardRewardScores *
vard_reward_scores_new (guint n_components, guint n_items)
{
  VardRewardScores *self = g_object_new (VARD_TYPE_REWARD_SCORES, NULL);
  gsize n = (gsize) n_components * n_items;

  self->n_components = n_components;
  self->n_items = n_items;
  self->raw = g_new (double, n);
  self->messages = g_new0 (char *, n);
  self->seconds = g_new0 (double, n_components);
  for (gsize i = 0; i < n; i++)
    self->raw[i] = NAN;

  return self;
}

/**
 * vard_reward_scores_new_from_raw: (skip)
 * @n_components: how many rewards
 * @n_items: how many pictures
 * @raw: [n_items][n_components], NaN where there is no score
 *
 * Returns: (transfer full): scores that were kept as numbers
 */
VardRewardScores *
vard_reward_scores_new_from_raw (guint n_components, guint n_items, const double *raw)
{
  VardRewardScores *self = vard_reward_scores_new (n_components, n_items);

  for (guint i = 0; i < n_items; i++)
    for (guint k = 0; k < n_components; k++)
      {
        gsize at = (gsize) k * n_items + i;

        self->raw[at] = raw[(gsize) i * n_components + k];
        if (isfinite (self->raw[at]))
          continue;
        self->raw[at] = NAN;
        self->messages[at] = g_strdup ("the score was not stored");
      }

  return self;
}

/**
 * vard_reward_scores_read_batch: (skip)
 * @self: scores
 * @component: which reward
 * @batch: what it scored
 * @seconds: how long it took
 *
 * Copies the scores of @batch.
 */
void
vard_reward_scores_read_batch (VardRewardScores *self,
                               guint component,
                               VardRewardBatch *batch,
                               double seconds)
{
  g_assert (component < self->n_components);
  g_assert (vard_reward_batch_get_count (batch) == self->n_items);

  self->seconds[component] = seconds;
  for (guint i = 0; i < self->n_items; i++)
    {
      gsize at = (gsize) component * self->n_items + i;

      g_clear_pointer (&self->messages[at], g_free);
      if (!vard_reward_batch_get_score (batch, i, &self->raw[at]))
        {
          self->raw[at] = NAN;
          self->messages[at] = g_strdup (vard_reward_batch_get_message (batch, i));
        }
    }
}

/**
 * vard_reward_scores_fail_all: (skip)
 * @self: scores
 * @component: which reward
 * @message: why it scored nothing
 * @seconds: how long that took
 */
void
vard_reward_scores_fail_all (VardRewardScores *self,
                             guint component,
                             const char *message,
                             double seconds)
{
  g_assert (component < self->n_components);

  self->seconds[component] = seconds;
  for (guint i = 0; i < self->n_items; i++)
    {
      gsize at = (gsize) component * self->n_items + i;

      g_free (self->messages[at]);
      self->messages[at] = g_strdup (message);
      self->raw[at] = NAN;
    }
}

/**
 * vard_reward_scores_warn: (skip)
 * @self: scores
 * @format: a sentence
 * @...: what is in it
 */
void
vard_reward_scores_warn (VardRewardScores *self, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  self->warnings->pdata[self->warnings->len - 1] = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_ptr_array_add (self->warnings, NULL);
}

/**
 * vard_reward_scores_get_n_items:
 * @self: scores
 *
 * Returns: how many pictures there are
 */
guint
vard_reward_scores_get_n_items (VardRewardScores *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_SCORES (self), 0);

  return self->n_items;
}

/**
 * vard_reward_scores_get_n_components:
 * @self: scores
 *
 * Returns: how many rewards there are
 */
guint
vard_reward_scores_get_n_components (VardRewardScores *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_SCORES (self), 0);

  return self->n_components;
}

/**
 * vard_reward_scores_get_raw:
 * @self: scores
 * @component: which reward
 * @item: which picture
 * @score: (out) (optional): what the reward said
 *
 * Returns: %FALSE, and @score is not written, when the picture has no score
 */
gboolean
vard_reward_scores_get_raw (VardRewardScores *self, guint component, guint item, double *score)
{
  g_return_val_if_fail (VARD_IS_REWARD_SCORES (self), FALSE);
  g_return_val_if_fail (component < self->n_components && item < self->n_items, FALSE);

  double raw = self->raw[(gsize) component * self->n_items + item];
  if (isnan (raw))
    return FALSE;
  if (score != NULL)
    *score = raw;

  return TRUE;
}

/**
 * vard_reward_scores_get_message:
 * @self: scores
 * @component: which reward
 * @item: which picture
 *
 * Returns: (nullable): why the picture has no score
 */
const char *
vard_reward_scores_get_message (VardRewardScores *self, guint component, guint item)
{
  g_return_val_if_fail (VARD_IS_REWARD_SCORES (self), NULL);
  g_return_val_if_fail (component < self->n_components && item < self->n_items, NULL);

  return self->messages[(gsize) component * self->n_items + item];
}

/**
 * vard_reward_scores_set_seconds: (skip)
 * @self: scores
 * @component: which reward
 * @seconds: how long it took
 */
void
vard_reward_scores_set_seconds (VardRewardScores *self, guint component, double seconds)
{
  g_assert (component < self->n_components);

  self->seconds[component] = seconds;
}

/**
 * vard_reward_scores_get_seconds:
 * @self: scores
 * @component: which reward
 *
 * Returns: how long it took
 */
double
vard_reward_scores_get_seconds (VardRewardScores *self, guint component)
{
  g_return_val_if_fail (VARD_IS_REWARD_SCORES (self) && component < self->n_components, 0);

  return self->seconds[component];
}

/**
 * vard_reward_scores_get_warnings:
 * @self: scores
 *
 * Returns: (transfer none) (array zero-terminated=1): sentences about what looks wrong
 */
const char *const *
vard_reward_scores_get_warnings (VardRewardScores *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_SCORES (self), NULL);

  return (const char *const *) self->warnings->pdata;
}

static void
vard_reward_scores_finalize (GObject *object)
{
  VardRewardScores *self = VARD_REWARD_SCORES (object);

  for (gsize i = 0; i < (gsize) self->n_components * self->n_items; i++)
    g_free (self->messages[i]);
  g_free (self->messages);
  g_free (self->raw);
  g_free (self->seconds);
  g_ptr_array_unref (self->warnings);
  G_OBJECT_CLASS (vard_reward_scores_parent_class)->finalize (object);
}

static void
vard_reward_scores_class_init (VardRewardScoresClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_reward_scores_finalize;
}

static void
vard_reward_scores_init (VardRewardScores *self)
{
  self->warnings = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (self->warnings, NULL);
}
