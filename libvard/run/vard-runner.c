/* vard-runner.c - trains a run: a trainer on one side, the run's folder on the other
 *
 * Everything that can be wrong with what a run was asked to do is found while the runner is made,
 * before there is a folder. From then on the trainer's signals become files. A handler that fails
 * keeps its error and asks the trainer to stop; the loop hands the error on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-runner-private.h"

#include "base/vard-error.h"
#include "diffusion/vard-pipeline-private.h"
#include "run/vard-folder.h"
#include "run/vard-loader.h"
#include "run/vard-run-record.h"
#include "run/vard-run-samples.h"

/**
 * VardRunner:
 *
 * Trains a run and writes its folder.
 *
 * Its signals come from the thread that runs it: `progress` with a phase ("pool", "value-fit",
 * "evaluation", "step"), how much of it is done (0 to 1) and the newest #VardMetrics; `step` with
 * the steps that are done and their metrics; `evaluation` with the step (0 is the base model) and a
 * #VardEvaluation; `checkpoint` with the step that was saved; `warning` with a message.
 */
G_DEFINE_FINAL_TYPE (VardRunner, vard_runner, G_TYPE_OBJECT)

enum
{
  SIGNAL_PROGRESS,
  SIGNAL_STEP,
  SIGNAL_EVALUATION,
  SIGNAL_CHECKPOINT,
  SIGNAL_WARNING,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

/* ---- the trainer's signals become files ---- */

static void
take_failure (VardRunner *self, GError *error)
{
  if (self->failure)
    g_error_free (error);
  else
    self->failure = error;
  vard_trainer_stop (self->trainer);
}

/* What the rewards said since the last time. Before the first step people are told too; later only
 * the log, because nobody reads hours of lines beside a progress bar. */
static void
take_messages (VardRunner *self, gboolean is_first)
{
  g_auto (GStrv) messages = self->run ? vard_reward_mix_take_messages (self->rewards) : NULL;

  for (guint i = 0; messages && messages[i]; i++)
    {
      GError *error = NULL;

      if (!vard_run_log (self->run, messages[i], &error))
        take_failure (self, error);
      if (is_first)
        g_signal_emit (self, signals[SIGNAL_WARNING], 0, messages[i]);
    }
}

static void
on_progress (VardTrainer *trainer,
             const char *phase,
             double fraction,
             VardMetrics *metrics,
             VardRunner *self)
{
  GError *error = NULL;

  if (self->run && !vard_run_beat (self->run, phase, fraction, &error))
    take_failure (self, error);
  take_messages (self, FALSE);
  g_signal_emit (self, signals[SIGNAL_PROGRESS], 0, phase, fraction, metrics);
}

void
vard_runner_warn (VardRunner *self, const char *message)
{
  GError *error = NULL;

  if (self->run && !vard_run_log (self->run, message, &error))
    take_failure (self, error);
  g_signal_emit (self, signals[SIGNAL_WARNING], 0, message);
}

/* Of the trainer, and of the trackers */
static void
on_warning (gpointer source, const char *message, VardRunner *self)
{
  vard_runner_warn (self, message);
}

static void
on_step (VardTrainer *trainer, guint64 step, VardMetrics *metrics, VardRunner *self)
{
  GError *error = NULL;

  if (self->run
      && (!vard_tracker_write (VARD_TRACKER (self->trackers), metrics, &error)
          || !vard_run_set_state (self->run, VARD_RUN_STATE_RUNNING, step, NULL, &error)))
    take_failure (self, error);
  g_signal_emit (self, signals[SIGNAL_STEP], 0, step, metrics);
}

static void
on_evaluation (VardTrainer *trainer, guint64 step, VardEvaluation *evaluation, VardRunner *self)
{
  GError *error = NULL;

  if (self->run
      && (!vard_run_write_samples (self->run, step, evaluation, &error)
          || !vard_runner_track_evaluation (self, step, evaluation, &error)))
    take_failure (self, error);
  g_signal_emit (self, signals[SIGNAL_EVALUATION], 0, step, evaluation);
}

/* Pictures between evaluations: for the folder alone */
static void
on_samples (VardTrainer *trainer, guint64 step, VardEvaluation *evaluation, VardRunner *self)
{
  GError *error = NULL;

  if (self->run && !vard_run_write_samples (self->run, step, evaluation, &error))
    take_failure (self, error);
}

static gboolean
fill_checkpoint (VardRunner *self, const char *folder, GError **error)
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

static gboolean
vard_runner_save (VardRunner *self, GError **error)
{
  guint64 step = vard_trainer_get_step (self->trainer);
  g_autofree char *folder = vard_run_begin_checkpoint (self->run, step, error);

  if (folder && fill_checkpoint (self, folder, error)
      && vard_run_commit_checkpoint (self->run, step,
                                     vard_run_settings_get_keep_checkpoints (self->settings),
                                     error))
    {
      self->is_saved = TRUE;
      g_signal_emit (self, signals[SIGNAL_CHECKPOINT], 0, step);
      return TRUE;
    }
  if (folder)
    vard_folder_prefix_space (folder, error);
  vard_run_abandon_checkpoint (self->run, step);
  return FALSE;
}

static void
on_checkpoint (VardTrainer *trainer, guint64 step, VardRunner *self)
{
  GError *error = NULL;

  /* a step whose line or pictures could not be written must not become one to go on from */
  if (self->run && self->failure == NULL && !vard_runner_save (self, &error))
    take_failure (self, error);
}

/* ---- making one ---- */

static VardPipeline *
make_pipeline (VardRunSettings *settings, GError **error)
{
  g_autofree char *engine = NULL;
  guint threads, width, height;

  g_object_get (vard_run_settings_get_trainer (settings), "engine", &engine, "threads", &threads,
                NULL);
  g_object_get (settings, "width", &width, "height", &height, NULL);

  g_autoptr (VardPipeline) pipeline =
    vard_load_pipeline (vard_run_settings_get_model (settings), engine, threads, error);

  return pipeline && vard_model_set_size (vard_pipeline_peek_model (pipeline), width, height, error)
           ? g_steal_pointer (&pipeline)
           : NULL;
}

static gboolean
set_evaluation_prompts (VardRunner *self, GError **error)
{
  g_autofree char *path = vard_run_settings_dup_evaluation_set (self->settings);
  g_autoptr (VardPromptSource) prompts = path ? vard_prompt_source_new_from_file (path, error)
                                              : NULL;

  return !path || (prompts && vard_trainer_set_evaluation_prompts (self->trainer, prompts, error));
}

/* a model of one's own has no list beside it */
static gboolean
check_prompts (VardRunSettings *settings, const char *path, GError **error)
{
  g_autofree char *named = NULL;

  g_object_get (settings, "prompts", &named, NULL);
  if ((named && *named) || g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "prompts is not set, and the model %s has no prompts.txt: name a file with prompts, "
               "one a line",
               vard_run_settings_get_model (settings));
  return FALSE;
}

static gboolean
vard_runner_load (VardRunner *self, GError **error)
{
  g_autofree char *path = vard_run_settings_dup_prompts (self->settings);
  g_autoptr (VardPromptSource) prompts = NULL;

  self->pipeline = make_pipeline (self->settings, error);
  if (!self->pipeline)
    return FALSE;
  prompts = check_prompts (self->settings, path, error)
              ? vard_prompt_source_new_from_file (path, error)
              : NULL;
  if (!prompts)
    return FALSE;
  self->trainer = vard_trainer_new (self->pipeline, self->rewards, prompts,
                                    vard_run_settings_get_trainer (self->settings), error);
  if (!self->trainer || !set_evaluation_prompts (self, error))
    return FALSE;
  g_signal_connect_object (self->trainer, "progress", G_CALLBACK (on_progress), self, 0);
  g_signal_connect_object (self->trainer, "step", G_CALLBACK (on_step), self, 0);
  g_signal_connect_object (self->trainer, "evaluation", G_CALLBACK (on_evaluation), self, 0);
  g_signal_connect_object (self->trainer, "samples", G_CALLBACK (on_samples), self, 0);
  g_signal_connect_object (self->trainer, "checkpoint", G_CALLBACK (on_checkpoint), self, 0);
  g_signal_connect_object (self->trainer, "warning", G_CALLBACK (on_warning), self, 0);
  return TRUE;
}

/**
 * vard_runner_new_with_rewards:
 * @settings: what to do; their rewards are not looked at
 * @rewards: rewards that were made already, in a script say
 * @error: return location for an error
 *
 * Loads all that a run needs. No file is written.
 *
 * Returns: (transfer full): a runner, or %NULL
 */
VardRunner *
vard_runner_new_with_rewards (VardRunSettings *settings, VardRewardMix *rewards, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (settings) && VARD_IS_REWARD_MIX (rewards), NULL);

