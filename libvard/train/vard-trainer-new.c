/* vard-trainer-new.c - what a trainer needs, checked, encoded and compiled before anything is
 * trained
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

#include "base/vard-error.h"
#include "base/vard-random.h"
#include "algorithms/vard/vard-value-net.h"
#include "nn/vard-lora.h"

static gboolean
check_settings (VardTrainer *self, GError **error)
{
  const VardTrainerSettings *settings = self->settings;
  const VardModelInfo *info = vard_model_peek_info (self->model);

  if (settings->value_refresh && settings->ring_size < settings->batch_size)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "ring-size is %u, less than batch-size %u",
                 settings->ring_size, settings->batch_size);
  else if (settings->whitening == VARD_WHITENING_RUNNING && !settings->value_refresh)
    g_set_error_literal (error, VARD_ERROR, VARD_ERROR_USAGE,
                         "whitening is running, and value-refresh is off: no new picture would "
                         "count");
  else if (info->height % 4 != 0 || info->width % 4 != 0)
    g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                 "The latents are %d x %d: the value network needs multiples of 4",
                 (int) info->height, (int) info->width);
  else
    return TRUE;

  return FALSE;
}

/* Adds a source's texts, each encoded now so that a bad one is found before anything is computed */
static gboolean
encode_prompts (VardTrainer *self, VardPromptSource *source, GError **error)
{
  guint n_before = self->texts != NULL ? g_strv_length (self->texts) : 0;
  guint n = vard_prompt_source_get_count (source);

  self->texts = g_renew (char *, self->texts, n_before + n + 1);
  for (guint i = 0; i < n; i++)
    {
      self->texts[n_before + i] = g_strdup (vard_prompt_source_get_text (source, i));
      self->texts[n_before + i + 1] = NULL;
      if (vard_pipeline_encode (self->pipeline, self->texts[n_before + i], NULL, error) == NULL)
        return FALSE;
    }

  return TRUE;
}

static void
drop_pages (const char *path, VardParameter *parameter, gpointer data)
{
  gsize *n_dropped = data;

  *n_dropped += vard_tensor_drop_pages (parameter->tensor);
}

/* All texts are encoded: until somebody asks for another one the text encoder need not be in
 * memory */
static void
release_text_encoder (VardTrainer *self)
{
  VardModule *encoder = vard_model_peek_text_encoder (self->model);

  self->n_dropped = 0;
  if (encoder != NULL)
    vard_module_foreach_parameter (encoder, drop_pages, &self->n_dropped);
}

static gboolean
prepare_policy (VardTrainer *self, GError **error)
{
  const VardTrainerSettings *settings = self->settings;
  VardModule *denoiser = vard_model_peek_denoiser (self->model);
  gboolean is_lora = settings->weights == VARD_TRAINED_WEIGHTS_LORA;

  if (is_lora)
    {
      g_auto (GStrv) names =
        vard_model_dup_adapter_names (self->model, (const char *const *) settings->lora_targets);

      if (!vard_lora_attach (denoiser, (const char *const *) names, settings->lora_rank,
                             settings->lora_alpha, settings->seed, error))
        return FALSE;
      vard_lora_set_merging (denoiser, vard_engine_is_exact (self->engine));
    }
  else
    vard_module_set_trainable (denoiser, TRUE);
  vard_module_set_segments (denoiser, settings->segments);

  self->frozen = vard_frozen_weights_new (self->engine, denoiser, is_lora, error);
  if (self->frozen == NULL)
    return FALSE;
  self->set = vard_parameter_set_new (self->engine, denoiser, error);
  if (self->set == NULL)
    return FALSE;
  vard_pipeline_invalidate (self->pipeline);
  self->optimizer = vard_optimizer_new (self->set, settings->ema, error);

  return self->optimizer != NULL;
}

static VardNode *
record_value (VardNode *x, VardNode *t, VardNode *summary, gpointer data)
{
  return vard_value_net_record (data, x, t, summary);
}

