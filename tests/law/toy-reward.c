/* toy-reward.c - likes pictures of one grey level
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "toy-reward.h"

#include <math.h>

struct _ToyReward
{
  VardReward parent_instance;

  double peak;
  gboolean is_broken;
  const char *key;
};

G_DEFINE_FINAL_TYPE (ToyReward, toy_reward, VARD_TYPE_REWARD)

static gboolean
toy_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  ToyReward *self = TOY_REWARD (reward);

  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      gsize n_bytes;
      const guint8 *rgb = vard_reward_batch_peek_pixels (batch, i, &n_bytes);
      double sum = 0;

      for (gsize p = 0; p < n_bytes; p++)
        sum += rgb[p];

      double level = sum / n_bytes / 255;

      if (self->is_broken)
        vard_reward_batch_set_failed (batch, i, "broken");
      else
        vard_reward_batch_set_score (batch, i, level < self->peak ? level : 2 * self->peak - level);
    }

  return TRUE;
}

VardReward *
toy_reward_new (double peak)
{
  ToyReward *self = g_object_new (TOY_TYPE_REWARD, NULL);

  self->peak = peak;

  return VARD_REWARD (self);
}

void
toy_reward_break (ToyReward *self)
{
  self->is_broken = TRUE;
}

static char **
toy_reward_dup_metadata_keys (VardReward *reward)
{
  const char *keys[] = { TOY_REWARD (reward)->key, NULL };

  return g_strdupv ((char **) keys);
}

void
toy_reward_demand (ToyReward *self, const char *key)
{
  self->key = g_intern_string (key);
}

static void
toy_reward_class_init (ToyRewardClass *klass)
{
  VARD_REWARD_CLASS (klass)->score = toy_reward_score;
  VARD_REWARD_CLASS (klass)->dup_metadata_keys = toy_reward_dup_metadata_keys;
}

static void
toy_reward_init (ToyReward *self)
{
}
