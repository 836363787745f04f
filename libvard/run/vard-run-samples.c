/* vard-run-samples.c - writes the pictures of an evaluation into a run's folder
 *
 * The name of a file states its step, prompt and seed. A grid is laid out by these three, never by
 * the order in which pictures arrive.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-run-samples.h"

#include "base/vard-error.h"
#include "base/vard-json.h"
#include "base/vard-json-parse.h"
#include "run/vard-folder.h"

#include <math.h>

/* Pixels between the pictures of a grid */
#define GRID_GAP 2

/**
 * vard_run_build_samples_path:
 * @self: a run
 * @step: a step
 *
 * Returns: (transfer full) (type filename): the folder of that step's samples, whether it exists or
 *   not
 */
char *
vard_run_build_samples_path (VardRun *self, guint64 step)
{
  g_autofree char *name = g_strdup_printf ("step-%06" G_GUINT64_FORMAT, step);

  return g_build_filename (vard_run_get_path (self), "samples", name, NULL);
}

static void
vard_run_samples_set_number (JsonObject *object, const char *name, double value)
{
  if (isfinite (value))
    json_object_set_double_member (object, name, value);
  else
    json_object_set_null_member (object, name);
}

static JsonObject *
vard_run_samples_describe_picture (VardEvaluation *evaluation,
                                   guint prompt,
                                   guint seed,
                                   const char *file)
{
  JsonObject *object = json_object_new ();
  JsonObject *scores = json_object_new ();
  g_auto (GStrv) names = vard_evaluation_dup_score_names (evaluation);

  json_object_set_string_member (object, "file", file);
  json_object_set_string_member (object, "prompt", vard_evaluation_get_prompt (evaluation, prompt));
  json_object_set_int_member (object, "seed", vard_evaluation_get_seed (evaluation, seed));
  vard_run_samples_set_number (object, "reward",
                               vard_evaluation_get_reward (evaluation, prompt, seed));
  for (guint i = 0; names[i] != NULL; i++)
    vard_run_samples_set_number (scores, names[i],
                                 vard_evaluation_get_score (evaluation, names[i], prompt, seed));
  json_object_set_object_member (object, "scores", scores);

  return object;
}

static gboolean
vard_run_samples_write_picture (VardEvaluation *evaluation,
                                guint prompt,
                                guint seed,
                                guint64 step,
                                const char *path,
                                GError **error)
{
  VardImage *image = vard_evaluation_get_image (evaluation, prompt, seed);
  g_autofree char *seed_text =
    g_strdup_printf ("%" G_GUINT64_FORMAT, vard_evaluation_get_seed (evaluation, seed));
  g_autofree char *step_text = g_strdup_printf ("%" G_GUINT64_FORMAT, step);

  vard_image_set_text (image, "Software", "vard " VARD_VERSION);
  vard_image_set_text (image, "prompt", vard_evaluation_get_prompt (evaluation, prompt));
  vard_image_set_text (image, "seed", seed_text);
  vard_image_set_text (image, "training-step", step_text);

  return vard_image_save (image, path, error);
}

static gboolean
vard_run_samples_write_pictures (VardEvaluation *evaluation,
                                 guint64 step,
                                 const char *folder,
                                 JsonArray *list,
                                 GError **error)
{
  for (guint p = 0; p < vard_evaluation_get_n_prompts (evaluation); p++)
    for (guint s = 0; s < vard_evaluation_get_n_seeds (evaluation); s++)
      {
        g_autofree char *file = g_strdup_printf ("step-%06" G_GUINT64_FORMAT
                                                 "_prompt-%03u_seed-%" G_GUINT64_FORMAT ".png",
                                                 step, p, vard_evaluation_get_seed (evaluation, s));
        g_autofree char *path = g_build_filename (folder, file, NULL);

        if (!vard_run_samples_write_picture (evaluation, p, s, step, path, error))
          return FALSE;
        json_array_add_object_element (list,
                                       vard_run_samples_describe_picture (evaluation, p, s, file));
      }

  return TRUE;
}

