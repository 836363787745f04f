/* test-run-ranks.c - two ranks write the run folder of one rank with twice the batch, and end
 * together
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake-communicator.h"
#include "toy-reward.h"

#include "base/vard-error.h"
#include "comm/vard-solo-communicator.h"
#include "run/vard-folder.h"
#include "run/runner/vard-runner-private.h"
#include "train/vard-trainer-ranks.h"

#define N_RANKS 2

/* ---- ranks ---- */

typedef struct _Rank Rank;

struct _Rank
{
  VardCommunicator *communicator;
  guint micro_batch;
  const char *path;             /* of the run; NULL on a rank that follows */
  gboolean resumes;             /* goes on with what stands at path */
  void (*prepare) (Rank *self); /* what else happens; may be NULL */
  VardReward *reward;
  VardRunner *runner;
  gboolean ok;
  GError *error;
};

/* 8 pictures and 12 states a batch: half of either is computed like the whole */
static VardRunSettings *
make_settings (guint micro_batch)
{
  VardRunSettings *settings = vard_run_settings_new ();
  g_autofree char *model =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "data", "tiny-model", NULL);
  g_autoptr (GError) error = NULL;

  vard_run_settings_set (settings, "model", model, &error);
  g_assert_no_error (error);
  g_object_set (vard_run_settings_get_trainer (settings), "steps", 3, "seed", (guint64) 3,
                "threads", 1, "sampler-steps", 4, "guidance-scale", 2.0, "pool-size", 32,
                "value-fit-updates", 24, "value-batch", 24, "value-channels", 8, "batch-size", 8,
                "states-per-update", 12, "micro-batch", micro_batch, "policy-updates", 2,
                "learning-rate", 0.01, "warm-up", 0, "q-min", -1.0, "ring-size", 16,
                "value-refresh", TRUE, "value-updates", 2, "evaluation-prompts", 4,
                "evaluation-seeds", 2, "evaluation-interval", 2, "sample-interval", 0,
                "checkpoint-interval", 2, "ema", 0.5, NULL);
  vard_run_settings_set (settings, "keep-checkpoints", "0", &error);
  g_assert_no_error (error);

  return settings;
}

static gboolean
rank_begin (Rank *self)
{
  g_autoptr (VardRun) run = NULL;

  if (!self->resumes)
    return vard_runner_start (self->runner, self->path, &self->error);
  run = vard_run_open (self->path, &self->error);

  return run != NULL && vard_runner_resume (self->runner, run, &self->error);
}

/* A reward answers in the thread that made it, so each rank makes its own */
static gpointer
rank_go (gpointer data)
{
  Rank *self = data;
  g_autoptr (VardRunSettings) settings = make_settings (self->micro_batch);
  g_autoptr (VardRewardMix) rewards = vard_reward_mix_new ();
  g_autoptr (VardCommunicator) communicator =
    self->communicator != NULL ? g_object_ref (self->communicator) : vard_solo_communicator_new ();

  self->reward = toy_reward_new (0.6);
  vard_reward_mix_add (rewards, self->reward, "grey", 1, VARD_REWARD_POLICY_REQUIRED, &self->error);
  g_assert_no_error (self->error);
  self->runner = vard_runner_new_on_rank (settings, rewards, communicator, &self->error);
  g_assert_no_error (self->error);
  if (self->prepare != NULL)
    self->prepare (self);
  if (self->path == NULL)
    self->ok = vard_runner_follow (self->runner, NULL, &self->error);
  else
    self->ok = rank_begin (self) && vard_runner_run (self->runner, NULL, &self->error);
  g_clear_object (&self->runner);
  g_clear_object (&self->reward);

  return NULL;
}

/* Rank 0 writes the folder, the other one follows */
static void
go_together (Rank ranks[N_RANKS], const char *path)
{
  g_autoptr (GPtrArray) communicators = fake_communicators_new (N_RANKS);
  GThread *threads[N_RANKS];

  ranks[0].path = path;
  for (guint i = 0; i < N_RANKS; i++)
    {
      ranks[i].communicator = communicators->pdata[i];
      threads[i] = g_thread_new ("rank", rank_go, &ranks[i]);
    }
  for (guint i = 0; i < N_RANKS; i++)
    g_thread_join (threads[i]);
}

/* One rank with twice the batch, which it computes in parts of one rank's batch */
static void
go_alone (Rank *rank, const char *path)
{
  rank->path = path;
  rank->micro_batch = 12 / N_RANKS;
  rank_go (rank);
}

/* ---- folders ---- */

