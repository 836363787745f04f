/* verb-score.c - vard score: scores picture files with rewards
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Pictures read and scored at once */
#define CHUNK 64

#define CLI_TYPE_SCORE_SETTINGS (cli_score_settings_get_type ())
G_DECLARE_FINAL_TYPE (CliScoreSettings, cli_score_settings, CLI, SCORE_SETTINGS, GObject)

struct _CliScoreSettings
{
  GObject parent_instance;
  char **rewards;
  char *prompt;
  char *prompts;
  char *sort;
  char *minimum;
  guint top;
  gboolean json;
};

G_DEFINE_FINAL_TYPE (CliScoreSettings, cli_score_settings, G_TYPE_OBJECT)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_STRV (CliScoreSettings, rewards, "Reward as NAME[:key=value,...]"),
  VARD_FIELD_STRING (CliScoreSettings, prompt,
                     "Prompt of pictures that do not contain one", NULL),
  VARD_FIELD_STRING (CliScoreSettings, prompts,
                     "File with one prompt per picture, one a line or JSON lines with metadata; "
                     "overrides every other prompt",
                     NULL),
  VARD_FIELD_STRING (CliScoreSettings, sort,
                     "Sort by the reward with this label, best first; pictures without a score "
                     "come last", NULL),
  VARD_FIELD_STRING (CliScoreSettings, minimum,
                     "Omit pictures below this score of the --sort reward, or else of the first",
                     NULL),
  VARD_FIELD_UINT (CliScoreSettings, top,
                   "Print at most this many pictures, best first; 0 prints all",
                   0, G_MAXINT, 0),
  VARD_FIELD_BOOLEAN (CliScoreSettings, json,
                      "Print JSON instead of comma-separated values", FALSE),
};
/* clang-format on */

static void
cli_score_settings_class_init (CliScoreSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
cli_score_settings_init (CliScoreSettings *self)
{
}

/* Nothing is learned here, so a reward that is only shown is as good as any: what it cannot do is
 * said of each picture. */
static gboolean
cli_prepare_rewards (VardRewardMix *mix, GError **error)
{
  for (guint c = 0; c < vard_reward_mix_get_n_components (mix); c++)
    {
      g_autoptr (GError) inner = NULL;

      if (!vard_reward_prepare (vard_reward_mix_get_reward (mix, c), NULL, &inner)
          && vard_reward_mix_get_policy (mix, c) != VARD_REWARD_POLICY_MONITOR_ONLY)
        {
          g_propagate_error (error, g_steal_pointer (&inner));
          return FALSE;
        }
    }

  return TRUE;
}

static VardRewardMix *
cli_make_rewards (CliScoreSettings *settings, GError **error)
{
  g_autoptr (VardRewardMix) mix = NULL;

  if (settings->rewards == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "no reward is given: use --reward");
      return NULL;
    }
  mix = vard_load_rewards ((const char *const *) settings->rewards, error);
  if (mix == NULL)
    return NULL;

  gboolean is_ready = cli_prepare_rewards (mix, error);

  cli_print_messages (mix);

  return is_ready ? g_steal_pointer (&mix) : NULL;
}

/* ---- what is to be scored ---- */

typedef struct
{
  CliScoreSettings *settings;
  VardRewardMix *mix;
  GPtrArray *paths;
  VardPromptSource *prompts; /* one a picture, or NULL */
  guint key;                 /* the component that is sorted and filtered by */
  double minimum;
  gboolean is_sorted;
  gboolean is_begun; /* there are lines on standard output */
  GPtrArray *rows;   /* of Row */
} Scoring;

typedef struct
{
  const char *path;
  guint n;
  char **messages; /* one a reward, "" where there is a score */
  double scores[]; /* NAN where there is none */
} Row;

static void
row_free (gpointer data)
{
  Row *row = data;

  g_strfreev (row->messages);
  g_free (row);
}

