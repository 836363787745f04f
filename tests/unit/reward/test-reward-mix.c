/* test-reward-mix.c - policies, statistics and totals of several rewards
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test-reward-dummy.h"

#include <math.h>

static VardRewardMix *
make_mix (DummyMode mode, VardRewardPolicy policy)
{
  VardRewardMix *mix = vard_reward_mix_new ();
  g_autoptr (VardReward) fine = VARD_REWARD (dummy_reward_new (DUMMY_FINE));
  g_autoptr (VardReward) other = VARD_REWARD (dummy_reward_new (mode));

  g_assert_true (vard_reward_mix_add (mix, fine, "fine", 2, VARD_REWARD_POLICY_REQUIRED, NULL));
  g_assert_true (vard_reward_mix_add (mix, other, "other", -0.5, policy, NULL));
  return mix;
}

static void
test_reward_mix_totals (void)
{
  g_autoptr (VardRewardMix) mix = make_mix (DUMMY_FINE, VARD_REWARD_POLICY_REQUIRED);
  g_autoptr (VardRewardBatch) batch = dummy_batch_new (5);
  g_autoptr (GError) error = NULL;
  VardRewardScores *pool[2] = { vard_reward_mix_score (mix, batch, NULL, &error),
                                vard_reward_mix_score (mix, batch, NULL, &error) };
  double total;

  g_assert_no_error (error);
  g_assert_false (vard_reward_mix_has_statistics (mix));
  g_assert_false (vard_reward_mix_get_total (mix, pool[0], 0, &total));
  g_assert_true (vard_reward_mix_fit_statistics (mix, pool, 2, &error));
  g_assert_no_error (error);

  /* scores 0 to 4 twice: mean 2, variance 2 */
  for (guint i = 0; i < 5; i++)
    {
      double whitened = (i - 2.0) / sqrt (2), raw;

      g_assert_true (vard_reward_scores_get_raw (pool[0], 1, i, &raw));
      g_assert_cmpfloat (raw, ==, i);
      g_assert_true (vard_reward_mix_get_total (mix, pool[0], i, &total));
      g_assert_cmpfloat_with_epsilon (total, (2 - 0.5) * whitened, 1e-12);
    }

  g_autoptr (JsonObject) json = vard_reward_mix_get_statistics (mix);
  g_autoptr (VardRewardMix) twin = make_mix (DUMMY_FINE, VARD_REWARD_POLICY_REQUIRED);
  g_assert_true (vard_reward_mix_set_statistics (twin, json, &error));
  g_assert_true (vard_reward_mix_get_total (twin, pool[0], 4, &total));
  g_assert_cmpfloat_with_epsilon (total, 1.5 * 2 / sqrt (2), 1e-12);
  json_object_remove_member (json, "other");
  g_assert_false (vard_reward_mix_set_statistics (twin, json, &error));
  g_assert_cmpstr (error->message, ==,
                   "the statistics lack a mean and a positive standard deviation for the reward "
                   "other");
  g_object_unref (pool[0]);
  g_object_unref (pool[1]);
}

static void
test_reward_mix_required (void)
{
  const struct
  {
    DummyMode mode;
    const char *message;
  } rows[] = {
    { DUMMY_NAN, "the reward other has no score for picture 1 (red apple): its score is not a "
                 "number; policy=required ends the run" },
    { DUMMY_FORGETFUL, "the reward other has no score for picture 1 (red apple): the reward "
                       "skipped it; policy=required ends the run" },
    { DUMMY_LOUD,
      "the reward other failed to score: the judge is asleep; policy=required ends the run" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (VardRewardMix) mix = make_mix (rows[i].mode, VARD_REWARD_POLICY_REQUIRED);
      g_autoptr (VardRewardBatch) batch = dummy_batch_new (3);
      g_autoptr (GError) error = NULL;

      g_assert_null (vard_reward_mix_score (mix, batch, NULL, &error));
      g_assert_error (error, VARD_ERROR, VARD_ERROR_REWARD);
      g_assert_cmpstr (error->message, ==, rows[i].message);
    }
}

/* Fits on a batch of four pictures and says which of them have totals. */
static char *
list_totals (DummyMode mode, VardRewardPolicy policy)
{
  g_autoptr (VardRewardMix) mix = make_mix (mode, policy);
  g_autoptr (VardRewardBatch) batch = dummy_batch_new (4);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardRewardScores) scores = vard_reward_mix_score (mix, batch, NULL, &error);
  GString *text = g_string_new (NULL);

  g_assert_no_error (error);
  if (!vard_reward_mix_fit_statistics (mix, &scores, 1, &error))
    g_string_append (text, "no statistics");
  else
    for (guint i = 0; i < 4; i++)
      g_string_append_c (text, vard_reward_mix_get_total (mix, scores, i, NULL) ? 'y' : 'n');
  g_string_append_printf (text, ", %u warnings",
                          g_strv_length ((char **) vard_reward_scores_get_warnings (scores)));
  return g_string_free (text, FALSE);
}

