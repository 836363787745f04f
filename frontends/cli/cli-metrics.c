/* cli-metrics.c - explains every metric of a run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-metrics.h"

#include <stdio.h>

static const char *
cli_describe_direction (VardMetricDirection direction)
{
  switch (direction)
    {
    case VARD_METRIC_DIRECTION_HIGHER: return ", higher is better";
    case VARD_METRIC_DIRECTION_LOWER: return ", lower is better";
    case VARD_METRIC_DIRECTION_NONE:
    default: return "";
    }
}

/* The names of the flags, such as "start, step" */
static char *
cli_describe_lines (VardMetricLines lines)
{
  g_autoptr (GFlagsClass) klass = g_type_class_ref (VARD_TYPE_METRIC_LINES);
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();

  for (guint i = 0; i < klass->n_values; i++)
    if (lines & klass->values[i].value)
      g_strv_builder_add (words, klass->values[i].value_nick);

  g_auto (GStrv) list = g_strv_builder_end (words);

  return g_strjoinv (", ", list);
}

static void
cli_print_row (const VardMetricInfo *row)
{
  g_autofree char *lines = cli_describe_lines (row->lines);

  printf ("%s (%s%s)\n  %s\n  %s\n  lines: %s%s%s\n\n", row->name, row->unit,
          cli_describe_direction (row->direction), row->summary, row->advice, lines,
          row->condition != NULL ? "; " : "", row->condition != NULL ? row->condition : "");
}

static JsonObject *
cli_describe_row (const VardMetricInfo *row)
{
  g_autoptr (GEnumClass) directions = g_type_class_ref (VARD_TYPE_METRIC_DIRECTION);
  g_autoptr (GFlagsClass) klass = g_type_class_ref (VARD_TYPE_METRIC_LINES);
  JsonObject *object = json_object_new ();
  JsonArray *lines = json_array_new ();

  for (guint i = 0; i < klass->n_values; i++)
    if (row->lines & klass->values[i].value)
      json_array_add_string_element (lines, klass->values[i].value_nick);

  json_object_set_string_member (object, "name", row->name);
  json_object_set_string_member (object, "unit", row->unit);
  json_object_set_string_member (object, "direction",
                                 g_enum_get_value (directions, row->direction)->value_nick);
  json_object_set_array_member (object, "lines", lines);
  if (row->condition != NULL)
    json_object_set_string_member (object, "condition", row->condition);
  json_object_set_string_member (object, "summary", row->summary);
  json_object_set_string_member (object, "advice", row->advice);

  return object;
}

void
cli_print_metrics (gboolean is_json)
{
  g_autoptr (VardMetricTable) table = vard_list_metrics ();
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_ARRAY);
  g_autoptr (JsonArray) rows = json_array_new ();

  for (guint i = 0; i < vard_metric_table_get_count (table); i++)
    if (is_json)
      json_array_add_object_element (rows, cli_describe_row (vard_metric_table_get (table, i)));
    else
      cli_print_row (vard_metric_table_get (table, i));
  if (!is_json)
    return;

  json_node_set_array (node, rows);
  cli_print_json (node);
}
