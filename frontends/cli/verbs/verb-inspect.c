/* verb-inspect.c - vard inspect: lists engines, rewards and unusable plugin files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-metrics.h"
#include "cli-options.h"

#include <stdio.h>
#include <string.h>

#define CLI_TYPE_INSPECT_SETTINGS (cli_inspect_settings_get_type ())
G_DECLARE_FINAL_TYPE (CliInspectSettings, cli_inspect_settings, CLI, INSPECT_SETTINGS, GObject)

struct _CliInspectSettings
{
  GObject parent_instance;
  gboolean json;
  gboolean exists;
  gboolean rescan;
  char *atleast_version;
};

G_DEFINE_FINAL_TYPE (CliInspectSettings, cli_inspect_settings, G_TYPE_OBJECT)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_BOOLEAN (CliInspectSettings, json, "Print JSON", FALSE),
  VARD_FIELD_BOOLEAN (CliInspectSettings, exists,
                      "Print nothing; exit with 0 if NAME can be used, else with 1", FALSE),
  VARD_FIELD_BOOLEAN (CliInspectSettings, rescan, "Scan every plugin file again", FALSE),
  VARD_FIELD_STRING (CliInspectSettings, atleast_version,
                     "Print nothing; exit with 0 if NAME's plugin has this version or a later "
                     "one, else with 1",
                     NULL),
};
/* clang-format on */

static const char *const kinds[] = { "engine", "reward" };
static const char *const titles[] = { "Engines", "Rewards" };

static void
cli_inspect_settings_class_init (CliInspectSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
cli_inspect_settings_init (CliInspectSettings *self)
{
}

/* ---- text ---- */

static void
cli_print_features (VardPluginManager *manager, guint kind)
{
  g_autoptr (GPtrArray) features = vard_plugin_manager_list_features (manager, kinds[kind]);

  printf ("%s\n", titles[kind]);
  if (kind == 0)
    printf ("  %-16s %s\n", "reference",
            "Plain loops on one thread; the other engines are tested against it");
  for (guint i = 0; i < features->len; i++)
    {
      g_autoptr (VardPlugin) plugin = vard_plugin_manager_find_plugin (manager, features->pdata[i]);

      printf ("  %-16s %s\n", vard_plugin_feature_get_name (features->pdata[i]),
              plugin != NULL ? vard_plugin_get_summary (plugin) : "");
    }
  if (kind != 0 && features->len == 0)
    printf ("  none found; set VARD_PLUGIN_PATH to the folders with plugins\n");
  printf ("\n");
}

static void
cli_print_problems (VardPluginManager *manager)
{
  gboolean is_first = TRUE;

  for (guint i = 0; i < vard_plugin_manager_get_n_plugins (manager); i++)
    {
      VardPlugin *plugin = vard_plugin_manager_get_plugin (manager, i);
      const char *reason = vard_plugin_get_reason (plugin);

      if (vard_plugin_get_state (plugin) == VARD_PLUGIN_STATE_READY && reason == NULL)
        continue;
      if (is_first)
        printf ("Plugin files\n");
      is_first = FALSE;
      printf ("  %s\n    %s%s%s\n", vard_plugin_get_path (plugin),
              vard_plugin_get_state_name (plugin), reason != NULL ? ": " : "",
              reason != NULL ? reason : "");
    }
}

static void
cli_print_property (VardPluginProperty *property)
{
  const char *value = vard_plugin_property_get_default (property);

  printf ("  %-16s %s\n  %-16s %s%s%s\n", vard_plugin_property_get_name (property),
          vard_plugin_property_get_blurb (property), "", vard_plugin_property_get_range (property),
          value != NULL && *value ? "; " : "", value != NULL ? value : "");
}

/* What a spec may say of any reward */
static void
cli_print_keys (void)
{
  g_autoptr (GPtrArray) keys = vard_reward_mix_list_keys ();

  printf ("\nFor every reward\n");
  for (guint i = 0; i < keys->len; i++)
    cli_print_property (keys->pdata[i]);
}

/* What the engine finds here: its device, or why it has none. Only for an engine that was named. */
static char *
cli_dup_device (VardPluginManager *manager, VardPluginFeature *feature)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GObject) engine = NULL;

  if (!g_str_equal (vard_plugin_feature_get_kind (feature), "engine"))
    return NULL;
  engine =
    vard_plugin_manager_create (manager, "engine", vard_plugin_feature_get_name (feature), &error);

  return engine != NULL ? vard_engine_describe (VARD_ENGINE (engine)) : g_strdup (error->message);
}

