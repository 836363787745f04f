/* vard-engine-loader.c - creates an engine by its name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine/vard-engine-loader.h"

#include "base/vard-error.h"
#include "base/vard-settings.h"
#include "engine/vard-reference-engine.h"
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
vard_load_engine (const char *name, guint threads, GError **error)
{
  g_return_val_if_fail (name != NULL, NULL);

  if (g_str_equal (name, "reference"))
    return vard_reference_engine_new ();

  VardPluginManager *manager = vard_plugin_manager_get_default ();
  g_autoptr (GObject) engine =
    vard_plugin_manager_create_from_spec (manager, "engine", name, NULL, error);
  GParamSpec *pspec =
    engine != NULL ? g_object_class_find_property (G_OBJECT_GET_CLASS (engine), "threads") : NULL;

  if (pspec != NULL)
    {
      g_autofree char *text = g_strdup_printf ("%u", threads);

      if (!vard_settings_set_text (engine, "threads", text, error))
        return NULL;
    }

  g_autoptr (VardBuffer) probe = engine != NULL ? vard_engine_alloc (VARD_ENGINE (engine), 1, error)
                                                : NULL;

  return probe != NULL ? (VardEngine *) g_steal_pointer (&engine) : NULL;
}
