/* vard-plugin-feature.c - a feature that a plugin provides, with its settings
 *
 * Made from a class in the process that looks at the file, and from JSON everywhere else, so that
 * lists, help and forms need no plugin code.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/vard-plugin-feature.h"

#include "base/vard-error.h"
#include "base/vard-settings.h"
#include "plugin/vard-plugin-private.h"
#include "plugin/vard-plugin-spec.h"

#include <string.h>

struct _VardPluginProperty
{
  GObject parent_instance;
  char *name, *nick, *blurb, *kind, *default_text, *range;
  char **choices; /* NULL unless the kind is "choice" */
  gboolean has_limits;
  double minimum, maximum;
};

G_DEFINE_FINAL_TYPE (VardPluginProperty, vard_plugin_property, G_TYPE_OBJECT)

struct _VardPluginFeature
{
  GObject parent_instance;
  char *kind, *name, *type_name;
  GPtrArray *properties; /* of VardPluginProperty */
};

G_DEFINE_FINAL_TYPE (VardPluginFeature, vard_plugin_feature, G_TYPE_OBJECT)

static void
vard_plugin_property_finalize (GObject *object)
{
  VardPluginProperty *self = VARD_PLUGIN_PROPERTY (object);

  g_free (self->name);
  g_free (self->nick);
  g_free (self->blurb);
  g_free (self->kind);
  g_free (self->default_text);
  g_free (self->range);
  g_strfreev (self->choices);
  G_OBJECT_CLASS (vard_plugin_property_parent_class)->finalize (object);
}

static void
vard_plugin_property_class_init (VardPluginPropertyClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_plugin_property_finalize;
}

static void
vard_plugin_property_init (VardPluginProperty *self)
{
}

#define LIMITS(SPEC, pspec)                                          \
  if (G_IS_PARAM_SPEC_##SPEC (pspec))                                \
    {                                                                \
      self->minimum = (double) G_PARAM_SPEC_##SPEC (pspec)->minimum; \
      self->maximum = (double) G_PARAM_SPEC_##SPEC (pspec)->maximum; \
      self->has_limits = TRUE;                                       \
    }

static void
vard_plugin_property_read_limits (VardPluginProperty *self, GParamSpec *pspec)
{
  LIMITS (INT, pspec)
  LIMITS (UINT, pspec)
  LIMITS (INT64, pspec)
  LIMITS (UINT64, pspec)
  LIMITS (FLOAT, pspec)
  LIMITS (DOUBLE, pspec)
}

static char **
vard_plugin_property_list_choices (GEnumClass *klass)
{
  char **choices = g_new0 (char *, klass->n_values + 1);

  for (guint i = 0; i < klass->n_values; i++)
    choices[i] = g_strdup (klass->values[i].value_nick);
  return choices;
}

VardPluginProperty *
vard_plugin_property_new_from_pspec (GParamSpec *pspec, const char *prefix)
{
  VardPluginProperty *self = g_object_new (VARD_TYPE_PLUGIN_PROPERTY, NULL);

  self->name = g_strconcat (prefix, pspec->name, NULL);
  self->nick = g_strdup (g_param_spec_get_nick (pspec));
  self->blurb = g_strdup (g_param_spec_get_blurb (pspec));
  self->kind = g_strdup (vard_settings_get_kind (pspec));
  self->default_text = vard_settings_value_to_text (g_param_spec_get_default_value (pspec));
  self->range = vard_settings_describe_range (pspec);
  if (G_IS_PARAM_SPEC_ENUM (pspec))
    self->choices = vard_plugin_property_list_choices (G_PARAM_SPEC_ENUM (pspec)->enum_class);
  vard_plugin_property_read_limits (self, pspec);

  return self;
}

static JsonObject *
vard_plugin_property_to_json (VardPluginProperty *self)
{
  JsonObject *json = json_object_new ();

  json_object_set_string_member (json, "name", self->name);
  json_object_set_string_member (json, "nick", self->nick);
  json_object_set_string_member (json, "blurb", self->blurb);
  json_object_set_string_member (json, "kind", self->kind);
  json_object_set_string_member (json, "default", self->default_text);
  json_object_set_string_member (json, "range", self->range);
  if (self->choices != NULL)
    {
      JsonArray *choices = json_array_new ();

      for (guint i = 0; self->choices[i] != NULL; i++)
        json_array_add_string_element (choices, self->choices[i]);
      json_object_set_array_member (json, "choices", choices);
    }
  if (self->has_limits)
    {
      json_object_set_double_member (json, "minimum", self->minimum);
      json_object_set_double_member (json, "maximum", self->maximum);
    }

  return json;
}

/* What was written by another process or read from a file is not trusted to have the right
 * kinds. */
static gboolean
vard_plugin_read_string (JsonObject *json, const char *name, char **out, GError **error)
{
  JsonNode *node = json_object_get_member (json, name);

  if (node == NULL || json_node_get_value_type (node) != G_TYPE_STRING)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "\"%s\" is missing or not a string", name);
      return FALSE;
    }
  *out = json_node_dup_string (node);

  return TRUE;
}

