/* vard-run-request.c - sends a request to the process that trains a run, through the run's folder
 *
 * A request is a file control/ID.request with one line: the request. It is written under another
 * name and renamed, so a script or another machine can write one too. The process that trains looks
 * into the folder a few times a second, because a network file system announces no new files. It
 * renames a request that it takes to ID.taken, and removes that file once it has acted. If it
 * refuses a request, the file becomes ID.refused and contains the reason.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-run-private.h"

#include "base/vard-error.h"
#include "base/vard-suggest.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define STEPS "steps="
#define MAX_STEPS 1000000

/* Microseconds between two looks at an answer, and until the lack of one is an error */
#define LOOK_INTERVAL (G_USEC_PER_SEC / 50)
#define ANSWER_TIME (10 * G_USEC_PER_SEC)

/* By VardRunRequestKind */
static const char *const words[] = {
  "pause", "continue", "sample", "checkpoint", "stop", "stop-now", STEPS "N", NULL,
};

static gboolean
vard_run_request_parse_steps (const char *text, guint *n_steps, GError **error)
{
  guint64 n;

  if (!g_ascii_string_to_unsigned (text + strlen (STEPS), 10, 0, MAX_STEPS, &n, NULL))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "the request %s has no number of steps from 0 to %d", text, MAX_STEPS);
      return FALSE;
    }
  *n_steps = n;

  return TRUE;
}

gboolean
vard_run_request_parse (const char *text, VardRunRequestKind *kind, guint *n_steps, GError **error)
{
  *n_steps = 0;
  if (g_str_has_prefix (text, STEPS))
    {
      *kind = VARD_RUN_REQUEST_STEPS;
      return vard_run_request_parse_steps (text, n_steps, error);
    }
  for (guint i = 0; i < VARD_RUN_REQUEST_STEPS; i++)
    if (g_str_equal (text, words[i]))
      {
        *kind = i;
        return TRUE;
      }
  vard_suggest_error ("request", text, words, error);

  return FALSE;
}

char *
vard_run_request_build_path (VardRun *self, const char *id, const char *ending)
{
  g_autofree char *name = g_strconcat (id, ending, NULL);

  return g_build_filename (self->path, VARD_RUN_CONTROL_FOLDER, name, NULL);
}

static gboolean
vard_run_has_request_file (VardRun *self, const char *id, const char *ending)
{
  g_autofree char *path = vard_run_request_build_path (self, id, ending);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* FALSE if another process was quicker */
static gboolean
vard_run_withdraw (VardRun *self, const char *id)
{
  g_autofree char *path = vard_run_request_build_path (self, id, VARD_RUN_REQUEST_ENDING);

  return g_unlink (path) == 0;
}

static void
vard_run_fail_dead (VardRun *self, GError **error)
{
  g_autoptr (VardRun) now = vard_run_open (self->path, NULL);

  g_set_error (error, VARD_ERROR, VARD_ERROR_NOT_LIVE,
               "no process trains %s%s%s%s: start or resume the run first", self->path,
               now != NULL ? " (it is " : "",
               now != NULL ? vard_run_state_to_text (vard_run_get_state (now)) : "",
               now != NULL ? ")" : "");
}

/* The order of the names is the order in time */
static char *
vard_run_make_request_id (void)
{
  static gint count = 0;

  return g_strdup_printf ("%016" G_GINT64_FORMAT "-%d-%d", g_get_real_time (), (int) getpid (),
                          g_atomic_int_add (&count, 1));
}

/* Reports which of three problems the folder has */
static void
vard_run_fail_write (VardRun *self, GError *problem, GError **error)
{
  g_autofree char *folder = g_build_filename (self->path, VARD_RUN_CONTROL_FOLDER, NULL);

  if (g_error_matches (problem, G_FILE_ERROR, G_FILE_ERROR_ROFS))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY,
                 "%s is on a file system that is mounted read-only: use a machine or a mount that "
                 "can write there",
                 folder);
  else if (g_error_matches (problem, G_FILE_ERROR, G_FILE_ERROR_ACCES)
           || g_error_matches (problem, G_FILE_ERROR, G_FILE_ERROR_PERM))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                 "no permission to write into %s: only users who may write there can control the "
                 "run",
                 folder);
  else if (g_error_matches (problem, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                 "the process that trains %s takes no requests: it has no folder %s", self->path,
                 folder);
  else
    {
      g_propagate_error (error, problem);
      return;
    }
  g_error_free (problem);
}