static void
cli_print_feature (VardPluginManager *manager, VardPluginFeature *feature)
{
  g_autoptr (VardPlugin) plugin = vard_plugin_manager_find_plugin (manager, feature);
  g_autofree char *device = cli_dup_device (manager, feature);
  guint n = vard_plugin_feature_get_n_properties (feature);

  printf ("%s, %s\n", vard_plugin_feature_get_name (feature),
          vard_plugin_feature_get_kind (feature));
  if (plugin != NULL)
    printf ("  %s\n  plugin    %s %s, %s\n  file      %s\n", vard_plugin_get_summary (plugin),
            vard_plugin_get_name (plugin), vard_plugin_get_version (plugin),
            vard_plugin_get_licence (plugin), vard_plugin_get_path (plugin));
  printf ("  type      %s\n", vard_plugin_feature_get_type_name (feature));
  if (device != NULL)
    printf ("  here      %s\n", device);
  if (n > 0)
    printf ("\nProperties\n");
  for (guint i = 0; i < n; i++)
    cli_print_property (vard_plugin_feature_get_property (feature, i));
  if (g_str_equal (vard_plugin_feature_get_kind (feature), "reward"))
    cli_print_keys ();
}

/* ---- JSON ---- */

static JsonObject *
cli_describe_feature (VardPluginManager *manager, VardPluginFeature *feature)
{
  g_autoptr (VardPlugin) plugin = vard_plugin_manager_find_plugin (manager, feature);
  JsonObject *object = vard_plugin_feature_to_json (feature);

  if (plugin != NULL)
    {
      json_object_set_string_member (object, "plugin", vard_plugin_get_name (plugin));
      json_object_set_string_member (object, "version", vard_plugin_get_version (plugin));
      json_object_set_string_member (object, "licence", vard_plugin_get_licence (plugin));
      json_object_set_string_member (object, "summary", vard_plugin_get_summary (plugin));
      json_object_set_string_member (object, "path", vard_plugin_get_path (plugin));
    }

  return object;
}

static JsonArray *
cli_describe_plugins (VardPluginManager *manager)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < vard_plugin_manager_get_n_plugins (manager); i++)
    {
      VardPlugin *plugin = vard_plugin_manager_get_plugin (manager, i);
      JsonObject *object = json_object_new ();

      json_object_set_string_member (object, "path", vard_plugin_get_path (plugin));
      json_object_set_string_member (object, "state", vard_plugin_get_state_name (plugin));
      if (vard_plugin_get_reason (plugin) != NULL)
        json_object_set_string_member (object, "reason", vard_plugin_get_reason (plugin));
      json_array_add_object_element (array, object);
    }

  return array;
}

static void
verb_inspect_print_json (VardPluginManager *manager)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  JsonArray *features = json_array_new ();

  json_node_take_object (node, object);
  for (guint k = 0; k < G_N_ELEMENTS (kinds); k++)
    {
      g_autoptr (GPtrArray) found = vard_plugin_manager_list_features (manager, kinds[k]);

      for (guint i = 0; i < found->len; i++)
        json_array_add_object_element (features, cli_describe_feature (manager, found->pdata[i]));
    }
  json_object_set_array_member (object, "features", features);
  json_object_set_array_member (object, "plugins", cli_describe_plugins (manager));
  cli_print_json (node);
}

/* ---- the verb ---- */

/* NAME, or KIND:NAME */
static VardPluginFeature *
cli_find_feature (VardPluginManager *manager, const char *name, GError **error)
{
  for (guint k = 0; k < G_N_ELEMENTS (kinds); k++)
    if (g_str_has_prefix (name, kinds[k]) && name[strlen (kinds[k])] == ':')
      return vard_plugin_manager_find (manager, kinds[k], name + strlen (kinds[k]) + 1, error);

  VardPluginFeature *engine = vard_plugin_manager_find (manager, "engine", name, NULL);

  return engine != NULL ? engine : vard_plugin_manager_find (manager, "reward", name, error);
}

