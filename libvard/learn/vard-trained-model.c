/* vard-trained-model.c - a model with what a run trains in it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-trained-model.h"

#include "learn/vard-checkpoint-weights.h"
#include "learn/vard-training-settings-private.h"
#include "nn/vard-lora.h"

gboolean
vard_trained_model_prepare (VardModel *model,
                            VardTrainingSettings *settings,
                            gboolean may_merge,
                            GError **error)
{
  VardModule *denoiser = vard_model_peek_denoiser (model);

  if (settings->weights == VARD_TRAINED_WEIGHTS_FULL)
    {
      vard_module_set_trainable (denoiser, TRUE);
      return TRUE;
    }

  g_auto (GStrv) names =
    vard_model_dup_adapter_names (model, (const char *const *) settings->lora_targets);

  if (!vard_lora_attach (denoiser, (const char *const *) names, settings->lora_rank,
                         settings->lora_alpha, settings->seed, error))
    return FALSE;
  vard_lora_set_merging (denoiser, may_merge);

  return TRUE;
}

gboolean
vard_trained_model_load (VardModel *model,
                         VardTrainingSettings *settings,
                         gboolean may_merge,
                         const char *directory,
                         GError **error)
{
  return vard_trained_model_prepare (model, settings, may_merge, error)
         && vard_checkpoint_weights_read (directory, vard_model_peek_denoiser (model), error);
}