static gboolean
compile (VardTrainer *self, GError **error)
{
  const VardTrainerSettings *settings = self->settings;
  const VardModelInfo *info = vard_model_peek_info (self->model);
  VardValueFunction value = { .record = record_value };
  guint micro = settings->micro_batch > 0 ? settings->micro_batch : settings->states_per_update;

  self->value_net = VARD_MODULE (
    vard_value_net_new (info->channels, info->condition.summary_width, settings->value_channels,
                        vard_random_derive_key (settings->seed, "value-net", 0)));
  value.data = value.module = self->value_net;
  self->value =
    vard_value_fit_new (self->engine, self->model, &value, settings->value_batch, error);
  if (self->value == NULL)
    return FALSE;

  VardPolicyStepConfig config = {
    .engine = self->engine,
    .model = self->model,
    .frozen = self->frozen,
    .set = self->set,
    .value = value,
    .n = MIN (micro, settings->states_per_update),
    .guidance_scale = settings->guidance_scale,
  };
  if (settings->guidance_scale != 1.0)
    {
      config.null_condition = vard_pipeline_encode (self->pipeline, "", NULL, error);
      if (config.null_condition == NULL)
        return FALSE;
    }
  self->policy = vard_policy_step_new (&config, error);
  self->meter = self->policy != NULL ? vard_kl_meter_new (&config, error) : NULL;

  return self->meter != NULL;
}

static gboolean
prepare (VardTrainer *self, GError **error)
{
  const VardTrainerSettings *settings = self->settings;
  gsize state_size = vard_pipeline_get_state_size (self->pipeline);
  guint n_steps = settings->sampler_steps;

  if (!vard_sampler_kind_check_train (settings->sampler, error))
    return FALSE;
  self->sampler = vard_sampler_new (vard_pipeline_peek_process (self->pipeline), settings->sampler,
                                    n_steps, settings->sampler_eta, error);
  if (self->sampler == NULL || !encode_prompts (self, self->prompts, error)
      || !prepare_policy (self, error) || !compile (self, error))
    return FALSE;

  self->pool = vard_trajectory_store_new (settings->pool_size, n_steps + 1, state_size);
  if (settings->value_refresh)
    self->ring = vard_trajectory_store_new (settings->ring_size, n_steps + 1, state_size);
  if (settings->whitening == VARD_WHITENING_RUNNING)
    self->ring_scores =
      g_new0 (double,
              (gsize) settings->ring_size *vard_reward_mix_get_n_components (self->rewards));
  self->pool_scores = g_array_new (FALSE, FALSE, sizeof (double));
  self->pool_valid = g_array_new (FALSE, FALSE, sizeof (guint));
  self->base_rewards = g_array_new (FALSE, FALSE, sizeof (float));
  self->r2 = g_new0 (double, n_steps + 1);
  self->histories = g_new0 (VardNormHistory, n_steps);
  vard_kl_controller_init (&self->kl, settings->kl_weight, settings->kl_target);
  release_text_encoder (self);

  return TRUE;
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
  g_return_val_if_fail (VARD_IS_PIPELINE (pipeline), NULL);
  g_return_val_if_fail (VARD_IS_REWARD_MIX (rewards), NULL);
  g_return_val_if_fail (VARD_IS_PROMPT_SOURCE (prompts), NULL);
  g_return_val_if_fail (VARD_IS_TRAINER_SETTINGS (settings), NULL);

  g_autoptr (VardTrainer) self = g_object_new (VARD_TYPE_TRAINER, NULL);

  self->pipeline = g_object_ref (pipeline);
  self->engine = vard_pipeline_peek_engine (pipeline);
  self->model = vard_pipeline_peek_model (pipeline);
  self->rewards = g_object_ref (rewards);
  self->prompts = g_object_ref (prompts);
  self->settings = vard_trainer_settings_copy (settings);
  self->settings->learning_rate = vard_trainer_settings_find_learning_rate (settings);
  vard_pipeline_set_image_pool (pipeline, vard_reward_mix_get_image_pool (rewards));

  return check_settings (self, error) && vard_trainer_check_rewards (self, prompts, error)
             && prepare (self, error)
           ? g_steal_pointer (&self)
           : NULL;
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
  g_return_val_if_fail (self->evaluation_prompts == NULL, FALSE);

  self->evaluation_prompts = g_object_ref (prompts);

  if (!vard_trainer_check_rewards (self, prompts, error) || !encode_prompts (self, prompts, error))
    return FALSE;
  release_text_encoder (self);

  return TRUE;
}