static int
cli_compare_paths (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static gboolean
cli_add_folder (GPtrArray *paths, const char *folder, GError **error)
{
  static const char *const endings[] = { ".png", ".jpg", ".jpeg" };
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
      {
        g_autofree char *lower = g_ascii_strdown (name, -1);

        if (g_str_has_suffix (lower, endings[i]))
          g_ptr_array_add (found, g_build_filename (folder, name, NULL));
      }
  g_ptr_array_sort (found, cli_compare_paths);
  g_ptr_array_extend_and_steal (paths, g_steal_pointer (&found));

  return dir != NULL;
}

static gboolean
cli_list_pictures (Scoring *self, const char *const *words, GError **error)
{
  for (guint i = 0; words[i] != NULL; i++)
    if (!g_file_test (words[i], G_FILE_TEST_IS_DIR))
      g_ptr_array_add (self->paths, g_strdup (words[i]));
    else if (!cli_add_folder (self->paths, words[i], error))
      return FALSE;
  if (self->paths->len == 0)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "no picture is given%s",
                 words[0] != NULL ? ": the folder has none" : "");

  return self->paths->len > 0;
}

static gboolean
cli_read_prompts (Scoring *self, GError **error)
{
  const char *path = self->settings->prompts;

  if (path == NULL)
    return TRUE;
  self->prompts = vard_prompt_source_new_from_file (path, error);
  if (self->prompts == NULL || vard_prompt_source_get_count (self->prompts) == self->paths->len)
    return self->prompts != NULL;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s has %u prompts, but there are %u pictures",
               path, vard_prompt_source_get_count (self->prompts), self->paths->len);

  return FALSE;
}

/* Which reward is sorted and filtered by, and how */
static gboolean
cli_read_order (Scoring *self, GError **error)
{
  const char *label = self->settings->sort, *minimum = self->settings->minimum;
  guint n = vard_reward_mix_get_n_components (self->mix);

  self->is_sorted = label != NULL || self->settings->top > 0;
  self->minimum = -INFINITY;
  char *end = NULL;
  if (minimum != NULL)
    self->minimum = g_ascii_strtod (minimum, &end);
  if (minimum != NULL && (end == minimum || *end || isnan (self->minimum)))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "minimum is \"%s\", but must be a number",
                   minimum);
      return FALSE;
    }
  while (label != NULL && self->key < n
         && strcmp (label, vard_reward_mix_get_label (self->mix, self->key)) != 0)
    self->key++;
  if (self->key == n)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 "sort is \"%s\", but no reward has this label", label);

  return self->key < n;
}

/* As vard writes it. Elsewhere "prompt" may be a program's whole workflow, as JSON, and
 * "parameters" a prompt with lines of settings below. */
static char *
cli_find_own_prompt (VardImage *image)
{
  const char *prompt = vard_image_get_text (image, "prompt"),
             *parameters = vard_image_get_text (image, "parameters");
  const char *end = NULL;

  if (prompt != NULL && *prompt != '{')
    return g_strdup (prompt);
  if (parameters != NULL)
    end = strstr (parameters, "\nNegative prompt: ");
  if (parameters != NULL && end == NULL)
    end = strstr (parameters, "\nSteps: ");

  return end != NULL ? g_strndup (parameters, end - parameters) : NULL;
}

static gboolean
cli_add_picture (Scoring *self, VardRewardBatch *batch, guint i, GError **error)
{
  g_autoptr (VardImage) image = vard_image_new_from_file (self->paths->pdata[i], error);

  if (image == NULL)
    return FALSE;

  GBytes *pixels = vard_image_get_rgb (image);
  g_autofree char *own = self->prompts != NULL
                           ? g_strdup (vard_prompt_source_get_text (self->prompts, i))
                           : cli_find_own_prompt (image);
  JsonObject *metadata = self->prompts != NULL ? vard_prompt_source_get_metadata (self->prompts, i)
                                               : NULL;

  return vard_reward_batch_append (batch, pixels, vard_image_get_width (image),
                                   vard_image_get_height (image),
                                   own != NULL ? own : self->settings->prompt, metadata, 0, error);
}

