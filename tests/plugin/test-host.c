/* test-host.c - a reward in a process of its own: same scores, and its end is not ours
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "diffusion/vard-pipeline-private.h"

#include <string.h>
#include <unistd.h>

static VardPluginManager *
get_manager (void)
{
  static VardPluginManager *manager = NULL;
  const char *const folders[] = { g_getenv ("VARD_TEST_SCORING_FIXTURES"),
                                  g_getenv ("VARD_TEST_COVERAGE"), NULL };

  if (manager == NULL)
    manager = vard_plugin_manager_new (folders, NULL);
  return manager;
}

static VardReward *
make_host (const char *spec)
{
  g_autoptr (GError) error = NULL;
  VardReward *reward = vard_reward_host_new (get_manager (), spec, NULL, &error);

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
      g_assert_true (
        vard_reward_batch_append (batch, pixels, side, side + 1, prompt, NULL, i / 2, NULL));
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
      g_autoptr (VardReward) near =
        VARD_REWARD (vard_plugin_manager_create_from_spec (get_manager (), "reward",
                                                           "coverage:floor=1", NULL, NULL));
      g_autoptr (VardReward) far = make_host ("coverage:floor=1,weight=3");
      g_autoptr (VardRewardBatch) one = make_batch (1 + 9 * round, 40 << round, NULL);
      g_autoptr (VardRewardBatch) other = make_batch (1 + 9 * round, 40 << round, NULL);

      g_assert_true (vard_reward_score_batch (near, one, NULL, NULL));
      for (guint twice = 0; twice < 2; twice++)
        g_assert_true (vard_reward_score_batch (far, other, NULL, NULL));
      for (guint i = 0; i < vard_reward_batch_get_count (one); i++)
        {
          double a = 1, b = 2;

          g_assert_true (vard_reward_batch_get_score (one, i, &a)
                         && vard_reward_batch_get_score (other, i, &b));
          g_assert_cmpfloat (a, ==, b);
        }
    }
}

/* How it ends, and that a batch is tried once more, as often as the budget allows */
static void
test_host_ends (gconstpointer data)
{
  const char *const *row = data;
  g_autoptr (VardReward) reward = make_host (row[0]);
  g_autoptr (VardRewardBatch) bad = make_batch (1, 8, "be bad");
  g_autoptr (VardRewardBatch) fine = make_batch (3, 8, "be fine");
  g_autoptr (GError) error = NULL;

  vard_reward_set_label (reward, "mine");
  g_assert_true (vard_reward_score_batch (reward, fine, NULL, NULL));
  check_failed (reward, bad, row[1]);
  g_assert_cmpuint (vard_reward_host_get_n_restarts (VARD_REWARD_HOST (reward)), ==, 1);
  g_assert_true (vard_reward_score_batch (reward, fine, NULL, NULL));
  g_assert_true (vard_reward_batch_get_score (fine, 2, NULL));
  g_assert_cmpuint (vard_reward_host_get_n_restarts (VARD_REWARD_HOST (reward)), ==, 2);
  check_failed (reward, bad, row[1]);
  g_assert_false (vard_reward_score_batch (reward, fine, NULL, &error));
  g_assert_cmpstr (error->message, ==,
                   "the reward mine failed to score: its own process was started 4 times, "
                   "which is the limit: raise isolate-restarts to allow more");

  g_auto (GStrv) messages = vard_reward_take_messages (reward);
  g_assert_cmpuint (g_strv_length (messages), ==, 4); /* one a death */
  g_assert_true (g_str_has_prefix (messages[3], "its own process "));
}

/* A picture that it always crashes on fails alone; the others have the scores they should have. */
static void
test_host_culprit (void)
{
  g_autoptr (VardReward) near = VARD_REWARD (
    vard_plugin_manager_create_from_spec (get_manager (), "reward", "moody-fixture", NULL, NULL));
  g_autoptr (VardReward) reward = make_host ("moody-fixture:mood=crash-bad,isolate-restarts=3");
  g_autoptr (VardRewardBatch) batch = make_batch (5, 8, "be fine");
  g_autoptr (VardRewardBatch) expected = make_batch (6, 8, "be fine");
  g_autoptr (VardRewardBatch) more = make_batch (1, 8, "be bad");

  vard_reward_batch_append (batch, vard_reward_batch_get_pixels (expected, 5), 8, 9, "be bad", NULL,
                            9, NULL);
  g_assert_true (vard_reward_score_batch (near, expected, NULL, NULL));
  g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
  for (guint i = 0; i < 5; i++)
    {
      double a = 1, b = 2;

      g_assert_true (vard_reward_batch_get_score (batch, i, &a)
                     && vard_reward_batch_get_score (expected, i, &b));
      g_assert_cmpfloat (a, ==, b);
    }
  g_assert_cmpstr (vard_reward_batch_get_message (batch, 5), ==,
                   "the process of the reward moody-fixture crashed (Segmentation fault)");
  g_assert_cmpuint (vard_reward_host_get_n_restarts (VARD_REWARD_HOST (reward)), ==, 2);
  check_failed (reward, more,
                "the process of the reward moody-fixture crashed (Segmentation fault)");
}

