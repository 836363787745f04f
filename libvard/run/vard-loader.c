/* vard-loader.c - creates engines and pipelines from names and paths
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-loader.h"

#include "base/vard-error.h"
#include "base/vard-settings.h"
#include "diffusion/vard-pipeline-private.h"
#include "engine/vard-engine-loader.h"
#include "models/vard-model-class.h"
#include "plugin/vard-plugin-manager.h"

/**
 * vard_load_pipeline:
 * @model: (type filename): the folder of a model
 * @engine: the name of an engine: "cpu"
 * @threads: how many; 0 for one a core
 * @error: return location for an error
 *
 * Returns: (transfer full): a pipeline that samples from the model, or %NULL
 */
VardPipeline *
vard_load_pipeline (const char *model, const char *engine, guint threads, GError **error)
{
  g_return_val_if_fail (model != NULL && engine != NULL, NULL);

  g_autoptr (VardModel) loaded = vard_model_load (model, error);
  g_autoptr (VardEngine) device = loaded != NULL ? vard_load_engine (engine, threads, error) : NULL;

  return device != NULL ? vard_pipeline_new (device, loaded, error) : NULL;
}

/**
 * vard_load_rewards:
 * @specs: (array zero-terminated=1) (nullable): rewards, each as NAME[:key=value,...]
 * @error: return location for an error
 *
 * Returns: (transfer full): their mix, not prepared yet, or %NULL
 */
VardRewardMix *
vard_load_rewards (const char *const *specs, GError **error)
{
  g_autoptr (VardRewardMix) mix = vard_reward_mix_new ();

  for (guint i = 0; specs != NULL && specs[i] != NULL; i++)
    if (!vard_reward_mix_add_spec (mix, specs[i], error))
      return NULL;

  return g_steal_pointer (&mix);
}
