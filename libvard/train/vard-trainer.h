/* vard-trainer.h - fine-tunes a pipeline's model on a reward, one step at a time
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "diffusion/vard-pipeline.h"
#include "reward/vard-reward-mix.h"
#include "track/vard-metrics.h"
#include "train/vard-evaluation.h"
#include "learn/vard-prompt-source.h"
#include "train/vard-trainer-settings.h"

G_BEGIN_DECLS

#define VARD_TYPE_TRAINER (vard_trainer_get_type ())
G_DECLARE_FINAL_TYPE (VardTrainer, vard_trainer, VARD, TRAINER, GObject)

/* Signals, all emitted in the thread that calls advance or run:
 *   progress (phase: string, fraction: double, metrics: VardMetrics)   often, for bars
 *   step (step: uint64, metrics: VardMetrics)                          after each policy iteration
 *   evaluation (step: uint64, evaluation: VardEvaluation)                 step 0 is the base model
 *   samples (step: uint64, evaluation: VardEvaluation)                    a few pictures in between
 *   checkpoint (step: uint64)      now vard_trainer_save_state() gives an exact resume
 *   warning (message: string)
 * Phases: "pool", "value-fit", "evaluation", "step". */

VardTrainer *vard_trainer_new (VardPipeline *pipeline,
                               VardRewardMix *rewards,
                               VardPromptSource *prompts,
                               VardTrainerSettings *settings,
                               GError **error);
gboolean vard_trainer_set_evaluation_prompts (VardTrainer *self,
                                              VardPromptSource *prompts,
                                              GError **error);
gboolean vard_trainer_run (VardTrainer *self, GCancellable *cancellable, GError **error);
gboolean vard_trainer_advance (VardTrainer *self, GCancellable *cancellable, GError **error);
void vard_trainer_stop (VardTrainer *self);
gboolean vard_trainer_is_finished (VardTrainer *self);
guint64 vard_trainer_get_step (VardTrainer *self);
VardMetrics *vard_trainer_peek_metrics (VardTrainer *self);
VardEvaluation *vard_trainer_evaluate (VardTrainer *self,
                                       GCancellable *cancellable,
                                       GError **error);
VardEvaluation *vard_trainer_sample (VardTrainer *self, GCancellable *cancellable, GError **error);
void vard_trainer_set_steps (VardTrainer *self, guint steps);

/* Files of a checkpoint are written into an existing, empty directory; a resume needs a trainer
 * made with the same model, prompts, rewards and settings (steps may differ). */
gboolean vard_trainer_save_state (VardTrainer *self, const char *directory, GError **error);
gboolean vard_trainer_load_state (VardTrainer *self, const char *directory, GError **error);
/* samples what is evaluated and exported; training ends with it */
gboolean vard_trainer_use_average (VardTrainer *self, GError **error);
/* final/: the adapter as diffusers spells it or the whole model, and value-net.safetensors */
gboolean vard_trainer_export (VardTrainer *self, const char *directory, GError **error);

G_END_DECLS
