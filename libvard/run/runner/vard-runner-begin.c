/* vard-runner-begin.c - starts a run, resumes one, or opens one to read
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/runner/vard-runner-private.h"

#include "base/vard-error.h"
#include "diffusion/vard-pipeline-private.h"
#include "run/vard-run-record.h"
#include "train/vard-trainer-memory.h"
#include "train/vard-trainer-ranks.h"

static gboolean
vard_runner_check_fresh (VardRunner *self, GError **error)
{
  if (self->run == NULL)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
               "the runner already has the run %s: create another runner for another run",
               vard_run_get_path (self->run));

  return FALSE;
}

/* The trainer belongs to the thread that trains */
static gboolean
vard_runner_check_idle (VardRunner *self, GError **error)
{
  if (g_atomic_int_get (&self->stage) != VARD_RUNNER_STAGE_RUNNING)
    return vard_runner_check_leader (self, error);
  g_set_error_literal (error, VARD_ERROR, VARD_ERROR_BUSY,
                       "the runner is training: create another one to load a checkpoint");

  return FALSE;
}

/* Checks for missing parts before the folder exists */
static gboolean
vard_runner_prepare (VardRunner *self, GError **error)
{
  return vard_runner_check_fresh (self, error) && vard_runner_check_leader (self, error)
         && vard_reward_mix_prepare (self->rewards, g_cancellable_get_current (), error)
         && vard_trainer_check_device (self->trainer, error);
}

/**
 * vard_runner_start:
 * @self: a runner
 * @path: (type filename): the run's folder, which must not exist
 * @error: return location for an error
 *
 * Makes the folder of a new run, which takes requests from then on. Where the engine's device has
 * too little memory for it there is %VARD_ERROR_UNSUPPORTED and no folder; a runner that has a run
 * already is %VARD_ERROR_USAGE.
 *
 * Returns: whether it could be made
 */
gboolean
vard_runner_start (VardRunner *self, const char *path, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self) && path != NULL, FALSE);

  if (!vard_runner_prepare (self, error))
    return FALSE;

  g_autoptr (JsonObject) record = vard_run_record_new (self->settings,
                                                       vard_pipeline_peek_engine (self->pipeline),
                                                       vard_pipeline_peek_model (self->pipeline));

  self->run = vard_run_create (path, record, error);
  if (self->run == NULL || !vard_runner_open_tracker (self, error)
      || !vard_run_log (self->run, "started, vard " VARD_VERSION, error))
    return FALSE;
  self->control = vard_run_control_new (self->run, self->cancellable, error);
  if (self->control != NULL)
    g_atomic_int_set (&self->stage, VARD_RUNNER_STAGE_READY);

  return self->control != NULL;
}

/**
 * vard_runner_load_checkpoint:
 * @self: a runner made with the settings of @run
 * @run: a run
 * @step: a step that has a checkpoint, or %VARD_CHECKPOINT_NEWEST
 * @error: return location for an error
 *
 * Sets the trainer to a checkpoint, to look at it: the run is neither held nor changed. Where there
 * is an average of the weights the model has that, as evaluations and final/ do, and training does
 * not go on from here.
 *
 * Returns: whether it could be read
 */
gboolean
vard_runner_load_checkpoint (VardRunner *self, VardRun *run, guint64 step, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self) && VARD_IS_RUN (run), FALSE);

  if (!vard_runner_check_idle (self, error))
    return FALSE;

  g_autofree char *folder = vard_run_find_checkpoint (run, step, NULL, error);

  return folder != NULL
         && vard_run_record_check_model (run, vard_pipeline_peek_model (self->pipeline), error)
         && vard_trainer_tell_load (self->trainer, folder, error)
         && vard_trainer_load_state (self->trainer, folder, error)
         && vard_trainer_tell (self->trainer, VARD_TRAINER_ORDER_AVERAGE, 0, error)
         && vard_trainer_use_average (self->trainer, error);
}

/* Reads the newest whole checkpoint; a run that was interrupted before its first one begins
 * again */
