/* vard-runner.c - drives a run: connects the trainer to the run's folder
 *
 * vard finds every error in the request for a run while it creates the runner, before the folder
 * exists. From then on the trainer's signals become files. A handler that fails keeps its error and
 * asks the trainer to stop; the loop returns the error.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/runner/vard-runner-private.h"

#include "base/vard-error.h"
#include "comm/vard-solo-communicator.h"
#include "diffusion/vard-pipeline-private.h"
#include "run/vard-folder.h"
#include "run/vard-loader.h"
#include "run/vard-run-record.h"
#include "run/vard-run-samples.h"
#include "train/vard-trainer-ranks.h"

/**
 * VardRunner:
 *
 * Trains a run and writes its folder.
 *
 * Its signals: `progress` with a phase ("pool", "value-fit", "evaluation", "step"), how much of it
 * is done (0 to 1) and the newest #VardMetrics; `step` with the steps that are done and their
 * metrics; `evaluation` with the step (0 is the base model) and a #VardEvaluation; `checkpoint`
 * with the step that was saved; `warning` with a message; `state` with a #VardRunState when it
 * runs, pauses, goes on and ends; `request` with a request of the run's folder that was answered
 * and what came of it.
 *
 * They come from the thread that calls vard_runner_run(), or in the main context that
 * vard_runner_run_async() was called in.
 */
G_DEFINE_FINAL_TYPE (VardRunner, vard_runner, G_TYPE_OBJECT)

guint vard_runner_signals[VARD_RUNNER_N_SIGNALS];

/* ---- the trainer's signals become files ---- */

static void
vard_runner_take_failure (VardRunner *self, GError *error)
{
  if (self->failure != NULL)
    g_error_free (error);
  else
    self->failure = error;
  vard_trainer_stop (self->trainer);
}

/* Logs the rewards' messages since the last call. Before the first step they are also warnings;
 * later they only go to the log, because nobody reads hours of lines beside a progress bar. */
void
vard_runner_take_messages (VardRunner *self, gboolean is_first)
{
  g_auto (GStrv) messages = self->run != NULL ? vard_reward_mix_take_messages (self->rewards)
                                              : NULL;

  for (guint i = 0; messages != NULL && messages[i] != NULL; i++)
    {
      GError *error = NULL;

      if (!vard_run_log (self->run, messages[i], &error))
        vard_runner_take_failure (self, error);
      if (is_first)
        vard_runner_emit (self, vard_runner_signals[VARD_RUNNER_SIGNAL_WARNING], messages[i]);
    }
}

static void
vard_runner_on_progress (VardTrainer *trainer,
                         const char *phase,
                         double fraction,
                         VardMetrics *metrics,
                         VardRunner *self)
{
  GError *error = NULL;

  if (self->run != NULL && !vard_run_beat (self->run, phase, fraction, &error))
    vard_runner_take_failure (self, error);
  vard_runner_take_messages (self, FALSE);
  vard_runner_emit (self, vard_runner_signals[VARD_RUNNER_SIGNAL_PROGRESS], phase, fraction,
                    metrics);
}

void
vard_runner_warn (VardRunner *self, const char *message)
{
  GError *error = NULL;

  if (self->run != NULL && !vard_run_log (self->run, message, &error))
    vard_runner_take_failure (self, error);
  vard_runner_emit (self, vard_runner_signals[VARD_RUNNER_SIGNAL_WARNING], message);
}

/* Of the trainer, and of the trackers */
static void
vard_runner_on_warning (gpointer source, const char *message, VardRunner *self)
{
  vard_runner_warn (self, message);
}

static void
vard_runner_on_step (VardTrainer *trainer, guint64 step, VardMetrics *metrics, VardRunner *self)
{
  GError *error = NULL;

  if (self->run != NULL
      && (!vard_tracker_write (VARD_TRACKER (self->trackers), metrics, &error)
          || !vard_run_set_state (self->run, VARD_RUN_STATE_RUNNING, step, NULL, &error)))
    vard_runner_take_failure (self, error);
  vard_runner_emit (self, vard_runner_signals[VARD_RUNNER_SIGNAL_STEP], step, metrics);
}

