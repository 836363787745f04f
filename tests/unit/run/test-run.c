/* test-run.c - a run's folder: never written over, held by one process, whole checkpoints only
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "run/vard-folder.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct
{
  char *folder, *path;
  JsonObject *record;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("vard-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "run", NULL);
  fixture->record = json_object_new ();
  json_object_set_int_member (fixture->record, "seed", 7);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vard_folder_remove (fixture->folder, &error));
  g_assert_no_error (error);
  json_object_unref (fixture->record);
  g_free (fixture->path);
  g_free (fixture->folder);
}

static VardRun *
make_run (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  VardRun *run = vard_run_create (fixture->path, fixture->record, &error);

  g_assert_no_error (error);
  return run;
}

static void
write_checkpoint (VardRun *run, guint64 step, guint n_kept)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = vard_run_begin_checkpoint (run, step, &error);
  g_autofree char *below = g_build_filename (folder, "parts", NULL);
  g_autofree char *file = g_build_filename (below, "weights", NULL);

  g_assert_no_error (error);
  g_assert_cmpint (g_mkdir (below, 0777), ==, 0);
  g_assert_true (g_file_set_contents (file, "0123456789", -1, NULL));
  g_assert_true (vard_run_commit_checkpoint (run, step, n_kept, &error));
  g_assert_no_error (error);
}

static void
test_run_create (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VardRun) run = make_run (fixture);
  g_autoptr (VardRun) second = NULL, viewer = NULL;
  g_autoptr (GError) exists = NULL, error = NULL;

  second = vard_run_create (fixture->path, fixture->record, &exists);
  g_assert_null (second);
  g_assert_error (exists, VARD_ERROR, VARD_ERROR_EXISTS);
  g_assert_nonnull (strstr (exists->message, fixture->path));

  viewer = vard_run_open (fixture->path, &error);
  g_assert_no_error (error);
  g_assert_cmpint (json_object_get_int_member (vard_run_get_record (viewer), "seed"), ==, 7);
  g_assert_cmpint (vard_run_get_state (viewer), ==, VARD_RUN_STATE_STARTING);
  g_assert_cmpstr (vard_run_get_name (viewer), ==, "run");
}

static void
test_run_open_bad (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) missing = NULL, empty = NULL, damaged = NULL;
  g_autofree char *record = g_build_filename (fixture->path, "run.json", NULL);

  g_assert_null (vard_run_open (fixture->path, &missing));
  g_assert_error (missing, VARD_ERROR, VARD_ERROR_CONFIG);
  g_assert_cmpint (g_mkdir (fixture->path, 0777), ==, 0);
  g_assert_null (vard_run_open (fixture->path, &empty));
  g_assert_error (empty, VARD_ERROR, VARD_ERROR_CONFIG);
  g_assert_nonnull (strstr (empty->message, "run.json"));
  g_assert_true (g_file_set_contents (record, "[1, 2", -1, NULL));
  g_assert_null (vard_run_open (fixture->path, &damaged));
  g_assert_error (damaged, VARD_ERROR, VARD_ERROR_CONFIG);
}

static void
test_run_state (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VardRun) run = make_run (fixture);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardRun) viewer = vard_run_open (fixture->path, &error);

  g_assert_true (vard_run_set_state (run, VARD_RUN_STATE_RUNNING, 12, NULL, &error));
  g_assert_true (vard_run_beat (run, "pool", 0.25, &error));
  g_assert_true (vard_run_refresh (viewer, &error));
  g_assert_cmpint (vard_run_get_state (viewer), ==, VARD_RUN_STATE_RUNNING);
  g_assert_cmpuint (vard_run_get_step (viewer), ==, 12);
  g_assert_cmpstr (vard_run_get_phase (viewer), ==, "pool");
  g_assert_cmpfloat (vard_run_get_fraction (viewer), ==, 0.25);
  g_assert_cmpint (vard_run_get_pid (viewer), ==, getpid ());

  g_assert_true (vard_run_set_state (run, VARD_RUN_STATE_FAILED, 13, "the reward failed", &error));
  vard_run_release (run);
  g_assert_true (vard_run_refresh (viewer, &error));
  g_assert_cmpint (vard_run_get_state (viewer), ==, VARD_RUN_STATE_FAILED);
  g_assert_cmpstr (vard_run_get_failure (viewer), ==, "the reward failed");
}

static void
test_run_lock (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VardRun) run = make_run (fixture);
  g_autoptr (GError) error = NULL, busy = NULL;
  g_autoptr (VardRun) other = vard_run_open (fixture->path, &error);

  g_assert_false (vard_run_hold (other, &busy));
  g_assert_error (busy, VARD_ERROR, VARD_ERROR_BUSY);
  vard_run_release (run);
  g_assert_cmpint (vard_run_get_state (other), ==, VARD_RUN_STATE_INTERRUPTED);
  g_assert_true (vard_run_hold (other, &error));
  g_assert_cmpint (vard_run_get_state (other), ==, VARD_RUN_STATE_STARTING);
}

/* A process that is killed while it holds a run leaves an interrupted one */
static void
test_run_killed (Fixture *fixture, gconstpointer data)
{
  int ready[2], status;
  char byte;

  g_assert_cmpint (pipe (ready), ==, 0);

  pid_t child = fork ();

  if (child == 0)
    {
      VardRun *run = vard_run_create (fixture->path, fixture->record, NULL);

      vard_run_set_state (run, VARD_RUN_STATE_RUNNING, 3, NULL, NULL);
      if (write (ready[1], "x", 1) == 1)
        pause ();
      _exit (1);
    }
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);

  g_autoptr (GError) error = NULL;
  g_autoptr (VardRun) viewer = vard_run_open (fixture->path, &error);

  g_assert_no_error (error);
  g_assert_cmpint (vard_run_get_state (viewer), ==, VARD_RUN_STATE_RUNNING);
  kill (child, SIGKILL);
  waitpid (child, &status, 0);
  g_assert_cmpint (vard_run_get_state (viewer), ==, VARD_RUN_STATE_INTERRUPTED);
  g_assert_cmpuint (vard_run_get_step (viewer), ==, 3);
}

