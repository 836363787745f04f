/* vard-trainer-export.c - what a run leaves: an adapter or a model, and the value network
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

#include "adapters/vard-lora-file.h"
#include "algorithms/vard/vard-value-net.h"
#include "learn/vard-host-weights.h"

#define ADAPTER_FILE "pytorch_lora_weights.safetensors"
#define KOHYA_FILE "lora-kohya.safetensors"
#define MODEL_FOLDER "model"
#define VALUE_FILE "value-net.safetensors"

/* The adapter for both kinds of readers */
static gboolean
save_adapter (VardTrainer *self, const char *directory, GError **error)
{
  VardLoraTarget target = { .denoiser = vard_model_peek_denoiser (self->model),
                            .engine = self->engine };
  g_autofree char *diffusers = g_build_filename (directory, ADAPTER_FILE, NULL);
  g_autofree char *kohya = g_build_filename (directory, KOHYA_FILE, NULL);

  return vard_lora_write (&target, diffusers, VARD_LORA_FORMAT_DIFFUSERS, NULL, NULL, error)
         && vard_lora_write (&target, kohya, VARD_LORA_FORMAT_KOHYA, NULL, NULL, error);
}

/* adapters are fetched as they are written */
static gboolean
fetch_weights (VardTrainer *self, VardHostWeights *weights, gboolean is_lora, GError **error)
{
  return vard_host_weights_add (weights, self->value_net, error)
         && (is_lora
             || (vard_host_weights_add (weights, vard_model_peek_denoiser (self->model), error)
                 && vard_host_weights_add (weights, vard_model_peek_text_encoder (self->model),
                                           error)));
}

static gboolean
export_files (VardTrainer *self, const char *directory, GError **error)
{
  g_autofree char *model = g_build_filename (directory, MODEL_FOLDER, NULL);
  g_autofree char *value = g_build_filename (directory, VALUE_FILE, NULL);
  g_autoptr (VardHostWeights) weights = vard_host_weights_new (self->engine);
  gboolean is_lora = self->settings->weights == VARD_TRAINED_WEIGHTS_LORA;

  if (!fetch_weights (self, weights, is_lora, error))
    return FALSE;
  return (is_lora ? save_adapter (self, directory, error)
                  : vard_model_save (self->model, model, VARD_DTYPE_F32, error))
         && vard_value_net_save (VARD_VALUE_NET (self->value_net), value, error);
}

/**
 * vard_trainer_export:
 * @self: a trainer
 * @directory: (type filename): an existing directory
 * @error: where to put an error
 *
 * Writes what others can use: pytorch_lora_weights.safetensors as diffusers spells it and
 * lora-kohya.safetensors, or the folder model with every weight; and value-net.safetensors.
 *
 * Returns: %TRUE when everything is written
 */
gboolean
vard_trainer_export (VardTrainer *self, const char *directory, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (directory != NULL, FALSE);

  if (!vard_trainer_swap_average (self, error))
    return FALSE;

  gboolean is_written = export_files (self, directory, error);

  return vard_trainer_swap_average (self, is_written ? error : NULL) && is_written;
}
