/* toy-runner.h - a runner of the tiny model with a reward that likes red
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard.h>

#define RED_TYPE_REWARD (red_reward_get_type ())
G_DECLARE_FINAL_TYPE (RedReward, red_reward, RED, REWARD, VardReward)

struct _RedReward
{
  VardReward parent_instance;
};

G_DEFINE_FINAL_TYPE (RedReward, red_reward, VARD_TYPE_REWARD)

static gboolean
red_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      gsize n;
      const guint8 *rgb = vard_reward_batch_peek_pixels (batch, i, &n);
      guint64 sum = 0;

      for (gsize p = 0; p < n; p += 3)
        sum += rgb[p];
      vard_reward_batch_set_score (batch, i, sum / (double) n);
    }

  return TRUE;
}

static void
red_reward_class_init (RedRewardClass *klass)
{
  VARD_REWARD_CLASS (klass)->score = red_reward_score;
}

static void
red_reward_init (RedReward *self)
{
}

static inline VardRunSettings *
toy_runner_make_settings (guint steps)
{
  /* clang-format off */
  static const char *const values[][2] = {
    { "pool-size", "32" }, { "value-fit-updates", "24" }, { "batch-size", "4" },
    { "states-per-update", "4" }, { "evaluation-seeds", "2" }, { "sampler-steps", "3" },
    { "value-batch", "4" }, { "value-channels", "8" }, { "warm-up", "0" },
    { "threads", "1" }, { "q-min", "-1" }, { "learning-rate", "0.01" },
    { "sample-interval", "0" }, { "checkpoint-interval", "0" }, { "keep-checkpoints", "0" },
  };
  /* clang-format on */
  VardRunSettings *settings = vard_run_settings_new ();
  g_autofree char *model =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "data", "tiny-model", NULL);
  g_autofree char *text = g_strdup_printf ("%u", steps);
  g_autoptr (GError) error = NULL;

  g_assert_true (vard_run_settings_set (settings, "model", model, &error));
  g_assert_true (vard_run_settings_set (settings, "steps", text, &error));
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    g_assert_true (vard_run_settings_set (settings, values[i][0], values[i][1], &error));

  return settings;
}

static inline VardRewardMix *
toy_runner_make_rewards (void)
{
  VardRewardMix *mix = vard_reward_mix_new ();
  g_autoptr (VardReward) reward = g_object_new (RED_TYPE_REWARD, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (vard_reward_mix_add (mix, reward, "red", 1, VARD_REWARD_POLICY_REQUIRED, &error));

  return mix;
}

static inline VardRunner *
toy_runner_make (guint steps)
{
  g_autoptr (VardRunSettings) settings = toy_runner_make_settings (steps);
  g_autoptr (VardRewardMix) rewards = toy_runner_make_rewards ();
  g_autoptr (GError) error = NULL;
  VardRunner *runner = vard_runner_new_with_rewards (settings, rewards, &error);

  g_assert_no_error (error);

  return runner;
}
