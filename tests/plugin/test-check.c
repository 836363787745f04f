/* test-check.c - the checks of rewards: ours pass, and each bad habit is found
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <string.h>

static VardReward *
make_reward (VardPluginManager *manager, const char *spec)
{
  g_autoptr (GError) error = NULL;
  GObject *reward = vard_plugin_manager_create_from_spec (manager, "reward", spec, NULL, &error);

  g_assert_no_error (error);
  vard_reward_set_thread_bound (VARD_REWARD (reward), FALSE);
  return VARD_REWARD (reward);
}

/* Names of the checks that failed, with commas */
static char *
check (VardPluginManager *manager, const char *spec)
{
  g_autoptr (VardReward) reward = make_reward (manager, spec);
  g_autoptr (VardReward) other = make_reward (manager, spec);
  g_autoptr (GPtrArray) findings = vard_reward_check (reward, other);
  GString *failed = g_string_new (NULL);

  for (guint i = 0; i < findings->len; i++)
    {
      VardRewardFinding *finding = findings->pdata[i];

      g_assert_cmpint (vard_reward_finding_get_verdict (finding) == VARD_REWARD_VERDICT_PASSED, ==,
                       vard_reward_finding_get_detail (finding) == NULL);
      if (vard_reward_finding_get_verdict (finding) == VARD_REWARD_VERDICT_FAILED)
        g_string_append_printf (failed, "%s%s", failed->len > 0 ? "," : "",
                                vard_reward_finding_get_name (finding));
      if (vard_reward_finding_get_detail (finding) != NULL)
        g_test_message ("%s: %s: %s", spec, vard_reward_finding_get_name (finding),
                        vard_reward_finding_get_detail (finding));
    }
  return g_string_free (failed, FALSE);
}

static void
test_check_ours (gconstpointer spec)
{
  g_autofree char *failed = check (vard_plugin_manager_get_default (), spec);

  g_assert_cmpstr (failed, ==, "");
}

static void
test_check_bad (gconstpointer data)
{
  const char *const *row = data;
  const char *const folders[] = { g_getenv ("VARD_TEST_SCORING_FIXTURES"), NULL };
  g_autoptr (VardPluginManager) manager = vard_plugin_manager_new (folders, NULL);
  g_autofree char *spec = g_strconcat ("moody-fixture:mood=", row[0], NULL);
  g_autofree char *failed = check (manager, spec);

  g_assert_cmpstr (failed, ==, row[1]);
}

int
main (int argc, char **argv)
{
  static const char *const ours[] = { "brightness",       "colorfulness", "coverage",
                                      "coverage:floor=1", "jpeg-size",    "jpeg-size:target=large",
                                      "symmetry" };
  static const char *const bad[][2] = {
    { "good", "" },
    { "unprepared", "prepare" },
    { "random", "repeats,alone,order,threads" },
    { "order", "alone,order" },
    { "nan", "repeats,sizes,plain" },
    { "small", "sizes,plain" },
    { "deaf", "stop" },
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed, so that nothing can be measured */
    { "leak", "leaks" },
#endif
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (ours); i++)
    {
      g_autofree char *path = g_strconcat ("/check/ours/", ours[i], NULL);

      g_test_add_data_func (path, ours[i], test_check_ours);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *path = g_strconcat ("/check/bad/", bad[i][0], NULL);

      g_test_add_data_func (path, bad[i], test_check_bad);
    }
  return g_test_run ();
}
