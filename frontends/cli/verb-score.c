/* verb-score.c - vard score: what rewards say of picture files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-options.h"

#include <stdio.h>

/* Pictures read and scored at once */
#define CHUNK 64

#define CLI_TYPE_SCORE_SETTINGS (cli_score_settings_get_type ())
G_DECLARE_FINAL_TYPE (CliScoreSettings, cli_score_settings, CLI, SCORE_SETTINGS, GObject)

struct _CliScoreSettings
{
  GObject parent_instance;
  char **rewards;
  char *prompt;
  gboolean json;
};

G_DEFINE_FINAL_TYPE (CliScoreSettings, cli_score_settings, G_TYPE_OBJECT)

static const VardField fields[] = {
  VARD_FIELD_STRV (CliScoreSettings, rewards, "NAME[:key=value,...] of a reward"),
  VARD_FIELD_STRING (CliScoreSettings, prompt, "The pictures' prompt, where they do not carry it themselves", NULL),
  VARD_FIELD_BOOLEAN (CliScoreSettings, json, "Print JSON, not comma-separated values", FALSE),
};

static void
cli_score_settings_class_init (CliScoreSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
cli_score_settings_init (CliScoreSettings *self)
{
}

static VardRewardMix *
make_rewards (CliScoreSettings *settings,
              GError          **error)
{
  g_autoptr (VardRewardMix) mix = NULL;

  if (!settings->rewards)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "no reward is named: use --reward");
      return NULL;
    }
  mix = vard_load_rewards ((const char *const *) settings->rewards, error);
  return mix && vard_reward_mix_prepare (mix, NULL, error) ? g_steal_pointer (&mix) : NULL;
}

static gboolean
add_picture (CliScoreSettings *settings,
             VardRewardBatch  *batch,
             const char       *path,
             GError          **error)
{
  g_autoptr (VardImage) image = vard_image_new_from_file (path, error);

  if (!image)
    return FALSE;

  GBytes *pixels = vard_image_get_rgb (image);
  const char *own = vard_image_get_text (image, "prompt");

  return vard_reward_batch_append (batch, pixels, vard_image_get_width (image), vard_image_get_height (image),
                                   own ? own : settings->prompt, NULL, 0, error);
}

static void
print_csv (VardRewardMix    *mix,
           VardRewardScores *scores,
           guint             item,
           const char       *path)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  double score;

  printf ("%s", path);
  for (guint c = 0; c < vard_reward_mix_get_n_components (mix); c++)
    if (vard_reward_scores_get_raw (scores, c, item, &score))
      printf (",%s", g_ascii_formatd (text, sizeof text, "%.9g", score));
    else
      printf (",");
  printf ("\n");
}

static void
add_json (VardRewardMix    *mix,
          VardRewardScores *scores,
          guint             item,
          const char       *path,
          JsonArray        *array)
{
  JsonObject *object = json_object_new ();
  JsonObject *values = json_object_new ();
  double score;

  for (guint c = 0; c < vard_reward_mix_get_n_components (mix); c++)
    if (vard_reward_scores_get_raw (scores, c, item, &score))
      json_object_set_double_member (values, vard_reward_mix_get_label (mix, c), score);
    else
      json_object_set_null_member (values, vard_reward_mix_get_label (mix, c));
  json_object_set_string_member (object, "file", path);
  json_object_set_object_member (object, "scores", values);
  json_array_add_object_element (array, object);
}

static gboolean
score_chunk (CliScoreSettings  *settings,
             VardRewardMix     *mix,
             const char *const *paths,
             guint              n,
             JsonArray         *array,
             GError           **error)
{
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();

  for (guint i = 0; i < n; i++)
    if (!add_picture (settings, batch, paths[i], error))
      return FALSE;

  g_autoptr (VardRewardScores) scores = vard_reward_mix_score (mix, batch, NULL, error);

  for (guint i = 0; scores && i < n; i++)
    if (settings->json)
      add_json (mix, scores, i, paths[i], array);
    else
      print_csv (mix, scores, i, paths[i]);
  return scores != NULL;
}

static gboolean
score_all (CliScoreSettings  *settings,
           const char *const *paths,
           GError           **error)
{
  g_autoptr (VardRewardMix) mix = make_rewards (settings, error);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_ARRAY);
  g_autoptr (JsonArray) array = json_array_new ();
  guint n = g_strv_length ((char **) paths);

  if (!mix)
    return FALSE;
  if (n == 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "no picture is named");
      return FALSE;
    }
  if (!settings->json)
    {
      printf ("file");
      for (guint c = 0; c < vard_reward_mix_get_n_components (mix); c++)
        printf (",%s", vard_reward_mix_get_label (mix, c));
      printf ("\n");
    }
  for (guint i = 0; i < n; i += CHUNK)
    if (!score_chunk (settings, mix, paths + i, MIN (CHUNK, n - i), array, error))
      return FALSE;
  json_node_set_array (node, array);
  if (settings->json)
    cli_print_json (node);
  return TRUE;
}

static CliExit
cli_score (int    argc,
           char **argv)
{
  g_autoptr (CliScoreSettings) settings = g_object_new (CLI_TYPE_SCORE_SETTINGS, NULL);
  g_autoptr (CliOptions) options = cli_options_new (
    "score --reward NAME[:key=value,...] FILE... [OPTION...]",
    "Prints what rewards say of picture files: raw scores, one line a picture. A picture that vard wrote carries its "
    "prompt.");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Scoring", G_OBJECT (settings));
  if (cli_options_parse (options, argc, argv, &error) && cli_options_apply (options, &error))
    score_all (settings, cli_options_get_words (options), &error);
  return error ? cli_fail ("score", g_steal_pointer (&error)) : CLI_DONE;
}

const CliVerb cli_verb_score = { "score", "scores picture files by rewards", cli_score };
