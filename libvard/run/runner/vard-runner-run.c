/* vard-runner-run.c - the loop of a run: units of work, and requests between them
 *
 * After each unit of the trainer nothing is half done. There the runner obeys requests, waits while
 * it is paused, stops and writes checkpoints. Nothing that it does there changes a bit of what is
 * trained.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/runner/vard-runner-private.h"

#include "base/vard-error.h"
#include "learn/vard-training-settings-private.h"
#include "run/vard-folder.h"
#include "run/vard-run-private.h"
#include "run/vard-run-record.h"
#include "run/vard-run-samples.h"
#include "train/vard-trainer-ranks.h"

/* Microseconds between two looks at what may end a pause; heartbeats are written less often */
#define PAUSE_INTERVAL (G_USEC_PER_SEC / 4)

/* ---- files ---- */

static gboolean
vard_runner_fill_checkpoint (VardRunner *self, const char *folder, GError **error)
{
  g_autofree char *path = g_build_filename (folder, VARD_RUNNER_METRICS_SIZE, NULL);

  /* first the lines, then their number: a checkpoint counts none that a power cut can take */
  if (!vard_tracker_flush (VARD_TRACKER (self->trackers), error))
    return FALSE;

  g_autofree char *text =
    g_strdup_printf ("%" G_GUINT64_FORMAT "\n", vard_run_get_metrics_size (self->run));

  return vard_trainer_save_state (self->trainer, folder, error)
         && vard_folder_write_file (path, text, -1, error);
}

gboolean
vard_runner_save (VardRunner *self, GError **error)
{
  guint64 step = vard_trainer_get_step (self->trainer);
  g_autofree char *folder = vard_run_begin_checkpoint (self->run, step, error);

  if (folder != NULL && vard_runner_fill_checkpoint (self, folder, error)
      && vard_run_commit_checkpoint (self->run, step,
                                     vard_run_settings_get_keep_checkpoints (self->settings),
                                     error))
    {
      self->is_saved = TRUE;
      vard_runner_emit (self, vard_runner_signals[VARD_RUNNER_SIGNAL_CHECKPOINT], step);
      return TRUE;
    }
  if (folder != NULL)
    vard_folder_prefix_space (folder, error);
  vard_run_abandon_checkpoint (self->run, step);

  return FALSE;
}

static gboolean
vard_runner_export (VardRunner *self, GError **error)
{
  g_autofree char *path = vard_run_build_path (self->run, "final");
  g_autofree char *folder = vard_folder_begin (path, error);

  if (folder != NULL && vard_trainer_export (self->trainer, folder, error)
      && vard_folder_commit (path, error))
    return TRUE;
  vard_folder_prefix_space (path, error);
  vard_folder_abandon (path);

  return FALSE;
}

static gboolean
vard_runner_set_state (VardRunner *self, VardRunState state, const char *failure, GError **error)
{
  gboolean is_written =
    vard_run_set_state (self->run, state, vard_trainer_get_step (self->trainer), failure, error);

  g_atomic_int_set (&self->state, state);
  vard_runner_emit (self, vard_runner_signals[VARD_RUNNER_SIGNAL_STATE], state);

  return is_written;
}

/* ---- requests ---- */

/* A few pictures of the present step. An evaluation of it has more of them, and stays. */
static char *
vard_runner_obey_sample (VardRunner *self, GError **error)
{
  guint64 step = vard_trainer_get_step (self->trainer);
  g_autofree char *path = vard_run_build_samples_path (self->run, step);

  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return g_strdup_printf ("the run already has pictures of step %" G_GUINT64_FORMAT, step);

  if (!vard_trainer_tell (self->trainer, VARD_TRAINER_ORDER_SAMPLE, 0, error))
    return NULL;

  g_autoptr (VardEvaluation) evaluation =
    vard_trainer_sample (self->trainer, self->cancellable, error);

  return evaluation != NULL && vard_run_write_samples (self->run, step, evaluation, error)
           ? g_strdup_printf ("wrote pictures of step %" G_GUINT64_FORMAT, step)
           : NULL;
}

static char *
vard_runner_obey_checkpoint (VardRunner *self, GError **error)
{
  guint64 step = vard_trainer_get_step (self->trainer);

  return vard_runner_save (self, error)
           ? g_strdup_printf ("wrote a checkpoint of step %" G_GUINT64_FORMAT, step)
           : NULL;
}

/* The goal is moved where a resume reads it first. A step that was begun when the request came may
 * have passed it. */
