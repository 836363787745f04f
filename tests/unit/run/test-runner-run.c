/* test-runner-run.c - a runner in a thread: signals where they belong, pauses, requests, stops; the
 * bits stay
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "toy-runner.h"

#include "run/vard-folder.h"
#include "run/vard-run-private.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* ---- a run, and what is heard of it ---- */

typedef struct
{
  char *folder;
  GThread *thread; /* where signals belong */
  GString *states;
  GPtrArray *requests; /* "word: what came of it" */
  guint64 last_step;
  guint n_progress, n_checkpoints;
  gboolean is_done, result;
  GError *error;
  /* called at every step, where there is one */
  void (*at_step) (VardRunner *runner, guint64 step, gpointer self);
  void (*at_state) (VardRunner *runner, VardRunState state, gpointer self);
  gint64 paused_at;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("vard-XXXXXX", NULL);
  self->thread = g_thread_self ();
  self->states = g_string_new (NULL);
  self->requests = g_ptr_array_new_with_free_func (g_free);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_assert_true (vard_folder_remove (self->folder, NULL));
  g_clear_error (&self->error);
  g_ptr_array_unref (self->requests);
  g_string_free (self->states, TRUE);
  g_free (self->folder);
}

static void
on_progress (VardRunner *runner,
             const char *phase,
             double fraction,
             VardMetrics *metrics,
             Fixture *self)
{
  g_assert_true (g_thread_self () == self->thread);
  self->n_progress++;
}

static void
on_step (VardRunner *runner, guint64 step, VardMetrics *metrics, Fixture *self)
{
  g_assert_true (g_thread_self () == self->thread);
  g_assert_cmpint (vard_metrics_get_step (metrics), ==, step);
  self->last_step = step;
  if (self->at_step != NULL)
    self->at_step (runner, step, self);
}

static void
on_state (VardRunner *runner, VardRunState state, Fixture *self)
{
  g_assert_true (g_thread_self () == self->thread);
  g_string_append_printf (self->states, " %s", vard_run_state_to_text (state));
  if (self->at_state != NULL)
    self->at_state (runner, state, self);
}

static void
on_request (VardRunner *runner, const char *request, const char *outcome, Fixture *self)
{
  g_assert_true (g_thread_self () == self->thread);
  g_ptr_array_add (self->requests, g_strdup_printf ("%s: %s", request, outcome));
}

static void
on_checkpoint (VardRunner *runner, guint64 step, Fixture *self)
{
  g_assert_true (g_thread_self () == self->thread);
  self->n_checkpoints++;
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Fixture *self = data;

  g_assert_true (g_thread_self () == self->thread);
  self->result = vard_runner_run_finish (VARD_RUNNER (source), result, &self->error);
  self->is_done = TRUE;
}

static void
listen (Fixture *self, VardRunner *runner)
{
  g_signal_connect (runner, "progress", G_CALLBACK (on_progress), self);
  g_signal_connect (runner, "step", G_CALLBACK (on_step), self);
  g_signal_connect (runner, "state", G_CALLBACK (on_state), self);
  g_signal_connect (runner, "request", G_CALLBACK (on_request), self);
  g_signal_connect (runner, "checkpoint", G_CALLBACK (on_checkpoint), self);
}

static char *
build_path (Fixture *self, const char *name)
{
  return g_build_filename (self->folder, name, NULL);
}

static void
start (Fixture *self, VardRunner *runner, const char *name)
{
  g_autofree char *path = build_path (self, name);
  g_autoptr (GError) error = NULL;

  g_assert_true (vard_runner_start (runner, path, &error));
  g_assert_no_error (error);
}

/* Runs it in a thread until its callback */
static void
run (Fixture *self, VardRunner *runner, GCancellable *cancellable)
{
  vard_runner_run_async (runner, cancellable, on_done, self);
  while (!self->is_done)
    g_main_context_iteration (NULL, TRUE);
}

/* The weights that a run leaves; (transfer full) */
static char *
dup_final_hash (Fixture *self, const char *name)
{
  g_autofree char *path =
    g_build_filename (self->folder, name, "final", "pytorch_lora_weights.safetensors", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  g_file_get_contents (path, &text, &length, &error);
  g_assert_no_error (error);

  return g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) text, length);
}

static void
assert_exists (Fixture *self, const char *name)
{
  g_autofree char *path = build_path (self, name);

  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
}

/* ---- tests ---- */

