/* vard-trained-model.c - a model with what a run trains in it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-trained-model.h"

#include "learn/vard-checkpoint-weights.h"
#include "nn/vard-lora.h"

gboolean
vard_trained_model_prepare (VardModel *model, const VardTrainedModelConfig *config, GError **error)
{
  VardModule *denoiser = vard_model_peek_denoiser (model);

  if (config->is_full)
    {
      vard_module_set_trainable (denoiser, TRUE);
      return TRUE;
    }

  g_auto (GStrv) names =
    vard_model_dup_adapter_names (model, (const char *const *) config->targets);

  if (!vard_lora_attach (denoiser, (const char *const *) names, config->rank, config->alpha,
                         config->seed, error))
    return FALSE;
  vard_lora_set_merging (denoiser, config->may_merge);

  return TRUE;
}

gboolean
vard_trained_model_load (VardModel *model,
                         const VardTrainedModelConfig *config,
                         const char *directory,
                         GError **error)
{
  return vard_trained_model_prepare (model, config, error)
         && vard_checkpoint_weights_read (directory, vard_model_peek_denoiser (model), error);
}
