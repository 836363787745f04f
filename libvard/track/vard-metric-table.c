/* vard-metric-table.c - what each metric means: its unit, its direction and what is healthy
 *
 * A run writes some seventy names, a few of which hold a reward's label or a time. A table is
 * filled once and asked a few times a minute, so a plain array serves; a name that is written out
 * in a row wins over a pattern.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "track/vard-metric-table.h"

#include "track/vard-core-metrics.h"

#include <string.h>

G_DEFINE_ENUM_TYPE (VardMetricDirection,
                    vard_metric_direction,
                    G_DEFINE_ENUM_VALUE (VARD_METRIC_DIRECTION_NONE, "none"),
                    G_DEFINE_ENUM_VALUE (VARD_METRIC_DIRECTION_HIGHER, "higher"),
                    G_DEFINE_ENUM_VALUE (VARD_METRIC_DIRECTION_LOWER, "lower"))

G_DEFINE_FLAGS_TYPE (VardMetricLines,
                     vard_metric_lines,
                     G_DEFINE_ENUM_VALUE (VARD_METRIC_LINES_START, "start"),
                     G_DEFINE_ENUM_VALUE (VARD_METRIC_LINES_STEP, "step"),
                     G_DEFINE_ENUM_VALUE (VARD_METRIC_LINES_EVALUATION, "evaluation"))

G_DEFINE_BOXED_TYPE (VardMetricInfo, vard_metric_info, vard_metric_info_copy, vard_metric_info_free)

/**
 * vard_metric_info_copy:
 * @self: a row
 *
 * Returns: (transfer full): a row of the same values
 */
VardMetricInfo *
vard_metric_info_copy (const VardMetricInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  VardMetricInfo *copy = g_new (VardMetricInfo, 1);

  *copy = (VardMetricInfo) {
    .name = g_strdup (self->name),
    .unit = g_strdup (self->unit),
    .direction = self->direction,
    .lines = self->lines,
    .condition = g_strdup (self->condition),
    .summary = g_strdup (self->summary),
    .advice = g_strdup (self->advice),
  };

  return copy;
}

/**
 * vard_metric_info_free:
 * @self: (transfer full) (nullable): a copy of a row
 */
void
vard_metric_info_free (VardMetricInfo *self)
{
  if (self == NULL)
    return;
  g_free ((char *) self->name);
  g_free ((char *) self->unit);
  g_free ((char *) self->condition);
  g_free ((char *) self->summary);
  g_free ((char *) self->advice);
  g_free (self);
}

/**
 * VardMetricTable:
 *
 * A row for every metric that a run can write: the core's, those of algorithms and those of
 * rewards.
 */
struct _VardMetricTable
{
  grefcount ref_count;
  GPtrArray *rows; /* VardMetricInfo */
};

G_DEFINE_BOXED_TYPE (VardMetricTable,
                     vard_metric_table,
                     vard_metric_table_ref,
                     vard_metric_table_unref)

/**
 * vard_metric_table_new:
 *
 * Returns: (transfer full): a table with the core's rows: what every run writes, whatever its
 *   algorithm and its rewards
 */
VardMetricTable *
vard_metric_table_new (void)
{
  VardMetricTable *self = g_new0 (VardMetricTable, 1);

  g_ref_count_init (&self->ref_count);
  self->rows = g_ptr_array_new_with_free_func ((GDestroyNotify) vard_metric_info_free);
  for (guint i = 0; i < vard_n_core_metrics; i++)
    vard_metric_table_add (self, &vard_core_metrics[i]);

  return self;
}

/**
 * vard_metric_table_ref:
 * @self: a table
 *
 * Returns: (transfer full): @self
 */
VardMetricTable *
vard_metric_table_ref (VardMetricTable *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_ref_count_inc (&self->ref_count);

  return self;
}

/**
 * vard_metric_table_unref:
 * @self: (transfer full) (nullable): a table
 */
void
vard_metric_table_unref (VardMetricTable *self)
{
  if (self == NULL || !g_ref_count_dec (&self->ref_count))
    return;
  g_ptr_array_unref (self->rows);
  g_free (self);
}

/**
 * vard_metric_table_add:
 * @self: a table
 * @info: a row, which is copied
 *
 * Adds a row after the others. A row of the same name is replaced: an algorithm may say more of a
 * metric than the core does.
 */
void
vard_metric_table_add (VardMetricTable *self, const VardMetricInfo *info)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (info != NULL && info->name != NULL && info->unit != NULL);
  g_return_if_fail (info->summary != NULL && info->advice != NULL);

  for (guint i = 0; i < self->rows->len; i++)
    {
      VardMetricInfo *known = self->rows->pdata[i];

      if (!g_str_equal (known->name, info->name))
        continue;
      self->rows->pdata[i] = vard_metric_info_copy (info);
      vard_metric_info_free (known);
      return;
    }
  g_ptr_array_add (self->rows, vard_metric_info_copy (info));
}

/**
 * vard_metric_table_get_count:
 * @self: a table
 *
 * Returns: the number of rows
 */
guint
vard_metric_table_get_count (VardMetricTable *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->rows->len;
}

/**
 * vard_metric_table_get:
 * @self: a table
 * @i: an index below the count
 *
 * Returns: (transfer none): the row
 */
const VardMetricInfo *
vard_metric_table_get (VardMetricTable *self, guint i)
{
  g_return_val_if_fail (self != NULL && i < self->rows->len, NULL);

  return self->rows->pdata[i];
}

/* Whether a pattern's text before, between and after its parts in angle brackets is that of the
 * name, with at least one character for each such part */
static gboolean
vard_metric_table_matches (const char *pattern, const char *name)
{
  const char *open = strchr (pattern, '<');
  const char *close = open != NULL ? strchr (open, '>') : NULL;

  if (close == NULL)
    return g_str_equal (pattern, name);
  if (strncmp (pattern, name, open - pattern) != 0)
    return FALSE;

  for (const char *rest = name + (open - pattern); *rest != 0;)
    if (vard_metric_table_matches (close + 1, ++rest))
      return TRUE;

  return FALSE;
}

/**
 * vard_metric_table_lookup:
 * @self: a table
 * @name: the name of a metric, as in metrics.jsonl
 *
 * A row with exactly this name wins over a pattern, and a pattern over those before it.
 *
 * Returns: (transfer none) (nullable): its row, or %NULL
 */
const VardMetricInfo *
vard_metric_table_lookup (VardMetricTable *self, const char *name)
{
  g_return_val_if_fail (self != NULL && name != NULL, NULL);

  const VardMetricInfo *found = NULL;

  for (guint i = 0; i < self->rows->len; i++)
    {
      const VardMetricInfo *row = self->rows->pdata[i];

      if (g_str_equal (row->name, name))
        return row;
      if (vard_metric_table_matches (row->name, name))
        found = row;
    }

  return found;
}