  g_autoptr (VardRunner) self = g_object_new (VARD_TYPE_RUNNER, NULL);

  self->settings = g_object_ref (settings);
  self->rewards = g_object_ref (rewards);
  return vard_runner_load (self, error) ? g_steal_pointer (&self) : NULL;
}

/**
 * vard_runner_new:
 * @settings: what to do
 * @error: return location for an error
 *
 * Loads all that a run needs: model, engine, rewards, prompts. No file is written.
 *
 * Returns: (transfer full): a runner, or %NULL
 */
VardRunner *
vard_runner_new (VardRunSettings *settings, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (settings), NULL);

  if (!vard_run_settings_check (settings, error))
    return NULL;

  g_autoptr (VardRewardMix) rewards =
    vard_load_rewards (vard_run_settings_get_rewards (settings), error);

  return rewards ? vard_runner_new_with_rewards (settings, rewards, error) : NULL;
}

/* ---- running ---- */

static gboolean
vard_runner_export (VardRunner *self, GError **error)
{
  g_autofree char *path = vard_run_build_path (self->run, "final");
  g_autofree char *folder = vard_folder_begin (path, error);

  if (folder && vard_trainer_export (self->trainer, folder, error)
      && vard_folder_commit (path, error))
    return TRUE;
  vard_folder_prefix_space (path, error);
  vard_folder_abandon (path);
  return FALSE;
}

