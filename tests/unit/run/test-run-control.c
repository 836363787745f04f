/* test-run-control.c - requests in a run's folder: taken within two seconds, answered, logged, and
 * never left behind
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

#include "run/vard-folder.h"
#include "run/vard-run-private.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Microseconds within which a request has to be taken */
#define PROMPT_TIME (2 * G_USEC_PER_SEC)

/* A run that is held, and one who looks at it from outside */
typedef struct
{
  char *folder, *path;
  VardRun *run, *viewer;
  GCancellable *cancellable;
  VardRunControl *control;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  g_autoptr (JsonObject) record = json_object_new ();
  g_autoptr (GError) error = NULL;

  self->folder = g_dir_make_tmp ("vard-XXXXXX", NULL);
  self->path = g_build_filename (self->folder, "run", NULL);
  self->run = vard_run_create (self->path, record, &error);
  g_assert_no_error (error);
  self->viewer = vard_run_open (self->path, &error);
  g_assert_no_error (error);
  self->cancellable = g_cancellable_new ();
  self->control = vard_run_control_new (self->run, self->cancellable, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->control, vard_run_control_free);
  g_clear_object (&self->run);
  g_clear_object (&self->viewer);
  g_clear_object (&self->cancellable);
  g_assert_true (vard_folder_remove (self->folder, &error));
  g_assert_no_error (error);
  g_free (self->path);
  g_free (self->folder);
}

static char *
dup_log (Fixture *self)
{
  g_autofree char *path = vard_run_build_path (self->viewer, "log.txt");
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? text : g_strdup ("");
}

static void
assert_logged (Fixture *self, const char *words)
{
  g_autofree char *log = dup_log (self);

  g_assert_nonnull (strstr (log, words));
}

/* How many files there are in control/ */
static guint
count_files (Fixture *self)
{
  g_autofree char *path = vard_run_build_path (self->viewer, VARD_RUN_CONTROL_FOLDER);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    n++;

  return n;
}