static char *
vard_runner_obey_steps (VardRunner *self, const VardRunOrder *order, GError **error)
{
  guint64 step = vard_trainer_get_step (self->trainer);
  guint steps = MAX (order->n_steps, (guint) step), before = vard_runner_get_steps (self);
  VardTrainerSettings *settings = vard_run_settings_get_trainer (self->settings);
  g_autoptr (VardTrainerSettings) old = vard_trainer_settings_copy (settings);

  vard_training_settings_move_goal (VARD_TRAINING_SETTINGS (settings), steps);
  if (!vard_run_record_resume (self->run, self->settings, step, order->text, error))
    {
      guint decay_steps;

      g_object_get (old, "decay-steps", &decay_steps, NULL);
      g_object_set (settings, "steps", before, "decay-steps", decay_steps, NULL);
      return NULL;
    }
  if (!vard_trainer_tell (self->trainer, VARD_TRAINER_ORDER_STEPS, steps, error))
    return NULL;
  vard_trainer_set_steps (self->trainer, steps);
  g_atomic_int_set (&self->n_steps, steps);
  self->has_new_goal = TRUE;

  return g_strdup_printf ("the run now ends after step %u instead of step %u", steps, before);
}

/* The outcome, or NULL with an error, which does not end the run */
static char *
vard_runner_obey_order (VardRunner *self, const VardRunOrder *order, GError **error)
{
  guint64 step = vard_trainer_get_step (self->trainer);

  switch (order->kind)
    {
    case VARD_RUN_REQUEST_PAUSE:
      vard_runner_pause (self);
      return g_strdup_printf ("pauses after step %" G_GUINT64_FORMAT, step);
    case VARD_RUN_REQUEST_CONTINUE:
      if (!g_atomic_int_compare_and_exchange (&self->is_paused, TRUE, FALSE))
        return g_strdup ("the run was not paused");
      return g_strdup_printf ("continues after step %" G_GUINT64_FORMAT, step);
    case VARD_RUN_REQUEST_SAMPLE: return vard_runner_obey_sample (self, error);
    case VARD_RUN_REQUEST_CHECKPOINT: return vard_runner_obey_checkpoint (self, error);
    case VARD_RUN_REQUEST_STEPS:
    default: return vard_runner_obey_steps (self, order, error);
    }
}

static void
vard_runner_obey (VardRunner *self)
{
  VardRunOrder *order;

  while ((order = vard_run_control_pop (self->control)) != NULL)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *text = g_strdup (order->text);
      g_autofree char *note = NULL;

      if (order->kind == VARD_RUN_REQUEST_STOP || order->kind == VARD_RUN_REQUEST_STOP_NOW)
        {
          g_atomic_int_set (&self->is_stopping, TRUE);
          g_queue_push_tail (&self->endings, order);
          continue;
        }
      note = vard_runner_obey_order (self, order, &error);
      if (note != NULL)
        vard_run_control_finish (self->control, order, note);
      else
        vard_run_control_refuse (self->control, order, error->message);
      vard_runner_emit (self, vard_runner_signals[VARD_RUNNER_SIGNAL_REQUEST], text,
                        note != NULL ? note : error->message);
    }
}

/* Answers the requests to end, and refuses those that came too late */
static void
vard_runner_answer_rest (VardRunner *self, const char *note)
{
  VardRunControl *control;
  VardRunOrder *order;

  while ((order = vard_run_control_pop (self->control)) != NULL)
    if (order->kind == VARD_RUN_REQUEST_STOP || order->kind == VARD_RUN_REQUEST_STOP_NOW)
      g_queue_push_tail (&self->endings, order);
    else
      vard_run_control_refuse (self->control, order, "the run ended first");
  while ((order = g_queue_pop_head (&self->endings)) != NULL)
    vard_run_control_finish (self->control, order, note);
  g_mutex_lock (&self->mutex);
  control = g_steal_pointer (&self->control);
  g_mutex_unlock (&self->mutex);
  vard_run_control_free (control);
}

/* ---- the loop ---- */

static gboolean
vard_runner_is_waiting (VardRunner *self)
{
  return g_atomic_int_get (&self->is_paused) && !g_atomic_int_get (&self->is_stopping)
         && !g_cancellable_is_cancelled (self->cancellable);
}