static void
test_run_checkpoints (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VardRun) run = make_run (fixture);
  g_autoptr (GError) none = NULL, missing = NULL, error = NULL;
  guint64 step = 0;
  guint n;

  g_assert_null (vard_run_find_checkpoint (run, VARD_CHECKPOINT_NEWEST, &step, &none));
  g_assert_error (none, VARD_ERROR, VARD_ERROR_CONFIG);
  for (guint64 i = 1; i <= 4; i++)
    write_checkpoint (run, i * 10, 2);
  write_checkpoint (run, 40, 2);

  g_autofree guint64 *steps = vard_run_list_checkpoints (run, &n);

  g_assert_cmpuint (n, ==, 2);
  g_assert_cmpuint (steps[0], ==, 30);
  g_assert_cmpuint (steps[1], ==, 40);

  g_autofree char *path = vard_run_find_checkpoint (run, VARD_CHECKPOINT_NEWEST, &step, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (step, ==, 40);
  g_assert_true (g_str_has_suffix (path, "checkpoints/step-000040"));
  g_assert_null (vard_run_find_checkpoint (run, 10, &step, &missing));
  g_assert_cmpuint (step, ==, 40);
  g_assert_nonnull (strstr (missing->message, "step 10"));
}

/* A checkpoint that lost a byte is passed over for the one before it */
static void
test_run_torn (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VardRun) run = make_run (fixture);
  g_autoptr (GError) error = NULL, damaged = NULL;
  guint64 step = 0;

  write_checkpoint (run, 10, 0);
  write_checkpoint (run, 20, 0);

  g_autofree char *file = vard_run_build_path (run, "checkpoints/step-000020/parts/weights");

  g_assert_cmpint (truncate (file, 9), ==, 0);

  g_autofree char *path = vard_run_find_checkpoint (run, VARD_CHECKPOINT_NEWEST, &step, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (step, ==, 10);
  g_assert_null (vard_run_find_checkpoint (run, 20, NULL, &damaged));
  g_assert_nonnull (strstr (damaged->message, "has 9 bytes, but had 10"));
}

/* A limit on the size of files stands in for a full disk */
static void
test_run_full (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VardRun) run = make_run (fixture);
  g_autoptr (GError) error = NULL, full = NULL;
  struct rlimit before, limit;
  guint64 step = 0;

  write_checkpoint (run, 10, 0);

  g_autofree char *folder = vard_run_begin_checkpoint (run, 20, &error);
  g_autofree char *file = g_build_filename (folder, "weights", NULL);

  g_assert_true (g_file_set_contents (file, "0123456789", -1, NULL));
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  limit = before;
  limit.rlim_cur = 4;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  g_assert_false (vard_run_commit_checkpoint (run, 20, 1, &full));
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
  g_assert_nonnull (full);
  g_assert_nonnull (strstr (full->message, "COMPLETE"));
  g_assert_false (g_file_test (folder, G_FILE_TEST_EXISTS));

  g_autofree char *path = vard_run_find_checkpoint (run, VARD_CHECKPOINT_NEWEST, &step, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (step, ==, 10);
}

static void
test_run_cut (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VardRun) run = make_run (fixture);
  g_autoptr (GError) error = NULL;
  g_autofree char *metrics = vard_run_build_path (run, "metrics.jsonl");
  g_autofree char *log = vard_run_build_path (run, "log.txt");
  g_autofree char *kept = NULL, *logged = NULL;

  g_assert_true (vard_run_cut_metrics (run, 5, &error));
  g_assert_true (
    vard_run_append (run, "metrics.jsonl", "{\"step\":4}\n{\"step\":5,\"a\":1}\n", &error));

  guint64 size = vard_run_get_metrics_size (run);

  g_assert_true (vard_run_append (run, "metrics.jsonl", "{\"step\":6}\n{\"step\":7,\"to", &error));
  g_assert_true (vard_run_cut_metrics (run, size, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (metrics, &kept, NULL, NULL));
  g_assert_cmpstr (kept, ==, "{\"step\":4}\n{\"step\":5,\"a\":1}\n");
  g_assert_true (g_file_get_contents (log, &logged, NULL, NULL));
  g_assert_nonnull (strstr (logged, "{\"step\":6}\n{\"step\":7,\"to\n"));

  /* A half line goes also where the file is shorter than it was */
  g_assert_true (vard_run_append (run, "metrics.jsonl", "{\"st", &error));
  g_assert_true (vard_run_cut_metrics (run, G_MAXUINT64, &error));
  g_assert_cmpuint (vard_run_get_metrics_size (run), ==, size);
}

#define TEST(name) g_test_add ("/run/" #name, Fixture, NULL, set_up, test_run_##name, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST (create);
  TEST (open_bad);
  TEST (state);
  TEST (lock);
  TEST (killed);
  TEST (checkpoints);
  TEST (torn);
  TEST (full);
  TEST (cut);
  return g_test_run ();
}