/* A row a prompt, a column a seed */
static gboolean
vard_run_samples_write_grid (VardEvaluation *evaluation, const char *folder, GError **error)
{
  guint n_prompts = vard_evaluation_get_n_prompts (evaluation);
  guint n_seeds = vard_evaluation_get_n_seeds (evaluation);
  g_autofree char *path = g_build_filename (folder, "grid.png", NULL);
  g_autofree VardImage **images = g_new (VardImage *, n_prompts * n_seeds);

  for (guint i = 0; i < n_prompts * n_seeds; i++)
    images[i] = vard_evaluation_get_image (evaluation, i / n_seeds, i % n_seeds);

  g_autoptr (VardImage) grid =
    vard_image_new_grid (images, n_prompts * n_seeds, n_seeds, GRID_GAP, error);

  return grid != NULL && vard_image_save (grid, path, error);
}

static JsonObject *
vard_run_samples_describe_metrics (VardMetrics *metrics)
{
  JsonObject *object = json_object_new ();

  for (guint i = 0; i < vard_metrics_get_count (metrics); i++)
    vard_run_samples_set_number (object, vard_metrics_get_name (metrics, i),
                                 vard_metrics_get_value (metrics, i));
  return object;
}

static gboolean
vard_run_samples_write_files (VardEvaluation *evaluation,
                              guint64 step,
                              const char *folder,
                              GError **error)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  JsonArray *list = json_array_new ();
  g_autofree char *path = g_build_filename (folder, "samples.json", NULL);

  json_node_take_object (node, object);
  json_object_set_int_member (object, "step", step);
  json_object_set_object_member (object, "metrics",
                                 vard_run_samples_describe_metrics (
                                   vard_evaluation_peek_metrics (evaluation)));
  json_object_set_array_member (object, "pictures", list);
  if (!vard_run_samples_write_pictures (evaluation, step, folder, list, error)
      || !vard_run_samples_write_grid (evaluation, folder, error))
    return FALSE;

  g_autofree char *text = vard_json_to_text (node, TRUE);

  return vard_folder_write_file (path, text, -1, error);
}

/**
 * vard_run_write_samples: (skip)
 * @self: a run
 * @step: the step
 * @evaluation: the pictures and their scores
 * @error: return location for an error
 *
 * Writes samples/step-NNNNNN/: a PNG a picture, grid.png and samples.json. The folder appears whole
 * or not at all.
 *
 * Returns: %FALSE when the disk could not be written
 */
gboolean
vard_run_write_samples (VardRun *self, guint64 step, VardEvaluation *evaluation, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && VARD_IS_EVALUATION (evaluation), FALSE);

  g_autofree char *path = vard_run_build_samples_path (self, step);
  g_autofree char *folder = vard_folder_begin (path, error);

  if (folder != NULL && vard_run_samples_write_files (evaluation, step, folder, error)
      && vard_folder_commit (path, error))
    return TRUE;
  vard_folder_prefix_space (path, error);
  vard_folder_abandon (path);

  return FALSE;
}

/**
 * vard_run_read_evaluation: (skip)
 * @self: a run
 * @step: the step
 * @error: return location for an error
 *
 * Returns: (transfer full): the object "metrics" of that step's samples.json, or %NULL
 */
JsonObject *
vard_run_read_evaluation (VardRun *self, guint64 step, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self), NULL);

  g_autofree char *folder = vard_run_build_samples_path (self, step);
  g_autofree char *path = g_build_filename (folder, "samples.json", NULL);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, error))
    return NULL;

  g_autoptr (JsonNode) node = vard_json_parse (text, -1, NULL);
  JsonObject *object = node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                                                     : NULL;

  if (object != NULL && json_object_has_member (object, "metrics"))
    return json_object_ref (json_object_get_object_member (object, "metrics"));
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s is damaged: it has no metrics", path);

  return NULL;
}