/* ---- what is printed ---- */

/* A field of comma-separated values: in quotes where it has to be (RFC 4180) */
static void
cli_print_field (const char *text)
{
  g_auto (GStrv) parts = strpbrk (text, ",\"\n\r") != NULL ? g_strsplit (text, "\"", -1) : NULL;
  g_autofree char *inner = parts != NULL ? g_strjoinv ("\"\"", parts) : NULL;

  if (inner != NULL)
    printf ("\"%s\"", inner);
  else
    printf ("%s", text);
}

static void
cli_print_csv (const Row *row)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  cli_print_field (row->path);
  for (guint c = 0; c < row->n; c++)
    printf (",%s", isnan (row->scores[c])
                     ? ""
                     : g_ascii_formatd (text, sizeof text, "%.9g", row->scores[c]));
  printf ("\n");
}

static void
verb_score_add_json (Scoring *self, const Row *row, JsonArray *array)
{
  JsonObject *object = json_object_new ();
  JsonObject *values = json_object_new ();
  g_autoptr (JsonObject) errors = json_object_new ();

  for (guint c = 0; c < row->n; c++)
    {
      const char *label = vard_reward_mix_get_label (self->mix, c);

      if (!isnan (row->scores[c]))
        {
          json_object_set_double_member (values, label, row->scores[c]);
          continue;
        }
      json_object_set_null_member (values, label);
      json_object_set_string_member (errors, label, row->messages[c]);
    }
  json_object_set_string_member (object, "file", row->path);
  json_object_set_object_member (object, "scores", values);
  if (json_object_get_size (errors) > 0)
    json_object_set_object_member (object, "errors", g_steal_pointer (&errors));
  json_array_add_object_element (array, object);
}

/* Not before there is something to print: what fails leaves standard output empty */
static void
cli_print_header (Scoring *self)
{
  if (self->is_begun)
    return;
  self->is_begun = TRUE;
  printf ("file");
  for (guint c = 0; c < vard_reward_mix_get_n_components (self->mix); c++)
    {
      printf (",");
      cli_print_field (vard_reward_mix_get_label (self->mix, c));
    }
  printf ("\n");
}

/* Best first; no score is worse than any, equal ones stay in the order they came */
static int
cli_compare_rows (gconstpointer a, gconstpointer b, gpointer key)
{
  double x = (*(Row *const *) a)->scores[GPOINTER_TO_UINT (key)];
  double y = (*(Row *const *) b)->scores[GPOINTER_TO_UINT (key)];

  if (isnan (x) || isnan (y))
    return isnan (x) - isnan (y);

  return (x < y) - (x > y);
}

static void
cli_print_rows (Scoring *self)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_ARRAY);
  g_autoptr (JsonArray) array = json_array_new ();
  guint n = self->settings->top > 0 ? MIN (self->settings->top, self->rows->len) : self->rows->len;

  if (!self->settings->json)
    cli_print_header (self);
  if (self->is_sorted)
    g_ptr_array_sort_with_data (self->rows, cli_compare_rows, GUINT_TO_POINTER (self->key));
  for (guint i = 0; i < n; i++)
    if (self->settings->json)
      verb_score_add_json (self, self->rows->pdata[i], array);
    else if (self->is_sorted)
      cli_print_csv (self->rows->pdata[i]);
  json_node_set_array (node, array);
  if (self->settings->json)
    cli_print_json (node);
}

/* ---- scoring ---- */