/* Where it was asked to stop: a checkpoint, then the error that says so */
static void
vard_runner_finish_stop (VardRunner *self, GError **error)
{
  if (self->is_saved || vard_runner_save (self, error))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "stopped after step %" G_GUINT64_FORMAT,
                 vard_trainer_get_step (self->trainer));
}

static gboolean
vard_runner_advance (VardRunner *self, GCancellable *cancellable, GError **error)
{
  while (!vard_trainer_is_finished (self->trainer))
    {
      if (g_atomic_int_get (&self->is_stopping))
        {
          vard_runner_finish_stop (self, error);
          return FALSE;
        }
      self->is_saved = FALSE;
      if (!vard_trainer_advance (self->trainer, cancellable, error))
        return FALSE;
      if (self->failure)
        {
          g_propagate_error (error, g_steal_pointer (&self->failure));
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
vard_runner_train (VardRunner *self, GCancellable *cancellable, GError **error)
{
  if (!vard_run_set_state (self->run, VARD_RUN_STATE_RUNNING, vard_trainer_get_step (self->trainer),
                           NULL, error)
      || !vard_runner_advance (self, cancellable, error))
    return FALSE;
  if (!self->is_saved && !vard_runner_save (self, error))
    return FALSE;
  return vard_runner_export (self, error)
         && vard_tracker_close (VARD_TRACKER (self->trackers), error);
}

/**
 * vard_runner_run:
 * @self: a runner that was started or resumed
 * @cancellable: (nullable): stops at once, without a checkpoint
 * @error: return location for an error
 *
 * Trains to the last step and writes the final weights. Whatever ends it, the run's folder says so
 * afterwards.
 *
 * Returns: %FALSE with %G_IO_ERROR_CANCELLED where it was stopped, or with what went wrong
 */
gboolean
vard_runner_run (VardRunner *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self) && self->run != NULL, FALSE);

  g_autoptr (GError) problem = NULL;

  take_messages (self, TRUE);
  if (self->notice != NULL)
    vard_runner_warn (self, self->notice);

  gboolean is_done = vard_runner_train (self, cancellable, &problem);
  gboolean is_cancelled = g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  VardRunState state = is_done        ? VARD_RUN_STATE_FINISHED
                       : is_cancelled ? VARD_RUN_STATE_CANCELLED
                                      : VARD_RUN_STATE_FAILED;
  guint64 step = vard_trainer_get_step (self->trainer);
  const char *message = problem ? problem->message : NULL;

  take_messages (self, FALSE);
  /* A full disk may keep these from being written too: the first error is the one that counts */
  if (!is_done)
    vard_tracker_close (VARD_TRACKER (self->trackers), NULL);
  vard_run_log (self->run, message ? message : "finished", NULL);
  if (!vard_run_set_state (self->run, state, step, is_cancelled ? NULL : message,
                           problem ? NULL : &problem))
    is_done = FALSE;
  vard_run_release (self->run);
  if (problem)
    g_propagate_error (error, g_steal_pointer (&problem));
  return is_done;
}

/**
 * vard_runner_stop:
 * @self: a runner
 *
 * Asks it to finish the step, write a checkpoint and return. May be called from any thread.
 */
void
vard_runner_stop (VardRunner *self)
{
  g_return_if_fail (VARD_IS_RUNNER (self));

  g_atomic_int_set (&self->is_stopping, 1);
}

/**
 * vard_runner_get_settings:
 * @self: a runner
 *
 * Returns: (transfer none): its settings
 */
VardRunSettings *
vard_runner_get_settings (VardRunner *self)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self), NULL);

  return self->settings;
}

