/* vard-forecast.c - forecasts what a run will cost without training it
 *
 * Counts follow from the settings and from the costs that the algorithm states; the algorithm also
 * lists which of its own settings lower a row. Time is measured on a short rollout and scaled by
 * the number of denoiser evaluations; it includes neither the rewards nor the value network, whose
 * steps are cheap in comparison. Memory is measured for what is loaded, and counted for what
 * training will fill.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-forecast.h"

#include "diffusion/vard-pipeline-private.h"
#include "run/vard-folder.h"
#include "run/vard-forecast-kinds.h"
#include "run/runner/vard-runner-private.h"
#include "train/vard-trainer-memory.h"

/* A weight, its two moments: bytes in a checkpoint */
#define BYTES_PER_TRAINED 12.0

/**
 * VardForecast:
 *
 * What a run would take: a list of rows, each a number with a name such as `memory/peak`, a label
 * for people, a unit and the settings that lower it. The groups are `work`, `calls` (of the
 * rewards) and `weights`, which follow from settings and model, and `memory`, `device`, `disk` and
 * `time`, which have to be measured.
 */
struct _VardForecast
{
  GObject parent_instance;

  VardRunner *runner;
  JsonObject *settings; /* all of the run's, by name */
  VardAlgorithmCosts costs;
  GArray *rows; /* of VardForecastRow */
};

G_DEFINE_FINAL_TYPE (VardForecast, vard_forecast, G_TYPE_OBJECT)

typedef struct
{
  const VardForecastKind *kind;
  char **remedies;
  double value;
} VardForecastRow;

static VardForecastRow *
vard_forecast_find (VardForecast *self, const char *name)
{
  for (guint i = 0; i < self->rows->len; i++)
    {
      VardForecastRow *row = &g_array_index (self->rows, VardForecastRow, i);

      if (g_str_equal (row->kind->name, name))
        return row;
    }

  return NULL;
}

/* What is measured again takes the place of what was */
static VardForecastRow *
vard_forecast_set (VardForecast *self, const char *name, double value)
{
  VardForecastRow *row = vard_forecast_find (self, name);

  if (row == NULL)
    {
      VardForecastRow fresh = { .kind = vard_forecast_find_kind (name) };
      g_autoptr (GStrvBuilder) remedies = g_strv_builder_new ();

      g_strv_builder_addv (remedies, (const char **) fresh.kind->remedies);
      g_strv_builder_addv (remedies,
                           (const char **) vard_trainer_peek_remedies (self->runner->trainer,
                                                                       name));
      fresh.remedies = g_strv_builder_end (remedies);
      g_array_append_val (self->rows, fresh);
      row = &g_array_index (self->rows, VardForecastRow, self->rows->len - 1);
    }
  row->value = value;

  return row;
}

/* One that every algorithm has: its own costs it tells itself */
static double
vard_forecast_get_setting (VardForecast *self, const char *name)
{
  return json_object_get_double_member (self->settings, name);
}

/* ---- what follows from the settings ---- */

/* How often pictures are judged: the base model's, the last ones, and those in between */
static double
vard_forecast_count_evaluations (VardForecast *self)
{
  guint steps = vard_forecast_get_setting (self, "steps");
  guint interval = vard_forecast_get_setting (self, "evaluation-interval");

  return 1 + (steps > 0 ? 1 + (interval > 0 ? (steps - 1) / interval : 0) : 0);
}

static void
vard_forecast_copy (VardForecast *self, const char *name, const char *setting)
{
  vard_forecast_set (self, name, vard_forecast_get_setting (self, setting));
}

/* Only what the algorithm does has a row */
static void
vard_forecast_count_updates (VardForecast *self)
{
  if (self->costs.forwards > 0)
    {
      vard_forecast_copy (self, "work/policy-updates", "policy-updates");
      vard_forecast_copy (self, "work/states", "states-per-update");
    }
  vard_forecast_set (self, "work/pool", self->costs.pictures);
  if (self->costs.updates > 0)
    {
      vard_forecast_set (self, "work/value-updates", self->costs.updates);
      vard_forecast_set (self, "work/value-states", self->costs.states);
    }
}

