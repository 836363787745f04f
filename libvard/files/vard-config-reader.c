/* vard-config-reader.c - reads a component's config.json key by key
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "files/vard-config-reader.h"

#include "base/vard-error.h"
#include "base/vard-json.h"
#include "base/vard-json-parse.h"

struct _VardConfigReader
{
  char *path;
  JsonNode *node;
  JsonObject *root; /* owned by the node */
  GError *error;
};

/* @text: instead of the file's contents, (nullable) */
static VardConfigReader *
vard_config_reader_read_json (const char *path, const char *text, GError **error)
{
  g_autoptr (VardConfigReader) self = g_new0 (VardConfigReader, 1);
  g_autoptr (GError) reason = NULL;

  self->path = g_strdup (path);
  self->node = text != NULL ? vard_json_parse (text, -1, &reason)
                            : vard_json_parse_file (path, &reason);
  if (self->node == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "cannot read %s: %s", path,
                   reason->message);
      return NULL;
    }
  if (!JSON_NODE_HOLDS_OBJECT (self->node))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s is not a JSON object", path);
      return NULL;
    }
  self->root = json_node_get_object (self->node);

  return g_steal_pointer (&self);
}

VardConfigReader *
vard_config_reader_new (const char *path, GError **error)
{
  return vard_config_reader_read_json (path, NULL, error);
}

VardConfigReader *
vard_config_reader_new_from_text (const char *name, const char *text, GError **error)
{
  return vard_config_reader_read_json (name, text, error);
}

void
vard_config_reader_free (VardConfigReader *self)
{
  g_free (self->path);
  g_clear_pointer (&self->node, json_node_unref);
  g_clear_error (&self->error);
  g_free (self);
}

const char *
vard_config_reader_get_path (VardConfigReader *self)
{
  return self->path;
}

gboolean
vard_config_reader_finish (VardConfigReader *self, GError **error)
{
  if (self->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&self->error));
  return FALSE;
}

static void
vard_config_reader_refuse_as (VardConfigReader *self,
                              VardError code,
                              const char *key,
                              const char *wanted)
{
  JsonNode *node = vard_config_reader_peek (self, key);
  g_autofree char *value = node != NULL ? vard_json_to_text (node, FALSE) : g_strdup ("absent");

  if (self->error == NULL)
    self->error =
      g_error_new (VARD_ERROR, code, "%s: “%s” is %s; %s", self->path, key, value, wanted);
}

void
vard_config_reader_refuse (VardConfigReader *self, const char *key, const char *supported)
{
  g_autofree char *wanted = g_strdup_printf ("vard supports %s", supported);

  vard_config_reader_refuse_as (self, VARD_ERROR_UNSUPPORTED, key, wanted);
}

static void
vard_config_reader_refuse_type (VardConfigReader *self, const char *key, const char *wanted)
{
  vard_config_reader_refuse_as (self, VARD_ERROR_CONFIG, key, wanted);
}

JsonNode *
vard_config_reader_peek (VardConfigReader *self, const char *key)
{
  JsonNode *node = json_object_get_member (self->root, key);

  return node != NULL && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

static gboolean
vard_config_reader_is_int (JsonNode *node, gint64 minimum, gint64 maximum)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64
         && json_node_get_int (node) >= minimum && json_node_get_int (node) <= maximum;
}

static void
vard_config_reader_refuse_int (VardConfigReader *self,
                               const char *key,
                               gint64 minimum,
                               gint64 maximum)
{
  g_autofree char *wanted = g_strdup_printf ("it must be a whole number from %" G_GINT64_FORMAT
                                             " to %" G_GINT64_FORMAT,
                                             minimum, maximum);

  vard_config_reader_refuse_type (self, key, wanted);
}

gint64
vard_config_reader_get_int (VardConfigReader *self,
                            const char *key,
                            gint64 fallback,
                            gint64 minimum,
                            gint64 maximum)
{
  JsonNode *node = vard_config_reader_peek (self, key);

  if (node == NULL)
    return fallback;
  if (vard_config_reader_is_int (node, minimum, maximum))
    return json_node_get_int (node);
  vard_config_reader_refuse_int (self, key, minimum, maximum);

  return fallback;
}