static gboolean
vard_run_write_request (VardRun *self, const char *id, const char *request, GError **error)
{
  g_autofree char *path = vard_run_request_build_path (self, id, VARD_RUN_REQUEST_ENDING);
  g_autofree char *line = g_strconcat (request, "\n", NULL);
  GError *problem = NULL;

  if (g_file_set_contents_full (path, line, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0666, &problem))
    return TRUE;
  vard_run_fail_write (self, problem, error);

  return FALSE;
}

static gboolean
vard_run_check_refusal (VardRun *self, const char *id, GError **error)
{
  g_autofree char *path = vard_run_request_build_path (self, id, VARD_RUN_REFUSED_ENDING);
  g_autofree char *reason = NULL;

  if (!g_file_get_contents (path, &reason, NULL, NULL))
    return TRUE;
  g_unlink (path);
  g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "the run refused the request: %s",
               g_strchomp (reason));

  return FALSE;
}

/* Until the process that trains has renamed the request */
static gboolean
vard_run_wait_taken (VardRun *self, const char *id, GCancellable *cancellable, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + ANSWER_TIME;

  while (vard_run_has_request_file (self, id, VARD_RUN_REQUEST_ENDING))
    {
      gboolean is_late = g_get_monotonic_time () >= deadline;
      gboolean is_cancelled = g_cancellable_is_cancelled (cancellable);

      if (!is_late && !is_cancelled && vard_run_is_live (self))
        {
          g_usleep (LOOK_INTERVAL);
          continue;
        }
      if (!vard_run_withdraw (self, id))
        break;
      if (is_cancelled)
        g_cancellable_set_error_if_cancelled (cancellable, error);
      else if (is_late)
        g_set_error (error, VARD_ERROR, VARD_ERROR_BUSY,
                     "the process that trains %s has not answered for %d s: it may be stopped "
                     "(Ctrl-Z) or on a machine that is not reachable; vard withdrew the request",
                     self->path, (int) (ANSWER_TIME / G_USEC_PER_SEC));
      else
        vard_run_fail_dead (self, error);
      return FALSE;
    }

  return vard_run_check_refusal (self, id, error);
}

/**
 * vard_run_request:
 * @self: a run
 * @request: `pause`, `continue`, `sample`, `checkpoint`, `stop`, `stop-now` or `steps=N`
 * @cancellable: (nullable): withdraws the request while nobody has taken it
 * @error: return location for an error
 *
 * Asks the process that trains the run for something, and waits until that process has taken the
 * request, which it does within two seconds. It acts at its next safe point: the end of a batch of
 * the pool, of an update of the value fit, or of a step. `pause` waits there until `continue`;
 * `sample` writes pictures of the present step, unless there are some; `checkpoint` writes a
 * checkpoint; `stop` writes one and ends the run; `steps=N` moves the goal and leaves the schedule
 * of the learning rate as it is. `stop-now` ends the run at once: the work since the newest
 * checkpoint is lost.
 *
 * Returns: (transfer full): the request, for vard_run_wait_for_request(), or %NULL: with
 *   %VARD_ERROR_USAGE where there is no such request, %VARD_ERROR_NOT_LIVE where no process trains
 *   the run, %VARD_ERROR_FAILED where it was refused, %VARD_ERROR_BUSY where nobody took it within
 *   ten seconds, %VARD_ERROR_UNSUPPORTED where the process is of a vard that takes no requests,
 *   %G_IO_ERROR_READ_ONLY or %G_IO_ERROR_PERMISSION_DENIED where the folder cannot be written,
 *   %G_IO_ERROR_CANCELLED, or what else went wrong
 */