static gboolean
vard_plugin_property_read_choices (VardPluginProperty *self, JsonNode *node, GError **error)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  guint n = array != NULL ? json_array_get_length (array) : 0;

  self->choices = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++)
    {
      JsonNode *item = json_array_get_element (array, i);

      if (json_node_get_value_type (item) != G_TYPE_STRING)
        array = NULL;
      if (array == NULL)
        break;
      self->choices[i] = json_node_dup_string (item);
    }
  if (array == NULL)
    g_set_error_literal (error, VARD_ERROR, VARD_ERROR_CONFIG,
                         "\"choices\" is not a list of strings");

  return array != NULL;
}

static VardPluginProperty *
vard_plugin_property_new_from_json (JsonNode *node, GError **error)
{
  g_autoptr (VardPluginProperty) self = g_object_new (VARD_TYPE_PLUGIN_PROPERTY, NULL);

  if (!JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_CONFIG, "a property is not an object");
      return NULL;
    }

  JsonObject *json = json_node_get_object (node);
  if (!vard_plugin_read_string (json, "name", &self->name, error)
      || !vard_plugin_read_string (json, "nick", &self->nick, error)
      || !vard_plugin_read_string (json, "blurb", &self->blurb, error)
      || !vard_plugin_read_string (json, "kind", &self->kind, error)
      || !vard_plugin_read_string (json, "default", &self->default_text, error)
      || !vard_plugin_read_string (json, "range", &self->range, error))
    return NULL;
  if (json_object_has_member (json, "choices")
      && !vard_plugin_property_read_choices (self, json_object_get_member (json, "choices"), error))
    return NULL;

  JsonNode *low = json_object_get_member (json, "minimum");
  JsonNode *high = json_object_get_member (json, "maximum");
  self->has_limits = low != NULL && high != NULL && JSON_NODE_HOLDS_VALUE (low)
                     && JSON_NODE_HOLDS_VALUE (high);
  if (self->has_limits)
    {
      self->minimum = json_node_get_double (low);
      self->maximum = json_node_get_double (high);
    }

  return g_steal_pointer (&self);
}

/**
 * vard_plugin_property_get_name:
 * @self: a property
 *
 * Returns: its name, as in `name=value`
 */
const char *
vard_plugin_property_get_name (VardPluginProperty *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_PROPERTY (self), NULL);

  return self->name;
}

/**
 * vard_plugin_property_get_nick:
 * @self: a property
 *
 * Returns: its label in a form
 */
const char *
vard_plugin_property_get_nick (VardPluginProperty *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_PROPERTY (self), NULL);

  return self->nick;
}

/**
 * vard_plugin_property_get_blurb:
 * @self: a property
 *
 * Returns: what it does, in a sentence
 */
const char *
vard_plugin_property_get_blurb (VardPluginProperty *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_PROPERTY (self), NULL);

  return self->blurb;
}

