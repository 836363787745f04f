/* test-command.c - the reward of any program, when the program is fine and when it is not
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test-outside.h"

#include <glib/gstdio.h>

static VardReward *
program_reward (const char *mode, const char *options)
{
  return outside_reward ("command:%scommand=%s %s %s%s",
                         strstr (options, "picture") == NULL ? "picture=rgb," : "",
                         g_getenv ("PYTHON"), g_getenv ("PROGRAM"), mode, options);
}

static void
assert_scores_but_5 (VardRewardBatch *batch, const char *word)
{
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    if (i != 5 || word == NULL)
      outside_assert_score (batch, i, i / 2.0);
    else
      outside_assert_failed (batch, i, word);
}

static void
test_command_plain (void)
{
  static const char *const options[] = { "", ",ahead=1", ",ahead=100", ",picture=ppm" };

  for (guint o = 0; o < G_N_ELEMENTS (options); o++)
    {
      g_autoptr (VardReward) reward = program_reward ("plain", options[o]);

      for (guint n = 0; n < 60; n += 29)
        {
          g_autoptr (VardRewardBatch) batch = outside_batch (0, n);

          outside_score (reward, batch);
          assert_scores_but_5 (batch, NULL);
        }
    }
}

/* Larger than any pipe, both ways and on the third: whoever waits at the wrong end waits for
 * ever. */
static void
test_command_large (void)
{
  g_autoptr (VardReward) reward = program_reward ("chatty", ",ahead=16,timeout=30");
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();
  guint size = 512 * 512 * 3;

  for (guint i = 0; i < 16; i++)
    {
      guint8 *rgb = g_malloc0 (size);
      rgb[2] = i;
      g_autoptr (GBytes) pixels = g_bytes_new_take (rgb, size);
      g_assert_true (vard_reward_batch_append (batch, pixels, 512, 512, "cat", NULL, 0, NULL));
    }
  outside_score (reward, batch);
  assert_scores_but_5 (batch, NULL);
}

static void
test_command_order (void)
{
  g_autoptr (VardReward) reward = program_reward ("backwards", "");
  g_autoptr (VardRewardBatch) batch = outside_batch (0, 30);

  outside_score (reward, batch);
  assert_scores_but_5 (batch, NULL);
}

/* Picture 5 is the one on which the program fails: it fails alone. */
static const struct
{
  const char *mode, *options, *word;
} failures[] = {
  { "nan", ",restarts=0", "answered null, which is not a finite number" },
  { "nothing", ",restarts=0", "answered with neither \"score\" nor \"error\"" },
  { "error", ",restarts=0", "too dark" },
  { "poison", "",
    "(signal 6, Aborted); the last line on its standard error is \"Segmentation fault, nearly\"" },
  { "hang", ",timeout=1", "did not answer within" },
  { "rubbish", "", "wrote \"Hello, world!\", which is not an answer" },
  { "other", "", "which it did not receive" },
  { "long", "", "wrote \"xxxx" },
  { "close", "", "(exit status 3)" },
};

static void
test_command_failures (void)
{
  for (guint f = 0; f < G_N_ELEMENTS (failures); f++)
    {
      g_autoptr (VardReward) reward = program_reward (failures[f].mode, failures[f].options);
      g_autoptr (VardRewardBatch) batch = outside_batch (0, 9);

      outside_score (reward, batch);
      assert_scores_but_5 (batch, failures[f].word);
    }
}

/* A second answer is noticed as soon as it is read, which may be in the next batch. */
static void
test_command_twice (void)
{
  g_autoptr (VardReward) reward = program_reward ("twice", "");
  g_autoptr (VardRewardBatch) batch = outside_batch (0, 9), last = outside_batch (5, 1),
                              next = outside_batch (0, 3);

  outside_score (reward, batch);
  assert_scores_but_5 (batch, "two scores");
  outside_score (reward, last);
  g_usleep (50 * 1000);
  outside_score (reward, next);
  assert_scores_but_5 (next, NULL);
}