char *
vard_run_request (VardRun *self, const char *request, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && request != NULL, NULL);

  VardRunRequestKind kind;
  guint n_steps;
  g_autofree char *id = vard_run_make_request_id ();

  if (!vard_run_request_parse (request, &kind, &n_steps, error))
    return NULL;
  if (!vard_run_is_live (self))
    {
      vard_run_fail_dead (self, error);
      return NULL;
    }

  return vard_run_write_request (self, id, request, error)
             && vard_run_wait_taken (self, id, cancellable, error)
           ? g_steal_pointer (&id)
           : NULL;
}

/**
 * vard_run_wait_for_request:
 * @self: a run
 * @id: what vard_run_request() returned
 * @cancellable: (nullable): stops waiting; the request stays
 * @error: return location for an error
 *
 * Waits until the process that trains the run has acted on a request, which can take as long as a
 * step.
 *
 * Returns: whether it was done; else %VARD_ERROR_FAILED with the reason, or
 *   %VARD_ERROR_NOT_LIVE if the process ended without an answer
 */
gboolean
vard_run_wait_for_request (VardRun *self, const char *id, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && id != NULL, FALSE);

  while (vard_run_has_request_file (self, id, VARD_RUN_TAKEN_ENDING))
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      if (!vard_run_is_live (self) && vard_run_has_request_file (self, id, VARD_RUN_TAKEN_ENDING))
        {
          vard_run_fail_dead (self, error);
          return FALSE;
        }
      g_usleep (LOOK_INTERVAL);
    }

  return vard_run_check_refusal (self, id, error);
}

/* ---- the same without waiting ---- */

typedef struct
{
  char *text; /* the request, or its id */
  gboolean is_wait;
} VardRunAsking;

static void
vard_run_asking_free (gpointer data)
{
  VardRunAsking *self = data;

  g_free (self->text);
  g_free (self);
}

static void
vard_run_ask (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const VardRunAsking *asking = data;
  GError *error = NULL;
  char *id = NULL;

  if (asking->is_wait)
    vard_run_wait_for_request (source, asking->text, cancellable, &error);
  else
    id = vard_run_request (source, asking->text, cancellable, &error);
  if (error != NULL)
    g_task_return_error (task, error);
  else if (asking->is_wait)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_pointer (task, id, g_free);
}

static void
vard_run_start_asking (VardRun *self,
                       const char *text,
                       gboolean is_wait,
                       GCancellable *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  VardRunAsking *asking = g_new0 (VardRunAsking, 1);

  asking->text = g_strdup (text);
  asking->is_wait = is_wait;
  g_task_set_source_tag (task, is_wait ? (gpointer) vard_run_wait_for_request_async
                                       : (gpointer) vard_run_request_async);
  g_task_set_task_data (task, asking, vard_run_asking_free);
  g_task_run_in_thread (task, vard_run_ask);
}

/**
 * vard_run_request_async:
 * @self: a run
 * @request: as for vard_run_request()
 * @cancellable: (nullable): withdraws the request while nobody has taken it
 * @callback: (scope async): called when the request is taken or refused
 * @user_data: for @callback
 *
 * Does what vard_run_request() does, in a thread.
 */
void
vard_run_request_async (VardRun *self,
                        const char *request,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data)
{
  g_return_if_fail (VARD_IS_RUN (self) && request != NULL);

  vard_run_start_asking (self, request, FALSE, cancellable, callback, user_data);
}

/**
 * vard_run_request_finish:
 * @self: a run
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Returns: (transfer full): the request, or %NULL, as vard_run_request() does
 */
char *
vard_run_request_finish (VardRun *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * vard_run_wait_for_request_async:
 * @self: a run
 * @id: what vard_run_request_finish() returned
 * @cancellable: (nullable): stops waiting
 * @callback: (scope async): called when the run has acted on the request
 * @user_data: for @callback
 *
 * Does what vard_run_wait_for_request() does, in a thread.
 */
void
vard_run_wait_for_request_async (VardRun *self,
                                 const char *id,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  g_return_if_fail (VARD_IS_RUN (self) && id != NULL);

  vard_run_start_asking (self, id, TRUE, cancellable, callback, user_data);
}

/**
 * vard_run_wait_for_request_finish:
 * @self: a run
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Returns: whether it was done, as vard_run_wait_for_request() does
 */
gboolean
vard_run_wait_for_request_finish (VardRun *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