/* A safe point: obeys requests, and returns when the run may continue or must end */
static gboolean
vard_runner_rest (VardRunner *self, GError **error)
{
  vard_runner_obey (self);
  if (!vard_runner_is_waiting (self))
    return TRUE;
  if (!vard_runner_set_state (self, VARD_RUN_STATE_PAUSED, NULL, error))
    return FALSE;
  while (vard_runner_is_waiting (self))
    {
      if (!vard_run_beat (self->run, vard_run_get_phase (self->run),
                          vard_run_get_fraction (self->run), error))
        return FALSE;
      vard_run_control_wait (self->control, PAUSE_INTERVAL);
      vard_runner_obey (self);
    }

  return vard_runner_set_state (self, VARD_RUN_STATE_RUNNING, NULL, error);
}

/* Until the last step, or until a request ends it */
static gboolean
vard_runner_advance (VardRunner *self, GError **error)
{
  for (;;)
    {
      if (!vard_runner_rest (self, error))
        return FALSE;
      if (self->failure != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&self->failure));
          return FALSE;
        }
      if (g_cancellable_set_error_if_cancelled (self->cancellable, error))
        return FALSE;
      if (g_atomic_int_get (&self->is_stopping) || vard_trainer_is_finished (self->trainer))
        return TRUE;
      self->is_saved = FALSE;
      if (!vard_trainer_tell (self->trainer, VARD_TRAINER_ORDER_ADVANCE, 0, error)
          || !vard_trainer_advance (self->trainer, self->cancellable, error))
        return FALSE;
      vard_run_control_set_step (self->control, vard_trainer_get_step (self->trainer));
    }
}

/* The trainer judges its pictures at the goal that it knew; one that was moved to where it stands
 * has none yet */
static gboolean
vard_runner_evaluate_goal (VardRunner *self, GError **error)
{
  guint64 step = vard_trainer_get_step (self->trainer);

  if (!self->has_new_goal || self->evaluated_step == step)
    return TRUE;
  if (!vard_trainer_tell (self->trainer, VARD_TRAINER_ORDER_EVALUATE, 0, error))
    return FALSE;

  g_autoptr (VardEvaluation) evaluation =
    vard_trainer_evaluate (self->trainer, self->cancellable, error);

  if (evaluation == NULL || !vard_run_write_samples (self->run, step, evaluation, error)
      || !vard_runner_track_evaluation (self, step, evaluation, error))
    return FALSE;
  vard_runner_emit (self, vard_runner_signals[VARD_RUNNER_SIGNAL_EVALUATION], step, evaluation);

  return TRUE;
}

static gboolean
vard_runner_go (VardRunner *self, GError **error)
{
  if (!vard_runner_set_state (self, VARD_RUN_STATE_RUNNING, NULL, error)
      || !vard_runner_advance (self, error))
    return FALSE;
  if (!vard_trainer_is_finished (self->trainer))
    {
      self->is_stopped = TRUE;
      return self->is_saved || vard_runner_save (self, error);
    }

  return vard_runner_evaluate_goal (self, error)
         && (self->is_saved || vard_runner_save (self, error)) && vard_runner_export (self, error)
         && vard_tracker_close (VARD_TRACKER (self->trackers), error);
}

static VardRunState
vard_runner_find_end (VardRunner *self, const GError *problem)
{
  if (problem == NULL)
    return self->is_stopped ? VARD_RUN_STATE_CANCELLED : VARD_RUN_STATE_FINISHED;

  return g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? VARD_RUN_STATE_CANCELLED
                                                                     : VARD_RUN_STATE_FAILED;
}

static void
vard_runner_cancel (GCancellable *cancellable, GCancellable *own)
{
  g_cancellable_cancel (own);
}

/* However the run ends, its folder records it. A full disk may prevent that too; then the first
 * error counts. */
gboolean
vard_runner_train (VardRunner *self, GCancellable *cancellable, GError **error)
{
  GError *problem = NULL;
  gulong id = cancellable == NULL
                ? 0
                : g_cancellable_connect (cancellable, G_CALLBACK (vard_runner_cancel),
                                         g_object_ref (self->cancellable), g_object_unref);

  vard_runner_take_messages (self, TRUE);
  if (self->notice != NULL)
    vard_runner_warn (self, self->notice);

  gboolean is_done = vard_runner_go (self, &problem);
  VardRunState state = vard_runner_find_end (self, problem);
  g_autofree char *note = problem != NULL ? g_strdup (problem->message)
                          : self->is_stopped
                            ? g_strdup_printf ("stopped after step %" G_GUINT64_FORMAT,
                                               vard_trainer_get_step (self->trainer))
                            : g_strdup ("finished");

  g_cancellable_disconnect (cancellable, id);
  vard_runner_take_messages (self, FALSE);
  if (state != VARD_RUN_STATE_FINISHED)
    vard_tracker_close (VARD_TRACKER (self->trackers), NULL);
  vard_run_log (self->run, note, NULL);
  if (!vard_runner_set_state (self, state, state == VARD_RUN_STATE_FAILED ? note : NULL,
                              problem != NULL ? NULL : &problem))
    is_done = FALSE;
  vard_runner_answer_rest (self, note);
  vard_run_release (self->run);
  vard_trainer_part (self->trainer, problem);
  if (problem != NULL)
    g_propagate_error (error, problem);

  return is_done;
}