/* "1.10" is later than "1.9"; what is no number ends a version */
static int
cli_compare_versions (const char *a, const char *b)
{
  while (*a || *b)
    {
      guint64 x = g_ascii_strtoull (a, (char **) &a, 10),
              y = g_ascii_strtoull (b, (char **) &b, 10);

      if (x != y)
        return x > y ? 1 : -1;
      a += *a == '.' ? 1 : strlen (a);
      b += *b == '.' ? 1 : strlen (b);
    }

  return 0;
}

static CliExit
cli_answer_silently (CliInspectSettings *settings,
                     VardPluginManager *manager,
                     VardPluginFeature *feature)
{
  g_autoptr (VardPlugin) plugin =
    feature != NULL ? vard_plugin_manager_find_plugin (manager, feature) : NULL;

  if (plugin == NULL)
    return CLI_FAILED;
  if (settings->atleast_version == NULL)
    return CLI_DONE;

  return cli_compare_versions (vard_plugin_get_version (plugin), settings->atleast_version) >= 0
           ? CLI_DONE
           : CLI_FAILED;
}

static CliExit
cli_inspect_one (CliInspectSettings *settings, VardPluginManager *manager, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VardPluginFeature) feature = cli_find_feature (manager, name, &error);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  if (settings->exists || settings->atleast_version != NULL)
    return cli_answer_silently (settings, manager, feature);
  if (feature == NULL)
    return cli_fail ("inspect", g_steal_pointer (&error));
  if (!settings->json)
    {
      cli_print_feature (manager, feature);
      return CLI_DONE;
    }

  JsonObject *object = cli_describe_feature (manager, feature);
  g_autofree char *device = cli_dup_device (manager, feature);

  if (device != NULL)
    json_object_set_string_member (object, "here", device);
  json_node_take_object (node, object);
  cli_print_json (node);

  return CLI_DONE;
}

static CliExit
cli_inspect (int argc, char **argv)
{
  g_autoptr (CliInspectSettings) settings = g_object_new (CLI_TYPE_INSPECT_SETTINGS, NULL);
  g_autoptr (CliOptions) options =
    cli_options_new ("inspect [[KIND:]NAME | metrics] [OPTION...]",
                     "Lists engines and rewards, and the plugin files that cannot be used, with "
                     "the reason. With a NAME, lists the properties of that one. The word metrics "
                     "lists what a run measures: each metric's unit, direction and healthy "
                     "values.");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Listing", G_OBJECT (settings));
  if (!cli_options_parse (options, argc, argv, &error) || !cli_options_apply (options, &error))
    return error != NULL ? cli_fail ("inspect", g_steal_pointer (&error)) : CLI_DONE;

  const char *name = cli_options_get_words (options)[0];

  if (name == NULL && (settings->exists || settings->atleast_version != NULL))
    return cli_fail ("inspect", g_error_new (VARD_ERROR, VARD_ERROR_USAGE,
                                             "no name is given: name an engine or a reward"));

  if (g_strcmp0 (name, "metrics") == 0 && !settings->exists && settings->atleast_version == NULL)
    {
      cli_print_metrics (settings->json);
      return CLI_DONE;
    }

  VardPluginManager *manager = vard_plugin_manager_get_default ();

  if (settings->rescan)
    vard_plugin_manager_rescan (manager, TRUE);
  if (name != NULL)
    return cli_inspect_one (settings, manager, name);
  if (settings->json)
    {
      verb_inspect_print_json (manager);
      return CLI_DONE;
    }
  for (guint k = 0; k < G_N_ELEMENTS (kinds); k++)
    cli_print_features (manager, k);
  cli_print_problems (manager);

  return CLI_DONE;
}

const CliVerb cli_verb_inspect = { "inspect",
                                   "lists engines, rewards and metrics with their properties",
                                   cli_inspect };
