/* vard-trainer.c - fine-tunes a pipeline's model on a reward, one step at a time
 *
 * The trainer is a loop around an algorithm: the algorithm's own phases, an evaluation of the base
 * model, then steps. Each call of vard_trainer_advance() does one unit of work and ends where a
 * checkpoint may be taken. All randomness is a function of the seed and of counters, so a saved
 * state continues as if nothing had happened.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

#include "base/vard-error.h"

#include <sys/resource.h>

/* Between checkpoints while there are no steps yet, in microseconds */
#define CHECKPOINT_TIME (60 * G_USEC_PER_SEC)

enum
{
  SIGNAL_PROGRESS,
  SIGNAL_STEP,
  SIGNAL_EVALUATION,
  SIGNAL_SAMPLES,
  SIGNAL_CHECKPOINT,
  SIGNAL_WARNING,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (VardTrainer, vard_trainer, G_TYPE_OBJECT)

void
vard_trainer_abort (VardTrainer *self, const GError *problem)
{
  vard_communicator_abort (self->training->communicator,
                           problem != NULL ? problem->message : "it gave no reason");
}

void
vard_trainer_emit_step (VardTrainer *self)
{
  g_signal_emit (self, signals[SIGNAL_STEP], 0, self->training->step, self->training->metrics);
}

guint
vard_trainer_get_base_phase (VardTrainer *self)
{
  return vard_algorithm_count_phases (self->algorithm);
}

guint
vard_trainer_get_step_phase (VardTrainer *self)
{
  return vard_trainer_get_base_phase (self) + 1;
}

const char *
vard_trainer_get_phase_name (VardTrainer *self, guint phase)
{
  if (phase < vard_trainer_get_base_phase (self))
    return VARD_ALGORITHM_GET_CLASS (self->algorithm)->phases[phase];

  return phase == vard_trainer_get_base_phase (self) ? "evaluation" : "step";
}

/* ---- going on ---- */

static gboolean
vard_trainer_is_evaluation_due (VardTrainer *self)
{
  guint interval = self->training->settings->evaluation_interval;

  if (self->training->step == self->evaluated_step)
    return FALSE;

  return self->training->step >= self->training->settings->steps
         || (interval > 0 && self->training->step % interval == 0);
}

static gboolean
vard_trainer_are_samples_due (VardTrainer *self)
{
  guint interval = self->training->settings->sample_interval;

  return interval > 0 && self->training->step % interval == 0;
}

static gboolean
vard_trainer_finish_step (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  gboolean is_evaluation = vard_trainer_is_evaluation_due (self);

  vard_trainer_emit_step (self);
  vard_training_emit_progress (self->training, "step",
                               self->training->step / (double) self->training->settings->steps,
                               self->training->metrics);
  if (!is_evaluation && !vard_trainer_are_samples_due (self))
    return TRUE;

  g_autoptr (VardEvaluation) evaluation = is_evaluation
                                            ? vard_trainer_evaluate (self, cancellable, error)
                                            : vard_trainer_sample (self, cancellable, error);
  if (evaluation == NULL)
    return FALSE;
  if (is_evaluation)
    self->evaluated_step = self->training->step;
  g_signal_emit (self, signals[is_evaluation ? SIGNAL_EVALUATION : SIGNAL_SAMPLES], 0,
                 self->training->step, evaluation);

  return TRUE;
}

static void
vard_trainer_offer_checkpoint (VardTrainer *self, guint phase_before)
{
  guint interval = self->training->settings->checkpoint_interval;
  gint64 now = g_get_monotonic_time ();
  gboolean is_due = now - self->last_checkpoint > CHECKPOINT_TIME;

  if (phase_before == vard_trainer_get_step_phase (self))
    is_due = self->training->step >= self->training->settings->steps
             || (interval > 0 && self->training->step % interval == 0);
  if (!is_due)
    return;
  self->last_checkpoint = now;
  g_signal_emit (self, signals[SIGNAL_CHECKPOINT], 0, self->training->step);
}

/* One unit of work before the first step */
static gboolean
vard_trainer_advance_algorithm (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  gboolean is_done;

  if (!vard_algorithm_advance (self->algorithm, self->phase, &is_done, cancellable, error))
    return FALSE;
  if (is_done)
    self->phase++;

  return TRUE;
}

static void
vard_trainer_take_metrics (VardTrainer *self, VardMetrics *metrics)
{
  g_clear_pointer (&self->training->metrics, vard_metrics_unref);
  self->training->metrics = metrics;
}

/* The numbers of step 0, then the evaluation of the base model */
static gboolean
vard_trainer_do_advance_base (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  vard_trainer_take_metrics (self,
                             vard_metrics_new (0, vard_training_get_seconds (self->training)));
  vard_algorithm_describe (self->algorithm, self->training->metrics);

  return vard_trainer_advance_base (self, cancellable, error);
}

/* The most memory that the process has held so far */
static void
vard_trainer_add_memory (VardMetrics *metrics)
{
  struct rusage usage;

  /* the kernel counts in kilobytes */
  if (getrusage (RUSAGE_SELF, &usage) == 0)
    vard_metrics_set (metrics, "memory/peak-bytes", usage.ru_maxrss * 1024.0);
}

static gboolean
vard_trainer_advance_step (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  VardMetrics *metrics = vard_algorithm_step (self->algorithm, cancellable, error);

  if (metrics == NULL)
    return FALSE;
  vard_trainer_add_memory (metrics);
  vard_trainer_take_metrics (self, metrics);
  self->training->step++;

  return vard_trainer_finish_step (self, cancellable, error);
}

static gboolean
vard_trainer_advance_phase (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  if (self->phase < vard_trainer_get_base_phase (self))
    return vard_trainer_advance_algorithm (self, cancellable, error);
  if (self->phase == vard_trainer_get_base_phase (self))
    return vard_trainer_do_advance_base (self, cancellable, error);

  return vard_trainer_advance_step (self, cancellable, error);
}

/**
 * vard_trainer_advance:
 * @self: a trainer
 * @cancellable: (nullable): stops at any moment
 * @error: where to put an error
 *
 * Does one unit of work: a part of a phase of the algorithm (a batch of the pool, a burst of value
 * updates), the evaluation of the base model, or one step with the evaluation that is due after it.
 * After an error, cancellation too, the trainer is of no more use: go on from a checkpoint.
 *
 * Returns: %TRUE when it was done, or when there was nothing left to do
 */
gboolean
vard_trainer_advance (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), FALSE);

  guint phase = self->phase;
  g_autoptr (GError) problem = NULL;

  if (vard_trainer_is_finished (self))
    return TRUE;
  if (self->is_broken)
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_FAILED,
                           "training was interrupted in the middle of a step: resume from a "
                           "checkpoint");
      return FALSE;
    }

  self->training->advance_began = g_get_monotonic_time ();
  if (self->last_checkpoint == 0)
    self->last_checkpoint = self->training->advance_began;
  self->is_broken = !vard_trainer_advance_phase (self, cancellable, &problem);
  self->training->seconds = vard_training_get_seconds (self->training);
  /* what comes before the next unit, a pause say, is no training */
  self->training->advance_began = 0;
  if (self->is_broken)
    {
      vard_trainer_abort (self, problem);
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  vard_trainer_offer_checkpoint (self, phase);

  return TRUE;
}

