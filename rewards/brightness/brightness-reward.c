/* brightness-reward.c - likes bright or dark pictures; the easiest reward to raise
 *
 * The score is the mean luma of Rec. 601, from 0 for black to 1 for white, negative when dark is
 * wanted.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

typedef enum
{
  BRIGHTNESS_BRIGHT,
  BRIGHTNESS_DARK
} BrightnessTarget;

static GType brightness_target_get_type (void);
G_DEFINE_ENUM_TYPE (BrightnessTarget,
                    brightness_target,
                    G_DEFINE_ENUM_VALUE (BRIGHTNESS_BRIGHT, "bright"),
                    G_DEFINE_ENUM_VALUE (BRIGHTNESS_DARK, "dark"))

#define BRIGHTNESS_TYPE_REWARD (brightness_reward_get_type ())
G_DECLARE_FINAL_TYPE (BrightnessReward, brightness_reward, BRIGHTNESS, REWARD, VardReward)

struct _BrightnessReward
{
  VardReward parent_instance;
  BrightnessTarget target;
};

G_DEFINE_FINAL_TYPE (BrightnessReward, brightness_reward, VARD_TYPE_REWARD)

static const VardField fields[] = {
  VARD_FIELD_ENUM (BrightnessReward,
                   target,
                   "Which pictures score high: bright or dark",
                   brightness_target_get_type,
                   BRIGHTNESS_BRIGHT),
};

static gboolean
brightness_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  double sign = BRIGHTNESS_REWARD (reward)->target == BRIGHTNESS_BRIGHT ? 1 : -1;

  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      gsize n;
      const guint8 *rgb = vard_reward_batch_peek_pixels (batch, i, &n);
      guint64 luma = 0; /* times 1000: exact */

      for (gsize p = 0; p < n; p += 3)
        luma += 299 * rgb[p] + 587 * rgb[p + 1] + 114 * rgb[p + 2];
      vard_reward_batch_set_score (batch, i, sign * luma / (255e3 * (n / 3)));
    }

  return TRUE;
}

static void
brightness_reward_class_init (BrightnessRewardClass *klass)
{
  VARD_REWARD_CLASS (klass)->score = brightness_reward_score;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
brightness_reward_init (BrightnessReward *self)
{
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "brightness", BRIGHTNESS_TYPE_REWARD);
}

VARD_PLUGIN ("brightness", "1.0", "LGPL-2.1-or-later", "Rewards bright or dark pictures", provide);