/* Times, sizes of memory and the length of lines that have them differ; nothing else may */
static char *
read_file (const char *path, gsize *length)
{
  g_autoptr (GRegex) times = g_regex_new ("\\\\*\"((evaluation/)?seconds[^\"\\\\]*|time|memory/"
                                          "[^\"\\\\]*|images-per-second)\\\\*\": *"
                                          "[-+.eE0-9]+",
                                          0, 0, NULL);
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &contents, length, &error);
  g_assert_no_error (error);
  if (g_str_has_suffix (path, ".jsonl") || g_str_has_suffix (path, ".json"))
    {
      char *text = g_regex_replace_literal (times, contents, *length, 0, "", 0, NULL);

      *length = strlen (text);
      return text;
    }
  if (!g_str_has_suffix (path, ".safetensors"))
    return g_steal_pointer (&contents);

  guint64 n_head;

  memcpy (&n_head, contents, sizeof n_head);
  n_head = GUINT64_FROM_LE (n_head);
  g_assert_cmpuint (sizeof n_head + n_head, <=, *length);

  g_autofree char *head =
    g_regex_replace_literal (times, contents + sizeof n_head, n_head, 0, "", 0, NULL);
  gsize n_tensors = *length - sizeof n_head - n_head;

  g_strchomp (head);
  *length = strlen (head) + n_tensors;

  char *same = g_malloc (*length);

  memcpy (same, head, strlen (head));
  memcpy (same + strlen (head), contents + sizeof n_head + n_head, n_tensors);

  return same;
}

static void
assert_same_file (const char *path, const char *other)
{
  gsize n, n_other;
  g_autofree char *contents = read_file (path, &n), *others = read_file (other, &n_other);

  if (n != n_other || memcmp (contents, others, n) != 0)
    g_error ("%s and %s differ", path, other);
}

/* Every file below a folder, but for the sizes of those that have times in them; how many */
static guint
assert_same_folder (const char *path, const char *other)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) folder = g_dir_open (path, 0, &error);
  const char *name;
  guint n = 0;

  g_assert_no_error (error);
  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *a = g_build_filename (path, name, NULL);
      g_autofree char *b = g_build_filename (other, name, NULL);

      if (g_file_test (a, G_FILE_TEST_IS_DIR))
        n += assert_same_folder (a, b);
      else if (!g_str_equal (name, VARD_RUNNER_METRICS_SIZE) && !g_str_equal (name, "COMPLETE"))
        {
          assert_same_file (a, b);
          n++;
        }
    }

  return n;
}

static guint
count_entries (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (folder != NULL && g_dir_read_name (folder) != NULL)
    n++;

  return n;
}

/* What a run is made for: weights, checkpoints, pictures and numbers */
static void
assert_same_run (const char *path, const char *other)
{
  static const char *const folders[] = { "final", "checkpoints", "samples" };
  g_autofree char *metrics = g_build_filename (path, "metrics.jsonl", NULL);
  g_autofree char *other_metrics = g_build_filename (other, "metrics.jsonl", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *a = g_build_filename (path, folders[i], NULL);
      g_autofree char *b = g_build_filename (other, folders[i], NULL);

      g_assert_cmpuint (assert_same_folder (a, b), >=, 2);
      g_assert_cmpuint (count_entries (a), ==, count_entries (b));
    }
  assert_same_file (metrics, other_metrics);
}

typedef struct
{
  char *folder, *pair, *alone;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("vard-run-ranks-XXXXXX", NULL);
  self->pair = g_build_filename (self->folder, "pair", NULL);
  self->alone = g_build_filename (self->folder, "alone", NULL);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_assert_true (vard_folder_remove (self->folder, NULL));
  g_free (self->folder);
  g_free (self->pair);
  g_free (self->alone);
}

/* ---- the same folder ---- */

/* While it is paused after the first step, pictures are asked for, and one step more */
static void
ask_at_first (VardRunner *runner, guint64 step, VardMetrics *metrics, gpointer data)
{
  static const char *const words[] = { "sample", "steps=4", "continue" };
  VardRun *run = vard_runner_get_run (runner);

  if (step != 1)
    return;
  vard_runner_pause (runner);
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autoptr (GError) error = NULL;

      g_free (vard_run_request (run, words[i], NULL, &error));
      g_assert_no_error (error);
    }
}

static void
ask (Rank *self)
{
  g_signal_connect (self->runner, "step", G_CALLBACK (ask_at_first), NULL);
}

static void
test_run_ranks_folder (Fixture *self, gconstpointer data)
{
  Rank ranks[N_RANKS] = { { .prepare = ask } }, alone = { .prepare = ask };

  go_together (ranks, self->pair);
  for (guint i = 0; i < N_RANKS; i++)
    {
      g_assert_no_error (ranks[i].error);
      g_assert_true (ranks[i].ok);
    }
  go_alone (&alone, self->alone);
  g_assert_no_error (alone.error);
  assert_same_run (self->pair, self->alone);
}

static void
stop_at_second (VardRunner *runner, guint64 step, VardMetrics *metrics, gpointer data)
{
  if (step == 2)
    vard_runner_stop (runner);
}

