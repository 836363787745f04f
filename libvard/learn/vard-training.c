/* vard-training.c - the training context: what a run offers to the algorithm that trains it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-training-private.h"

#include "base/vard-random.h"

/* ---- prompts ---- */

/* Adds a source's texts and encodes them now, so a bad one is found before anything is computed */
static gboolean
vard_training_add_prompts (VardTraining *self, VardPromptSource *source, GError **error)
{
  guint n_before = self->texts != NULL ? g_strv_length (self->texts) : 0;
  guint n = vard_prompt_source_get_count (source);

  self->texts = g_renew (char *, self->texts, n_before + n + 1);
  for (guint i = 0; i < n; i++)
    {
      self->texts[n_before + i] = g_strdup (vard_prompt_source_get_text (source, i));
      self->texts[n_before + i + 1] = NULL;
      if (g_cancellable_set_error_if_cancelled (g_cancellable_get_current (), error)
          || vard_pipeline_encode (self->pipeline, self->texts[n_before + i], NULL, error) == NULL)
        return FALSE;
    }

  return TRUE;
}

gboolean
vard_training_set_evaluation_prompts (VardTraining *self, VardPromptSource *prompts, GError **error)
{
  g_assert (self->evaluation_prompts == NULL);

  self->evaluation_prompts = g_object_ref (prompts);
  if (!vard_training_check_rewards (self, prompts, error)
      || !vard_training_add_prompts (self, prompts, error))
    return FALSE;
  vard_training_release_encoder (self);

  return TRUE;
}

const VardCondition *
vard_training_peek_condition (VardTraining *self, guint prompt)
{
  return vard_pipeline_encode (self->pipeline, self->texts[prompt], NULL, NULL);
}

JsonObject *
vard_training_peek_metadata (VardTraining *self, guint prompt)
{
  guint n = vard_prompt_source_get_count (self->prompts);

  return prompt < n ? vard_prompt_source_get_metadata (self->prompts, prompt)
                    : vard_prompt_source_get_metadata (self->evaluation_prompts, prompt - n);
}

guint
vard_training_get_first_evaluation_prompt (VardTraining *self)
{
  return self->evaluation_prompts != NULL ? vard_prompt_source_get_count (self->prompts) : 0;
}

guint
vard_training_count_evaluation_prompts (VardTraining *self)
{
  VardPromptSource *source = self->evaluation_prompts != NULL ? self->evaluation_prompts
                                                              : self->prompts;

  return MIN (self->settings->evaluation_prompts, vard_prompt_source_get_count (source));
}

static void
vard_training_drop_pages (const char *path, VardParameter *parameter, gpointer data)
{
  gsize *n_dropped = data;

  *n_dropped += vard_tensor_drop_pages (parameter->tensor);
}

void
vard_training_release_encoder (VardTraining *self)
{
  VardModule *encoder;

  self->n_dropped = 0;
  for (guint i = 0; (encoder = vard_model_peek_text_encoder (self->model, i)) != NULL; i++)
    vard_module_foreach_parameter (encoder, vard_training_drop_pages, &self->n_dropped);
}

/* ---- pictures ---- */

/* Every prompt once before any twice, each round in its own order */
static guint
vard_training_draw_prompt (VardTraining *self, const char *stream, guint64 trajectory)
{
  guint64 number = trajectory / self->group_size;
  guint n = vard_prompt_source_get_count (self->prompts);
  g_autofree guint *order = g_new (guint, n);

  vard_random_permutation (vard_random_derive_key (self->settings->seed, stream, number / n), 1,
                           order, n);

  return order[number % n];
}

VardTrajectory *
vard_training_rollout (VardTraining *self,
                       const char *stream,
                       guint64 first,
                       guint n,
                       VardSampleProgress progress,
                       gpointer data,
                       GCancellable *cancellable,
                       GError **error)
{
  g_autofree guint *prompts = g_new (guint, n);
  g_autofree guint64 *seeds = g_new (guint64, n);

  for (guint i = 0; i < n; i++)
    {
      prompts[i] = vard_training_draw_prompt (self, stream, first + i);
      seeds[i] = vard_random_derive_key (self->settings->seed, stream, first + i);
    }

  return vard_training_rollout_seeds (self, prompts, seeds, n, progress, data, cancellable, error);
}

/* ---- news ---- */

void
vard_training_emit_progress (VardTraining *self,
                             const char *phase,
                             double fraction,
                             VardMetrics *metrics)
{
  if (self->sink.progress != NULL)
    self->sink.progress (phase, fraction, metrics, self->sink.data);
}

void
vard_training_warn (VardTraining *self, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_autofree char *message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (self->sink.warning != NULL)
    self->sink.warning (message, self->sink.data);
}

double
vard_training_get_seconds (VardTraining *self)
{
  gint64 began = self->advance_began;

  return self->seconds + (began != 0 ? (g_get_monotonic_time () - began) / 1e6 : 0);
}

VardMetrics *
vard_training_new_metrics (VardTraining *self)
{
  return vard_metrics_new (self->step + 1, vard_training_get_seconds (self));
}

/* ---- from beginning to end ---- */

static gboolean
vard_training_prepare (VardTraining *self, GError **error)
{
  const VardTrainingSettings *settings = self->settings;

  if (!vard_training_check_rewards (self, self->prompts, error)
      || !vard_sampler_kind_check_train (settings->sampler, error))
    return FALSE;
  self->sampler = vard_sampler_new (vard_pipeline_peek_process (self->pipeline), settings->sampler,
                                    settings->sampler_steps, settings->sampler_eta, error);
  if (self->sampler == NULL || !vard_training_add_prompts (self, self->prompts, error)
      || !vard_training_prepare_weights (self, error))
    return FALSE;
  if (settings->guidance_scale != 1.0)
    self->null_condition = vard_pipeline_encode (self->pipeline, "", NULL, error);

  return settings->guidance_scale == 1.0 || self->null_condition != NULL;
}

VardTraining *
vard_training_new (VardPipeline *pipeline,
                   VardRewardMix *rewards,
                   VardPromptSource *prompts,
                   VardTrainingSettings *settings,
                   guint group_size,
                   VardCommunicator *communicator,
                   GError **error)
{
  g_autoptr (VardTraining) self = g_new0 (VardTraining, 1);

  self->pipeline = g_object_ref (pipeline);
  self->engine = vard_pipeline_peek_engine (pipeline);
  self->model = vard_pipeline_peek_model (pipeline);
  self->rewards = g_object_ref (rewards);
  self->prompts = g_object_ref (prompts);
  self->settings = g_object_ref (settings);
  self->settings->learning_rate = vard_training_settings_find_learning_rate (settings);
  self->group_size = group_size;
  self->communicator = g_object_ref (communicator);
  vard_pipeline_set_image_pool (pipeline, vard_reward_mix_get_image_pool (rewards));

  return vard_training_prepare (self, error) ? g_steal_pointer (&self) : NULL;
}

void
vard_training_free (VardTraining *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->optimizer, vard_optimizer_free);
  g_clear_pointer (&self->set, vard_parameter_set_free);
  g_clear_pointer (&self->frozen, vard_frozen_weights_free);
  g_clear_pointer (&self->sampler, vard_sampler_free);
  g_clear_pointer (&self->metrics, vard_metrics_unref);
  g_clear_pointer (&self->texts, g_strfreev);
  g_clear_object (&self->communicator);
  g_clear_object (&self->settings);
  g_clear_object (&self->prompts);
  g_clear_object (&self->evaluation_prompts);
  g_clear_object (&self->rewards);
  g_clear_object (&self->pipeline);
  g_free (self);
}