gboolean
vard_runner_begin (VardRunner *self, GError **error)
{
  static const char *const reasons[] = {
    [VARD_RUNNER_STAGE_LOADED] = "it was neither started nor resumed, so it has no run folder",
    [VARD_RUNNER_STAGE_RUNNING] = "it is already running",
    [VARD_RUNNER_STAGE_ENDED] = "it has already run: create another one to resume the run",
  };
  int stage;

  if (g_atomic_int_compare_and_exchange (&self->stage, VARD_RUNNER_STAGE_READY,
                                         VARD_RUNNER_STAGE_RUNNING))
    return TRUE;
  stage = g_atomic_int_get (&self->stage);
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "the runner cannot run: %s", reasons[stage]);

  return FALSE;
}

void
vard_runner_end (VardRunner *self)
{
  g_atomic_int_set (&self->stage, VARD_RUNNER_STAGE_ENDED);
}

/**
 * vard_runner_run:
 * @self: a runner that was started or resumed
 * @cancellable: (nullable): stops at once, without a checkpoint
 * @error: return location for an error
 *
 * Trains to the last step and writes the final weights, or stops where vard_runner_stop() or a
 * request asked for it: vard_runner_get_state() tells which, and so does the run's folder, whatever
 * ends it. Signals come from the calling thread.
 *
 * Returns: %FALSE with %G_IO_ERROR_CANCELLED where it was cancelled, %VARD_ERROR_USAGE where there
 * is nothing to run, or
 *   with what went wrong; to be stopped is no error
 */
gboolean
vard_runner_run (VardRunner *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self), FALSE);

  if (!vard_runner_begin (self, error))
    return FALSE;

  gboolean is_done = vard_runner_train (self, cancellable, error);

  vard_runner_end (self);

  return is_done;
}

/* ---- from any thread ---- */

static void
vard_runner_wake (VardRunner *self)
{
  g_mutex_lock (&self->mutex);
  if (self->control != NULL)
    vard_run_control_wake (self->control);
  g_mutex_unlock (&self->mutex);
}

/**
 * vard_runner_pause:
 * @self: a runner
 *
 * Asks it to wait, at its next safe point: the end of a batch of the pool, of an update of the
 * value fit, or of a step. The process keeps the run and its memory, and the state of the run is
 * paused until vard_runner_continue() or vard_runner_stop(). May be called from any thread, before
 * the run too.
 */
void
vard_runner_pause (VardRunner *self)
{
  g_return_if_fail (VARD_IS_RUNNER (self));

  g_atomic_int_set (&self->is_paused, TRUE);
}

/**
 * vard_runner_continue:
 * @self: a runner
 *
 * Ends a pause, or withdraws the request for one. May be called from any thread.
 */
void
vard_runner_continue (VardRunner *self)
{
  g_return_if_fail (VARD_IS_RUNNER (self));

  g_atomic_int_set (&self->is_paused, FALSE);
  vard_runner_wake (self);
}

/**
 * vard_runner_stop:
 * @self: a runner
 *
 * Asks it to continue to the next safe point, write a checkpoint there and return. This also ends a
 * pause. May be called from any thread.
 */
void
vard_runner_stop (VardRunner *self)
{
  g_return_if_fail (VARD_IS_RUNNER (self));

  g_atomic_int_set (&self->is_stopping, TRUE);
  vard_runner_wake (self);
}

/**
 * vard_runner_get_state:
 * @self: a runner
 *
 * May be called from any thread.
 *
 * Returns: what it is doing: starting before it runs, running or paused while it does, then what
 * ended it: finished,
 *   cancelled or failed
 */
VardRunState
vard_runner_get_state (VardRunner *self)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self), VARD_RUN_STATE_FAILED);

  return g_atomic_int_get (&self->state);
}

/**
 * vard_runner_get_steps:
 * @self: a runner
 *
 * May be called from any thread. A request can move it while the run goes on.
 *
 * Returns: after how many steps the run ends
 */
guint
vard_runner_get_steps (VardRunner *self)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self), 0);

  return g_atomic_int_get (&self->n_steps);
}
