/* vard-trainer.c - fine-tunes a pipeline's model on a reward, one step at a time
 *
 * The trainer is a machine of four phases: a pool of pictures of the base model, a value network
 * fitted on them, an evaluation of the base model, then policy iterations. Each call of advance
 * does one unit of work and ends where a checkpoint may be taken: all randomness is a function of
 * the seed and of counters, so that a state that was saved goes on exactly as if nothing had
 * happened.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

#include "base/vard-error.h"
#include "base/vard-random.h"

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

/* ---- for the phases ---- */

double
vard_trainer_get_seconds (VardTrainer *self)
{
  return self->seconds + (g_get_monotonic_time () - self->advance_began) / 1e6;
}

void
vard_trainer_emit_progress (VardTrainer *self,
                            const char *phase,
                            double fraction,
                            VardMetrics *metrics)
{
  g_signal_emit (self, signals[SIGNAL_PROGRESS], 0, phase, fraction, metrics);
}

void
vard_trainer_warn (VardTrainer *self, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_autofree char *message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_signal_emit (self, signals[SIGNAL_WARNING], 0, message);
}

/* Encoded once, when the trainer was made */
const VardCondition *
vard_trainer_peek_condition (VardTrainer *self, guint prompt)
{
  return vard_pipeline_encode (self->pipeline, self->texts[prompt], NULL, NULL);
}

guint
vard_trainer_get_evaluation_prompt (VardTrainer *self, guint i)
{
  return self->evaluation_prompts != NULL ? vard_prompt_source_get_count (self->prompts) + i : i;
}

guint
vard_trainer_count_evaluation_prompts (VardTrainer *self)
{
  VardPromptSource *source = self->evaluation_prompts != NULL ? self->evaluation_prompts
                                                              : self->prompts;

  return MIN (self->settings->evaluation_prompts, vard_prompt_source_get_count (source));
}

JsonObject *
vard_trainer_peek_metadata (VardTrainer *self, guint prompt)
{
  guint n = vard_prompt_source_get_count (self->prompts);

  return prompt < n ? vard_prompt_source_get_metadata (self->prompts, prompt)
                    : vard_prompt_source_get_metadata (self->evaluation_prompts, prompt - n);
}

/* Every prompt once before any twice, each round in its own order */
static guint
draw_prompt (VardTrainer *self, const char *stream, guint64 number)
{
  guint n = vard_prompt_source_get_count (self->prompts);
  g_autofree guint *order = g_new (guint, n);

  vard_random_permutation (vard_random_derive_key (self->settings->seed, stream, number / n), 1,
                           order, n);

  return order[number % n];
}

VardTrajectory *
vard_trainer_rollout (VardTrainer *self,
                      const char *stream,
                      guint64 first,
                      guint n,
                      VardSampleProgress progress,
                      GCancellable *cancellable,
                      GError **error)
{
  g_autofree guint *prompts = g_new (guint, n);
  g_autofree guint64 *seeds = g_new (guint64, n);
  VardSampleRequest request = {
    .n = n,
    .prompts = (const char *const *) self->texts,
    .prompt_of = prompts,
    .seeds = seeds,
    .sampler = self->sampler,
    .guidance_scale = self->settings->guidance_scale,
    .keep_states = TRUE,
  };

  for (guint i = 0; i < n; i++)
    {
      prompts[i] = draw_prompt (self, stream, first + i);
      seeds[i] = vard_random_derive_key (self->settings->seed, stream, first + i);
    }

  return vard_pipeline_rollout (self->pipeline, &request, progress, self, cancellable, error);
}

void
vard_trainer_emit_step (VardTrainer *self)
{
  g_signal_emit (self, signals[SIGNAL_STEP], 0, self->step, self->metrics);
}

/* ---- going on ---- */

/* What phase 0 found, as the metrics of step 0 */
static void
describe_start (VardTrainer *self)
{
  double sum = 0;
  guint n = self->sampler->n_steps + 1;

  g_clear_pointer (&self->metrics, vard_metrics_unref);
  self->metrics = vard_metrics_new (0, vard_trainer_get_seconds (self));
  vard_metrics_set (self->metrics, "reward/mean", self->reward_mean);
  vard_metrics_set (self->metrics, "reward/std", self->reward_sd);
  vard_metrics_set (self->metrics, "reward-calls", self->reward_calls);
  vard_metrics_set (self->metrics, "kl/trajectory", 0);
  vard_metrics_set (self->metrics, "kl-weight", self->kl.weight);
  vard_metrics_set (self->metrics, "value/loss", self->fit_loss);
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *name =
        g_strdup_printf ("value/r2/%g", vard_sampler_get_state_time (self->sampler, i));

      vard_metrics_set (self->metrics, name, self->r2[i]);
      sum += self->r2[i];
    }
  vard_metrics_set (self->metrics, "value/r2", sum / n);
}

static gboolean
is_evaluation_due (VardTrainer *self)
{
  guint interval = self->settings->evaluation_interval;

  if (self->step == self->evaluated_step)
    return FALSE;
  return self->step >= self->settings->steps || (interval > 0 && self->step % interval == 0);
}

static gboolean
are_samples_due (VardTrainer *self)
{
  guint interval = self->settings->sample_interval;

  return interval > 0 && self->step % interval == 0;
}