static void
test_command_restarts (void)
{
  g_autofree char *folder = g_dir_make_tmp ("vard-XXXXXX", NULL);
  g_autofree char *mark = g_build_filename (folder, "mark", NULL);
  g_autofree char *argument = g_strdup_printf ("once %s", mark);
  g_autoptr (VardReward) once = program_reward (argument, ",restarts=1");
  g_autoptr (VardReward) never = program_reward ("stillborn", ",restarts=2");
  g_autoptr (VardReward) banner = program_reward ("banner", ",restarts=1");
  g_autoptr (VardReward) asleep = program_reward ("asleep", ",restarts=0,start-timeout=0.5");
  g_autoptr (VardRewardBatch) batch = outside_batch (0, 9);
  g_autoptr (GError) error = NULL;

  outside_score (once, batch);
  if (vard_reward_batch_get_status (batch, 0) != VARD_REWARD_STATUS_SCORED) /* it was sent alone */
    outside_assert_failed (batch, 0, "(exit status 4)");
  for (guint i = 1; i < 9; i++)
    outside_assert_score (batch, i, i / 2.0);
  g_unlink (mark);
  g_rmdir (folder);

  outside_score (never, batch);
  for (guint i = 0; i < 9; i++)
    outside_assert_failed (batch, i,
                           "(exit status 1); the last line on its standard error is \"no module "
                           "named torch\"");
  g_assert_false (vard_reward_score_batch (never, batch, NULL, &error));
  g_assert_nonnull (strstr (error->message, "the reward tested"));
  g_assert_nonnull (strstr (error->message, "failed 3 times, but restarts is 2"));
  outside_score (banner, batch);
  outside_assert_failed (batch, 8, "\"Loading weights\"");
  outside_score (asleep, batch);
  outside_assert_failed (batch, 8, "did not answer within 0.5 s");
}

static void
test_command_cancel (void)
{
  g_autoptr (VardReward) reward = program_reward ("asleep", "");
  g_autoptr (VardRewardBatch) batch = outside_batch (0, 9);
  gint64 begin = g_get_monotonic_time ();

  outside_assert_cancels (reward, batch);
  outside_assert_cancels (reward, batch);
  g_clear_object (&reward);
  g_assert_cmpint (g_get_monotonic_time () - begin, <, 10 * G_TIME_SPAN_SECOND);
}

static void
test_command_settings (void)
{
  g_autoptr (VardReward) none = outside_reward ("command");
  g_autoptr (VardReward) absent = outside_reward ("command:command=/nonexistent/program");
  g_autoptr (VardReward) quote = outside_reward ("command:command=a 'b");

  outside_assert_refuses (none, "set \"command\"");
  outside_assert_refuses (absent, "/nonexistent/program");
  outside_assert_refuses (quote, "a 'b");
}

/* The program that people copy */
static void
test_command_example (void)
{
  g_autoptr (VardReward) reward =
    outside_reward ("command:picture=rgb,command=%s %s", g_getenv ("PYTHON"), g_getenv ("EXAMPLE"));
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();
  const guint8 red[] = { 200, 0, 0, 100, 50, 50 }, black[] = { 0, 0, 0 };
  g_autoptr (GBytes) first = g_bytes_new (red, 6), second = g_bytes_new (black, 3);

  g_assert_true (vard_reward_batch_append (batch, first, 2, 1, NULL, NULL, 0, NULL));
  g_assert_true (vard_reward_batch_append (batch, second, 1, 1, NULL, NULL, 0, NULL));
  outside_score (reward, batch);
  outside_assert_score (batch, 0, 0.75);
  outside_assert_failed (batch, 1, "a black picture has no colour");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/command/plain", test_command_plain);
  g_test_add_func ("/command/large", test_command_large);
  g_test_add_func ("/command/order", test_command_order);
  g_test_add_func ("/command/failures", test_command_failures);
  g_test_add_func ("/command/twice", test_command_twice);
  g_test_add_func ("/command/restarts", test_command_restarts);
  g_test_add_func ("/command/cancel", test_command_cancel);
  g_test_add_func ("/command/settings", test_command_settings);
  g_test_add_func ("/command/example", test_command_example);
  return g_test_run ();
}
