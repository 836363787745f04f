/* verb-runs.c - vard runs: lists the runs in a folder with their state
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-options.h"

#include <stdio.h>

#define CLI_TYPE_RUNS_SETTINGS (cli_runs_settings_get_type ())
G_DECLARE_FINAL_TYPE (CliRunsSettings, cli_runs_settings, CLI, RUNS_SETTINGS, GObject)

struct _CliRunsSettings
{
  GObject parent_instance;
  gboolean json;
};

G_DEFINE_FINAL_TYPE (CliRunsSettings, cli_runs_settings, G_TYPE_OBJECT)

static const VardField fields[] = {
  VARD_FIELD_BOOLEAN (CliRunsSettings, json, "Print JSON", FALSE),
};

static void
cli_runs_settings_class_init (CliRunsSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
cli_runs_settings_init (CliRunsSettings *self)
{
}

static void
cli_add_json (JsonArray *array, VardRun *run)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "name", vard_run_get_name (run));
  json_object_set_string_member (object, "path", vard_run_get_path (run));
  json_object_set_string_member (object, "state",
                                 vard_run_state_to_text (vard_run_get_state (run)));
  json_object_set_int_member (object, "step", vard_run_get_step (run));
  json_object_set_int_member (object, "heartbeat", vard_run_get_heartbeat (run));
  if (vard_run_get_failure (run) != NULL)
    json_object_set_string_member (object, "error", vard_run_get_failure (run));
  json_array_add_object_element (array, object);
}

static void
cli_print_line (VardRun *run)
{
  const char *failure = vard_run_get_failure (run);

  printf ("%-24s %-12s step %" G_GUINT64_FORMAT "%s%s\n", vard_run_get_name (run),
          vard_run_state_to_text (vard_run_get_state (run)), vard_run_get_step (run),
          failure != NULL ? "  " : "", failure != NULL ? failure : "");
}

static CliExit
cli_runs (int argc, char **argv)
{
  g_autoptr (CliRunsSettings) settings = g_object_new (CLI_TYPE_RUNS_SETTINGS, NULL);
  g_autoptr (CliOptions) options =
    cli_options_new ("runs [FOLDER] [OPTION...]",
                     "Lists the runs in a folder (runs/ by default) with their state. A run is "
                     "interrupted if its process vanished before the end; vard resume continues "
                     "it.");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Listing", G_OBJECT (settings));
  if (!cli_options_parse (options, argc, argv, &error) || !cli_options_apply (options, &error))
    return error != NULL ? cli_fail ("runs", g_steal_pointer (&error)) : CLI_DONE;

  const char *folder = cli_options_get_words (options)[0];
  g_autoptr (VardRunStore) store = vard_run_store_new (folder != NULL ? folder : "runs");
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_ARRAY);
  g_autoptr (JsonArray) array = json_array_new ();

  if (!vard_run_store_refresh (store, &error))
    return cli_fail ("runs", g_steal_pointer (&error));
  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (store)); i++)
    {
      g_autoptr (VardRun) run = g_list_model_get_item (G_LIST_MODEL (store), i);

      if (settings->json)
        cli_add_json (array, run);
      else
        cli_print_line (run);
    }
  json_node_set_array (node, array);
  if (settings->json)
    cli_print_json (node);

  return CLI_DONE;
}

const CliVerb cli_verb_runs = { "runs", "lists the runs in a folder", cli_runs };
