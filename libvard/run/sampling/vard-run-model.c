/* vard-run-model.c - the model as a run has trained it, without what trained it
 *
 * Base model, adapters or weights: nothing else is looked at. So a run can be sampled and exported
 * when its rewards and prompts are gone, and without the memory that training needs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/sampling/vard-run-model.h"

#include "diffusion/vard-pipeline-private.h"
#include "engine/vard-engine-loader.h"
#include "learn/vard-trained-model.h"
#include "run/vard-run-record.h"
#include "run/runner/vard-runner.h"

#define FINAL_ADAPTER "final/pytorch_lora_weights.safetensors"
#define FINAL_MODEL "final/model"

/* Path of a part of final/, or NULL where the run did not end with it */
static char *
vard_run_find_final (VardRun *self, const char *name)
{
  g_autofree char *path = vard_run_build_path (self, name);

  /* A run that was resumed and has not ended again keeps what it ended with before */
  if (vard_run_get_state (self) != VARD_RUN_STATE_FINISHED
      || !g_file_test (path, G_FILE_TEST_EXISTS))
    return NULL;

  return g_steal_pointer (&path);
}

/**
 * vard_run_has_final:
 * @self: a run
 *
 * Returns: whether the run has ended and keeps what it ended with: where not,
 *   %VARD_CHECKPOINT_FINAL is the newest checkpoint
 */
gboolean
vard_run_has_final (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), FALSE);

  g_autofree char *adapter = vard_run_find_final (self, FINAL_ADAPTER);
  g_autofree char *model = vard_run_find_final (self, FINAL_MODEL);

  return adapter != NULL || model != NULL;
}

static VardModel *
vard_run_load_base (VardRun *self,
                    VardRunSettings *settings,
                    const VardRunModelOptions *options,
                    GError **error)
{
  const char *base = options->base != NULL ? options->base : vard_run_settings_get_model (settings);
  VardModelOptions more = { .tokenizer = options->tokenizer };
  g_autoptr (VardModel) model = vard_model_load_full (base, &more, error);

  return model != NULL && vard_run_record_check_model (self, model, error)
           ? g_steal_pointer (&model)
           : NULL;
}

static gboolean
vard_run_set_size (VardRunSettings *settings, VardModel *model, GError **error)
{
  guint width, height;

  g_object_get (settings, "width", &width, "height", &height, NULL);

  return vard_model_set_size (model, width, height, error);
}

/* What the run ended with; NULL without an error where there is no such thing */
static VardModel *
vard_run_load_final (VardRun *self,
                     VardRunSettings *settings,
                     const VardRunModelOptions *options,
                     GError **error)
{
  g_autofree char *adapter = vard_run_find_final (self, FINAL_ADAPTER);
  g_autofree char *whole = vard_run_find_final (self, FINAL_MODEL);
  VardModelOptions more = { .tokenizer = options->tokenizer };

  if (whole != NULL)
    return vard_model_load_full (whole, &more, error);
  if (adapter == NULL)
    return NULL;

  g_autoptr (VardModel) model = vard_run_load_base (self, settings, options, error);

  return model != NULL && vard_model_add_lora (model, adapter, 1, NULL, error)
           ? g_steal_pointer (&model)
           : NULL;
}

static VardModel *
vard_run_load_checkpoint (VardRun *self,
                          guint64 step,
                          VardRunSettings *settings,
                          const VardRunModelOptions *options,
                          guint64 *found,
                          GError **error)
{
  g_autofree char *folder = vard_run_find_checkpoint (self, step, found, error);
  g_autoptr (VardModel) model = folder != NULL ? vard_run_load_base (self, settings, options, error)
                                               : NULL;
  VardTrainingSettings *training =
    VARD_TRAINING_SETTINGS (vard_run_settings_get_trainer (settings));
  gboolean may_merge = options->engine != NULL && vard_engine_is_exact (options->engine);

  return model != NULL && vard_trained_model_load (model, training, may_merge, folder, error)
           ? g_steal_pointer (&model)
           : NULL;
}

/**
 * vard_run_load_model:
 * @self: a run; it is neither held nor changed, and another process may train it
 * @step: a step that has a checkpoint, %VARD_CHECKPOINT_NEWEST, or %VARD_CHECKPOINT_FINAL
 * @options: (nullable): what else there is to say
 * @found: (out) (optional): the step that the weights are from
 * @error: return location for an error
 *
 * Loads the base model with the adapters or weights of a checkpoint, or their average where the run
 * keeps one, in the run's picture size. Neither rewards nor prompts nor a trainer are needed.
 *
 * Returns: (transfer full): the model; %NULL with %VARD_ERROR_CONFIG where there is no such
 *   checkpoint, or where the base model is not the one that the run began with
 */
VardModel *
vard_run_load_model (VardRun *self,
                     guint64 step,
                     const VardRunModelOptions *options,
                     guint64 *found,
                     GError **error)
{
  static const VardRunModelOptions nothing = { NULL };

  g_return_val_if_fail (VARD_IS_RUN (self), NULL);

  g_autoptr (VardRunSettings) settings = vard_run_dup_settings (self, error);
  guint64 at = vard_run_get_step (self);

  if (settings == NULL)
    return NULL;
  if (options == NULL)
    options = &nothing;

  gboolean is_final = step == VARD_CHECKPOINT_FINAL && vard_run_has_final (self);
  g_autoptr (VardModel) model = NULL;

  if (step == VARD_CHECKPOINT_FINAL)
    step = VARD_CHECKPOINT_NEWEST;
  model = is_final ? vard_run_load_final (self, settings, options, error)
                   : vard_run_load_checkpoint (self, step, settings, options, &at, error);
  if (model == NULL || !vard_run_set_size (settings, model, error))
    return NULL;
  if (found != NULL)
    *found = at;

  return g_steal_pointer (&model);
}

/**
 * vard_run_load_pipeline:
 * @self: a run; it is neither held nor changed, and another process may train it
 * @step: a step that has a checkpoint, %VARD_CHECKPOINT_NEWEST, or %VARD_CHECKPOINT_FINAL
 * @engine: the name of an engine: "cpu"
 * @threads: how many; 0 for one a core
 * @error: return location for an error
 *
 * Loads what a run has trained, to sample from it. #VardSampling does this too, and knows the
 * sampler that the run was trained with.
 *
 * Returns: (transfer full): a pipeline, or %NULL
 */
VardPipeline *
vard_run_load_pipeline (VardRun *self,
                        guint64 step,
                        const char *engine,
                        guint threads,
                        GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && engine != NULL, NULL);

  g_autoptr (VardEngine) device = vard_load_engine (engine, threads, error);
  VardRunModelOptions options = { .engine = device };
  g_autoptr (VardModel) model =
    device != NULL ? vard_run_load_model (self, step, &options, NULL, error) : NULL;

  return model != NULL ? vard_pipeline_new (device, model, error) : NULL;
}
