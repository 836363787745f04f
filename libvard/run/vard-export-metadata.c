/* vard-export-metadata.c - the metadata of an exported file
 *
 * All values are strings. Paths stay out: the file is made to be given away.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-exporter.h"

#include "base/vard-json.h"
#include "adapters/vard-lora-hash.h"
#include "models/vard-model-class.h"
#include "run/vard-run-settings.h"
#include "run/runner/vard-runner.h"
#include "train/vard-trainer-settings.h"

G_GNUC_PRINTF (3, 4) static void put (GHashTable *table, const char *key, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_hash_table_insert (table, g_strdup (key), g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

static char *
vard_export_metadata_dup_property (gpointer object, const char *name)
{
  g_auto (GValue) value = G_VALUE_INIT;
  g_auto (GValue) text = G_VALUE_INIT;

  if (g_object_class_find_property (G_OBJECT_GET_CLASS (object), name) == NULL)
    return g_strdup ("");
  g_object_get_property (object, name, &value);
  g_value_init (&text, G_TYPE_STRING);

  return g_value_transform (&value, &text) && g_value_get_string (&text) != NULL
           ? g_value_dup_string (&text)
           : g_strdup ("");
}

/* when the run began and when it last worked, in seconds since 1970 as kohya's scripts have it */
static void
vard_export_metadata_add_times (GHashTable *table, VardRun *run, const char *created)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GDateTime) began = g_date_time_new_from_iso8601 (created, utc);

  if (began != NULL)
    put (table, "ss_training_started_at", "%" G_GINT64_FORMAT ".0", g_date_time_to_unix (began));
  if (vard_run_get_heartbeat (run) > 0)
    put (table, "ss_training_finished_at", "%" G_GINT64_FORMAT ".0", vard_run_get_heartbeat (run));
}

static void
vard_export_metadata_add_run (GHashTable *table, VardRun *run, guint64 step, gboolean is_kohya)
{
  g_autoptr (VardRunSettings) settings = vard_run_dup_settings (run, NULL);
  const char *created =
    json_object_get_string_member_with_default (vard_run_get_record (run), "created", "");

  put (table, "vard_run", "%s", vard_run_get_name (run));
  put (table, "vard_step", "%" G_GUINT64_FORMAT, step);
  put (table, "vard_created", "%s", created);
  if (settings == NULL)
    return;

  VardTrainerSettings *trainer = vard_run_settings_get_trainer (settings);
  const char *const *rewards = vard_run_settings_get_rewards (settings);
  g_autofree char *joined = rewards != NULL ? g_strjoinv ("; ", (char **) rewards) : g_strdup ("");
  g_autofree char *seed = vard_export_metadata_dup_property (trainer, "seed");
  g_autoptr (GString) rate = g_string_new (NULL);

  vard_json_append_number (rate, vard_trainer_settings_find_learning_rate (trainer));
  put (table, "vard_algorithm", "%s", vard_trainer_settings_get_algorithm (trainer));
  put (table, "vard_rewards", "%s", joined);
  put (table, "vard_seed", "%s", seed);
  put (table, "vard_learning_rate", "%s", rate->str);
  if (!is_kohya)
    return;
  vard_export_metadata_add_times (table, run, created);
  put (table, "ss_steps", "%" G_GUINT64_FORMAT, step);
  put (table, "ss_seed", "%s", seed);
  put (table, "ss_learning_rate", "%s", rate->str);
  put (table, "ss_training_comment", "vard, rewards: %s", joined);
}