static void
vard_runner_on_evaluation (VardTrainer *trainer,
                           guint64 step,
                           VardEvaluation *evaluation,
                           VardRunner *self)
{
  GError *error = NULL;

  self->evaluated_step = step;
  if (self->run != NULL
      && (!vard_run_write_samples (self->run, step, evaluation, &error)
          || !vard_runner_track_evaluation (self, step, evaluation, &error)))
    vard_runner_take_failure (self, error);
  vard_runner_emit (self, vard_runner_signals[VARD_RUNNER_SIGNAL_EVALUATION], step, evaluation);
}

/* Pictures between evaluations: for the folder alone */
static void
vard_runner_on_samples (VardTrainer *trainer,
                        guint64 step,
                        VardEvaluation *evaluation,
                        VardRunner *self)
{
  GError *error = NULL;

  if (self->run != NULL && !vard_run_write_samples (self->run, step, evaluation, &error))
    vard_runner_take_failure (self, error);
}

static void
vard_runner_on_checkpoint (VardTrainer *trainer, guint64 step, VardRunner *self)
{
  GError *error = NULL;

  /* a step whose line or pictures could not be written must not become a checkpoint */
  if (self->run != NULL && self->failure == NULL && !vard_runner_save (self, &error))
    vard_runner_take_failure (self, error);
}

/* ---- making one ---- */

static VardPipeline *
vard_runner_make_pipeline (VardRunSettings *settings, GError **error)
{
  g_autofree char *engine = NULL;
  guint threads, width, height;

  g_object_get (vard_run_settings_get_trainer (settings), "engine", &engine, "threads", &threads,
                NULL);
  g_object_get (settings, "width", &width, "height", &height, NULL);

  g_autoptr (VardPipeline) pipeline =
    vard_load_pipeline (vard_run_settings_get_model (settings), engine, threads, error);

  return pipeline != NULL
             && vard_model_set_size (vard_pipeline_peek_model (pipeline), width, height, error)
           ? g_steal_pointer (&pipeline)
           : NULL;
}

static gboolean
vard_runner_set_evaluation_prompts (VardRunner *self, GError **error)
{
  g_autofree char *path = vard_run_settings_dup_evaluation_set (self->settings);
  g_autoptr (VardPromptSource) prompts =
    path != NULL ? vard_prompt_source_new_from_file (path, error) : NULL;

  return path == NULL
         || (prompts != NULL
             && vard_trainer_set_evaluation_prompts (self->trainer, prompts, error));
}

/* a model from elsewhere has no list of prompts */
static gboolean
vard_runner_check_prompts (VardRunSettings *settings, const char *path, GError **error)
{
  g_autofree char *named = NULL;

  g_object_get (settings, "prompts", &named, NULL);
  if ((named != NULL && *named) || g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "prompts is not set, and the model %s has no prompts.txt: set prompts to a file "
               "with one prompt a line",
               vard_run_settings_get_model (settings));

  return FALSE;
}

/* Loading in a thread can be cancelled: see vard_runner_load_async() */
static gboolean
vard_runner_is_wanted (GError **error)
{
  return !g_cancellable_set_error_if_cancelled (g_cancellable_get_current (), error);
}