static void
write_file (Fixture *self, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (self->path, VARD_RUN_CONTROL_FOLDER, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

/* Asks, and expects the request to be taken in time */
static char *
ask (Fixture *self, const char *word)
{
  gint64 began = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  char *id = vard_run_request (self->viewer, word, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (id);
  g_assert_cmpint (g_get_monotonic_time () - began, <, PROMPT_TIME);

  return id;
}

/* ---- words ---- */

typedef struct
{
  const char *text;
  gint kind; /* -1: none */
  guint n_steps;
  const char *reason; /* in the message */
} Word;

static const Word rows[] = {
  { "pause", VARD_RUN_REQUEST_PAUSE, 0, NULL },
  { "continue", VARD_RUN_REQUEST_CONTINUE, 0, NULL },
  { "sample", VARD_RUN_REQUEST_SAMPLE, 0, NULL },
  { "checkpoint", VARD_RUN_REQUEST_CHECKPOINT, 0, NULL },
  { "stop", VARD_RUN_REQUEST_STOP, 0, NULL },
  { "stop-now", VARD_RUN_REQUEST_STOP_NOW, 0, NULL },
  { "steps=0", VARD_RUN_REQUEST_STEPS, 0, NULL },
  { "steps=1000000", VARD_RUN_REQUEST_STEPS, 1000000, NULL },
  { "steps=1000001", -1, 0, "1000000" },
  { "steps=-1", -1, 0, "steps=-1" },
  { "steps=", -1, 0, "steps=" },
  { "steps=4x", -1, 0, "steps=4x" },
  { "steps", -1, 0, "steps=N" },
  { "puase", -1, 0, "did you mean \"pause\"" },
  { "", -1, 0, "checkpoint, stop, stop-now" },
  { "everything", -1, 0, "there are: pause, continue" },
};

static void
test_control_words (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      VardRunRequestKind kind;
      guint n_steps;
      g_autoptr (GError) error = NULL;
      gboolean is_known = vard_run_request_parse (rows[i].text, &kind, &n_steps, &error);

      g_assert_cmpint (is_known, ==, rows[i].kind >= 0);
      if (is_known)
        {
          g_assert_cmpint (kind, ==, rows[i].kind);
          g_assert_cmpuint (n_steps, ==, rows[i].n_steps);
          continue;
        }
      g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
      g_assert_nonnull (strstr (error->message, rows[i].reason));
    }
}

/* ---- a live run ---- */

/* Taken in time in the order in which they came, answered when the trainer says so, and nothing is
 * left */
static void
test_control_order (Fixture *self, gconstpointer data)
{
  static const char *const asked[] = { "pause", "sample", "steps=7", "continue" };
  char *ids[G_N_ELEMENTS (asked)];

  for (guint i = 0; i < G_N_ELEMENTS (asked); i++)
    ids[i] = ask (self, asked[i]);
  for (guint i = 0; i < G_N_ELEMENTS (asked); i++)
    {
      VardRunOrder *order = vard_run_control_pop (self->control);
      g_autoptr (GError) error = NULL;

      g_assert_cmpstr (order->text, ==, asked[i]);
      g_assert_cmpstr (order->id, ==, ids[i]);
      vard_run_control_finish (self->control, order, "obeyed");
      g_assert_true (vard_run_wait_for_request (self->viewer, ids[i], NULL, &error));
      g_assert_no_error (error);
      g_free (ids[i]);
    }
  g_assert_null (vard_run_control_pop (self->control));
  assert_logged (self, "request steps=7: obeyed");
  g_assert_cmpuint (count_files (self), ==, 0);
}

static void
test_control_refused (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) early = NULL, late = NULL, unknown = NULL;
  g_autofree char *id = NULL;

  /* by whoever takes it */
  vard_run_control_set_step (self->control, 5);
  g_assert_null (vard_run_request (self->viewer, "steps=4", NULL, &early));
  g_assert_error (early, VARD_ERROR, VARD_ERROR_FAILED);
  g_assert_nonnull (strstr (early->message, "step 5 is already done"));
  /* by whoever obeys */
  id = ask (self, "sample");
  vard_run_control_refuse (self->control, vard_run_control_pop (self->control), "the disk is full");
  g_assert_false (vard_run_wait_for_request (self->viewer, id, NULL, &late));
  g_assert_error (late, VARD_ERROR, VARD_ERROR_FAILED);
  g_assert_nonnull (strstr (late->message, "the disk is full"));
  assert_logged (self, "request sample: the disk is full");
  /* before it is asked */
  g_assert_null (vard_run_request (self->viewer, "rest", NULL, &unknown));
  g_assert_error (unknown, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_cmpuint (count_files (self), ==, 0);
}

/* The trainer may be anywhere: it is cancelled as soon as the request is taken */
static void
test_control_stop_now (Fixture *self, gconstpointer data)
{
  g_autofree char *id = ask (self, "stop-now");

  g_assert_true (g_cancellable_is_cancelled (self->cancellable));

  VardRunOrder *order = vard_run_control_pop (self->control);

  g_assert_cmpint (order->kind, ==, VARD_RUN_REQUEST_STOP_NOW);
  vard_run_order_free (order);
}

/* A pause ends as soon as there is something to do */
static void
test_control_wakes (Fixture *self, gconstpointer data)
{
  gint64 began = g_get_monotonic_time ();
  g_autofree char *id = ask (self, "continue");

  vard_run_control_wait (self->control, 60 * G_USEC_PER_SEC);
  vard_run_control_wake (self->control);
  vard_run_control_wait (self->control, 60 * G_USEC_PER_SEC);
  g_assert_cmpint (g_get_monotonic_time () - began, <, 10 * G_USEC_PER_SEC);
  vard_run_control_finish (self->control, vard_run_control_pop (self->control), "went on");
}

/* Whoever may write into the folder may write anything */
static void
test_control_odd_files (Fixture *self, gconstpointer data)
{
  g_autofree char *pipe =
    g_build_filename (self->path, VARD_RUN_CONTROL_FOLDER, "1-pipe.request", NULL);
  g_autofree char *link =
    g_build_filename (self->path, VARD_RUN_CONTROL_FOLDER, "2-link.request", NULL);
  g_autofree char *folder =
    g_build_filename (self->path, VARD_RUN_CONTROL_FOLDER, "3-folder.request", NULL);
  g_autofree char *large = g_strnfill (1 << 20, 'x');
  g_autofree char *id = NULL;

  g_assert_cmpint (mkfifo (pipe, 0666), ==, 0);
  g_assert_cmpint (symlink ("/dev/zero", link), ==, 0);
  g_assert_cmpint (g_mkdir (folder, 0777), ==, 0);
  write_file (self, "4-large.request", large);
  write_file (self, "5-empty.request", "");
  write_file (self, "6-binary.request", "\xff\xfe\x01\n");
  write_file (self, ".hidden.request", "stop");
  write_file (self, "note.txt", "stop");
  write_file (self, "0-spaces.request", "  pause \r\nstop\n");
  id = ask (self, "sample");

  VardRunOrder *first = vard_run_control_pop (self->control),
               *second = vard_run_control_pop (self->control);

  g_assert_cmpstr (first->text, ==, "pause");
  g_assert_cmpstr (second->text, ==, "sample");
  g_assert_null (vard_run_control_pop (self->control));
  vard_run_order_free (first);
  vard_run_order_free (second);
}

static void
count_answers (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = vard_run_request_finish (VARD_RUN (source), result, &error);

  g_assert_no_error (error);
  g_assert_nonnull (id);
  ++*(guint *) data;
}

/* Many at once, from many threads: each is taken once */
static void
test_control_many (Fixture *self, gconstpointer data)
{
  guint n_answers = 0, n_orders = 0;
  VardRunOrder *order;

  for (guint i = 0; i < 40; i++)
    vard_run_request_async (self->viewer, i % 2 == 0 ? "pause" : "continue", NULL, count_answers,
                            &n_answers);
  while (n_answers < 40)
    g_main_context_iteration (NULL, TRUE);
  for (; (order = vard_run_control_pop (self->control)) != NULL; n_orders++)
    vard_run_control_finish (self->control, order, "obeyed");
  g_assert_cmpuint (n_orders, ==, 40);
  g_assert_cmpuint (count_files (self), ==, 0);
}

/* ---- a run that ends, or has ended ---- */

static void
test_control_end (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) late = NULL, dead = NULL;
  g_autofree char *id = ask (self, "sample");

  g_clear_pointer (&self->control, vard_run_control_free);
  g_assert_false (vard_run_wait_for_request (self->viewer, id, NULL, &late));
  g_assert_error (late, VARD_ERROR, VARD_ERROR_FAILED);
  g_assert_nonnull (strstr (late->message, "the run ended first"));

  vard_run_release (self->run);
  g_assert_null (vard_run_request (self->viewer, "pause", NULL, &dead));
  g_assert_error (dead, VARD_ERROR, VARD_ERROR_NOT_LIVE);
  g_assert_nonnull (strstr (dead->message, "it is interrupted"));
  g_assert_cmpuint (count_files (self), ==, 0);
}

static gpointer
die_soon (gpointer data)
{
  Fixture *self = data;

  g_usleep (G_USEC_PER_SEC / 10);
  vard_run_release (self->run);

  return NULL;
}

/* A process that dies before it takes a request leaves none behind, nor anybody waiting */
static void
test_control_death (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  GThread *thread;

  g_clear_pointer (&self->control, vard_run_control_free);
  thread = g_thread_new ("dying", die_soon, self);
  g_assert_null (vard_run_request (self->viewer, "pause", NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_NOT_LIVE);
  g_thread_join (thread);
  g_assert_cmpuint (count_files (self), ==, 0);
}

static void
test_control_withdrawn (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->control, vard_run_control_free);
  g_cancellable_cancel (cancellable);
  g_assert_null (vard_run_request (self->viewer, "pause", cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (count_files (self), ==, 0);
}

/* What was asked of an earlier process is not for the next one */
static void
test_control_stale (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->control, vard_run_control_free);
  write_file (self, "1.request", "stop\n");
  write_file (self, "2.taken", "steps=9\n");
  write_file (self, "3.refused", "because\n");
  self->control = vard_run_control_new (self->run, self->cancellable, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count_files (self), ==, 0);
  g_assert_null (vard_run_control_pop (self->control));
  assert_logged (self, "request stop: discarded");
  assert_logged (self, "request steps=9: discarded");
}

static void
test_control_no_folder (Fixture *self, gconstpointer data)
{
  g_autofree char *folder = vard_run_build_path (self->run, VARD_RUN_CONTROL_FOLDER);
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->control, vard_run_control_free);
  g_assert_true (vard_folder_remove (folder, NULL));
  g_assert_null (vard_run_request (self->viewer, "pause", NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "takes no requests"));
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (Fixture *self, gconstpointer data);
  } tests[] = {
    { "/run-control/order", test_control_order },
    { "/run-control/refused", test_control_refused },
    { "/run-control/stop-now", test_control_stop_now },
    { "/run-control/wakes", test_control_wakes },
    { "/run-control/odd-files", test_control_odd_files },
    { "/run-control/many", test_control_many },
    { "/run-control/end", test_control_end },
    { "/run-control/death", test_control_death },
    { "/run-control/withdrawn", test_control_withdrawn },
    { "/run-control/stale", test_control_stale },
    { "/run-control/no-folder", test_control_no_folder },
  };

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/run-control/words", test_control_words);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);

  return g_test_run ();
}