/**
 * vard_trainer_run:
 * @self: a trainer
 * @cancellable: (nullable): stops at any moment
 * @error: where to put an error
 *
 * Advances until all steps are done or vard_trainer_stop() was called, which is offered as a moment
 * for a checkpoint too.
 *
 * Returns: %TRUE unless something failed
 */
gboolean
vard_trainer_run (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self) && !self->training->is_averaged, FALSE);

  gboolean stops = FALSE;

  while (!vard_trainer_is_finished (self))
    {
      stops = g_atomic_int_get (&self->is_stopping);
      if (!vard_training_agree (self->training, &stops, error))
        return FALSE;
      if (stops)
        break;
      if (!vard_trainer_advance (self, cancellable, error))
        return FALSE;
    }

  g_atomic_int_set (&self->is_stopping, FALSE);
  if (stops)
    g_signal_emit (self, signals[SIGNAL_CHECKPOINT], 0, self->training->step);

  return TRUE;
}

/**
 * vard_trainer_stop:
 * @self: a trainer
 *
 * Makes vard_trainer_run() return when the unit of work in progress is done. May be called from any
 * thread.
 */
void
vard_trainer_stop (VardTrainer *self)
{
  g_return_if_fail (VARD_IS_TRAINER (self));

  g_atomic_int_set (&self->is_stopping, TRUE);
}

/**
 * vard_trainer_is_finished:
 * @self: a trainer
 *
 * Returns: whether all steps are done
 */
