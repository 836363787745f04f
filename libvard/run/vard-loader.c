/* vard-loader.c - from names and paths to engines and pipelines
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-loader.h"

#include "base/vard-error.h"
#include "base/vard-settings.h"
#include "diffusion/vard-pipeline-private.h"
#include "engine/vard-reference-engine.h"
#include "models/vard-model.h"
#include "plugin/vard-plugin-manager.h"

/**
 * vard_load_engine: (skip)
 * @name: "reference", or what a plugin offers with its settings: "cpu", "cuda:precision=bf16"
 * @threads: how many; 0 for one a core
 * @error: return location for an error
 *
 * A device that is missing is an error here, before anything is read for it.
 *
 * Returns: (transfer full): an engine, or %NULL
 */
VardEngine *
vard_load_engine (const char *name,
                  guint       threads,
                  GError    **error)
{
  g_return_val_if_fail (name != NULL, NULL);

  if (g_str_equal (name, "reference"))
    return vard_reference_engine_new ();

  VardPluginManager *manager = vard_plugin_manager_get_default ();
  g_autoptr (GObject) engine = vard_plugin_manager_create_from_spec (manager, "engine", name, NULL, error);
  GParamSpec *pspec = engine ? g_object_class_find_property (G_OBJECT_GET_CLASS (engine), "threads") : NULL;

  if (pspec)
    {
      g_autofree char *text = g_strdup_printf ("%u", threads);

      if (!vard_settings_set_text (engine, "threads", text, error))
        return NULL;
    }

  g_autoptr (VardBuffer) probe = engine ? vard_engine_alloc (VARD_ENGINE (engine), 1, error) : NULL;

  return probe ? (VardEngine *) g_steal_pointer (&engine) : NULL;
}

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
vard_load_pipeline (const char *model,
                    const char *engine,
                    guint       threads,
                    GError    **error)
{
  g_return_val_if_fail (model != NULL && engine != NULL, NULL);

  g_autoptr (VardModel) loaded = vard_model_load (model, error);
  g_autoptr (VardEngine) device = loaded ? vard_load_engine (engine, threads, error) : NULL;

  return device ? vard_pipeline_new (device, loaded, error) : NULL;
}

/**
 * vard_load_rewards:
 * @specs: (array zero-terminated=1) (nullable): rewards, each as NAME[:key=value,...]
 * @error: return location for an error
 *
 * Returns: (transfer full): their mix, not prepared yet, or %NULL
 */
VardRewardMix *
vard_load_rewards (const char *const *specs,
                   GError           **error)
{
  g_autoptr (VardRewardMix) mix = vard_reward_mix_new ();

  for (guint i = 0; specs && specs[i]; i++)
    if (!vard_reward_mix_add_spec (mix, specs[i], error))
      return NULL;
  return g_steal_pointer (&mix);
}