static gboolean
vard_runner_read_checkpoint (VardRunner *self, VardRun *run, guint64 *metrics_size, GError **error)
{
  guint n;
  g_autofree guint64 *steps = vard_run_list_checkpoints (run, &n);
  g_autofree char *folder = NULL, *text = NULL, *path = NULL;

  *metrics_size = 0;
  if (n == 0)
    return TRUE;
  folder = vard_run_find_checkpoint (run, VARD_CHECKPOINT_NEWEST, NULL, error);
  if (folder == NULL)
    return FALSE;
  path = g_build_filename (folder, VARD_RUNNER_METRICS_SIZE, NULL);
  if (!g_file_get_contents (path, &text, NULL, error)
      || !g_ascii_string_to_unsigned (g_strchomp (text), 10, 0, G_MAXUINT64, metrics_size, error)
      || !vard_trainer_tell_load (self->trainer, folder, error)
      || !vard_trainer_load_state (self->trainer, folder, error))
    return FALSE;
  self->is_saved = TRUE;

  return TRUE;
}

/* Lines that a checkpoint counts but that are missing, for example after a power cut, cannot be
 * recovered */
static void
vard_runner_note_lost_metrics (VardRunner *self, guint64 size)
{
  guint64 found = vard_run_get_metrics_size (self->run);

  if (found >= size)
    return;

  g_free (self->notice);
  self->notice = g_strdup_printf ("metrics.jsonl has %" G_GUINT64_FORMAT
                                  " bytes, but the checkpoint counts %" G_GUINT64_FORMAT
                                  ": the missing lines are lost, but training is not affected",
                                  found, size);
}

/**
 * vard_runner_resume:
 * @self: a runner made with the settings of @run, changed only where
 * vard_run_settings_check_change() allows
 * @run: a run
 * @error: return location for an error
 *
 * Takes a run over where its newest whole checkpoint stands. From then on it takes requests; those
 * of before are discarded.
 *
 * Returns: %FALSE with %VARD_ERROR_BUSY while another process trains it, %VARD_ERROR_USAGE where
 * the
 *   runner has a run already, or another error
 */
gboolean
vard_runner_resume (VardRunner *self, VardRun *run, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self) && VARD_IS_RUN (run), FALSE);

  guint64 metrics_size;

  if (!vard_run_record_check_model (run, vard_pipeline_peek_model (self->pipeline), error)
      || !vard_runner_prepare (self, error) || !vard_run_hold (run, error))
    return FALSE;
  /* before the checkpoint is read, because that takes a while */
  self->control = vard_run_control_new (run, self->cancellable, error);
  if (self->control == NULL || !vard_runner_read_checkpoint (self, run, &metrics_size, error))
    {
      g_clear_pointer (&self->control, vard_run_control_free);
      vard_run_release (run);
      return FALSE;
    }

  guint64 step = vard_trainer_get_step (self->trainer);
  g_autofree char *note =
    g_strdup_printf ("resumed at step %" G_GUINT64_FORMAT ", vard %s", step, VARD_VERSION);

  self->run = g_object_ref (run);
  vard_runner_note_lost_metrics (self, metrics_size);
  vard_run_control_set_step (self->control, step);
  if (!vard_run_cut_metrics (run, metrics_size, error)
      || !vard_run_record_resume (run, self->settings, step, NULL, error)
      || !vard_run_set_state (run, VARD_RUN_STATE_STARTING, step, NULL, error)
      || !vard_run_log (run, note, error) || !vard_runner_open_tracker (self, error))
    return FALSE;
  g_atomic_int_set (&self->stage, VARD_RUNNER_STAGE_READY);

  return TRUE;
}

/**
 * vard_runner_evaluate:
 * @self: a runner with a checkpoint loaded
 * @cancellable: (nullable): stops at any moment
 * @error: return location for an error
 *
 * Samples and scores the evaluation's prompts and seeds. The run is not changed.
 *
 * Returns: (transfer full): pictures, scores and metrics, or %NULL
 */
VardEvaluation *
vard_runner_evaluate (VardRunner *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self), NULL);

  return vard_runner_check_idle (self, error)
             && vard_reward_mix_prepare (self->rewards, cancellable, error)
             && vard_trainer_tell (self->trainer, VARD_TRAINER_ORDER_EVALUATE, 0, error)
           ? vard_trainer_evaluate (self->trainer, cancellable, error)
           : NULL;
}
