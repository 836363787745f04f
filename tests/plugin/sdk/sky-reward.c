/* sky-reward.c - likes blue pictures
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

#define SKY_TYPE_REWARD (sky_reward_get_type ())
G_DECLARE_FINAL_TYPE (SkyReward, sky_reward, SKY, REWARD, VardReward)

struct _SkyReward { VardReward parent_instance; double gain; };

G_DEFINE_FINAL_TYPE (SkyReward, sky_reward, VARD_TYPE_REWARD)

static const VardField fields[] = {
  VARD_FIELD_DOUBLE (SkyReward, gain, "Score of an all-blue picture", 0, 100, 1),
};

static gboolean
sky_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      gsize n;
      const guint8 *rgb = vard_reward_batch_peek_pixels (batch, i, &n);
      guint64 blue = 0;

      for (gsize p = 2; p < n; p += 3)
        blue += rgb[p];
      vard_reward_batch_set_score (batch, i, 3.0 * SKY_REWARD (reward)->gain * blue / (255.0 * n));
    }
  return TRUE;
}

static void
sky_reward_class_init (SkyRewardClass *klass)
{
  VARD_REWARD_CLASS (klass)->score = sky_reward_score;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void sky_reward_init (SkyReward *self) { }

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "sky", SKY_TYPE_REWARD);
}

VARD_PLUGIN ("sky", "1.0", "LGPL-2.1-or-later", "Rewards blue pictures", provide);
