/* vard-settings-json.c - converts the settings of an object to JSON and back
 *
 * JSON numbers stop at 2^63 here, so larger unsigned ones are written as text; a list is an array,
 * a choice its name, an empty text null.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-settings.h"

#include "base/vard-error.h"
#include "base/vard-json.h"

static JsonNode *
vard_settings_value_to_node (const GValue *value)
{
  JsonNode *node = json_node_alloc ();

  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value)))
    {
    case G_TYPE_BOOLEAN: return json_node_init_boolean (node, g_value_get_boolean (value));
    case G_TYPE_INT: return json_node_init_int (node, g_value_get_int (value));
    case G_TYPE_UINT: return json_node_init_int (node, g_value_get_uint (value));
    case G_TYPE_INT64: return json_node_init_int (node, g_value_get_int64 (value));
    case G_TYPE_FLOAT: return json_node_init_double (node, g_value_get_float (value));
    case G_TYPE_DOUBLE: return json_node_init_double (node, g_value_get_double (value));
    case G_TYPE_UINT64:
      if (g_value_get_uint64 (value) <= G_MAXINT64)
        return json_node_init_int (node, (gint64) g_value_get_uint64 (value));
      break;
    case G_TYPE_STRING:
      if (g_value_get_string (value) == NULL)
        return json_node_init_null (node);
      break;
    default: break;
    }

  g_autofree char *text = vard_settings_value_to_text (value);

  return json_node_init_string (node, text);
}

static JsonNode *
vard_settings_strv_to_node (const GValue *value)
{
  char **list = g_value_get_boxed (value);
  JsonArray *array = json_array_new ();
  JsonNode *node = json_node_new (JSON_NODE_ARRAY);

  for (guint i = 0; list != NULL && list[i] != NULL; i++)
    json_array_add_string_element (array, list[i]);
  json_node_take_array (node, array);

  return node;
}

/**
 * vard_settings_to_json:
 * @object: an object
 *
 * Returns: (transfer full): all its settings
 */
JsonObject *
vard_settings_to_json (GObject *object)
{
  g_return_val_if_fail (G_IS_OBJECT (object), NULL);

  JsonObject *json = json_object_new ();
  guint n;
  g_autofree GParamSpec **settings = vard_settings_list (G_OBJECT_GET_CLASS (object), &n);

  for (guint i = 0; i < n; i++)
    {
      g_auto (GValue) value = G_VALUE_INIT;

      g_value_init (&value, settings[i]->value_type);
      g_object_get_property (object, settings[i]->name, &value);
      json_object_set_member (json, settings[i]->name,
                              G_VALUE_HOLDS (&value, G_TYPE_STRV)
                                ? vard_settings_strv_to_node (&value)
                                : vard_settings_value_to_node (&value));
    }

  return json;
}

static gboolean
vard_settings_parse_array (GParamSpec *pspec, JsonArray *array, GValue *value, GError **error)
{
  g_autoptr (GStrvBuilder) list = g_strv_builder_new ();

  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *item = json_array_get_element (array, i);

      if (json_node_get_value_type (item) != G_TYPE_STRING)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "item %u of %s must be a string", i,
                       pspec->name);
          return FALSE;
        }
      g_strv_builder_add (list, json_node_get_string (item));
    }
  g_value_init (value, G_TYPE_STRV);
  g_value_take_boxed (value, g_strv_builder_end (list));

  return TRUE;
}

/* A number may be written as 1 or 1.0; nothing else changes its kind. */
static gboolean
vard_settings_parse_node (GParamSpec *pspec, JsonNode *node, GValue *value, GError **error)
{
  const char *kind = vard_settings_get_kind (pspec);
  GType type = json_node_get_value_type (node);
  gboolean natural = G_IS_PARAM_SPEC_UINT64 (pspec) && type == G_TYPE_STRING;
  gboolean fits = FALSE;

  if (JSON_NODE_HOLDS_ARRAY (node) && g_str_equal (kind, "list"))
    return vard_settings_parse_array (pspec, json_node_get_array (node), value, error);
  if (JSON_NODE_HOLDS_NULL (node) && g_str_equal (kind, "text"))
    {
      g_value_init (value, G_TYPE_STRING);
      return TRUE;
    }

  if (g_str_equal (kind, "boolean"))
    fits = type == G_TYPE_BOOLEAN;
  else if (g_str_equal (kind, "integer"))
    fits = type == G_TYPE_INT64 || type == G_TYPE_DOUBLE || natural;
  else if (g_str_equal (kind, "number"))
    fits = type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
  else if (g_str_equal (kind, "text") || g_str_equal (kind, "choice"))
    fits = type == G_TYPE_STRING;

  if (!fits)
    {
      g_autofree char *range = vard_settings_describe_range (pspec);
      g_autofree char *found = vard_json_to_text (node, FALSE);

      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "%s is %.60s, but must be %s", pspec->name,
                   found, range);
      return FALSE;
    }

  g_auto (GValue) plain = G_VALUE_INIT;
  json_node_get_value (node, &plain);
  g_autofree char *text = vard_settings_value_to_text (&plain);

  return vard_settings_parse_text (pspec, text, value, error);
}

/**
 * vard_settings_apply_json:
 * @object: an object
 * @json: settings by name
 * @error: return location
 *
 * Sets them all, or none when one is unknown or has a wrong value.
 *
 * Returns: %TRUE when all were set
 */
gboolean
vard_settings_apply_json (GObject *object, JsonObject *json, GError **error)
{
  g_return_val_if_fail (G_IS_OBJECT (object) && json != NULL, FALSE);

  g_autoptr (GArray) values = g_array_new (FALSE, TRUE, sizeof (GValue));
  g_autoptr (GPtrArray) pspecs = g_ptr_array_new ();
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  g_array_set_clear_func (values, (GDestroyNotify) g_value_unset);
  json_object_iter_init_ordered (&iter, json);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    {
      GParamSpec *pspec = vard_settings_find (G_OBJECT_GET_CLASS (object), name, error);
      GValue value = G_VALUE_INIT;

      if (pspec == NULL || !vard_settings_parse_node (pspec, node, &value, error))
        return FALSE;
      g_ptr_array_add (pspecs, pspec);
      g_array_append_val (values, value);
    }

  g_object_freeze_notify (object);
  for (guint i = 0; i < pspecs->len; i++)
    g_object_set_property (object, ((GParamSpec *) pspecs->pdata[i])->name,
                           &g_array_index (values, GValue, i));
  g_object_thaw_notify (object);

  return TRUE;
}
