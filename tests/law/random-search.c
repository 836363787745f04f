/* random-search.c - the smallest algorithm there is: one number is changed at random, and kept when
 * the reward is higher
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "random-search.h"

#include "base/vard-fields.h"
#include "base/vard-random.h"

#include <math.h>

/* ---- its settings ---- */

struct _RandomSearchSettings
{
  GObject parent_instance;

  guint pool_size; /* a name that vard has too */
  double radius;
};

G_DEFINE_FINAL_TYPE (RandomSearchSettings, random_search_settings, G_TYPE_OBJECT)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_UINT (RandomSearchSettings, pool_size,
                   "Pictures of the base model that a change has to beat", 16, 1000000, 16),
  VARD_FIELD_DOUBLE (RandomSearchSettings, radius, "Standard deviation of a change", 1e-9,
                     1e9, 0.1),
};
/* clang-format on */

static void
random_search_settings_class_init (RandomSearchSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
random_search_settings_init (RandomSearchSettings *self)
{
}

/* ---- the algorithm ---- */

struct _RandomSearch
{
  VardAlgorithm parent_instance;

  VardTraining *training;
  const RandomSearchSettings *settings;
  float *base, *direction; /* [count] of the trained weights */

  /* what a checkpoint keeps */
  double place; /* how far along the direction the weights are */
  double best;  /* the mean reward there, when it was tried */
  GArray *raw;  /* double: scores of the survey, [n][n components] */
};

G_DEFINE_FINAL_TYPE (RandomSearch, random_search, VARD_TYPE_ALGORITHM)

static const char *const phases[] = { "survey", NULL };

/* clang-format off */
static const VardMetricInfo infos[] = {
  { "search/place", "1", VARD_METRIC_DIRECTION_NONE,
    VARD_METRIC_LINES_START | VARD_METRIC_LINES_STEP, NULL,
    "How far the weights are along the direction of the search.",
    "If it never changes, lower radius." },
};
/* clang-format on */

static guint
random_search_count_surveyed (RandomSearch *self)
{
  return self->raw->len / vard_reward_mix_get_n_components (self->training->rewards);
}

static gboolean
random_search_prepare (VardAlgorithm *algorithm, GError **error)
{
  RandomSearch *self = RANDOM_SEARCH_ALGORITHM (algorithm);

  self->training = vard_algorithm_peek_training (algorithm);
  self->settings = vard_algorithm_peek_settings (algorithm);

  VardParameterSet *set = self->training->set;

  self->base = g_new (float, set->count);
  self->direction = g_new (float, set->count);
  vard_random_fill_normal (vard_random_derive_key (self->training->settings->seed, "direction", 0),
                           0, self->direction, set->count);

  return vard_engine_read (self->training->engine, vard_tensor_peek_buffer (set->weights),
                           vard_tensor_get_offset (set->weights), self->base,
                           set->count * sizeof (float), error);
}

/* The reward of the base model, which the first change has to beat */
static gboolean
random_search_advance (VardAlgorithm *algorithm,
                       guint phase,
                       gboolean *is_done,
                       GCancellable *cancellable,
                       GError **error)
{
  RandomSearch *self = RANDOM_SEARCH_ALGORITHM (algorithm);
  guint n_rewards = vard_reward_mix_get_n_components (self->training->rewards);
  guint first = random_search_count_surveyed (self);
  guint n = MIN (self->training->settings->batch_size, self->settings->pool_size - first);
  g_autoptr (VardTrajectory) rollout =
    vard_training_rollout (self->training, "survey", first, n, NULL, NULL, cancellable, error);
  g_autoptr (VardRewardScores) scores =
    rollout != NULL ? vard_training_score_rollout (self->training, rollout, cancellable, error)
                    : NULL;

  if (scores == NULL)
    return FALSE;
  g_array_set_size (self->raw, (first + n) * n_rewards);
  for (guint i = 0; i < n; i++)
    vard_training_copy_raw (self->training, scores, i,
                            &g_array_index (self->raw, double, (first + i) * n_rewards));
  vard_training_emit_progress (self->training, "survey",
                               (first + n) / (double) self->settings->pool_size, NULL);
  *is_done = first + n >= self->settings->pool_size;
  if (!*is_done)
    return TRUE;

  g_autofree float *totals = g_new (float, first + n);
  g_autoptr (GArray) valid = g_array_new (FALSE, FALSE, sizeof (guint));
  double sd;

  return vard_training_settle (self->training, (const double *) self->raw->data, first + n, totals,
                               valid, &self->best, &sd, error);
}

static void
random_search_describe (VardAlgorithm *algorithm, VardMetrics *metrics)
{
  vard_metrics_set (metrics, "reward/mean", RANDOM_SEARCH_ALGORITHM (algorithm)->best);
  vard_metrics_set (metrics, "search/place", 0);
}

static gboolean
random_search_move (RandomSearch *self, double place, GError **error)
{
  VardParameterSet *set = self->training->set;
  g_autofree float *weights = g_new (float, set->count);

  for (gint64 i = 0; i < set->count; i++)
    weights[i] = self->base[i] + place * self->direction[i];

  return vard_engine_write (self->training->engine, vard_tensor_peek_buffer (set->weights),
                            vard_tensor_get_offset (set->weights), weights,
                            set->count * sizeof (float), error);
}

static double
random_search_average (RandomSearch *self, VardRewardScores *scores)
{
  double sum = 0;
  guint n = 0;

  for (guint i = 0; i < vard_reward_scores_get_n_items (scores); i++)
    {
      double total = vard_training_get_total (self->training, scores, i);

      if (isfinite (total))
        {
          sum += total;
          n++;
        }
    }

  return n > 0 ? sum / n : -INFINITY;
}

static VardMetrics *
random_search_step (VardAlgorithm *algorithm, GCancellable *cancellable, GError **error)
{
  RandomSearch *self = RANDOM_SEARCH_ALGORITHM (algorithm);
  const VardTrainingSettings *loop = self->training->settings;
  guint64 step = self->training->step;
  float change;

  vard_random_fill_normal (vard_random_derive_key (loop->seed, "change", step), 0, &change, 1);

  double place = self->place + self->settings->radius * change;

  if (!random_search_move (self, place, error))
    return NULL;

  g_autoptr (VardTrajectory) rollout =
    vard_training_rollout (self->training, "search", step * loop->batch_size, loop->batch_size,
                           NULL, NULL, cancellable, error);
  g_autoptr (VardRewardScores) scores =
    rollout != NULL ? vard_training_score_rollout (self->training, rollout, cancellable, error)
                    : NULL;

  if (scores == NULL)
    return NULL;

  double reward = random_search_average (self, scores);

  if (reward > self->best)
    {
      self->place = place;
      self->best = reward;
    }
  else if (!random_search_move (self, self->place, error))
    return NULL;

  VardMetrics *metrics = vard_training_new_metrics (self->training);

  vard_training_add_reward_metrics (self->training, scores, metrics);
  vard_metrics_set (metrics, "search/place", self->place);

  return metrics;
}

static gboolean
random_search_save (VardAlgorithm *algorithm,
                    VardStateWriter *writer,
                    const char *directory,
                    GError **error)
{
  RandomSearch *self = RANDOM_SEARCH_ALGORITHM (algorithm);

  json_object_set_double_member (writer->numbers, "place", self->place);
  json_object_set_double_member (writer->numbers, "best", self->best);
  if (self->raw->len > 0)
    vard_state_writer_add_doubles (writer, "survey", (double *) self->raw->data, self->raw->len);

  return TRUE;
}

/* The weights are those of the place already: the trainer has read them */
static gboolean
random_search_load (VardAlgorithm *algorithm,
                    VardStateReader *reader,
                    const char *directory,
                    guint n_done,
                    GError **error)
{
  RandomSearch *self = RANDOM_SEARCH_ALGORITHM (algorithm);

  g_array_set_size (self->raw, vard_state_reader_get_count (reader, "survey"));

  return vard_state_reader_get_double (reader, "place", &self->place, error)
         && vard_state_reader_get_double (reader, "best", &self->best, error)
         && (self->raw->len == 0
             || vard_state_reader_read_doubles (reader, "survey", (double *) self->raw->data,
                                                self->raw->len, error));
}

static gboolean
random_search_export_files (VardAlgorithm *algorithm, const char *directory, GError **error)
{
  RandomSearch *self = RANDOM_SEARCH_ALGORITHM (algorithm);
  g_autofree char *path = g_build_filename (directory, "place.txt", NULL);
  g_autofree char *text = g_strdup_printf ("%.17g\n", self->place);

  return g_file_set_contents (path, text, -1, error);
}

static void
random_search_forecast (VardAlgorithm *algorithm, VardAlgorithmCosts *costs)
{
  RandomSearch *self = RANDOM_SEARCH_ALGORITHM (algorithm);
  const VardTrainingSettings *loop = self->training->settings;

  costs->optimizer = 2 * self->training->set->count * sizeof (float);
  costs->pictures = self->settings->pool_size;
  costs->calls = (double) loop->steps * loop->batch_size;
}

static void
random_search_finalize (GObject *object)
{
  RandomSearch *self = RANDOM_SEARCH_ALGORITHM (object);

  g_free (self->base);
  g_free (self->direction);
  g_array_unref (self->raw);

  G_OBJECT_CLASS (random_search_parent_class)->finalize (object);
}

static void
random_search_class_init (RandomSearchClass *klass)
{
  VardAlgorithmClass *algorithm = VARD_ALGORITHM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = random_search_finalize;
  algorithm->name = "random-search";
  algorithm->summary = "changes one number at random and keeps it when the reward is higher";
  algorithm->settings_type = RANDOM_SEARCH_TYPE_SETTINGS;
  algorithm->needs = VARD_ALGORITHM_NEEDS_SCORES;
  algorithm->phases = phases;
  algorithm->metrics = infos;
  algorithm->n_metrics = G_N_ELEMENTS (infos);
  algorithm->prepare = random_search_prepare;
  algorithm->advance = random_search_advance;
  algorithm->describe = random_search_describe;
  algorithm->step = random_search_step;
  algorithm->save = random_search_save;
  algorithm->load = random_search_load;
  algorithm->export_files = random_search_export_files;
  algorithm->forecast = random_search_forecast;
}

static void
random_search_init (RandomSearch *self)
{
  self->raw = g_array_new (FALSE, FALSE, sizeof (double));
}
