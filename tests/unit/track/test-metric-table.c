/* test-metric-table.c - every row is whole, and names find their rows
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

#include <string.h>

static gboolean
is_sentence (const char *text)
{
  return g_ascii_isprint (text[0]) && g_str_has_suffix (text, ".") && strchr (text, '\n') == NULL;
}

static void
test_table_rows (void)
{
  g_autoptr (VardMetricTable) table = vard_list_metrics ();

  g_assert_cmpuint (vard_metric_table_get_count (table), >, 30);
  for (guint i = 0; i < vard_metric_table_get_count (table); i++)
    {
      const VardMetricInfo *row = vard_metric_table_get (table, i);
      gboolean is_evaluation = g_str_has_prefix (row->name, "evaluation/");

      g_test_message ("%s", row->name);
      g_assert_cmpuint (strlen (row->unit), >, 0);
      g_assert_true (is_sentence (row->summary));
      g_assert_true (is_sentence (row->advice));
      g_assert_cmpuint (row->lines, !=, 0);
      g_assert_true (is_evaluation == (row->lines == VARD_METRIC_LINES_EVALUATION));
      g_assert_true (vard_metric_table_lookup (table, row->name) == row);
    }
}

typedef struct
{
  const char *name, *row;
} LookupRow;

static const LookupRow lookup_rows[] = {
  { "reward/mean", "reward/mean" },
  { "reward/jpeg-size/mean", "reward/<label>/mean" },
  { "evaluation/reward/jpeg-size/mean", "evaluation/reward/<label>/mean" },
  { "seconds/reward", "seconds/reward" },
  { "seconds/reward/hps", "seconds/reward/<label>" },
  { "value/r2", "value/r2" },
  { "value/r2/951", "value/r2/<time>" },
  { "value/r2/", NULL },
  { "reward//mean", NULL },
  { "reward/mean/", NULL },
  { "reward", NULL },
  { "", NULL },
  { "evaluation/kl", NULL },
};

static void
test_table_lookup (void)
{
  g_autoptr (VardMetricTable) table = vard_list_metrics ();

  for (guint i = 0; i < G_N_ELEMENTS (lookup_rows); i++)
    {
      const VardMetricInfo *row = vard_metric_table_lookup (table, lookup_rows[i].name);

      g_assert_cmpstr (row != NULL ? row->name : NULL, ==, lookup_rows[i].row);
    }
}

/* A later row of the same name takes the place of the first, and others come behind */
static void
test_table_add (void)
{
  g_autoptr (VardMetricTable) table = vard_metric_table_new ();
  guint n = vard_metric_table_get_count (table);
  VardMetricInfo info = { .name = "reward/mean",
                          .unit = "points",
                          .summary = "A.",
                          .advice = "B." };

  vard_metric_table_add (table, &info);
  g_assert_cmpuint (vard_metric_table_get_count (table), ==, n);
  g_assert_cmpstr (vard_metric_table_lookup (table, "reward/mean")->unit, ==, "points");

  info.name = "toy/<a>/of/<b>";
  vard_metric_table_add (table, &info);
  g_assert_cmpuint (vard_metric_table_get_count (table), ==, n + 1);
  g_assert_nonnull (vard_metric_table_lookup (table, "toy/x/of/y"));
  g_assert_null (vard_metric_table_lookup (table, "toy/x/of/"));
  g_assert_null (vard_metric_table_lookup (table, "toy/x/for/y"));
}

#define TEST_TYPE_REWARD (test_reward_get_type ())
G_DECLARE_FINAL_TYPE (TestReward, test_reward, TEST, REWARD, VardReward)

struct _TestReward
{
  VardReward parent_instance;
};

G_DEFINE_FINAL_TYPE (TestReward, test_reward, VARD_TYPE_REWARD)

static void
test_reward_class_init (TestRewardClass *klass)
{
}

static void
test_reward_init (TestReward *self)
{
}

/* A reward's weight says which way its score should go */
static void
test_table_of_rewards (void)
{
  g_autoptr (VardRewardMix) mix = vard_reward_mix_new ();
  g_autoptr (VardMetricTable) table = vard_list_metrics ();
  static const struct
  {
    const char *label;
    double weight;
    VardRewardPolicy policy;
    VardMetricDirection direction;
  } rows[] = {
    { "good", 1, VARD_REWARD_POLICY_REQUIRED, VARD_METRIC_DIRECTION_HIGHER },
    { "bad", -0.5, VARD_REWARD_POLICY_REQUIRED, VARD_METRIC_DIRECTION_LOWER },
    { "seen", 1, VARD_REWARD_POLICY_MONITOR_ONLY, VARD_METRIC_DIRECTION_NONE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (VardReward) reward = g_object_new (TEST_TYPE_REWARD, NULL);

      g_assert_true (
        vard_reward_mix_add (mix, reward, rows[i].label, rows[i].weight, rows[i].policy, NULL));
    }
  vard_reward_mix_add_metrics (mix, table);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *name = g_strconcat ("reward/", rows[i].label, "/mean", NULL);
      g_autofree char *evaluated = g_strconcat ("evaluation/", name, NULL);

      g_assert_cmpint (vard_metric_table_lookup (table, name)->direction, ==, rows[i].direction);
      g_assert_cmpstr (vard_metric_table_lookup (table, evaluated)->name, ==, evaluated);
    }
  g_assert_nonnull (
    strstr (vard_metric_table_lookup (table, "reward/bad/mean")->summary, "bad, weight -0.5."));
  g_assert_cmpstr (vard_metric_table_lookup (table, "reward/other/mean")->name, ==,
                   "reward/<label>/mean");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metric-table/rows", test_table_rows);
  g_test_add_func ("/metric-table/lookup", test_table_lookup);
  g_test_add_func ("/metric-table/add", test_table_add);
  g_test_add_func ("/metric-table/rewards", test_table_of_rewards);

  return g_test_run ();
}