static void
test_runner_async (Fixture *self, gconstpointer data)
{
  g_autoptr (VardRunner) plain = toy_runner_make (3), threaded = toy_runner_make (3);
  g_autoptr (GError) error = NULL;
  g_autofree char *a = NULL, *b = NULL;

  start (self, plain, "plain");
  g_assert_true (vard_runner_run (plain, NULL, &error));
  g_assert_no_error (error);

  listen (self, threaded);
  start (self, threaded, "threaded");
  run (self, threaded, NULL);
  g_assert_no_error (self->error);
  g_assert_true (self->result);
  g_assert_cmpstr (self->states->str, ==, " running finished");
  g_assert_cmpint (self->last_step, ==, 3);
  g_assert_cmpuint (self->n_progress, >, 0);
  g_assert_cmpuint (self->n_checkpoints, ==, 1);
  g_assert_cmpint (vard_runner_get_state (threaded), ==, VARD_RUN_STATE_FINISHED);
  a = dup_final_hash (self, "plain");
  b = dup_final_hash (self, "threaded");
  g_assert_cmpstr (a, ==, b);
}

/* Errors and not criticals: bindings cannot catch those */
static void
test_runner_order (Fixture *self, gconstpointer data)
{
  g_autoptr (VardRunner) runner = toy_runner_make (1);
  g_autofree char *other = build_path (self, "other");
  g_autoptr (GError) early = NULL, twice = NULL, again = NULL, error = NULL;

  g_assert_false (vard_runner_run (runner, NULL, &early));
  g_assert_error (early, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_nonnull (strstr (early->message, "neither started nor resumed"));
  run (self, runner, NULL);
  g_assert_error (self->error, VARD_ERROR, VARD_ERROR_USAGE);

  start (self, runner, "run");
  g_assert_false (vard_runner_start (runner, other, &twice));
  g_assert_error (twice, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_false (g_file_test (other, G_FILE_TEST_EXISTS));
  g_assert_true (vard_runner_run (runner, NULL, &error));
  g_assert_no_error (error);
  g_assert_false (vard_runner_run (runner, NULL, &again));
  g_assert_error (again, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_nonnull (strstr (again->message, "it has already run"));
}

static gboolean
continue_soon (gpointer data)
{
  vard_runner_continue (data);

  return G_SOURCE_REMOVE;
}

static void
see_pause (VardRunner *runner, VardRunState state, gpointer data)
{
  Fixture *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VardRun) viewer = NULL;

  if (state != VARD_RUN_STATE_PAUSED)
    return;
  viewer = vard_run_open (vard_run_get_path (vard_runner_get_run (runner)), &error);
  g_assert_no_error (error);
  g_assert_cmpint (vard_run_get_state (viewer), ==, VARD_RUN_STATE_PAUSED);
  g_assert_cmpint (vard_runner_get_state (runner), ==, VARD_RUN_STATE_PAUSED);
  self->paused_at = vard_run_get_step (viewer);
  g_timeout_add_full (G_PRIORITY_DEFAULT, 100, continue_soon, g_object_ref (runner),
                      g_object_unref);
}

static void
pause_at_two (VardRunner *runner, guint64 step, gpointer self)
{
  if (step == 2)
    vard_runner_pause (runner);
}

/* Before the pool, and between steps */
static void
test_runner_pause (Fixture *self, gconstpointer data)
{
  g_autoptr (VardRunner) plain = toy_runner_make (40), paused = toy_runner_make (40);
  g_autoptr (GError) error = NULL;
  g_autofree char *a = NULL, *b = NULL;

  start (self, plain, "plain");
  g_assert_true (vard_runner_run (plain, NULL, &error));
  listen (self, paused);
  self->at_state = see_pause;
  self->at_step = pause_at_two;
  start (self, paused, "paused");
  vard_runner_pause (paused);
  run (self, paused, NULL);
  g_assert_no_error (self->error);
  g_assert_cmpstr (self->states->str, ==, " running paused running paused running finished");
  g_assert_cmpint (self->paused_at, >=, 2);
  a = dup_final_hash (self, "plain");
  b = dup_final_hash (self, "paused");
  g_assert_cmpstr (a, ==, b);
}

static void
stop_when_paused (VardRunner *runner, VardRunState state, gpointer data)
{
  if (state == VARD_RUN_STATE_PAUSED)
    vard_runner_stop (runner);
}

/* A stop ends a pause, is no error, and leaves what a resume ends with the same bits from */
static void
test_runner_stop (Fixture *self, gconstpointer data)
{
  g_autoptr (VardRunner) plain = toy_runner_make (40), stopped = toy_runner_make (40),
                         resumed = toy_runner_make (40);
  g_autofree char *path = build_path (self, "stopped");
  g_autoptr (VardRun) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *a = NULL, *b = NULL;

  start (self, plain, "plain");
  g_assert_true (vard_runner_run (plain, NULL, &error));
  listen (self, stopped);
  self->at_state = stop_when_paused;
  self->at_step = pause_at_two;
  start (self, stopped, "stopped");
  run (self, stopped, NULL);
  g_assert_no_error (self->error);
  g_assert_true (self->result);
  g_assert_true (g_str_has_suffix (self->states->str, "paused running cancelled"));
  g_assert_cmpint (vard_runner_get_state (stopped), ==, VARD_RUN_STATE_CANCELLED);

  again = vard_run_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpint (vard_run_get_state (again), ==, VARD_RUN_STATE_CANCELLED);
  g_assert_true (vard_runner_resume (resumed, again, &error));
  g_assert_true (vard_runner_run (resumed, NULL, &error));
  g_assert_no_error (error);
  a = dup_final_hash (self, "plain");
  b = dup_final_hash (self, "stopped");
  g_assert_cmpstr (a, ==, b);
}

static void
cancel_when_paused (VardRunner *runner, VardRunState state, gpointer data)
{
  Fixture *self = data;

  if (state == VARD_RUN_STATE_PAUSED)
    g_cancellable_cancel (g_object_get_data (G_OBJECT (runner), "cancellable"));
  g_assert_true (g_thread_self () == self->thread);
}

static void
test_runner_cancel (Fixture *self, gconstpointer data)
{
  g_autoptr (VardRunner) runner = toy_runner_make (1000);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  g_object_set_data (G_OBJECT (runner), "cancellable", cancellable);
  listen (self, runner);
  self->at_state = cancel_when_paused;
  self->at_step = pause_at_two;
  start (self, runner, "run");
  run (self, runner, cancellable);
  g_assert_error (self->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (vard_runner_get_state (runner), ==, VARD_RUN_STATE_CANCELLED);
}

/* What is asked for while the run waits, one after the other; the last one ends the pause */
static const char *const asked[] = { "sample",   "sample",  "checkpoint",
                                     "steps=30", "steps=1", "continue" };

static gpointer
ask_for_all (gpointer data)
{
  g_autoptr (VardRun) run = data;

  for (guint i = 0; i < G_N_ELEMENTS (asked); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *id = vard_run_request (run, asked[i], NULL, &error);

      if (g_str_equal (asked[i], "steps=1"))
        g_assert_error (error, VARD_ERROR, VARD_ERROR_FAILED);
      else
        g_assert_no_error (error);
      if (id != NULL)
        g_assert_true (vard_run_wait_for_request (run, id, NULL, NULL));
    }

  return NULL;
}

static void
ask_when_paused (VardRunner *runner, VardRunState state, gpointer data)
{
  g_autoptr (GError) error = NULL;
  VardRun *viewer;

  if (state != VARD_RUN_STATE_PAUSED)
    return;
  viewer = vard_run_open (vard_run_get_path (vard_runner_get_run (runner)), &error);
  g_assert_no_error (error);
  g_thread_unref (g_thread_new ("asking", ask_for_all, viewer));
}

static void
test_runner_requests (Fixture *self, gconstpointer data)
{
  g_autoptr (VardRunner) plain = NULL, asked_of = toy_runner_make (40);
  g_autofree char *path = build_path (self, "asked"), *a = NULL, *b = NULL, *resumes = NULL;
  g_autoptr (VardRun) run_after = NULL;
  g_autoptr (VardRunSettings) settings = toy_runner_make_settings (30);
  g_autoptr (VardRewardMix) rewards = toy_runner_make_rewards ();
  g_autoptr (GError) error = NULL;
  guint steps, decay_steps;

  /* the goal moves, the schedule does not */
  g_assert_true (vard_run_settings_set (settings, "decay-steps", "40", NULL));
  plain = vard_runner_new_with_rewards (settings, rewards, &error);
  g_assert_no_error (error);
  start (self, plain, "plain");
  g_assert_true (vard_runner_run (plain, NULL, &error));

  listen (self, asked_of);
  self->at_state = ask_when_paused;
  self->at_step = pause_at_two;
  start (self, asked_of, "asked");
  run (self, asked_of, NULL);
  g_assert_no_error (self->error);
  g_assert_cmpint (self->last_step, ==, 30);
  g_assert_cmpuint (vard_runner_get_steps (asked_of), ==, 30);
  g_assert_cmpuint (self->requests->len, ==, 5);
  g_assert_nonnull (strstr (self->requests->pdata[0], "wrote pictures of step"));
  g_assert_nonnull (strstr (self->requests->pdata[1], "already"));
  g_assert_nonnull (strstr (self->requests->pdata[3], "ends after step 30"));
  a = dup_final_hash (self, "plain");
  b = dup_final_hash (self, "asked");
  g_assert_cmpstr (a, ==, b);
  assert_exists (self, "asked/samples/step-000030/grid.png");

  run_after = vard_run_open (path, &error);
  g_assert_no_error (error);

  g_autoptr (VardRunSettings) known = vard_run_dup_settings (run_after, &error);

  g_assert_no_error (error);
  g_object_get (vard_run_settings_get_trainer (known), "steps", &steps, "decay-steps", &decay_steps,
                NULL);
  g_assert_cmpuint (steps, ==, 30);
  g_assert_cmpuint (decay_steps, ==, 40);
}

/* A goal that is moved to the step that is done ends the run there, with the pictures of it */
static gpointer
ask_for_end (gpointer data)
{
  g_autoptr (VardRun) run = data;
  g_autofree char *word = g_strdup_printf ("steps=%" G_GUINT64_FORMAT, vard_run_get_step (run));
  g_autoptr (GError) error = NULL;
  g_autofree char *id = vard_run_request (run, word, NULL, &error);

  g_assert_no_error (error);
  g_free (vard_run_request (run, "continue", NULL, &error));
  g_assert_no_error (error);

  return NULL;
}

static void
end_when_paused (VardRunner *runner, VardRunState state, gpointer data)
{
  g_autoptr (GError) error = NULL;

  if (state == VARD_RUN_STATE_PAUSED)
    g_thread_unref (
      g_thread_new ("asking", ask_for_end,
                    vard_run_open (vard_run_get_path (vard_runner_get_run (runner)), &error)));
}

static void
test_runner_end_here (Fixture *self, gconstpointer data)
{
  g_autoptr (VardRunner) runner = toy_runner_make (1000);
  g_autofree char *name = NULL, *hash = NULL;

  listen (self, runner);
  self->at_state = end_when_paused;
  self->at_step = pause_at_two;
  start (self, runner, "run");
  run (self, runner, NULL);
  g_assert_no_error (self->error);
  g_assert_cmpint (vard_runner_get_state (runner), ==, VARD_RUN_STATE_FINISHED);
  g_assert_cmpint (self->last_step, <, 1000);
  name = g_strdup_printf ("run/samples/step-%06" G_GUINT64_FORMAT "/grid.png", self->last_step);
  assert_exists (self, name);
  hash = dup_final_hash (self, "run");
}

/* ---- loading ---- */

typedef struct
{
  gboolean is_done;
  VardRunner *runner;
  GError *error;
} Loaded;

static void
on_loaded (GObject *source, GAsyncResult *result, gpointer data)
{
  Loaded *loaded = data;

  loaded->runner = vard_runner_load_finish (result, &loaded->error);
  loaded->is_done = TRUE;
}

static void
load (GCancellable *cancellable, Loaded *loaded)
{
  g_autoptr (VardRunSettings) settings = toy_runner_make_settings (2);
  g_autoptr (VardRewardMix) rewards = toy_runner_make_rewards ();

  vard_runner_load_async (settings, rewards, cancellable, on_loaded, loaded);
  while (!loaded->is_done)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_runner_load (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Loaded good = { 0 }, cancelled = { 0 };

  load (NULL, &good);
  g_assert_no_error (good.error);
  start (self, good.runner, "run");
  run (self, good.runner, NULL);
  g_assert_no_error (self->error);
  g_clear_object (&good.runner);

  g_cancellable_cancel (cancellable);
  load (cancellable, &cancelled);
  g_assert_null (cancelled.runner);
  g_assert_error (cancelled.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&cancelled.error);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (Fixture *self, gconstpointer data);
  } tests[] = {
    { "/runner-run/async", test_runner_async },
    { "/runner-run/order", test_runner_order },
    { "/runner-run/pause", test_runner_pause },
    { "/runner-run/stop", test_runner_stop },
    { "/runner-run/cancel", test_runner_cancel },
    { "/runner-run/requests", test_runner_requests },
    { "/runner-run/end-here", test_runner_end_here },
    { "/runner-run/load", test_runner_load },
  };

  /* in memory where that can be: to flush files to a disk takes longer than all else here */
  if (g_access ("/dev/shm", W_OK) == 0)
    g_setenv ("TMPDIR", "/dev/shm", FALSE);
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);

  return g_test_run ();
}