static void
vard_forecast_count_work (VardForecast *self)
{
  double n_evaluations = vard_forecast_count_evaluations (self);
  double pool = self->costs.pictures, online = self->costs.calls;
  double evaluated = n_evaluations * vard_forecast_get_setting (self, "evaluation-prompts")
                     * vard_forecast_get_setting (self, "evaluation-seeds");

  vard_forecast_copy (self, "work/steps", "steps");
  vard_forecast_copy (self, "work/trajectories", "batch-size");
  vard_forecast_copy (self, "work/denoising-steps", "sampler-steps");
  vard_forecast_count_updates (self);
  vard_forecast_copy (self, "work/evaluation-prompts", "evaluation-prompts");
  vard_forecast_copy (self, "work/evaluation-seeds", "evaluation-seeds");
  vard_forecast_set (self, "work/evaluations", n_evaluations);
  vard_forecast_set (self, "calls/pool", pool);
  vard_forecast_set (self, "calls/training", online);
  vard_forecast_set (self, "calls/evaluation", evaluated);
  vard_forecast_set (self, "calls/total", pool + online + evaluated);
}

/**
 * vard_forecast_new:
 * @runner: a runner that was not started yet; until it is freed the forecast keeps it
 *
 * Counts what follows from the settings and the model: the rows of the groups `work`, `calls` and
 * `weights`.
 *
 * Returns: (transfer full): a forecast
 */
VardForecast *
vard_forecast_new (VardRunner *runner)
{
  g_return_val_if_fail (VARD_IS_RUNNER (runner), NULL);

  VardForecast *self = g_object_new (VARD_TYPE_FORECAST, NULL);
  gsize all, trained;

  self->runner = g_object_ref (runner);
  self->settings = vard_run_settings_to_json (runner->settings);
  vard_trainer_forecast_algorithm (runner->trainer, &self->costs);
  vard_forecast_count_work (self);
  vard_trainer_count_weights (runner->trainer, &all, &trained);
  vard_forecast_set (self, "weights/all", all);
  vard_forecast_set (self, "weights/trained", trained);

  return self;
}

/* ---- what is measured ---- */

static void
vard_forecast_set_device (VardForecast *self, const VardDeviceMemory *m)
{
  vard_forecast_set (self, "device/weights", m->weights);
  vard_forecast_set (self, "device/buffers", m->buffers);
  vard_forecast_set (self, "device/activations", m->workspace);
  vard_forecast_set (self, "device/libraries", m->libraries);
  vard_forecast_set (self, "device/needed", m->needed);
  vard_forecast_set (self, "device/room", m->free + m->needed - m->missing);
}

static gboolean
vard_forecast_measure_memory (VardForecast *self, GError **error)
{
  VardMemoryEstimate m;
  VardForecastRow *activations;

  if (!vard_trainer_estimate_memory (self->runner->trainer, &m, error))
    return FALSE;
  vard_forecast_set (self, "memory/denoiser", m.denoiser);
  vard_forecast_set (self, "memory/text-encoder", m.text_encoder);
  vard_forecast_set (self, "memory/frozen", m.frozen);
  vard_forecast_set (self, "memory/loaded", m.loaded);
  vard_forecast_set (self, "memory/optimizer", m.optimizer);
  vard_forecast_set (self, "memory/pool", m.pool);
  vard_forecast_set (self, "memory/ring", m.ring);
  activations = vard_forecast_set (self, "memory/activations", m.activations);
  /* without a policy in it the largest program is that of sampling */
  if (!m.is_policy)
    {
      g_strfreev (activations->remedies);
      activations->remedies = g_strsplit ("batch-size", ",", -1);
    }
  vard_forecast_set (self, "memory/batch", m.batch);
  vard_forecast_set (self, "memory/peak", m.peak);
  if (m.has_device)
    vard_forecast_set_device (self, &m.device);

  return TRUE;
}

