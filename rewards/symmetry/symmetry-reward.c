/* symmetry-reward.c - likes pictures that equal their mirror image
 *
 * The score is 1 minus the mean distance between red, green and blue of a pixel and of its
 * counterpart across the axis, in units of white: 1 for a perfect mirror, 0 where each black pixel
 * faces a white one, about 0.67 for noise. A blank picture is perfectly symmetric, so mix it with
 * coverage.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

#include <stdlib.h>

typedef enum
{
  SYMMETRY_VERTICAL,
  SYMMETRY_HORIZONTAL
} SymmetryAxis;

static GType symmetry_axis_get_type (void);
G_DEFINE_ENUM_TYPE (SymmetryAxis,
                    symmetry_axis,
                    G_DEFINE_ENUM_VALUE (SYMMETRY_VERTICAL, "vertical"),
                    G_DEFINE_ENUM_VALUE (SYMMETRY_HORIZONTAL, "horizontal"))

#define SYMMETRY_TYPE_REWARD (symmetry_reward_get_type ())
G_DECLARE_FINAL_TYPE (SymmetryReward, symmetry_reward, SYMMETRY, REWARD, VardReward)

struct _SymmetryReward
{
  VardReward parent_instance;
  SymmetryAxis axis;
};

G_DEFINE_FINAL_TYPE (SymmetryReward, symmetry_reward, VARD_TYPE_REWARD)

static const VardField fields[] = {
  VARD_FIELD_ENUM (SymmetryReward,
                   axis,
                   "Mirror axis: vertical compares left with right, horizontal compares top with "
                   "bottom",
                   symmetry_axis_get_type,
                   SYMMETRY_VERTICAL),
};

/* Sum of |a - b| over two runs of pixels, of which the second is read backwards when @is_turned */
static guint64
symmetry_compare (const guint8 *a, const guint8 *b, guint n_pixels, gboolean is_turned)
{
  guint64 sum = 0;

  for (guint i = 0; i < n_pixels; i++)
    for (guint c = 0; c < 3; c++)
      sum += abs (a[3 * i + c] - b[3 * (is_turned ? n_pixels - 1 - i : i) + c]);

  return sum;
}

static gboolean
symmetry_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  gboolean is_vertical = SYMMETRY_REWARD (reward)->axis == SYMMETRY_VERTICAL;

  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      gsize n, row = (gsize) 3 * vard_reward_batch_get_width (batch, i);
      const guint8 *rgb = vard_reward_batch_peek_pixels (batch, i, &n);
      guint64 distance = 0;

      for (gsize y = 0; y < n; y += row)
        distance += symmetry_compare (rgb + y, is_vertical ? rgb + y : rgb + (n - row - y), row / 3,
                                      is_vertical);
      vard_reward_batch_set_score (batch, i, 1 - distance / (255.0 * n));
    }

  return TRUE;
}

static void
symmetry_reward_class_init (SymmetryRewardClass *klass)
{
  VARD_REWARD_CLASS (klass)->score = symmetry_reward_score;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
symmetry_reward_init (SymmetryReward *self)
{
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "symmetry", SYMMETRY_TYPE_REWARD);
}

VARD_PLUGIN ("symmetry",
             "1.0",
             "LGPL-2.1-or-later",
             "Rewards pictures that equal their mirror image",
             provide);
