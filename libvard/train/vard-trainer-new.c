/* vard-trainer-new.c - checks, encodes and compiles everything that a trainer needs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

#include "algorithms/vard-algorithm-table.h"
#include "comm/vard-solo-communicator.h"

static void
vard_trainer_emit_progress (const char *phase, double fraction, VardMetrics *metrics, gpointer data)
{
  g_signal_emit_by_name (data, "progress", phase, fraction, metrics);
}

static void
vard_trainer_emit_warning (const char *message, gpointer data)
{
  g_signal_emit_by_name (data, "warning", message);
}

/* The algorithm that the settings name, once it agrees with them and with the model */
static VardAlgorithm *
vard_trainer_make_algorithm (VardTrainerSettings *settings, VardModel *model, GError **error)
{
  GType type = vard_algorithm_find_type (vard_trainer_settings_get_algorithm (settings), error);
  GObject *own = vard_trainer_settings_get_algorithm_settings (settings, NULL);

  if (type == G_TYPE_INVALID)
    return NULL;

  g_autoptr (VardAlgorithm) algorithm = vard_algorithm_new (type, own);

  return vard_algorithm_check (algorithm, VARD_TRAINING_SETTINGS (settings), model, error)
           ? g_steal_pointer (&algorithm)
           : NULL;
}

VardTrainer *
vard_trainer_new_on_rank (VardPipeline *pipeline,
                          VardRewardMix *rewards,
                          VardPromptSource *prompts,
                          VardTrainerSettings *settings,
                          VardCommunicator *communicator,
                          GError **error)
{
  g_return_val_if_fail (VARD_IS_PIPELINE (pipeline), NULL);
  g_return_val_if_fail (VARD_IS_REWARD_MIX (rewards), NULL);
  g_return_val_if_fail (VARD_IS_PROMPT_SOURCE (prompts), NULL);
  g_return_val_if_fail (VARD_IS_TRAINER_SETTINGS (settings), NULL);
  g_return_val_if_fail (VARD_IS_COMMUNICATOR (communicator), NULL);

  g_autoptr (VardTrainer) self = g_object_new (VARD_TYPE_TRAINER, NULL);
  g_autoptr (VardTrainerSettings) copy = vard_trainer_settings_copy (settings);

  self->algorithm =
    vard_trainer_make_algorithm (settings, vard_pipeline_peek_model (pipeline), error);
  if (self->algorithm == NULL)
    return NULL;
  self->training = vard_training_new (pipeline, rewards, prompts, VARD_TRAINING_SETTINGS (copy),
                                      vard_algorithm_get_group_size (self->algorithm), communicator,
                                      error);
  if (self->training == NULL || !vard_algorithm_prepare (self->algorithm, self->training, error))
    return NULL;
  self->training->sink =
    (VardTrainingSink) { vard_trainer_emit_progress, vard_trainer_emit_warning, self };
  vard_training_release_encoder (self->training);

  return g_steal_pointer (&self);
}

/**
 * vard_trainer_new:
 * @pipeline: what samples; its model is what is trained
 * @rewards: prepared rewards
 * @prompts: what to sample for
 * @settings: everything else; copied
 * @error: where to put an error
 *
 * Attaches adapters to the model, or makes its denoiser trainable, and compiles what the training
 * needs.
 *
 * Returns: (transfer full): a trainer that has done nothing yet
 */
VardTrainer *
vard_trainer_new (VardPipeline *pipeline,
                  VardRewardMix *rewards,
                  VardPromptSource *prompts,
                  VardTrainerSettings *settings,
                  GError **error)
{
  g_autoptr (VardCommunicator) alone = vard_solo_communicator_new ();

  return vard_trainer_new_on_rank (pipeline, rewards, prompts, settings, alone, error);
}

/**
 * vard_trainer_set_evaluation_prompts:
 * @self: a trainer that has done nothing yet
 * @prompts: what to evaluate with
 * @error: where to put an error
 *
 * Evaluates with prompts of their own; without it the first training prompts serve. Call it once,
 * and before a state is loaded.
 *
 * Returns: %TRUE when the model takes all of them
 */
gboolean
vard_trainer_set_evaluation_prompts (VardTrainer *self, VardPromptSource *prompts, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (VARD_IS_PROMPT_SOURCE (prompts), FALSE);
  g_return_val_if_fail (self->training->evaluation_prompts == NULL, FALSE);

  return vard_training_set_evaluation_prompts (self->training, prompts, error);
}