/* One crash that does not come again costs nothing but time. */
static void
test_host_retry (void)
{
  g_autofree char *mark = g_build_filename (g_get_tmp_dir (), "vard-host-XXXXXX", NULL);
  g_autofree char *spec = NULL;
  int fd = g_mkstemp (mark);

  g_assert_cmpint (fd, >=, 0);
  close (fd);
  spec = g_strdup_printf ("moody-fixture:mood=crash-once,mark=%s", mark);
  g_autoptr (VardReward) reward = make_host (spec);
  g_autoptr (VardRewardBatch) batch = make_batch (4, 8, NULL);

  g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
  for (guint i = 0; i < 4; i++)
    g_assert_true (vard_reward_batch_get_score (batch, i, NULL));
  g_assert_cmpuint (vard_reward_host_get_n_restarts (VARD_REWARD_HOST (reward)), ==, 1);
  g_assert_false (g_file_test (mark, G_FILE_TEST_EXISTS));
}

/* What it logs and prints comes back as its messages. */
static void
test_host_messages (void)
{
  g_unsetenv ("G_DEBUG"); /* the tests', which makes a warning fatal */
  g_autoptr (VardReward) reward = make_host ("moody-fixture:mood=talk");
  g_autoptr (VardRewardBatch) batch = make_batch (2, 8, NULL);
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_free);

  g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
  for (guint i = 0; all->len < 4 && i < 5000; i++)
    {
      g_autofree char **some = vard_reward_take_messages (reward);

      for (guint k = 0; some[k] != NULL; k++)
        g_ptr_array_add (all, some[k]);
      g_usleep (1000);
    }
  g_assert_cmpuint (all->len, ==, 4);
  g_assert_cmpstr (all->pdata[0], ==, "scores 2 pictures");
  g_assert_cmpstr (all->pdata[1], ==, "warning: they are small");
  g_assert_cmpstr (all->pdata[2], ==, "printed");
  g_assert_cmpstr (all->pdata[3], ==, "printed as an error");
}