gboolean
vard_trainer_is_finished (VardTrainer *self)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), FALSE);

  return self->phase == vard_trainer_get_step_phase (self)
         && self->training->step >= self->training->settings->steps;
}

/**
 * vard_trainer_set_steps:
 * @self: a trainer, between two units of work
 * @steps: after how many steps it shall be finished; not less than the steps that are done
 *
 * Moves the goal. The learning rate keeps the length of its decay.
 */
void
vard_trainer_set_steps (VardTrainer *self, guint steps)
{
  g_return_if_fail (VARD_IS_TRAINER (self) && steps >= self->training->step);

  vard_training_settings_move_goal (self->training->settings, steps);
}

/**
 * vard_trainer_get_step:
 * @self: a trainer
 *
 * Returns: the steps done so far
 */
guint64
vard_trainer_get_step (VardTrainer *self)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), 0);

  return self->training->step;
}

/**
 * vard_trainer_peek_metrics:
 * @self: a trainer
 *
 * Returns: (transfer none) (nullable): the numbers of the last step, none before the first
 */
VardMetrics *
vard_trainer_peek_metrics (VardTrainer *self)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), NULL);

  return self->training->metrics;
}

/* ---- the object ---- */

static void
vard_trainer_finalize (GObject *object)
{
  VardTrainer *self = VARD_TRAINER (object);

  g_clear_object (&self->algorithm);
  g_clear_pointer (&self->base_rewards, g_array_unref);
  g_clear_pointer (&self->training, vard_training_free);

  G_OBJECT_CLASS (vard_trainer_parent_class)->finalize (object);
}

static void
vard_trainer_install_signals (void)
{
  /**
   * VardTrainer::progress:
   * @self: the trainer
   * @phase: a phase of the algorithm (pool, value-fit), evaluation or step
   * @fraction: how much of the phase is done, 0 to 1
   * @metrics: (nullable): numbers that changed
   */
  signals[SIGNAL_PROGRESS] = g_signal_new ("progress", VARD_TYPE_TRAINER, G_SIGNAL_RUN_LAST, 0,
                                           NULL, NULL, NULL, G_TYPE_NONE, 3, G_TYPE_STRING,
                                           G_TYPE_DOUBLE, VARD_TYPE_METRICS);

  /**
   * VardTrainer::step:
   * @self: the trainer
   * @step: the steps done so far; 0 when the pool and the value network are ready
   * @metrics: the numbers of the step
   */
  signals[SIGNAL_STEP] = g_signal_new ("step", VARD_TYPE_TRAINER, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                       NULL, G_TYPE_NONE, 2, G_TYPE_UINT64, VARD_TYPE_METRICS);

  /**
   * VardTrainer::evaluation:
   * @self: the trainer
   * @step: the steps done so far; 0 is the base model
   * @evaluation: pictures, scores and metrics
   */
  signals[SIGNAL_EVALUATION] = g_signal_new ("evaluation", VARD_TYPE_TRAINER, G_SIGNAL_RUN_LAST, 0,
                                             NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_UINT64,
                                             VARD_TYPE_EVALUATION);

  /**
   * VardTrainer::samples:
   * @self: the trainer
   * @step: the steps done so far
   * @evaluation: a few pictures per prompt, to look at between evaluations
   */
  signals[SIGNAL_SAMPLES] = g_signal_new ("samples", VARD_TYPE_TRAINER, G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 2, G_TYPE_UINT64,
                                          VARD_TYPE_EVALUATION);

  /**
   * VardTrainer::checkpoint:
   * @self: the trainer
   * @step: the steps done so far
   *
   * Now is the moment for vard_trainer_save_state().
   */
  signals[SIGNAL_CHECKPOINT] = g_signal_new ("checkpoint", VARD_TYPE_TRAINER, G_SIGNAL_RUN_LAST, 0,
                                             NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_UINT64);

  /**
   * VardTrainer::warning:
   * @self: the trainer
   * @message: what a person should know
   */
  signals[SIGNAL_WARNING] = g_signal_new ("warning", VARD_TYPE_TRAINER, G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
vard_trainer_class_init (VardTrainerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_trainer_finalize;
  vard_trainer_install_signals ();
}

static void
vard_trainer_init (VardTrainer *self)
{
  self->base_rewards = g_array_new (FALSE, FALSE, sizeof (float));
  self->evaluated_step = G_MAXUINT64;
}
