/* moody-reward.c - a reward that does each thing a reward should not
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

#include <math.h>

#define MOODY_TYPE_REWARD (moody_reward_get_type ())
G_DECLARE_FINAL_TYPE (MoodyReward, moody_reward, MOODY, REWARD, VardReward)

struct _MoodyReward
{
  VardReward parent_instance;
  char *mood;
};

G_DEFINE_FINAL_TYPE (MoodyReward, moody_reward, VARD_TYPE_REWARD)

static const VardField fields[] = {
  VARD_FIELD_STRING (MoodyReward, mood, "good, slow, nan, unset, fails or breaks", "good"),
};

static gboolean
moody_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  const char *mood = MOODY_REWARD (reward)->mood;

  if (g_str_equal (mood, "breaks"))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "the scale is broken");
      return FALSE;
    }
  if (g_str_equal (mood, "slow"))
    g_usleep (200000);
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      gsize n;
      const guint8 *rgb = vard_reward_batch_peek_pixels (batch, i, &n);

      if (g_str_equal (mood, "nan"))
        vard_reward_batch_set_score (batch, i, NAN);
      else if (g_str_equal (mood, "fails"))
        vard_reward_batch_set_failed (batch, i, "this picture has no weight");
      else if (!g_str_equal (mood, "unset"))
        vard_reward_batch_set_score (batch, i, rgb[n / 2] - rgb[0]);
    }
  return TRUE;
}

static void
moody_reward_class_init (MoodyRewardClass *klass)
{
  VARD_REWARD_CLASS (klass)->score = moody_reward_score;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
moody_reward_init (MoodyReward *self)
{
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "moody", MOODY_TYPE_REWARD);
}

VARD_PLUGIN ("moody",
             "1.0",
             "LGPL-2.1-or-later",
             "For tests: does what rewards should not",
             provide);
