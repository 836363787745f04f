/* colorfulness-reward.c - likes colourful pictures
 *
 * The measure of Hasler and Suesstrunk, "Measuring colourfulness in natural images" (2003), not
 * rounded: 0 for grey, about 30 for an average photograph, above 80 for a very colourful one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

#include <math.h>

#define COLORFULNESS_TYPE_REWARD (colorfulness_reward_get_type ())
G_DECLARE_FINAL_TYPE (ColorfulnessReward, colorfulness_reward, COLORFULNESS, REWARD, VardReward)

struct _ColorfulnessReward
{
  VardReward parent_instance;
};

G_DEFINE_FINAL_TYPE (ColorfulnessReward, colorfulness_reward, VARD_TYPE_REWARD)

/* red against green, and yellow against blue: their spread, and their distance from grey */
static double
colorfulness_measure (const guint8 *rgb, gsize n_bytes)
{
  gint64 sum_rg = 0, sum_yb = 0, square_rg = 0, square_yb = 0; /* whole numbers: exact */
  double n = n_bytes / 3;

  for (gsize p = 0; p < n_bytes; p += 3)
    {
      gint64 rg = rgb[p] - rgb[p + 1];
      gint64 yb = rgb[p] + rgb[p + 1] - 2 * rgb[p + 2]; /* twice the paper's */

      sum_rg += rg;
      sum_yb += yb;
      square_rg += rg * rg;
      square_yb += yb * yb;
    }

  double mean_rg = sum_rg / n, mean_yb = sum_yb / n / 2;
  double variance_rg = square_rg / n - mean_rg * mean_rg;
  double variance_yb = square_yb / n / 4 - mean_yb * mean_yb;

  return sqrt (fmax (variance_rg + variance_yb, 0))
         + 0.3 * sqrt (mean_rg * mean_rg + mean_yb * mean_yb);
}

static gboolean
colorfulness_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      gsize n;
      const guint8 *rgb = vard_reward_batch_peek_pixels (batch, i, &n);

      vard_reward_batch_set_score (batch, i, colorfulness_measure (rgb, n));
    }

  return TRUE;
}

static void
colorfulness_reward_class_init (ColorfulnessRewardClass *klass)
{
  VARD_REWARD_CLASS (klass)->score = colorfulness_reward_score;
}

static void
colorfulness_reward_init (ColorfulnessReward *self)
{
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "colorfulness", COLORFULNESS_TYPE_REWARD);
}

VARD_PLUGIN ("colorfulness", "1.0", "LGPL-2.1-or-later", "Rewards colourful pictures", provide);