/**
 * vard_plugin_property_get_kind:
 * @self: a property
 *
 * Returns: "boolean", "integer", "number", "text", "list" or "choice"
 */
const char *
vard_plugin_property_get_kind (VardPluginProperty *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_PROPERTY (self), NULL);

  return self->kind;
}

/**
 * vard_plugin_property_get_default:
 * @self: a property
 *
 * Returns: the text of its default
 */
const char *
vard_plugin_property_get_default (VardPluginProperty *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_PROPERTY (self), NULL);

  return self->default_text;
}

/**
 * vard_plugin_property_get_range:
 * @self: a property
 *
 * Returns: what it takes, in words
 */
const char *
vard_plugin_property_get_range (VardPluginProperty *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_PROPERTY (self), NULL);

  return self->range;
}

/**
 * vard_plugin_property_get_choices:
 * @self: a property
 *
 * Returns: (nullable) (array zero-terminated=1) (transfer none): the texts it takes, when it is a
 * choice
 */
const char *const *
vard_plugin_property_get_choices (VardPluginProperty *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_PROPERTY (self), NULL);

  return (const char *const *) self->choices;
}

/**
 * vard_plugin_property_get_limits:
 * @self: a property
 * @minimum: (out) (optional): the smallest value
 * @maximum: (out) (optional): the largest value
 *
 * Returns: %TRUE when it is an integer or a number; else nothing is written
 */
gboolean
vard_plugin_property_get_limits (VardPluginProperty *self, double *minimum, double *maximum)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_PROPERTY (self), FALSE);

  if (self->has_limits && minimum != NULL)
    *minimum = self->minimum;
  if (self->has_limits && maximum != NULL)
    *maximum = self->maximum;

  return self->has_limits;
}

static void
vard_plugin_feature_finalize (GObject *object)
{
  VardPluginFeature *self = VARD_PLUGIN_FEATURE (object);

  g_free (self->kind);
  g_free (self->name);
  g_free (self->type_name);
  g_ptr_array_unref (self->properties);
  G_OBJECT_CLASS (vard_plugin_feature_parent_class)->finalize (object);
}

static void
vard_plugin_feature_class_init (VardPluginFeatureClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_plugin_feature_finalize;
}

static void
vard_plugin_feature_init (VardPluginFeature *self)
{
  self->properties = g_ptr_array_new_with_free_func (g_object_unref);
}

/* The base class below GObject: VardReward -> "reward", VardLearningRate -> "learning-rate" */
static char *
vard_plugin_feature_name_kind (GType type)
{
  while (g_type_parent (type) != G_TYPE_OBJECT)
    type = g_type_parent (type);

  const char *name = g_type_name (type);
  GString *kind = g_string_new (NULL);
  if (g_str_has_prefix (name, "Vard"))
    name += strlen ("Vard");
  for (const char *p = name; *p != 0; p++)
    {
      if (p > name && g_ascii_isupper (*p) && g_ascii_islower (p[-1]))
        g_string_append_c (kind, '-');
      g_string_append_c (kind, g_ascii_tolower (*p));
    }

  return g_string_free (kind, FALSE);
}

/**
 * vard_plugin_feature_new_from_type: (skip)
 * @name: its name
 * @type: its class
 * @error: return location
 *
 * Returns: (transfer full): the feature, or %NULL when @type cannot be one
 */
VardPluginFeature *
vard_plugin_feature_new_from_type (const char *name, GType type, GError **error)
{
  if (!g_type_is_a (type, G_TYPE_OBJECT) || type == G_TYPE_OBJECT || G_TYPE_IS_ABSTRACT (type))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN,
                   "the type of its feature \"%s\" (%s) is not a class that can be instantiated",
                   name, type != 0 ? g_type_name (type) : "none: is its name taken?");
      return NULL;
    }

  g_autoptr (VardPluginFeature) self = g_object_new (VARD_TYPE_PLUGIN_FEATURE, NULL);
  g_autoptr (GTypeClass) klass = g_type_class_ref (type);
  guint n;
  g_autofree GParamSpec **settings = vard_settings_list (G_OBJECT_CLASS (klass), &n);

  self->kind = vard_plugin_feature_name_kind (type);
  self->name = g_strdup (name);
  self->type_name = g_strdup (g_type_name (type));
  for (guint i = 0; i < n; i++)
    {
      if (vard_plugin_spec_is_reserved (settings[i]->name))
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN,
                       "its feature \"%s\" has a property \"%s\", which is a reserved name", name,
                       settings[i]->name);
          return NULL;
        }
      g_ptr_array_add (self->properties, vard_plugin_property_new_from_pspec (settings[i], ""));
    }

  return g_steal_pointer (&self);
}