static void
test_reward_mix_policies (void)
{
  const struct
  {
    DummyMode mode;
    VardRewardPolicy policy;
    const char *expected;
  } rows[] = {
    { DUMMY_FINE, VARD_REWARD_POLICY_SKIP_SAMPLE, "yyyy, 0 warnings" },
    { DUMMY_NAN, VARD_REWARD_POLICY_SKIP_SAMPLE, "ynyy, 1 warnings" },
    { DUMMY_FORGETFUL, VARD_REWARD_POLICY_SKIP_SAMPLE, "ynyy, 1 warnings" },
    { DUMMY_LOUD, VARD_REWARD_POLICY_SKIP_SAMPLE, "no statistics, 1 warnings" },
    { DUMMY_NAN, VARD_REWARD_POLICY_MONITOR_ONLY, "yyyy, 1 warnings" },
    { DUMMY_LOUD, VARD_REWARD_POLICY_MONITOR_ONLY, "yyyy, 1 warnings" },
    { DUMMY_CONSTANT, VARD_REWARD_POLICY_MONITOR_ONLY, "yyyy, 0 warnings" },
    { DUMMY_CONSTANT, VARD_REWARD_POLICY_REQUIRED, "no statistics, 0 warnings" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *text = list_totals (rows[i].mode, rows[i].policy);

      g_assert_cmpstr (text, ==, rows[i].expected);
    }
}

static VardRewardScores *
make_scores (const double *raw, guint n)
{
  VardRewardScores *scores = vard_reward_scores_new (2, n);
  g_autoptr (VardRewardBatch) batch = dummy_batch_new (n);

  for (guint k = 0; k < 2; k++)
    {
      vard_reward_batch_reset (batch);
      for (guint i = 0; i < n; i++)
        vard_reward_batch_set_score (batch, i, (k == 0 ? 1 : -10) * raw[i]);
      vard_reward_scores_read_batch (scores, k, batch, 0);
    }
  return scores;
}

/* Pool 1 2 3 4 5, then 6 and 8: the seven have mean 29/7 and variance 155/7 - (29/7)^2. After that
 * the seven count as five, and 0 0 join them. */
static void
test_reward_mix_running (void)
{
  g_autoptr (VardRewardMix) mix = make_mix (DUMMY_FINE, VARD_REWARD_POLICY_REQUIRED);
  g_autoptr (VardRewardMix) copy = make_mix (DUMMY_FINE, VARD_REWARD_POLICY_REQUIRED);
  g_autoptr (VardRewardScores) pool = make_scores ((double[]) { 1, 2, 3, 4, 5 }, 5);
  g_autoptr (VardRewardScores) some = make_scores ((double[]) { 6, 8 }, 2);
  g_autoptr (VardRewardScores) none = make_scores ((double[]) { 0, 0 }, 2);
  g_autoptr (VardRewardScores) probe = make_scores ((double[]) { 1, 0 }, 2);
  double base, running, before, mean = 29 / 7.0, variance = 155 / 7.0 - mean * mean;
  double a = vard_reward_mix_get_weight (mix, 0), b = vard_reward_mix_get_weight (mix, 1);

  g_assert_true (vard_reward_mix_fit_statistics (mix, &pool, 1, NULL));
  g_assert_true (vard_reward_mix_get_total (mix, probe, 0, &base));
  g_assert_true (vard_reward_mix_get_running_total (mix, probe, 0, &running));
  g_assert_cmpfloat (base, ==, running);
  g_assert_cmpfloat_with_epsilon (base, (a - b) * (1 - 3) / sqrt (2), 1e-12);

  vard_reward_mix_update_running (mix, some);
  g_assert_true (vard_reward_mix_get_running_total (mix, probe, 0, &running));
  g_assert_cmpfloat_with_epsilon (running, (a - b) * (1 - mean) / sqrt (variance), 1e-12);
  g_assert_true (vard_reward_mix_get_total (mix, probe, 0, &before));
  g_assert_cmpfloat (base, ==, before);

  vard_reward_mix_update_running (mix, none);
  variance = 5 / 7.0 * variance + 10 / 49.0 * mean * mean;
  mean = 5 * mean / 7;
  g_assert_true (vard_reward_mix_get_running_total (mix, probe, 0, &running));
  g_assert_cmpfloat_with_epsilon (running, (a - b) * (1 - mean) / sqrt (variance), 1e-12);

  /* Kept whole, and pictures that are all alike do not blow up what is between them */
  g_autoptr (JsonObject) statistics = vard_reward_mix_get_statistics (mix);
  g_assert_true (vard_reward_mix_set_statistics (copy, statistics, NULL));
  g_assert_true (vard_reward_mix_get_running_total (copy, probe, 0, &before));
  g_assert_cmpfloat (running, ==, before);
  for (guint i = 0; i < 100; i++)
    vard_reward_mix_update_running (mix, none);
  g_assert_true (vard_reward_mix_get_running_total (mix, probe, 0, &running));
  g_assert_cmpfloat_with_epsilon (running, (a - b) * 1 / (0.1 * sqrt (2)), 1e-6);
}

/* What becomes of a failure is said with it. */
static void
test_reward_mix_words (void)
{
  const struct
  {
    DummyMode mode;
    VardRewardPolicy policy;
    const char *warning;
  } rows[] = {
    { DUMMY_NAN, VARD_REWARD_POLICY_SKIP_SAMPLE,
      "the reward other has no score for 1 of 4 pictures: its score is not a number; "
      "policy=skip-sample leaves them out" },
    { DUMMY_LOUD, VARD_REWARD_POLICY_SKIP_SAMPLE,
      "the reward other failed to score: the judge is asleep; policy=skip-sample leaves them out" },
    { DUMMY_LOUD, VARD_REWARD_POLICY_MONITOR_ONLY,
      "the reward other failed to score: the judge is asleep; policy=monitor-only continues" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (VardRewardMix) mix = make_mix (rows[i].mode, rows[i].policy);
      g_autoptr (VardRewardBatch) batch = dummy_batch_new (4);
      g_autoptr (VardRewardScores) scores = vard_reward_mix_score (mix, batch, NULL, NULL);

      g_assert_cmpstr (vard_reward_scores_get_warnings (scores)[0], ==, rows[i].warning);
    }
}

static void
test_reward_mix_no_spread (void)
{
  g_autoptr (VardRewardMix) mix = make_mix (DUMMY_CONSTANT, VARD_REWARD_POLICY_REQUIRED);
  g_autoptr (VardRewardBatch) batch = dummy_batch_new (8);
  g_autoptr (VardRewardScores) scores = vard_reward_mix_score (mix, batch, NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (vard_reward_scores_get_warnings (scores)[0], ==,
                   "the reward other gave all 8 pictures the score 3");
  g_assert_false (vard_reward_mix_fit_statistics (mix, &scores, 1, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_REWARD);
  g_assert_cmpstr (error->message, ==,
                   "the reward other gave all 8 pictures of the base model's pool the score 3, so "
                   "there is "
                   "nothing to learn from it: change its settings or set policy=monitor-only");
}

static void
test_reward_mix_refusals (void)
{
  g_autoptr (VardRewardMix) mix = vard_reward_mix_new ();
  g_autoptr (VardReward) reward = VARD_REWARD (dummy_reward_new (DUMMY_FINE));
  const struct
  {
    const char *label;
    double weight;
    const char *message;
  } rows[] = {
    { "a/b", 1, "\"a/b\" cannot be the label of a reward: use letters, digits, '.', '_' and '-'" },
    { "a", 0,
      "the reward a has the weight 0: to score without training on it, set policy=monitor-only" },
    { "a", NAN,
      "the reward a has the weight nan: to score without training on it, set policy=monitor-only" },
    { "a", 1, NULL },
    { "a", 1, "two rewards have the label \"a\": set another one with label=NAME" },
  };
  g_autoptr (GError) empty = NULL;

  g_assert_false (vard_reward_mix_prepare (mix, NULL, &empty));
  g_assert_error (empty, VARD_ERROR, VARD_ERROR_USAGE);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_true (vard_reward_mix_add (mix, reward, rows[i].label, rows[i].weight,
                                          VARD_REWARD_POLICY_MONITOR_ONLY, &error)
                     == (rows[i].message == NULL));
      g_assert_cmpstr (error != NULL ? error->message : NULL, ==, rows[i].message);
    }
  g_clear_error (&empty);
  g_assert_false (vard_reward_mix_prepare (mix, NULL, &empty));
  g_assert_cmpstr (empty->message, ==,
                   "there is nothing to learn, because every reward is monitor-only: change the "
                   "policy of one");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reward-mix/totals", test_reward_mix_totals);
  g_test_add_func ("/reward-mix/required", test_reward_mix_required);
  g_test_add_func ("/reward-mix/policies", test_reward_mix_policies);
  g_test_add_func ("/reward-mix/running", test_reward_mix_running);
  g_test_add_func ("/reward-mix/words", test_reward_mix_words);
  g_test_add_func ("/reward-mix/no-spread", test_reward_mix_no_spread);
  g_test_add_func ("/reward-mix/refusals", test_reward_mix_refusals);
  return g_test_run ();
}
