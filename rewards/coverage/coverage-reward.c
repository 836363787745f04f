/* coverage-reward.c - penalises pictures that are mostly background
 *
 * Background is what is nearly white. Coverage is the share of the other pixels; the score is what
 * is missing from the floor, in negative percent: -50 for a blank picture at floor 0.5, and 0 for
 * every picture that covers half of itself or more. Mixed with jpeg-size it keeps blank pictures
 * from winning.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

#define COVERAGE_TYPE_REWARD (coverage_reward_get_type ())
G_DECLARE_FINAL_TYPE (CoverageReward, coverage_reward, COVERAGE, REWARD, VardReward)

struct _CoverageReward
{
  VardReward parent_instance;
  double floor;
  guint threshold;
};

G_DEFINE_FINAL_TYPE (CoverageReward, coverage_reward, VARD_TYPE_REWARD)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_DOUBLE (CoverageReward, floor,
                     "Share of the picture above which more coverage scores no higher; 1 rewards "
                     "all of it",
                     0.01, 1, 0.5),
  VARD_FIELD_UINT (CoverageReward, threshold,
                   "Lowest value of red, green and blue of a background pixel", 1, 255, 230),
};
/* clang-format on */

static double
coverage_measure (const guint8 *rgb, gsize n_bytes, guint threshold)
{
  gsize n_covered = 0;

  for (gsize p = 0; p < n_bytes; p += 3)
    n_covered += MIN (MIN (rgb[p], rgb[p + 1]), rgb[p + 2]) < threshold;
  return n_covered / (n_bytes / 3.0);
}

static gboolean
coverage_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  CoverageReward *self = COVERAGE_REWARD (reward);

  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      gsize n;
      const guint8 *rgb = vard_reward_batch_peek_pixels (batch, i, &n);
      double missing = self->floor - coverage_measure (rgb, n, self->threshold);

      vard_reward_batch_set_score (batch, i, missing > 0 ? -100 * missing : 0);
    }

  return TRUE;
}

static void
coverage_reward_class_init (CoverageRewardClass *klass)
{
  VARD_REWARD_CLASS (klass)->score = coverage_reward_score;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
coverage_reward_init (CoverageReward *self)
{
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "coverage", COVERAGE_TYPE_REWARD);
}

VARD_PLUGIN ("coverage",
             "1.0",
             "LGPL-2.1-or-later",
             "Penalises pictures that are mostly background",
             provide);