static void
stop (Rank *self)
{
  g_signal_connect (self->runner, "step", G_CALLBACK (stop_at_second), NULL);
}

/* A stop is the other rank's end too, and both go on from the checkpoint that rank 0 finds */
static void
test_run_ranks_resume (Fixture *self, gconstpointer data)
{
  Rank stopped[N_RANKS] = { { .prepare = stop } }, resumed[N_RANKS] = { { .resumes = TRUE } };
  Rank alone = { 0 };
  g_autofree char *final = g_build_filename (self->pair, "final", NULL);

  go_together (stopped, self->pair);
  g_assert_no_error (stopped[0].error);
  g_assert_no_error (stopped[1].error);
  g_assert_false (g_file_test (final, G_FILE_TEST_EXISTS));
  go_together (resumed, self->pair);
  g_assert_no_error (resumed[0].error);
  g_assert_no_error (resumed[1].error);
  go_alone (&alone, self->alone);
  g_assert_no_error (alone.error);
  assert_same_run (self->pair, self->alone);
}

/* ---- failing together ---- */

static void
break_at_second (VardTrainer *trainer, guint64 step, VardMetrics *metrics, Rank *self)
{
  if (step == 2)
    toy_reward_break (TOY_REWARD (self->reward));
}

static void
break_reward (Rank *self)
{
  g_signal_connect (vard_runner_get_trainer (self->runner), "step", G_CALLBACK (break_at_second),
                    self);
}

/* The rank that follows fails: rank 0 says why, and so does the folder */
static void
test_run_ranks_failure (Fixture *self, gconstpointer data)
{
  Rank ranks[N_RANKS] = { { 0 }, { .prepare = break_reward } };
  g_autoptr (GError) error = NULL;
  g_autoptr (VardRun) run = NULL;

  go_together (ranks, self->pair);
  g_assert_error (ranks[1].error, VARD_ERROR, VARD_ERROR_REWARD);
  g_assert_error (ranks[0].error, VARD_ERROR, VARD_ERROR_FAILED);
  g_assert_nonnull (strstr (ranks[0].error->message, "rank 1 gave up: the reward grey"));

  run = vard_run_open (self->pair, &error);
  g_assert_no_error (error);
  g_assert_cmpint (vard_run_get_state (run), ==, VARD_RUN_STATE_FAILED);
  g_assert_cmpstr (vard_run_get_failure (run), ==, ranks[0].error->message);
  for (guint i = 0; i < N_RANKS; i++)
    g_clear_error (&ranks[i].error);
}

/* Rank 0 cannot make the folder: the other one does not wait for it */
static void
test_run_ranks_start (Fixture *self, gconstpointer data)
{
  Rank ranks[N_RANKS] = { { 0 } };

  g_assert_true (g_file_set_contents (self->pair, "in the way", -1, NULL));
  go_together (ranks, self->pair);
  g_assert_false (ranks[0].ok);
  g_assert_nonnull (ranks[0].error);
  g_assert_error (ranks[1].error, VARD_ERROR, VARD_ERROR_FAILED);
  g_assert_nonnull (strstr (ranks[1].error->message, "rank 0 gave up: its runner went away"));
  for (guint i = 0; i < N_RANKS; i++)
    g_clear_error (&ranks[i].error);
}

/* A rank that follows has no folder */
static void
fail_from_the_start (Rank *self)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (vard_runner_start (self->runner, "nowhere", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, "rank 1 of 2 ranks has no folder"));
  toy_reward_break (TOY_REWARD (self->reward));
}

/* Rank 1 fails in its first unit, before there is anything in the folder */
static void
test_run_ranks_early (Fixture *self, gconstpointer data)
{
  Rank ranks[N_RANKS] = { { 0 }, { .prepare = fail_from_the_start } };

  go_together (ranks, self->pair);
  g_assert_false (g_file_test ("nowhere", G_FILE_TEST_EXISTS));
  g_assert_false (ranks[0].ok);
  g_assert_false (ranks[1].ok);
  g_assert_nonnull (strstr (ranks[0].error->message, "rank 1 gave up: "));
  for (guint i = 0; i < N_RANKS; i++)
    g_clear_error (&ranks[i].error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/run-ranks/folder", Fixture, NULL, set_up, test_run_ranks_folder, tear_down);
  g_test_add ("/run-ranks/resume", Fixture, NULL, set_up, test_run_ranks_resume, tear_down);
  g_test_add ("/run-ranks/failure", Fixture, NULL, set_up, test_run_ranks_failure, tear_down);
  g_test_add ("/run-ranks/start", Fixture, NULL, set_up, test_run_ranks_start, tear_down);
  g_test_add ("/run-ranks/early", Fixture, NULL, set_up, test_run_ranks_early, tear_down);

  return g_test_run ();
}