static void
vard_forecast_measure_disk (VardForecast *self, const char *path)
{
  g_autofree char *place = g_canonicalize_filename (path, NULL);
  double trained;
  guint kept = vard_run_settings_get_keep_checkpoints (self->runner->settings);
  guint steps = vard_forecast_get_setting (self, "steps");
  guint interval = vard_forecast_get_setting (self, "checkpoint-interval");
  guint n_written = 1 + (interval > 0 ? steps / interval : 0);
  guint64 n_bytes;

  vard_forecast_lookup (self, "weights/trained", &trained);

  double checkpoint = trained * BYTES_PER_TRAINED + self->costs.pool + self->costs.ring;

  vard_forecast_set (self, "disk/checkpoint", checkpoint);
  /* one more than is kept, while the newest is written */
  vard_forecast_set (self, "disk/checkpoints",
                     checkpoint * (kept > 0 ? MIN (kept + 1, n_written) : n_written));
  if (vard_folder_get_free_space (place, &n_bytes))
    vard_forecast_set (self, "disk/free", n_bytes);
}

static double
vard_forecast_count_forwards (VardForecast *self)
{
  double branches = vard_forecast_get_setting (self, "guidance-scale") != 1 ? 2 : 1;
  double steps = vard_forecast_get_setting (self, "steps"), evaluated;

  vard_forecast_lookup (self, "calls/evaluation", &evaluated);

  double pictures = self->costs.pictures + steps * vard_forecast_get_setting (self, "batch-size")
                    + evaluated;

  return branches
         * (pictures * vard_forecast_get_setting (self, "sampler-steps") + self->costs.forwards);
}

/**
 * vard_forecast_measure_time:
 * @self: a forecast
 * @cancellable: (nullable): stops at any moment
 * @error: return location for an error
 *
 * Times a few evaluations of the denoiser and adds the rows of the group `time`.
 *
 * Returns: whether it could be measured
 */
gboolean
vard_forecast_measure_time (VardForecast *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_FORECAST (self), FALSE);

  double n_forwards = vard_forecast_count_forwards (self), seconds;

  if (!vard_trainer_measure_forward (self->runner->trainer, &seconds, cancellable, error))
    return FALSE;
  vard_forecast_set (self, "time/evaluations", n_forwards);
  vard_forecast_set (self, "time/evaluation", seconds);
  vard_forecast_set (self, "time/total", n_forwards * seconds);

  return TRUE;
}

/**
 * vard_forecast_measure:
 * @self: a forecast
 * @path: (type filename): where the run would be; its parents need not exist
 * @cancellable: (nullable): stops while time is measured
 * @error: return location for an error
 *
 * Measures memory, disk and time. It compiles what training will run and runs the denoiser a few
 * times; nothing is trained and nothing written.
 *
 * Returns: whether all could be measured
 */
gboolean
vard_forecast_measure (VardForecast *self,
                       const char *path,
                       GCancellable *cancellable,
                       GError **error)
{
  g_return_val_if_fail (VARD_IS_FORECAST (self) && path != NULL, FALSE);

  /* memory before time, which fills some */
  if (!vard_forecast_measure_memory (self, error))
    return FALSE;
  vard_forecast_measure_disk (self, path);

  return vard_forecast_measure_time (self, cancellable, error);
}