static gboolean
finish_step (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  gboolean is_evaluation = is_evaluation_due (self);

  vard_trainer_emit_step (self);
  vard_trainer_emit_progress (self, "step", self->step / (double) self->settings->steps,
                              self->metrics);
  if (!is_evaluation && !are_samples_due (self))
    return TRUE;

  g_autoptr (VardEvaluation) evaluation = is_evaluation
                                            ? vard_trainer_evaluate (self, cancellable, error)
                                            : vard_trainer_sample (self, cancellable, error);
  if (evaluation == NULL)
    return FALSE;
  if (is_evaluation)
    self->evaluated_step = self->step;
  g_signal_emit (self, signals[is_evaluation ? SIGNAL_EVALUATION : SIGNAL_SAMPLES], 0, self->step,
                 evaluation);

  return TRUE;
}

static void
offer_checkpoint (VardTrainer *self, VardTrainerPhase phase_before)
{
  guint interval = self->settings->checkpoint_interval;
  gint64 now = g_get_monotonic_time ();
  gboolean is_due = now - self->last_checkpoint > CHECKPOINT_TIME;

  if (phase_before == VARD_TRAINER_PHASE_STEPS)
    is_due = self->step >= self->settings->steps || (interval > 0 && self->step % interval == 0);
  if (!is_due)
    return;
  self->last_checkpoint = now;
  g_signal_emit (self, signals[SIGNAL_CHECKPOINT], 0, self->step);
}

static gboolean
advance_phase (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  switch (self->phase)
    {
    case VARD_TRAINER_PHASE_POOL: return vard_trainer_advance_pool (self, cancellable, error);
    case VARD_TRAINER_PHASE_VALUE_FIT:
      return vard_trainer_advance_value_fit (self, cancellable, error);
    case VARD_TRAINER_PHASE_BASE:
      describe_start (self);
      return vard_trainer_advance_base (self, cancellable, error);
    case VARD_TRAINER_PHASE_STEPS:
    default:
      return vard_trainer_advance_step (self, cancellable, error)
             && finish_step (self, cancellable, error);
    }
}

/**
 * vard_trainer_advance:
 * @self: a trainer
 * @cancellable: (nullable): stops at any moment
 * @error: where to put an error
 *
 * Does one unit of work: a batch of the pool, a burst of value updates, the evaluation of the base
 * model, or one step with the evaluation that is due after it. After an error, cancellation too,
 * the trainer is of no more use: go on from a checkpoint.
 *
 * Returns: %TRUE when it was done, or when there was nothing left to do
 */
gboolean
vard_trainer_advance (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), FALSE);

  VardTrainerPhase phase = self->phase;

  if (vard_trainer_is_finished (self))
    return TRUE;
  if (self->is_broken)
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_FAILED,
                           "The training was interrupted in the middle of a step: resume from a "
                           "checkpoint");
      return FALSE;
    }

  self->advance_began = g_get_monotonic_time ();
  if (self->last_checkpoint == 0)
    self->last_checkpoint = self->advance_began;
  self->is_broken = !advance_phase (self, cancellable, error);
  self->seconds = vard_trainer_get_seconds (self);
  self->advance_began = g_get_monotonic_time ();
  if (self->is_broken)
    return FALSE;
  offer_checkpoint (self, phase);

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
  g_return_val_if_fail (VARD_IS_TRAINER (self) && !self->is_averaged, FALSE);

  while (!vard_trainer_is_finished (self) && !g_atomic_int_get (&self->is_stopping))
    if (!vard_trainer_advance (self, cancellable, error))
      return FALSE;

  if (g_atomic_int_compare_and_exchange (&self->is_stopping, TRUE, FALSE)
      && !vard_trainer_is_finished (self))
    g_signal_emit (self, signals[SIGNAL_CHECKPOINT], 0, self->step);

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

  return self->phase == VARD_TRAINER_PHASE_STEPS && self->step >= self->settings->steps;
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

  return self->step;
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

  return self->metrics;
}

/* ---- the object ---- */

static void
vard_trainer_finalize (GObject *object)
{
  VardTrainer *self = VARD_TRAINER (object);

  g_clear_pointer (&self->policy, vard_policy_step_free);
  g_clear_pointer (&self->meter, vard_kl_meter_free);
  g_clear_pointer (&self->value, vard_value_fit_free);
  g_clear_object (&self->value_net);
  g_clear_pointer (&self->optimizer, vard_optimizer_free);
  g_clear_pointer (&self->set, vard_parameter_set_free);
  g_clear_pointer (&self->frozen, vard_frozen_weights_free);
  g_clear_pointer (&self->sampler, vard_sampler_free);
  g_clear_pointer (&self->pool, vard_trajectory_store_free);
  g_clear_pointer (&self->ring, vard_trajectory_store_free);
  g_clear_pointer (&self->ring_scores, g_free);
  g_clear_pointer (&self->pool_scores, g_array_unref);
  g_clear_pointer (&self->pool_valid, g_array_unref);
  g_clear_pointer (&self->base_rewards, g_array_unref);
  g_clear_pointer (&self->r2, g_free);
  g_clear_pointer (&self->histories, g_free);
  g_clear_pointer (&self->metrics, vard_metrics_unref);
  g_clear_pointer (&self->texts, g_strfreev);
  g_clear_object (&self->settings);
  g_clear_object (&self->prompts);
  g_clear_object (&self->evaluation_prompts);
  g_clear_object (&self->rewards);
  g_clear_object (&self->pipeline);

  G_OBJECT_CLASS (vard_trainer_parent_class)->finalize (object);
}

static void
vard_trainer_install_signals (void)
{
  /**
   * VardTrainer::progress:
   * @self: the trainer
   * @phase: pool, value-fit, evaluation or step
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
  self->evaluated_step = G_MAXUINT64;
}