/**
 * vard_runner_get_trainer:
 * @self: a runner
 *
 * Returns: (transfer none): its trainer
 */
VardTrainer *
vard_runner_get_trainer (VardRunner *self)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self), NULL);

  return self->trainer;
}

/**
 * vard_runner_get_pipeline:
 * @self: a runner
 *
 * Returns: (transfer none): its pipeline: the model as it is trained
 */
VardPipeline *
vard_runner_get_pipeline (VardRunner *self)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self), NULL);

  return self->pipeline;
}

/**
 * vard_runner_get_rewards:
 * @self: a runner
 *
 * Returns: (transfer none): its rewards
 */
VardRewardMix *
vard_runner_get_rewards (VardRunner *self)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self), NULL);

  return self->rewards;
}

/**
 * vard_runner_get_run:
 * @self: a runner
 *
 * Returns: (transfer none) (nullable): its run, once it was started or resumed
 */
VardRun *
vard_runner_get_run (VardRunner *self)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self), NULL);

  return self->run;
}

static void
vard_runner_finalize (GObject *object)
{
  VardRunner *self = VARD_RUNNER (object);

  g_clear_error (&self->failure);
  g_clear_pointer (&self->notice, g_free);
  g_clear_object (&self->trackers);
  g_clear_object (&self->run);
  g_clear_object (&self->trainer);
  g_clear_object (&self->rewards);
  g_clear_object (&self->pipeline);
  g_clear_object (&self->settings);
  G_OBJECT_CLASS (vard_runner_parent_class)->finalize (object);
}

static guint
vard_runner_add_signal (const char *name, guint n_arguments, ...)
{
  va_list types;

  va_start (types, n_arguments);

  guint id = g_signal_new_valist (name, VARD_TYPE_RUNNER, G_SIGNAL_RUN_LAST, NULL, NULL, NULL, NULL,
                                  G_TYPE_NONE, n_arguments, types);

  va_end (types);
  return id;
}

static void
vard_runner_class_init (VardRunnerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_runner_finalize;

  signals[SIGNAL_PROGRESS] =
    vard_runner_add_signal ("progress", 3, G_TYPE_STRING, G_TYPE_DOUBLE, VARD_TYPE_METRICS);
  signals[SIGNAL_STEP] = vard_runner_add_signal ("step", 2, G_TYPE_UINT64, VARD_TYPE_METRICS);
  signals[SIGNAL_EVALUATION] =
    vard_runner_add_signal ("evaluation", 2, G_TYPE_UINT64, VARD_TYPE_EVALUATION);
  signals[SIGNAL_CHECKPOINT] = vard_runner_add_signal ("checkpoint", 1, G_TYPE_UINT64);
  signals[SIGNAL_WARNING] = vard_runner_add_signal ("warning", 1, G_TYPE_STRING);
}

static void
vard_runner_init (VardRunner *self)
{
  self->trackers = vard_tracker_group_new ();
  g_signal_connect_object (self->trackers, "warning", G_CALLBACK (on_warning), self, 0);
}