gboolean
vard_runner_load (VardRunner *self, GError **error)
{
  g_autofree char *path = vard_run_settings_dup_prompts (self->settings);

  self->pipeline = vard_runner_is_wanted (error) ? vard_runner_make_pipeline (self->settings, error)
                                                 : NULL;
  if (self->pipeline == NULL || !vard_runner_is_wanted (error)
      || !vard_runner_check_prompts (self->settings, path, error))
    return FALSE;
  self->prompts = vard_prompt_source_new_from_file (path, error);
  if (self->prompts == NULL)
    return FALSE;
  self->trainer = vard_trainer_new_on_rank (self->pipeline, self->rewards, self->prompts,
                                            vard_run_settings_get_trainer (self->settings),
                                            self->communicator, error);
  if (self->trainer == NULL || !vard_runner_set_evaluation_prompts (self, error)
      || !vard_runner_is_wanted (error))
    return FALSE;
  g_object_get (vard_run_settings_get_trainer (self->settings), "steps", &self->n_steps, NULL);
  g_signal_connect_object (self->trainer, "progress", G_CALLBACK (vard_runner_on_progress), self,
                           0);
  g_signal_connect_object (self->trainer, "step", G_CALLBACK (vard_runner_on_step), self, 0);
  g_signal_connect_object (self->trainer, "evaluation", G_CALLBACK (vard_runner_on_evaluation),
                           self, 0);
  g_signal_connect_object (self->trainer, "samples", G_CALLBACK (vard_runner_on_samples), self, 0);
  g_signal_connect_object (self->trainer, "checkpoint", G_CALLBACK (vard_runner_on_checkpoint),
                           self, 0);
  g_signal_connect_object (self->trainer, "warning", G_CALLBACK (vard_runner_on_warning), self, 0);

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

  g_autoptr (VardCommunicator) alone = vard_solo_communicator_new ();

  return vard_runner_new_on_rank (settings, rewards, alone, error);
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

  return rewards != NULL ? vard_runner_new_with_rewards (settings, rewards, error) : NULL;
}

/* ---- what it has ---- */

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
 * vard_runner_get_model: (skip)
 * @self: a runner
 *
 * Returns: (transfer none): the model that it trains
 */
VardModel *
vard_runner_get_model (VardRunner *self)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self), NULL);

  return vard_pipeline_peek_model (self->pipeline);
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

  vard_runner_leave (self);
  if (self->control != NULL)
    vard_run_control_free (self->control);
  g_mutex_clear (&self->mutex);
  g_clear_error (&self->failure);
  g_clear_pointer (&self->notice, g_free);
  g_clear_object (&self->trackers);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->run);
  g_clear_object (&self->trainer);
  g_clear_object (&self->communicator);
  g_clear_object (&self->rewards);
  g_clear_object (&self->prompts);
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

  vard_runner_signals[VARD_RUNNER_SIGNAL_PROGRESS] =
    vard_runner_add_signal ("progress", 3, G_TYPE_STRING, G_TYPE_DOUBLE, VARD_TYPE_METRICS);
  vard_runner_signals[VARD_RUNNER_SIGNAL_STEP] =
    vard_runner_add_signal ("step", 2, G_TYPE_UINT64, VARD_TYPE_METRICS);
  vard_runner_signals[VARD_RUNNER_SIGNAL_EVALUATION] =
    vard_runner_add_signal ("evaluation", 2, G_TYPE_UINT64, VARD_TYPE_EVALUATION);
  vard_runner_signals[VARD_RUNNER_SIGNAL_CHECKPOINT] =
    vard_runner_add_signal ("checkpoint", 1, G_TYPE_UINT64);
  vard_runner_signals[VARD_RUNNER_SIGNAL_WARNING] =
    vard_runner_add_signal ("warning", 1, G_TYPE_STRING);
  vard_runner_signals[VARD_RUNNER_SIGNAL_STATE] =
    vard_runner_add_signal ("state", 1, VARD_TYPE_RUN_STATE);
  vard_runner_signals[VARD_RUNNER_SIGNAL_REQUEST] =
    vard_runner_add_signal ("request", 2, G_TYPE_STRING, G_TYPE_STRING);
}

static void
vard_runner_init (VardRunner *self)
{
  self->trackers = vard_tracker_group_new ();
  g_signal_connect_object (self->trackers, "warning", G_CALLBACK (vard_runner_on_warning), self, 0);
  self->cancellable = g_cancellable_new ();
  self->evaluated_step = G_MAXUINT64;
  self->state = VARD_RUN_STATE_STARTING;
  g_mutex_init (&self->mutex);
}
