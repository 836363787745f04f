/* test-host.c - a reward in a process of its own: same scores, and its end is not ours
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

#include <string.h>

static VardPluginManager *
get_manager (void)
{
  static VardPluginManager *manager = NULL;
  const char *const folders[] = { g_getenv ("VARD_TEST_SCORING_FIXTURES"), g_getenv ("VARD_TEST_COVERAGE"), NULL };

  if (manager == NULL)
    manager = vard_plugin_manager_new (folders, NULL);
  return manager;
}

static VardReward *
make_host (const char *spec)
{
  g_autoptr (GError) error = NULL;
  VardReward *reward = vard_reward_host_new (get_manager (), spec, &error);

  g_assert_no_error (error);
  return reward;
}

static VardRewardBatch *
make_batch (guint n, guint side, const char *prompt)
{
  VardRewardBatch *batch = vard_reward_batch_new ();
  gsize size = (gsize) 3 * side * (side + 1);

  for (guint i = 0; i < n; i++)
    {
      guint8 *rgb = g_malloc (size);

      for (gsize p = 0; p < size; p++)
        rgb[p] = (guint8) (p * p / 7 + 31 * i);
      g_autoptr (GBytes) pixels = g_bytes_new_take (rgb, size);
      g_assert_true (vard_reward_batch_append (batch, pixels, side, side + 1, prompt, NULL, i / 2, NULL));
    }
  return batch;
}

static void
check_failed (VardReward *reward, VardRewardBatch *batch, const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vard_reward_score_batch (reward, batch, NULL, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      g_assert_cmpint (vard_reward_batch_get_status (batch, i), ==, VARD_REWARD_STATUS_FAILED);
      g_assert_cmpstr (vard_reward_batch_get_message (batch, i), ==, message);
    }
}

/* Batches that grow, so that the memory does */
static void
test_host_scores (void)
{
  for (guint round = 0; round < 4; round++)
    {
      g_autoptr (VardReward) near = VARD_REWARD (
        vard_plugin_manager_create_from_spec (get_manager (), "reward", "coverage:floor=1", NULL, NULL));
      g_autoptr (VardReward) far = make_host ("coverage:floor=1,weight=3");
      g_autoptr (VardRewardBatch) one = make_batch (1 + 9 * round, 40 << round, NULL);
      g_autoptr (VardRewardBatch) other = make_batch (1 + 9 * round, 40 << round, NULL);

      g_assert_true (vard_reward_score_batch (near, one, NULL, NULL));
      for (guint twice = 0; twice < 2; twice++)
        g_assert_true (vard_reward_score_batch (far, other, NULL, NULL));
      for (guint i = 0; i < vard_reward_batch_get_count (one); i++)
        {
          double a = 1, b = 2;

          g_assert_true (vard_reward_batch_get_score (one, i, &a) && vard_reward_batch_get_score (other, i, &b));
          g_assert_cmpfloat (a, ==, b);
        }
    }
}

/* How it ends, and that the next batch has a new process, as often as the budget allows */
static void
test_host_ends (gconstpointer data)
{
  const char *const *row = data;
  g_autoptr (VardReward) reward = make_host (row[0]);
  g_autoptr (VardRewardBatch) bad = make_batch (3, 8, "be bad");
  g_autoptr (VardRewardBatch) fine = make_batch (3, 8, "be fine");
  g_autoptr (GError) error = NULL;

  g_object_set (reward, "answer-seconds", 1u, "restarts", 2u, NULL);
  vard_reward_set_label (reward, "mine");
  g_assert_true (vard_reward_score_batch (reward, fine, NULL, NULL));
  check_failed (reward, bad, row[1]);
  g_assert_true (vard_reward_score_batch (reward, fine, NULL, NULL));
  g_assert_true (vard_reward_batch_get_score (fine, 2, NULL));
  g_assert_cmpuint (vard_reward_host_get_n_restarts (VARD_REWARD_HOST (reward)), ==, 1);
  check_failed (reward, bad, row[1]);
  check_failed (reward, bad, row[1]);
  g_assert_false (vard_reward_score_batch (reward, fine, NULL, &error));
  g_assert_cmpstr (error->message, ==, "the reward mine failed to score: its own process was started 3 times, and is "
                                       "not started again");
}

