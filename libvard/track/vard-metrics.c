/* vard-metrics.c - the named numbers of one training step
 *
 * A step has some forty numbers, in the order in which they were set: a plain array serves.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "track/vard-metrics.h"

#include "base/vard-json.h"

typedef struct
{
  char *name;
  double value;
} Metric;

/**
 * VardMetrics:
 *
 * The named numbers of one training step, in the order in which they were set.
 */
struct _VardMetrics
{
  grefcount ref_count;
  guint64 step;
  double time;
  GArray *items; /* of Metric */
};

G_DEFINE_BOXED_TYPE (VardMetrics, vard_metrics, vard_metrics_ref, vard_metrics_unref)

static void
metric_clear (gpointer data)
{
  Metric *metric = data;

  g_free (metric->name);
}

/**
 * vard_metrics_new:
 * @step: the training step
 * @time: seconds of training up to here, over all resumes
 *
 * Returns: (transfer full): an empty list
 */
VardMetrics *
vard_metrics_new (guint64 step, double time)
{
  VardMetrics *self = g_new0 (VardMetrics, 1);

  g_ref_count_init (&self->ref_count);
  self->step = step;
  self->time = time;
  self->items = g_array_new (FALSE, FALSE, sizeof (Metric));
  g_array_set_clear_func (self->items, metric_clear);

  return self;
}

/**
 * vard_metrics_ref:
 * @self: the metrics
 *
 * Returns: (transfer full): @self
 */
VardMetrics *
vard_metrics_ref (VardMetrics *self)
{
  g_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * vard_metrics_unref:
 * @self: (transfer full): the metrics
 */
void
vard_metrics_unref (VardMetrics *self)
{
  if (self == NULL || !g_ref_count_dec (&self->ref_count))
    return;
  g_array_unref (self->items);
  g_free (self);
}

/**
 * vard_metrics_get_step:
 * @self: the metrics
 *
 * Returns: the training step
 */
guint64
vard_metrics_get_step (VardMetrics *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->step;
}

/**
 * vard_metrics_get_time:
 * @self: the metrics
 *
 * Returns: seconds of training up to this step, over all resumes
 */
double
vard_metrics_get_time (VardMetrics *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->time;
}

static Metric *
vard_metrics_find_metric (VardMetrics *self, const char *name)
{
  for (guint i = 0; i < self->items->len; i++)
    {
      Metric *metric = &g_array_index (self->items, Metric, i);

      if (g_strcmp0 (metric->name, name) == 0)
        return metric;
    }

  return NULL;
}

/**
 * vard_metrics_set:
 * @self: the metrics
 * @name: a name like `reward/mean`
 * @value: its value; a value that is no number is kept as such
 *
 * Adds a number, or replaces the one of the same name.
 */
void
vard_metrics_set (VardMetrics *self, const char *name, double value)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (name != NULL);

  Metric *known = vard_metrics_find_metric (self, name);

  if (known != NULL)
    known->value = value;
  else
    {
      Metric metric = { g_strdup (name), value };

      g_array_append_val (self->items, metric);
    }
}

/**
 * vard_metrics_lookup:
 * @self: the metrics
 * @name: a name
 * @value: (out): its value
 *
 * Returns: whether there is one of that name
 */
gboolean
vard_metrics_lookup (VardMetrics *self, const char *name, double *value)
{
  g_return_val_if_fail (self != NULL, FALSE);

  Metric *known = vard_metrics_find_metric (self, name);

  if (known == NULL)
    return FALSE;
  *value = known->value;

  return TRUE;
}

/**
 * vard_metrics_get_count:
 * @self: the metrics
 *
 * Returns: how many there are
 */
guint
vard_metrics_get_count (VardMetrics *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->items->len;
}

/**
 * vard_metrics_get_name:
 * @self: the metrics
 * @i: an index below the count
 *
 * Returns: the name
 */
const char *
vard_metrics_get_name (VardMetrics *self, guint i)
{
  g_return_val_if_fail (self != NULL && i < self->items->len, NULL);

  return g_array_index (self->items, Metric, i).name;
}

/**
 * vard_metrics_get_value:
 * @self: the metrics
 * @i: an index below the count
 *
 * Returns: the value
 */
double
vard_metrics_get_value (VardMetrics *self, guint i)
{
  g_return_val_if_fail (self != NULL && i < self->items->len, 0);

  return g_array_index (self->items, Metric, i).value;
}

/**
 * vard_metrics_dup_prefixed:
 * @self: the metrics
 * @prefix: text to put before every name: `evaluation/`
 *
 * Returns: (transfer full): the same numbers of the same step under longer names
 */
VardMetrics *
vard_metrics_dup_prefixed (VardMetrics *self, const char *prefix)
{
  g_return_val_if_fail (self != NULL && prefix != NULL, NULL);

  VardMetrics *copy = vard_metrics_new (self->step, self->time);

  for (guint i = 0; i < self->items->len; i++)
    {
      const Metric *metric = &g_array_index (self->items, Metric, i);
      g_autofree char *name = g_strconcat (prefix, metric->name, NULL);

      vard_metrics_set (copy, name, metric->value);
    }

  return copy;
}

/**
 * vard_metrics_to_json:
 * @self: the metrics
 *
 * Returns: (transfer full): one line of JSON without its end of line: an object with "step", "time"
 * and the numbers
 */
char *
vard_metrics_to_json (VardMetrics *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  GString *out = g_string_new (NULL);

  g_string_append_printf (out, "{\"step\":%" G_GUINT64_FORMAT ",\"time\":", self->step);
  vard_json_append_number (out, self->time);
  for (guint i = 0; i < self->items->len; i++)
    {
      Metric *metric = &g_array_index (self->items, Metric, i);

      g_string_append_c (out, ',');
      vard_json_append_string (out, metric->name);
      g_string_append_c (out, ':');
      vard_json_append_number (out, metric->value);
    }
  g_string_append_c (out, '}');

  return g_string_free (out, FALSE);
}