static void
vard_forecast_measure_in_thread (GTask *task,
                                 gpointer source,
                                 gpointer data,
                                 GCancellable *cancellable)
{
  GError *error = NULL;

  if (vard_forecast_measure (source, data, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/**
 * vard_forecast_measure_async:
 * @self: a forecast, which is not to be looked at until @callback is called
 * @path: (type filename): where the run would be
 * @cancellable: (nullable): stops while time is measured
 * @callback: (scope async): called at the end
 * @user_data: for @callback
 *
 * Does what vard_forecast_measure() does, in a thread.
 */
void
vard_forecast_measure_async (VardForecast *self,
                             const char *path,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  g_return_if_fail (VARD_IS_FORECAST (self) && path != NULL);

  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vard_forecast_measure_async);
  g_task_set_task_data (task, g_strdup (path), g_free);
  g_task_run_in_thread (task, vard_forecast_measure_in_thread);
}

/**
 * vard_forecast_measure_finish:
 * @self: a forecast
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Returns: whether all could be measured
 */
gboolean
vard_forecast_measure_finish (VardForecast *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- what it says ---- */

/**
 * vard_forecast_get_count:
 * @self: a forecast
 *
 * Returns: how many rows there are
 */
guint
vard_forecast_get_count (VardForecast *self)
{
  g_return_val_if_fail (VARD_IS_FORECAST (self), 0);

  return self->rows->len;
}

static const VardForecastRow *
vard_forecast_peek (VardForecast *self, guint row)
{
  return &g_array_index (self->rows, VardForecastRow, row);
}

/**
 * vard_forecast_get_name:
 * @self: a forecast
 * @row: which row
 *
 * Returns: the name of a row, with its group: `memory/peak`
 */
const char *
vard_forecast_get_name (VardForecast *self, guint row)
{
  g_return_val_if_fail (VARD_IS_FORECAST (self) && row < self->rows->len, NULL);

  return vard_forecast_peek (self, row)->kind->name;
}

/**
 * vard_forecast_get_label:
 * @self: a forecast
 * @row: which row
 *
 * Returns: what a row is, for people
 */
const char *
vard_forecast_get_label (VardForecast *self, guint row)
{
  g_return_val_if_fail (VARD_IS_FORECAST (self) && row < self->rows->len, NULL);

  return vard_forecast_peek (self, row)->kind->label;
}

/**
 * vard_forecast_get_unit:
 * @self: a forecast
 * @row: which row
 *
 * Returns: the unit of a row: `bytes`, `seconds` or `count`
 */
const char *
vard_forecast_get_unit (VardForecast *self, guint row)
{
  g_return_val_if_fail (VARD_IS_FORECAST (self) && row < self->rows->len, NULL);

  return vard_forecast_peek (self, row)->kind->unit;
}

/**
 * vard_forecast_get_value:
 * @self: a forecast
 * @row: which row
 *
 * Returns: the number of a row, in its unit
 */
double
vard_forecast_get_value (VardForecast *self, guint row)
{
  g_return_val_if_fail (VARD_IS_FORECAST (self) && row < self->rows->len, 0);

  return vard_forecast_peek (self, row)->value;
}

/**
 * vard_forecast_get_remedies:
 * @self: a forecast
 * @row: which row
 *
 * Returns: (transfer none) (array zero-terminated=1): the settings that lower a row: a name, or
 * `name=value` where one
 *   value does; empty where there is none
 */
const char *const *
vard_forecast_get_remedies (VardForecast *self, guint row)
{
  g_return_val_if_fail (VARD_IS_FORECAST (self) && row < self->rows->len, NULL);

  return (const char *const *) vard_forecast_peek (self, row)->remedies;
}

/**
 * vard_forecast_lookup:
 * @self: a forecast
 * @name: the name of a row
 * @value: (out) (optional): its number
 *
 * Returns: whether there is such a row
 */
gboolean
vard_forecast_lookup (VardForecast *self, const char *name, double *value)
{
  g_return_val_if_fail (VARD_IS_FORECAST (self) && name != NULL, FALSE);

  const VardForecastRow *row = vard_forecast_find (self, name);

  if (row != NULL && value != NULL)
    *value = row->value;

  return row != NULL;
}

/**
 * vard_forecast_to_json:
 * @self: a forecast
 *
 * Returns: (transfer full): every name with its number
 */
JsonObject *
vard_forecast_to_json (VardForecast *self)
{
  g_return_val_if_fail (VARD_IS_FORECAST (self), NULL);

  JsonObject *object = json_object_new ();

  for (guint i = 0; i < self->rows->len; i++)
    {
      const VardForecastRow *row = vard_forecast_peek (self, i);

      json_object_set_double_member (object, row->kind->name, row->value);
    }

  return object;
}

static void
vard_forecast_row_clear (VardForecastRow *row)
{
  g_strfreev (row->remedies);
}

static void
vard_forecast_finalize (GObject *object)
{
  VardForecast *self = VARD_FORECAST (object);

  g_clear_pointer (&self->settings, json_object_unref);
  g_clear_object (&self->runner);
  g_array_unref (self->rows);
  G_OBJECT_CLASS (vard_forecast_parent_class)->finalize (object);
}

static void
vard_forecast_class_init (VardForecastClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_forecast_finalize;
}

static void
vard_forecast_init (VardForecast *self)
{
  self->rows = g_array_new (FALSE, FALSE, sizeof (VardForecastRow));
  g_array_set_clear_func (self->rows, (GDestroyNotify) vard_forecast_row_clear);
}