static void
test_host_errors (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vard_reward_host_new (get_manager (), "coverage:floor=2", NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_cmpstr (error->message, ==,
                   "coverage: floor is \"2\", but must be a number from 0.01 to 1");
  g_clear_error (&error);
  g_assert_null (
    vard_reward_host_new (get_manager (), "coverage:isolate-restarts=many", NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_test_message ("%s", error->message);
  g_assert_true (g_str_has_prefix (error->message, "coverage: isolate-restarts is \"many\""));
  g_clear_error (&error);
  g_assert_null (vard_reward_host_new (get_manager (), "moody-fixtur", NULL, &error));
  g_assert_cmpstr (error->message, ==,
                   "there is no reward \"moody-fixtur\"; did you mean \"moody-fixture\"?");
  g_clear_error (&error);

  g_autoptr (VardReward) reward = make_host ("moody-fixture:mood=unprepared");
  g_assert_false (vard_reward_prepare (reward, NULL, &error));
  g_assert_cmpstr (error->message, ==,
                   "the reward moody-fixture failed to prepare: the weights are not there");
  g_clear_error (&error);

  g_setenv ("VARD_REWARD_HOST", "/nonexistent/helper", TRUE);
  g_assert_null (vard_reward_host_new (get_manager (), "coverage", NULL, &error));
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

/* What a pipeline makes for such a mix is read where it was made, and it is what it would make
 * otherwise. */
static void
test_host_pipeline (void)
{
  g_autofree char *model =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "data", "tiny-model", NULL);
  g_autoptr (VardPipeline) pipeline = vard_load_pipeline (model, "cpu", 1, NULL);
  g_autoptr (VardRewardMix) mix = vard_reward_mix_new ();
  const char *const prompts[] = { "cat", "sun", NULL };
  const guint64 seeds[] = { 1, 2 };

  g_assert_true (vard_reward_mix_add_spec (mix, "coverage:isolate=true", NULL));
  g_autoptr (GPtrArray) before =
    vard_pipeline_sample (pipeline, prompts, seeds, 2, 3, 1, 1, NULL, NULL);
  vard_pipeline_set_image_pool (pipeline, vard_reward_mix_get_image_pool (mix));
  g_autoptr (GPtrArray) after =
    vard_pipeline_sample (pipeline, prompts, seeds, 2, 3, 1, 1, NULL, NULL);
  g_assert_cmpuint (after->len, ==, 4);
  for (guint i = 0; i < 4; i++)
    {
      GBytes *pixels = vard_image_get_rgb (after->pdata[i]);
      VardImagePlace place;

      g_assert_false (vard_image_pool_locate (vard_reward_mix_get_image_pool (mix),
                                              vard_image_get_rgb (before->pdata[i]), &place));
      g_assert_true (vard_image_pool_locate (vard_reward_mix_get_image_pool (mix), pixels, &place));
      g_assert_true (g_bytes_equal (pixels, vard_image_get_rgb (before->pdata[i])));
    }
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  return (*(const gint64 *) a > *(const gint64 *) b) - (*(const gint64 *) a < *(const gint64 *) b);
}

/* Microseconds of the best call of a hundred; the message has the median */
static double
measure (VardReward *reward, VardRewardBatch *batch, const char *where)
{
  gint64 times[101];

  g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    {
      times[i] = -g_get_monotonic_time ();
      g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
      times[i] += g_get_monotonic_time ();
    }
  qsort (times, G_N_ELEMENTS (times), sizeof times[0], compare_times);
  g_test_message ("%s, %u pictures of 512 x 513: median %" G_GINT64_FORMAT
                  " us, best %" G_GINT64_FORMAT " us",
                  where, vard_reward_batch_get_count (batch), times[50], times[0]);
  return times[0];
}

/* The same pictures, made where another process can read them */
static VardRewardBatch *
make_shared (VardImagePool *pool, VardRewardBatch *batch)
{
  VardRewardBatch *shared = vard_reward_batch_new ();

  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      gsize size;
      guint8 *to;
      const guint8 *from = vard_reward_batch_peek_pixels (batch, i, &size);
      g_autoptr (GBytes) bytes = vard_image_pool_allocate (pool, size, &to);

      memcpy (to, from, size);
      vard_reward_batch_append (shared, bytes, vard_reward_batch_get_width (batch, i),
                                vard_reward_batch_get_height (batch, i),
                                "a prompt of some length, as they are", NULL, i, NULL);
    }
  return shared;
}

/* What a call costs when the reward itself costs nothing: 20 us in process and 1 ms in another one
 * are promised on a quiet machine (tests/bench); here the best of a hundred on a busy one. */
static void
test_host_overhead (void)
{
  g_autoptr (VardRewardMix) mix = vard_reward_mix_new ();
  g_autoptr (VardReward) near = VARD_REWARD (
    vard_plugin_manager_create_from_spec (get_manager (), "reward", "moody-fixture", NULL, NULL));
  g_autoptr (VardImagePool) pool = vard_image_pool_new ();
  g_autoptr (VardReward) far =
    VARD_REWARD (vard_reward_host_new (get_manager (), "moody-fixture", pool, NULL));
  g_autoptr (VardRewardBatch) batch = make_batch (64, 512, NULL);
  g_autoptr (VardRewardBatch) shared = make_shared (pool, batch);

  g_assert_null (vard_reward_mix_get_image_pool (mix));
  g_assert_cmpfloat (measure (near, shared, "in process"), <, 200);
  g_assert_cmpfloat (measure (far, shared, "isolated"), <, 5000);
  for (guint i = 0; i < 64; i++)
    g_assert_true (vard_reward_batch_get_score (shared, i, NULL));
}

int
main (int argc, char **argv)
{
  static const char *const ends[][2] = {
    { "moody-fixture:mood=crash,isolate-restarts=3",
      "the process of the reward mine crashed (Segmentation fault)" },
    { "moody-fixture:mood=exit,isolate-restarts=3",
      "the process of the reward mine ended with status 7" },
    { "moody-fixture:mood=hang,isolate-answer-seconds=1,isolate-restarts=3",
      "the process of the reward mine did not answer within 1 s and was killed" },
  };

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/scores", test_host_scores);
  g_test_add_data_func ("/host/ends/crash", ends[0], test_host_ends);
  g_test_add_data_func ("/host/ends/exit", ends[1], test_host_ends);
  g_test_add_data_func ("/host/ends/hang", ends[2], test_host_ends);
  g_test_add_func ("/host/culprit", test_host_culprit);
  g_test_add_func ("/host/retry", test_host_retry);
  g_test_add_func ("/host/messages", test_host_messages);
  g_test_add_func ("/host/errors", test_host_errors);
  g_test_add_func ("/host/items", test_host_items);
  g_test_add_data_func ("/host/cancel/slow", "slow", test_host_cancel);
  g_test_add_data_func ("/host/cancel/hang", "hang", test_host_cancel);
  g_test_add_func ("/host/mix", test_host_mix);
  g_test_add_func ("/host/pipeline", test_host_pipeline);
  g_test_add_func ("/host/overhead", test_host_overhead);
  return g_test_run ();
}
