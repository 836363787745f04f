/* test-conformance.c - the conformance suite over the rewards that ask somebody else
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test-outside.h"

static OutsideServer server;

static void
assert_passes (VardReward *reward, VardReward *other)
{
  g_autoptr (GPtrArray) findings = NULL;

  vard_reward_set_thread_bound (reward, FALSE);
  vard_reward_set_thread_bound (other, FALSE);
  findings = vard_reward_check (reward, other);
  g_assert_cmpuint (findings->len, ==, vard_reward_check_get_count ());
  for (guint i = 0; i < findings->len; i++)
    {
      const char *name = vard_reward_finding_get_name (findings->pdata[i]);
      const char *detail = vard_reward_finding_get_detail (findings->pdata[i]);

      if (vard_reward_finding_get_verdict (findings->pdata[i]) == VARD_REWARD_VERDICT_FAILED)
        g_error ("%s: %s", name, detail);
      if (detail != NULL)
        g_test_message ("%s: %s", name, detail);
    }
}

static void
test_conformance_remote (void)
{
  g_autoptr (VardReward) reward = outside_reward ("remote:url=%s/plain", server.url);
  g_autoptr (VardReward) other = outside_reward ("remote:url=%s/plain", server.url);

  assert_passes (reward, other);
}

static void
test_conformance_judge (void)
{
  g_autofree char *whole =
    g_strdup_printf ("judge:url=%s/odds,model=m,pattern=probabilities,maximum=9", server.url);
  g_autoptr (VardReward) reward = outside_reward ("%s", whole);
  g_autoptr (VardReward) other = outside_reward ("%s", whole);

  assert_passes (reward, other);
}

static void
test_conformance_command (void)
{
  g_autofree char *command = g_strdup_printf ("%s %s", g_getenv ("PYTHON"), g_getenv ("EXAMPLE"));
  g_autoptr (VardReward) reward = outside_reward ("command:picture=rgb,command=%s", command);
  g_autoptr (VardReward) other = outside_reward ("command:picture=rgb,command=%s", command);

  assert_passes (reward, other);
}

/* The same in a process of its own */
static void
test_conformance_isolated (void)
{
  g_autoptr (GError) error = NULL;
  VardPluginManager *manager = vard_plugin_manager_get_default ();
  g_autoptr (VardReward) reward = vard_reward_host_new (manager, "coverage", NULL, &error);
  g_autoptr (VardReward) other = vard_reward_host_new (manager, "coverage", NULL, &error);

  g_assert_no_error (error);
  assert_passes (reward, other);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  server = outside_server_start (NULL, NULL);
  g_test_add_func ("/conformance/remote", test_conformance_remote);
  g_test_add_func ("/conformance/judge", test_conformance_judge);
  g_test_add_func ("/conformance/command", test_conformance_command);
  g_test_add_func ("/conformance/isolated", test_conformance_isolated);
  int result = g_test_run ();
  outside_server_stop (&server);
  return result;
}