static void
cli_keep_row (Scoring *self, VardRewardScores *scores, guint item, const char *path)
{
  guint n = vard_reward_mix_get_n_components (self->mix);
  Row *row = g_malloc0 (sizeof (Row) + n * sizeof (double));

  row->path = path;
  row->n = n;
  row->messages = g_new0 (char *, n + 1);
  for (guint c = 0; c < n; c++)
    {
      const char *message = vard_reward_scores_get_message (scores, c, item);

      if (!vard_reward_scores_get_raw (scores, c, item, &row->scores[c]))
        row->scores[c] = NAN;
      row->messages[c] = g_strdup (message != NULL ? message : "");
    }
  g_ptr_array_add (self->rows, row);
  if (self->settings->minimum != NULL && !(row->scores[self->key] >= self->minimum))
    g_ptr_array_set_size (self->rows, self->rows->len - 1);
  else if (!self->settings->json && !self->is_sorted)
    {
      cli_print_header (self);
      cli_print_csv (row);
    }
}

/* A picture without a prompt is refused by a reward of texts, not scored badly */
static gboolean
cli_check_needs (Scoring *self, VardRewardBatch *batch, GError **error)
{
  g_auto (GStrv) keys = self->prompts != NULL ? vard_prompt_source_dup_common_keys (self->prompts)
                                              : NULL;
  gboolean has_prompts = TRUE;

  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      const char *prompt = vard_reward_batch_get_prompt (batch, i);

      has_prompts = has_prompts && prompt != NULL && *prompt;
    }

  return vard_reward_mix_check_needs (self->mix, has_prompts, (const char *const *) keys,
                                      vard_reward_batch_get_count (batch), error);
}

static gboolean
cli_score_chunk (Scoring *self, guint first, guint n, GError **error)
{
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();

  for (guint i = first; i < first + n; i++)
    if (!cli_add_picture (self, batch, i, error))
      return FALSE;
  if (!cli_check_needs (self, batch, error))
    return FALSE;

  g_autoptr (VardRewardScores) scores = vard_reward_mix_score (self->mix, batch, NULL, error);

  cli_print_messages (self->mix);
  if (scores == NULL)
    return FALSE;
  for (const char *const *warning = vard_reward_scores_get_warnings (scores); *warning != NULL;
       warning++)
    fprintf (stderr, "vard score: %s\n", *warning);
  for (guint i = 0; i < n; i++)
    cli_keep_row (self, scores, i, self->paths->pdata[first + i]);

  return TRUE;
}

static gboolean
cli_score_all (CliScoreSettings *settings, const char *const *words, GError **error)
{
  g_autoptr (VardRewardMix) mix = cli_make_rewards (settings, error);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (row_free);
  Scoring self = { .settings = settings, .mix = mix, .paths = paths, .rows = rows };
  gboolean ok = mix != NULL && cli_list_pictures (&self, words, error)
                && cli_read_order (&self, error) && cli_read_prompts (&self, error);
  g_autoptr (VardPromptSource) prompts = self.prompts;

  for (guint i = 0; ok && i < paths->len; i += CHUNK)
    ok = cli_score_chunk (&self, i, MIN (CHUNK, paths->len - i), error);
  if (ok)
    cli_print_rows (&self);

  return ok;
}

static CliExit
cli_score (int argc, char **argv)
{
  g_autoptr (CliScoreSettings) settings = g_object_new (CLI_TYPE_SCORE_SETTINGS, NULL);
  g_autoptr (CliOptions) options =
    cli_options_new ("score --reward NAME[:key=value,...] FILE|FOLDER... [OPTION...]",
                     "Scores picture files with rewards and prints the raw scores, one line per "
                     "picture. Reads the prompt from the text \"prompt\" (which vard writes) or "
                     "\"parameters\" of a PNG file. Scores the PNG and JPEG files of a folder.");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Scoring", G_OBJECT (settings));
  if (cli_options_parse (options, argc, argv, &error) && cli_options_apply (options, &error))
    cli_score_all (settings, cli_options_get_words (options), &error);

  return error != NULL ? cli_fail ("score", g_steal_pointer (&error)) : CLI_DONE;
}

const CliVerb cli_verb_score = { "score", "scores picture files with rewards", cli_score };