/**
 * vard_plugin_feature_to_json: (skip)
 * @self: a feature
 *
 * Returns: (transfer full): all of it
 */
JsonObject *
vard_plugin_feature_to_json (VardPluginFeature *self)
{
  JsonObject *json = json_object_new ();
  JsonArray *properties = json_array_new ();

  json_object_set_string_member (json, "kind", self->kind);
  json_object_set_string_member (json, "name", self->name);
  json_object_set_string_member (json, "type", self->type_name);
  for (guint i = 0; i < self->properties->len; i++)
    json_array_add_object_element (properties,
                                   vard_plugin_property_to_json (self->properties->pdata[i]));
  json_object_set_array_member (json, "properties", properties);

  return json;
}

/**
 * vard_plugin_feature_new_from_json: (skip)
 * @json: what vard_plugin_feature_to_json() made
 * @error: return location
 *
 * Returns: (transfer full): the feature
 */
VardPluginFeature *
vard_plugin_feature_new_from_json (JsonObject *json, GError **error)
{
  g_autoptr (VardPluginFeature) self = g_object_new (VARD_TYPE_PLUGIN_FEATURE, NULL);
  JsonNode *list = json_object_get_member (json, "properties");

  if (!vard_plugin_read_string (json, "kind", &self->kind, error)
      || !vard_plugin_read_string (json, "name", &self->name, error)
      || !vard_plugin_read_string (json, "type", &self->type_name, error))
    return NULL;
  if (list == NULL || !JSON_NODE_HOLDS_ARRAY (list))
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_CONFIG, "\"properties\" is not a list");
      return NULL;
    }

  JsonArray *array = json_node_get_array (list);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      VardPluginProperty *property =
        vard_plugin_property_new_from_json (json_array_get_element (array, i), error);

      if (property == NULL)
        return NULL;
      g_ptr_array_add (self->properties, property);
    }

  return g_steal_pointer (&self);
}

/**
 * vard_plugin_feature_get_kind:
 * @self: a feature
 *
 * Returns: "reward", "engine", ...
 */
const char *
vard_plugin_feature_get_kind (VardPluginFeature *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_FEATURE (self), NULL);

  return self->kind;
}

/**
 * vard_plugin_feature_get_name:
 * @self: a feature
 *
 * Returns: its name, as in `--reward NAME`
 */
const char *
vard_plugin_feature_get_name (VardPluginFeature *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_FEATURE (self), NULL);

  return self->name;
}

/**
 * vard_plugin_feature_get_type_name:
 * @self: a feature
 *
 * Returns: the name of its class
 */
const char *
vard_plugin_feature_get_type_name (VardPluginFeature *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_FEATURE (self), NULL);

  return self->type_name;
}

/**
 * vard_plugin_feature_get_n_properties:
 * @self: a feature
 *
 * Returns: how many settings it takes
 */
guint
vard_plugin_feature_get_n_properties (VardPluginFeature *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_FEATURE (self), 0);

  return self->properties->len;
}

/**
 * vard_plugin_feature_get_property:
 * @self: a feature
 * @index: which one
 *
 * Returns: (transfer none): one of its settings
 */
VardPluginProperty *
vard_plugin_feature_get_property (VardPluginFeature *self, guint index)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_FEATURE (self), NULL);
  g_return_val_if_fail (index < self->properties->len, NULL);

  return self->properties->pdata[index];
}
