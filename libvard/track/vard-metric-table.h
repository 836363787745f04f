/* vard-metric-table.h - what each metric means: its unit, its direction and what is healthy
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/**
 * VardMetricDirection:
 * @VARD_METRIC_DIRECTION_NONE: neither end is better
 * @VARD_METRIC_DIRECTION_HIGHER: higher is better
 * @VARD_METRIC_DIRECTION_LOWER: lower is better
 *
 * Which way a metric should move.
 */
typedef enum
{
  VARD_METRIC_DIRECTION_NONE,
  VARD_METRIC_DIRECTION_HIGHER,
  VARD_METRIC_DIRECTION_LOWER,
} VardMetricDirection;

#define VARD_TYPE_METRIC_DIRECTION (vard_metric_direction_get_type ())

GType vard_metric_direction_get_type (void) G_GNUC_CONST;

/**
 * VardMetricLines:
 * @VARD_METRIC_LINES_START: the line of step 0, which describes the base model
 * @VARD_METRIC_LINES_STEP: the line of every later step
 * @VARD_METRIC_LINES_EVALUATION: the line of an evaluation, which follows the line of its step
 *
 * The lines of metrics.jsonl that have a metric.
 */
typedef enum
{
  VARD_METRIC_LINES_START = 1 << 0,
  VARD_METRIC_LINES_STEP = 1 << 1,
  VARD_METRIC_LINES_EVALUATION = 1 << 2,
} VardMetricLines;

#define VARD_TYPE_METRIC_LINES (vard_metric_lines_get_type ())

GType vard_metric_lines_get_type (void) G_GNUC_CONST;

#define VARD_TYPE_METRIC_INFO (vard_metric_info_get_type ())

typedef struct _VardMetricInfo VardMetricInfo;

/**
 * VardMetricInfo:
 * @name: the metric's name; a part such as `<label>` stands for any text
 * @unit: the unit of its values
 * @direction: which way is better
 * @lines: the lines that have it
 * @condition: (nullable): when these lines have it; %NULL for always
 * @summary: what it measures, one sentence
 * @advice: what is healthy and what to do otherwise, one sentence
 *
 * One row of a #VardMetricTable.
 */
struct _VardMetricInfo
{
  const char *name;
  const char *unit;
  VardMetricDirection direction;
  VardMetricLines lines;
  const char *condition;
  const char *summary;
  const char *advice;
};

GType vard_metric_info_get_type (void) G_GNUC_CONST;
VardMetricInfo *vard_metric_info_copy (const VardMetricInfo *self);
void vard_metric_info_free (VardMetricInfo *self);

#define VARD_TYPE_METRIC_TABLE (vard_metric_table_get_type ())

typedef struct _VardMetricTable VardMetricTable;

GType vard_metric_table_get_type (void) G_GNUC_CONST;
VardMetricTable *vard_metric_table_new (void);
VardMetricTable *vard_metric_table_ref (VardMetricTable *self);
void vard_metric_table_unref (VardMetricTable *self);
void vard_metric_table_add (VardMetricTable *self, const VardMetricInfo *info);
guint vard_metric_table_get_count (VardMetricTable *self);
const VardMetricInfo *vard_metric_table_get (VardMetricTable *self, guint i);
const VardMetricInfo *vard_metric_table_lookup (VardMetricTable *self, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardMetricInfo, vard_metric_info_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardMetricTable, vard_metric_table_unref)

G_END_DECLS
