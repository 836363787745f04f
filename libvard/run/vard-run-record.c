/* vard-run-record.c - run.json and resumes.jsonl: the request for a run, and its resumes
 *
 * vard writes run.json once. Each resume adds a line with its changes to resumes.jsonl. The
 * settings in force are those of run.json with all these lines applied.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-run-record.h"

#include "base/vard-error.h"
#include "base/vard-json.h"
#include "base/vard-json-parse.h"
#include "plugin/vard-plugin-manager.h"
#include "run/runner/vard-runner.h"

#define RESUMES "resumes.jsonl"

static char *
vard_run_record_dup_time (void)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();

  return g_date_time_format (now, "%Y-%m-%dT%H:%M:%SZ");
}

/* The files behind the rewards and the engine that the settings name */
static void
vard_run_record_add_plugin (JsonArray *array, const char *kind, const char *name)
{
  VardPluginManager *manager = vard_plugin_manager_get_default ();
  g_autoptr (VardPluginFeature) feature = vard_plugin_manager_find (manager, kind, name, NULL);
  g_autoptr (VardPlugin) plugin =
    feature != NULL ? vard_plugin_manager_find_plugin (manager, feature) : NULL;

  if (plugin == NULL)
    return;

  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "kind", kind);
  json_object_set_string_member (object, "name", name);
  json_object_set_string_member (object, "version", vard_plugin_get_version (plugin));
  json_object_set_string_member (object, "path", vard_plugin_get_path (plugin));
  json_array_add_object_element (array, object);
}

static JsonArray *
vard_run_record_list_plugins (VardRunSettings *settings)
{
  JsonArray *array = json_array_new ();
  const char *const *rewards = vard_run_settings_get_rewards (settings);
  g_autofree char *engine = NULL;

  g_object_get (vard_run_settings_get_trainer (settings), "engine", &engine, NULL);
  vard_run_record_add_plugin (array, "engine", engine);
  for (guint i = 0; rewards != NULL && rewards[i] != NULL; i++)
    {
      g_autoptr (VardPluginSpec) spec = vard_plugin_spec_parse (rewards[i], NULL);

      if (spec != NULL)
        vard_run_record_add_plugin (array, "reward", vard_plugin_spec_get_name (spec));
    }

  return array;
}

JsonObject *
vard_run_record_new (VardRunSettings *settings, VardEngine *engine, VardModel *model)
{
  JsonObject *record = json_object_new ();
  JsonObject *base = json_object_new ();
  g_autofree char *time = vard_run_record_dup_time ();
  g_autofree char *hash = vard_model_dup_hash (model);
  g_autofree char *device = vard_engine_describe (engine);

  json_object_set_string_member (base, "path", vard_model_get_path (model));
  json_object_set_string_member (base, "hash", hash);
  json_object_set_string_member (record, "vard", VARD_VERSION);
  json_object_set_string_member (record, "created", time);
  json_object_set_string_member (record, "engine", device);
  json_object_set_object_member (record, "model", base);
  json_object_set_array_member (record, "plugins", vard_run_record_list_plugins (settings));
  json_object_set_object_member (record, "settings", vard_run_settings_to_json (settings));

  return record;
}

gboolean
vard_run_record_check_model (VardRun *run, VardModel *model, GError **error)
{
  JsonNode *node = json_object_get_member (vard_run_get_record (run), "model");
  JsonObject *base = node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                                                   : NULL;
  const char *known = base != NULL ? json_object_get_string_member_with_default (base, "hash", NULL)
                                   : NULL;
  g_autofree char *hash = vard_model_dup_hash (model);

  if (g_strcmp0 (known, hash) == 0)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s is not the model with which %s began: the hash of its weights is %s, but was %s",
               vard_model_get_path (model), vard_run_get_path (run), hash,
               known != NULL ? known : "not recorded");

  return FALSE;
}

static JsonObject *
vard_run_record_list_changes (JsonObject *before, JsonObject *after)
{
  JsonObject *changes = json_object_new ();
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;

  json_object_iter_init (&iter, after);
  while (json_object_iter_next (&iter, &name, &value))
    {
      JsonNode *old = json_object_get_member (before, name);

      if (old == NULL || !json_node_equal (old, value))
        json_object_set_member (changes, name, json_node_copy (value));
    }

  return changes;
}

gboolean
vard_run_record_resume (VardRun *run,
                        VardRunSettings *settings,
                        guint64 step,
                        const char *request,
                        GError **error)
{
  g_autoptr (VardRunSettings) known = vard_run_dup_settings (run, error);

  if (known == NULL)
    return FALSE;

  g_autoptr (JsonObject) before = vard_run_settings_to_json (known);
  g_autoptr (JsonObject) after = vard_run_settings_to_json (settings);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *line = json_object_new ();
  g_autofree char *time = vard_run_record_dup_time ();

  json_node_take_object (node, line);
  json_object_set_string_member (line, "time", time);
  json_object_set_string_member (line, "vard", VARD_VERSION);
  json_object_set_int_member (line, "step", step);
  if (request != NULL)
    json_object_set_string_member (line, "request", request);
  json_object_set_object_member (line, "changed", vard_run_record_list_changes (before, after));

  g_autofree char *json = vard_json_to_text (node, FALSE);
  g_autofree char *text = g_strconcat (json, "\n", NULL);

  return vard_run_append (run, RESUMES, text, error);
}

static gboolean
vard_run_record_apply_resumes (VardRun *run, VardRunSettings *settings, GError **error)
{
  g_autofree char *path = vard_run_build_path (run, RESUMES);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return TRUE;

  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autoptr (JsonNode) node = *lines[i] ? vard_json_parse (lines[i], -1, NULL) : NULL;
      JsonNode *changed = node != NULL && JSON_NODE_HOLDS_OBJECT (node)
                            ? json_object_get_member (json_node_get_object (node), "changed")
                            : NULL;

      if (changed != NULL && JSON_NODE_HOLDS_OBJECT (changed)
          && !vard_run_settings_apply_json (settings, json_node_get_object (changed), error))
        return FALSE;
    }

  return TRUE;
}

/**
 * vard_run_dup_settings:
 * @run: a run
 * @error: return location for an error
 *
 * Returns: (transfer full): the settings in force, those of run.json with the changes of all
 *   resumes, or %NULL
 */
VardRunSettings *
vard_run_dup_settings (VardRun *run, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (run), NULL);

  g_autoptr (VardRunSettings) settings = vard_run_settings_new ();
  JsonNode *node = json_object_get_member (vard_run_get_record (run), "settings");
  g_autoptr (GError) problem = NULL;

  if (node != NULL && JSON_NODE_HOLDS_OBJECT (node)
      && vard_run_settings_apply_json (settings, json_node_get_object (node), &problem)
      && vard_run_record_apply_resumes (run, settings, &problem))
    return g_steal_pointer (&settings);
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "cannot read the settings of %s: %s",
               vard_run_get_path (run), problem != NULL ? problem->message : "run.json has none");

  return NULL;
}
