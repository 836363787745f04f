/* vard-json.c - writes JSON with numbers that read back bit for bit
 *
 * json-glib's own writer (1.6) prints 1e-08 as "1e-08.0", which is no JSON, and 0.03 as
 * 0.029999999999999999.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-json.h"

#include <math.h>
#include <string.h>

static void vard_json_append_node (GString *out, JsonNode *node, gboolean is_pretty, guint depth);

/**
 * vard_json_append_string:
 * @out: where to append
 * @text: a string in UTF-8
 *
 * Appends a JSON string, quoted and escaped, for writers that build no tree of nodes.
 */
void
vard_json_append_string (GString *out, const char *text)
{
  g_string_append_c (out, '"');
  for (const char *p = text; *p; p++)
    if (*p == '"' || *p == '\\')
      g_string_append_printf (out, "\\%c", *p);
    else if (*p == '\n')
      g_string_append (out, "\\n");
    else if ((guchar) *p < 0x20 || *p == 0x7f)
      g_string_append_printf (out, "\\u%04x", (guchar) *p);
    else
      g_string_append_c (out, *p);
  g_string_append_c (out, '"');
}

/**
 * vard_json_append_number:
 * @out: where to append
 * @value: a number
 *
 * Appends the fewest digits that read back as the same double. JSON has no word for a number that
 * is not finite: it becomes null.
 */
void
vard_json_append_number (GString *out, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (!isfinite (value))
    {
      g_string_append (out, "null");
      return;
    }
  for (int digits = 6; digits <= 17; digits++)
    {
      char format[8];

      g_snprintf (format, sizeof format, "%%.%dg", digits);
      g_ascii_formatd (text, sizeof text, format, value);
      if (g_ascii_strtod (text, NULL) == value)
        break;
    }
  g_string_append (out, text);
  if (strpbrk (text, ".e") == NULL)
    g_string_append (out, ".0");
}

static void
vard_json_append_break (GString *out, gboolean is_pretty, guint depth)
{
  if (is_pretty)
    g_string_append_printf (out, "\n%*s", (int) (2 * depth), "");
}

static void
vard_json_append_object (GString *out, JsonObject *object, gboolean is_pretty, guint depth)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  gboolean is_first = TRUE;

  g_string_append_c (out, '{');
  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &value))
    {
      if (!is_first)
        g_string_append_c (out, ',');
      is_first = FALSE;
      vard_json_append_break (out, is_pretty, depth + 1);
      vard_json_append_string (out, name);
      g_string_append (out, is_pretty ? ": " : ":");
      vard_json_append_node (out, value, is_pretty, depth + 1);
    }
  if (!is_first)
    vard_json_append_break (out, is_pretty, depth);
  g_string_append_c (out, '}');
}

static void
vard_json_append_array (GString *out, JsonArray *array, gboolean is_pretty, guint depth)
{
  guint n = json_array_get_length (array);

  g_string_append_c (out, '[');
  for (guint i = 0; i < n; i++)
    {
      if (i > 0)
        g_string_append_c (out, ',');
      vard_json_append_break (out, is_pretty, depth + 1);
      vard_json_append_node (out, json_array_get_element (array, i), is_pretty, depth + 1);
    }
  if (n > 0)
    vard_json_append_break (out, is_pretty, depth);
  g_string_append_c (out, ']');
}

static void
vard_json_append_value (GString *out, JsonNode *node)
{
  switch (json_node_get_value_type (node))
    {
    case G_TYPE_STRING: vard_json_append_string (out, json_node_get_string (node)); break;
    case G_TYPE_BOOLEAN:
      g_string_append (out, json_node_get_boolean (node) ? "true" : "false");
      break;
    case G_TYPE_DOUBLE: vard_json_append_number (out, json_node_get_double (node)); break;
    default: g_string_append_printf (out, "%" G_GINT64_FORMAT, json_node_get_int (node));
    }
}

static void
vard_json_append_node (GString *out, JsonNode *node, gboolean is_pretty, guint depth)
{
  switch (JSON_NODE_TYPE (node))
    {
    case JSON_NODE_OBJECT:
      vard_json_append_object (out, json_node_get_object (node), is_pretty, depth);
      break;
    case JSON_NODE_ARRAY:
      vard_json_append_array (out, json_node_get_array (node), is_pretty, depth);
      break;
    case JSON_NODE_VALUE: vard_json_append_value (out, node); break;
    case JSON_NODE_NULL:
    default: g_string_append (out, "null");
    }
}

/**
 * vard_json_to_text:
 * @node: a tree
 * @is_pretty: whether on several lines
 *
 * Returns: (transfer full): the tree as JSON; numbers read back as the same bits
 */
char *
vard_json_to_text (JsonNode *node, gboolean is_pretty)
{
  g_return_val_if_fail (node != NULL, NULL);

  GString *out = g_string_new (NULL);

  vard_json_append_node (out, node, is_pretty, 0);

  return g_string_free (out, FALSE);
}