double
vard_config_reader_get_double (VardConfigReader *self, const char *key, double fallback)
{
  JsonNode *node = vard_config_reader_peek (self, key);

  if (node == NULL)
    return fallback;
  if (JSON_NODE_HOLDS_VALUE (node)
      && (json_node_get_value_type (node) == G_TYPE_DOUBLE
          || json_node_get_value_type (node) == G_TYPE_INT64))
    return json_node_get_double (node);
  vard_config_reader_refuse_type (self, key, "it must be a number");

  return fallback;
}

gboolean
vard_config_reader_get_bool (VardConfigReader *self, const char *key, gboolean fallback)
{
  JsonNode *node = vard_config_reader_peek (self, key);

  if (node == NULL)
    return fallback;
  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN)
    return json_node_get_boolean (node);
  vard_config_reader_refuse_type (self, key, "it must be true or false");

  return fallback;
}

const char *
vard_config_reader_get_string (VardConfigReader *self, const char *key, const char *fallback)
{
  JsonNode *node = vard_config_reader_peek (self, key);

  if (node == NULL)
    return fallback;
  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING)
    return json_node_get_string (node);
  vard_config_reader_refuse_type (self, key, "it must be a string");

  return fallback;
}

guint
vard_config_reader_get_length (VardConfigReader *self, const char *key)
{
  JsonNode *node = vard_config_reader_peek (self, key);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node)
           ? json_array_get_length (json_node_get_array (node))
           : 0;
}

void
vard_config_reader_get_ints (VardConfigReader *self,
                             const char *key,
                             gint64 fallback,
                             gint64 minimum,
                             gint64 maximum,
                             gint64 *values,
                             guint n)
{
  JsonNode *node = vard_config_reader_peek (self, key);
  gboolean is_array = node != NULL && JSON_NODE_HOLDS_ARRAY (node);

  for (guint i = 0; i < n; i++)
    values[i] = fallback;
  if (is_array && vard_config_reader_get_length (self, key) != n)
    {
      g_autofree char *wanted = g_strdup_printf ("it must have %u elements, one per block", n);

      vard_config_reader_refuse_type (self, key, wanted);
      return;
    }
  for (guint i = 0; node != NULL && i < n; i++)
    {
      JsonNode *element = is_array ? json_array_get_element (json_node_get_array (node), i) : node;

      if (!vard_config_reader_is_int (element, minimum, maximum))
        {
          vard_config_reader_refuse_int (self, key, minimum, maximum);
          return;
        }
      values[i] = json_node_get_int (element);
    }
}

guint
vard_config_reader_get_choice (VardConfigReader *self,
                               const char *key,
                               guint i,
                               const char *const *choices)
{
  JsonNode *node = vard_config_reader_peek (self, key);
  JsonNode *element = json_array_get_element (json_node_get_array (node), i);
  const char *name = JSON_NODE_HOLDS_VALUE (element) ? json_node_get_string (element) : NULL;
  g_autofree char *supported = g_strjoinv (" or ", (char **) choices);

  for (guint c = 0; choices[c] != NULL; c++)
    if (g_strcmp0 (name, choices[c]) == 0)
      return c;
  vard_config_reader_refuse (self, key, supported);

  return 0;
}

void
vard_config_reader_check_fixed (VardConfigReader *self, const VardConfigFixed *fixed, guint n_fixed)
{
  for (guint i = 0; i < n_fixed; i++)
    {
      JsonNode *node = vard_config_reader_peek (self, fixed[i].key);
      g_autoptr (JsonNode) wanted = vard_json_parse (fixed[i].json, -1, NULL);
      gboolean is_same = node == NULL;

      if (node != NULL && JSON_NODE_HOLDS_VALUE (node) && JSON_NODE_HOLDS_VALUE (wanted)
          && json_node_get_value_type (node) == G_TYPE_DOUBLE)
        is_same = json_node_get_double (node) == json_node_get_double (wanted);
      else if (node != NULL)
        is_same = json_node_equal (node, wanted);
      if (!is_same)
        vard_config_reader_refuse (self, fixed[i].key, fixed[i].json);
    }
}
