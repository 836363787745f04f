/* vard-training-weights.c - the trained weights, adapters or a whole denoiser, and their optimizer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-training-private.h"

#include "adapters/vard-lora-file.h"
#include "learn/vard-host-weights.h"
#include "learn/vard-learning-rate.h"
#include "learn/vard-trained-model.h"

#define ADAPTER_FILE "pytorch_lora_weights.safetensors"
#define KOHYA_FILE "lora-kohya.safetensors"
#define MODEL_FOLDER "model"

gboolean
vard_training_prepare_weights (VardTraining *self, GError **error)
{
  VardTrainingSettings *settings = self->settings;
  VardModule *denoiser = vard_model_peek_denoiser (self->model);
  gboolean is_lora = settings->weights == VARD_TRAINED_WEIGHTS_LORA;
  gboolean may_merge = vard_engine_is_exact (self->engine);

  if (!vard_trained_model_prepare (self->model, settings, may_merge, error))
    return FALSE;
  vard_module_set_segments (denoiser, settings->segments);

  self->frozen = vard_frozen_weights_new (self->engine, denoiser, is_lora, error);
  if (self->frozen == NULL)
    return FALSE;
  self->set = vard_parameter_set_new (self->engine, denoiser, error);
  if (self->set == NULL)
    return FALSE;
  vard_pipeline_invalidate (self->pipeline);
  self->optimizer = vard_optimizer_new (self->set, settings->ema, error);
  if (self->optimizer == NULL)
    return FALSE;
  vard_optimizer_set_communicator (self->optimizer, self->communicator);

  return TRUE;
}

VardOptimizerNumbers
vard_training_get_numbers (VardTraining *self, guint n_updates)
{
  const VardTrainingSettings *settings = self->settings;
  guint64 n_steps = settings->decay_steps > 0 ? settings->decay_steps : settings->steps;
  double factor = vard_learning_rate_linear (vard_optimizer_get_n_updates (self->optimizer),
                                             n_steps * n_updates, settings->warm_up,
                                             settings->learning_rate_end);

  return (VardOptimizerNumbers) {
    .learning_rate = settings->learning_rate * factor,
    .beta1 = settings->adam_beta1,
    .beta2 = settings->adam_beta2,
    .epsilon = settings->adam_epsilon,
    .weight_decay = settings->weight_decay,
    .clip_norm = settings->clip_norm,
  };
}

gboolean
vard_training_swap_average (VardTraining *self, GError **error)
{
  return self->is_averaged || vard_optimizer_swap_average (self->optimizer, error);
}

/* ---- final files ---- */

static gboolean
vard_training_save_adapter (VardTraining *self, const char *directory, GError **error)
{
  VardLoraTarget target = vard_model_get_lora_target (self->model);
  g_autofree char *diffusers = g_build_filename (directory, ADAPTER_FILE, NULL);
  g_autofree char *kohya = g_build_filename (directory, KOHYA_FILE, NULL);

  target.n_places = 1; /* what is trained: the denoiser */
  target.engine = self->engine;

  return vard_lora_write (&target, diffusers, VARD_LORA_FORMAT_DIFFUSERS, NULL, NULL, error)
         && vard_lora_write (&target, kohya, VARD_LORA_FORMAT_KOHYA, NULL, NULL, error);
}

static gboolean
vard_training_save_model (VardTraining *self, const char *directory, GError **error)
{
  g_autofree char *model = g_build_filename (directory, MODEL_FOLDER, NULL);
  g_autoptr (VardHostWeights) weights = vard_host_weights_new (self->engine);
  VardModule *encoder;

  for (guint i = 0; (encoder = vard_model_peek_text_encoder (self->model, i)) != NULL; i++)
    if (!vard_host_weights_add (weights, encoder, error))
      return FALSE;

  return vard_host_weights_add (weights, vard_model_peek_denoiser (self->model), error)
         && vard_model_save (self->model, model, VARD_DTYPE_F32, error);
}

gboolean
vard_training_export (VardTraining *self, const char *directory, GError **error)
{
  return self->settings->weights == VARD_TRAINED_WEIGHTS_LORA
           ? vard_training_save_adapter (self, directory, error)
           : vard_training_save_model (self, directory, error);
}