/* after the Stability AI model metadata standard */
static void
vard_export_metadata_add_modelspec (GHashTable *table,
                                    VardModel *model,
                                    const char *title,
                                    gboolean is_lora)
{
  static const char *const predictions[] = {
    [VARD_PREDICTION_EPSILON] = "epsilon",
    [VARD_PREDICTION_V] = "v",
    [VARD_PREDICTION_CLEAN] = "sample",
    [VARD_PREDICTION_VELOCITY] = "velocity",
  };
  const VardModelInfo *info = vard_model_peek_info (model);
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *date = g_date_time_format (now, "%Y-%m-%dT%H:%M:%SZ");

  put (table, "modelspec.sai_model_spec", "1.0.1");
  if (info->architecture != NULL)
    put (table, "modelspec.architecture", "%s%s", info->architecture, is_lora ? "/lora" : "");
  put (table, "modelspec.implementation", "diffusers");
  put (table, "modelspec.title", "%s", title);
  put (table, "modelspec.date", "%s", date);
  put (table, "modelspec.resolution", "%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT,
       info->width * info->scale, info->height * info->scale);
  put (table, "modelspec.prediction_type", "%s", predictions[info->schedule.prediction]);
}

/* only a single file has one by kohya's rule */
static void
vard_export_metadata_add_base_hash (GHashTable *table, const char *path)
{
  g_autofree char *hash = NULL;

  if (g_file_test (path, G_FILE_TEST_IS_REGULAR) && vard_lora_hash_file (path, NULL, &hash, NULL))
    put (table, "ss_sd_model_hash", "%s", hash);
}

/* what a run began with; @model may be what it ended with */
static void
vard_export_metadata_add_base (GHashTable *table, VardModel *model, VardRun *run, gboolean is_kohya)
{
  g_autoptr (VardRunSettings) settings = run != NULL ? vard_run_dup_settings (run, NULL) : NULL;
  const char *path = settings != NULL ? vard_run_settings_get_model (settings) : NULL;
  JsonNode *node = run != NULL ? json_object_get_member (vard_run_get_record (run), "model") : NULL;
  JsonObject *known = node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                                                    : NULL;
  const char *base_version = vard_model_peek_info (model)->base_version;
  g_autofree char *name =
    g_path_get_basename (path != NULL && *path ? path : vard_model_get_path (model));
  g_autofree char *hash =
    known != NULL ? g_strdup (json_object_get_string_member_with_default (known, "hash", ""))
                  : vard_model_dup_hash (model);

  put (table, "vard_base_model", "%s", name);
  put (table, "vard_base_model_hash", "%s", hash);
  if (!is_kohya)
    return;
  if (base_version != NULL)
    put (table, "ss_base_model_version", "%s", base_version);
  put (table, "ss_sd_model_name", "%s", name);
  vard_export_metadata_add_base_hash (table, vard_model_get_path (model));
}

/**
 * vard_export_dup_metadata: (skip)
 * @model: the model
 * @run: (nullable): the run that trained the weights
 * @step: the step of @run that the weights are from
 * @title: (nullable): a title for modelspec.title
 * @format: the form of the export
 * @adapters: (nullable) (array zero-terminated=1): LoRA files that are merged in
 *
 * Returns: (transfer full) (element-type utf8 utf8): provenance for the header of a file: keys
 *   vard_*, modelspec.* and, for kohya's readers, ss_*
 */
GHashTable *
vard_export_dup_metadata (VardModel *model,
                          VardRun *run,
                          guint64 step,
                          const char *title,
                          VardExportFormat format,
                          const char *const *adapters)
{
  g_return_val_if_fail (VARD_IS_MODEL (model), NULL);

  GHashTable *table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  gboolean is_kohya = format == VARD_EXPORT_FORMAT_KOHYA;

  put (table, "format", "pt");
  put (table, "vard_version", "%s", VARD_VERSION);
  vard_export_metadata_add_base (table, model, run, is_kohya);
  for (guint i = 0; adapters != NULL && adapters[i] != NULL; i++)
    {
      g_autofree char *key = g_strdup_printf ("vard_adapter_%u", i);
      g_autofree char *name = g_path_get_basename (adapters[i]);

      put (table, key, "%s", name);
    }
  if (is_kohya)
    put (table, "ss_output_name", "%s", title);
  if (run != NULL)
    vard_export_metadata_add_run (table, run, step, is_kohya);
  vard_export_metadata_add_modelspec (table, model, title,
                                      is_kohya || format == VARD_EXPORT_FORMAT_DIFFUSERS);

  return table;
}