static void
test_host_errors (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vard_reward_host_new (get_manager (), "coverage:floor=2", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_cmpstr (error->message, ==, "coverage: floor is \"2\", and should be a number from 0.01 to 1");
  g_clear_error (&error);
  g_assert_null (vard_reward_host_new (get_manager (), "moody-fixtur", &error));
  g_assert_cmpstr (error->message, ==, "there is no reward \"moody-fixtur\"; did you mean \"moody-fixture\"?");
  g_clear_error (&error);

  g_autoptr (VardReward) reward = make_host ("moody-fixture:mood=unprepared");
  g_assert_false (vard_reward_prepare (reward, NULL, &error));
  g_assert_cmpstr (error->message, ==, "the reward moody-fixture failed to prepare: the weights are not there");
  g_clear_error (&error);

  g_setenv ("VARD_REWARD_HOST", "/nonexistent/helper", TRUE);
  g_assert_null (vard_reward_host_new (get_manager (), "coverage", &error));
  g_assert_nonnull (strstr (error->message, "/nonexistent/helper"));
  g_unsetenv ("VARD_REWARD_HOST");
}

/* An item may fail alone. */
static void
test_host_items (void)
{
  g_autoptr (VardReward) reward = make_host ("moody-fixture:mood=nan");
  g_autoptr (VardRewardBatch) batch = make_batch (8, 8, NULL);
  guint n_failed = 0;

  g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
  for (guint i = 0; i < 8; i++)
    if (!vard_reward_batch_get_score (batch, i, NULL))
      {
        g_assert_cmpstr (vard_reward_batch_get_message (batch, i), ==, "its score is not a number");
        n_failed++;
      }
  g_assert_cmpuint (n_failed, >, 0);
  g_assert_cmpuint (n_failed, <, 8);
}

static gpointer
cancel_soon (gpointer cancellable)
{
  g_usleep (100000);
  g_cancellable_cancel (cancellable);
  return NULL;
}

/* A reward that listens keeps its process, one that hangs loses it; neither counts as a crash. */
static void
test_host_cancel (gconstpointer mood)
{
  g_autofree char *spec = g_strconcat ("moody-fixture:mood=", mood, NULL);
  g_autoptr (VardReward) reward = make_host (spec);
  g_autoptr (VardRewardBatch) batch = make_batch (2, 8, NULL);

  g_object_set (reward, "restarts", 0u, NULL);
  for (guint round = 0; round < 2; round++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      GThread *thread = g_thread_new ("cancel", cancel_soon, cancellable);
      gint64 begin = g_get_monotonic_time ();
      g_autoptr (GError) error = NULL;

      g_assert_false (vard_reward_score_batch (reward, batch, cancellable, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_cmpint (g_get_monotonic_time () - begin, <, 6 * G_USEC_PER_SEC);
      g_thread_join (thread);
    }
  g_assert_cmpuint (vard_reward_host_get_n_restarts (VARD_REWARD_HOST (reward)), ==, 0);
}

/* As a run uses it: by a spec in a mix */
static void
test_host_mix (void)
{
  g_autoptr (VardRewardMix) mix = vard_reward_mix_new ();
  g_autoptr (VardRewardBatch) batch = make_batch (4, 16, NULL);
  g_autoptr (GError) error = NULL;
  double score;

  g_assert_true (vard_reward_mix_add_spec (mix, "coverage:isolate=true,label=apart", &error));
  g_assert_true (VARD_IS_REWARD_HOST (vard_reward_mix_get_reward (mix, 0)));
  g_autoptr (VardRewardScores) scores = vard_reward_mix_score (mix, batch, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (vard_reward_scores_get_raw (scores, 0, 3, &score));
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  return (*(const gint64 *) a > *(const gint64 *) b) - (*(const gint64 *) a < *(const gint64 *) b);
}

/* What a call costs when the reward itself costs nothing */
static void
test_host_overhead (void)
{
  g_autoptr (VardReward) reward = make_host ("moody-fixture");
  g_autoptr (VardRewardBatch) batch = make_batch (64, 512, NULL);
  gint64 times[31];

  g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    {
      times[i] = -g_get_monotonic_time ();
      g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
      times[i] += g_get_monotonic_time ();
    }
  qsort (times, G_N_ELEMENTS (times), sizeof times[0], compare_times);
  g_test_message ("64 pictures of 512 x 513: median %.2f ms, best %.2f ms", times[15] / 1e3, times[0] / 1e3);
  g_assert_cmpint (times[0], <, 100000); /* on a busy machine; the message has the number */
}

int
main (int argc, char **argv)
{
  static const char *const ends[][2] = {
    { "moody-fixture:mood=crash", "the process of the reward mine crashed (Segmentation fault)" },
    { "moody-fixture:mood=exit", "the process of the reward mine ended with status 7" },
    { "moody-fixture:mood=hang", "the process of the reward mine did not answer within 1 s, and was ended" },
  };

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/scores", test_host_scores);
  g_test_add_data_func ("/host/ends/crash", ends[0], test_host_ends);
  g_test_add_data_func ("/host/ends/exit", ends[1], test_host_ends);
  g_test_add_data_func ("/host/ends/hang", ends[2], test_host_ends);
  g_test_add_func ("/host/errors", test_host_errors);
  g_test_add_func ("/host/items", test_host_items);
  g_test_add_data_func ("/host/cancel/slow", "slow", test_host_cancel);
  g_test_add_data_func ("/host/cancel/hang", "hang", test_host_cancel);
  g_test_add_func ("/host/mix", test_host_mix);
  g_test_add_func ("/host/overhead", test_host_overhead);
  return g_test_run ();
}
