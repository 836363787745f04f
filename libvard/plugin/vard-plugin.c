/* vard-plugin.c - a plugin file: what it is and provides, or why it cannot be used
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/vard-plugin.h"

#include "base/vard-error.h"
#include "plugin/vard-plugin-module.h"
#include "plugin/vard-plugin-private.h"

#include <glib/gstdio.h>

typedef struct
{
  char *feature;
  GType type;
} VardPluginProvided;

struct _VardPlugin
{
  GObject parent_instance;
  char *path;
  char *name, *version, *licence, *summary; /* NULL until the file was looked at */
  char *reason;                             /* NULL when there is nothing to say */
  char *complaint;                          /* what vard_plugin_provide() did not like, first one */
  VardPluginState state;
  VardPluginStamp stamp;
  gboolean is_loaded;
  GPtrArray *features; /* of VardPluginFeature */
  GArray *provided;    /* of VardPluginProvided: only in a process that opened the file */
};

G_DEFINE_FINAL_TYPE (VardPlugin, vard_plugin, G_TYPE_OBJECT)

G_DEFINE_ENUM_TYPE (VardPluginState,
                    vard_plugin_state,
                    G_DEFINE_ENUM_VALUE (VARD_PLUGIN_STATE_READY, "ready"),
                    G_DEFINE_ENUM_VALUE (VARD_PLUGIN_STATE_UNAVAILABLE, "unavailable"),
                    G_DEFINE_ENUM_VALUE (VARD_PLUGIN_STATE_REFUSED, "refused"),
                    G_DEFINE_ENUM_VALUE (VARD_PLUGIN_STATE_CRASHED, "crashed"),
                    G_DEFINE_ENUM_VALUE (VARD_PLUGIN_STATE_TOO_SLOW, "too-slow"))

enum
{
  PROP_PATH = 1,
  PROP_NAME,
  PROP_VERSION,
  PROP_LICENCE,
  PROP_SUMMARY,
  PROP_STATE,
  PROP_REASON
};

static void
vard_plugin_get_object_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  VardPlugin *self = (VardPlugin *) object;

  switch (id)
    {
    case PROP_PATH: g_value_set_string (value, self->path); break;
    case PROP_NAME: g_value_set_string (value, self->name); break;
    case PROP_VERSION: g_value_set_string (value, self->version); break;
    case PROP_LICENCE: g_value_set_string (value, self->licence); break;
    case PROP_SUMMARY: g_value_set_string (value, self->summary); break;
    case PROP_STATE: g_value_set_enum (value, self->state); break;
    case PROP_REASON: g_value_set_string (value, self->reason); break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
vard_plugin_finalize (GObject *object)
{
  VardPlugin *self = (VardPlugin *) object;

  g_free (self->path);
  g_free (self->name);
  g_free (self->version);
  g_free (self->licence);
  g_free (self->summary);
  g_free (self->reason);
  g_free (self->complaint);
  g_ptr_array_unref (self->features);
  g_array_unref (self->provided);
  G_OBJECT_CLASS (vard_plugin_parent_class)->finalize (object);
}

static void
vard_plugin_class_init (VardPluginClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;
  const struct
  {
    guint id;
    const char *name, *blurb;
  } texts[] = {
    { PROP_PATH, "path", "The file" },
    { PROP_NAME, "name", "What the file calls itself" },
    { PROP_VERSION, "version", "Its version" },
    { PROP_LICENCE, "licence", "Its licence, an SPDX expression" },
    { PROP_SUMMARY, "summary", "What it is, in a sentence" },
    { PROP_REASON, "reason", "Why it cannot be used" },
  };

  object_class->get_property = vard_plugin_get_object_property;
  object_class->finalize = vard_plugin_finalize;
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_object_class_install_property (object_class, texts[i].id,
                                     g_param_spec_string (texts[i].name, texts[i].name,
                                                          texts[i].blurb, NULL, flags));
  g_object_class_install_property (object_class, PROP_STATE,
                                   g_param_spec_enum ("state", "state", "Whether it can be used",
                                                      VARD_TYPE_PLUGIN_STATE,
                                                      VARD_PLUGIN_STATE_READY, flags));
}

static void
vard_plugin_provided_clear (gpointer data)
{
  g_free (((VardPluginProvided *) data)->feature);
}

static void
vard_plugin_init (VardPlugin *self)
{
  self->features = g_ptr_array_new_with_free_func (g_object_unref);
  self->provided = g_array_new (FALSE, TRUE, sizeof (VardPluginProvided));
  g_array_set_clear_func (self->provided, vard_plugin_provided_clear);
}

VardPlugin *
vard_plugin_new (const char *path)
{
  VardPlugin *self = g_object_new (VARD_TYPE_PLUGIN, NULL);

  self->path = g_strdup (path);
  return self;
}

gboolean
vard_plugin_read_stamp (const char *path, VardPluginStamp *stamp)
{
  GStatBuf info;

  if (g_stat (path, &info) != 0)
    return FALSE;
  stamp->size = (guint64) info.st_size;
  stamp->mtime = (gint64) info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;

  return TRUE;
}

const VardPluginStamp *
vard_plugin_get_stamp (VardPlugin *self)
{
  return &self->stamp;
}

void
vard_plugin_set_stamp (VardPlugin *self, const VardPluginStamp *stamp)
{
  self->stamp = *stamp;
}

void
vard_plugin_set_problem (VardPlugin *self, VardPluginState state, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_free (self->reason);
  self->reason = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  self->state = state;
}

/* Something to tell about a plugin that can be used */
void
vard_plugin_set_note (VardPlugin *self, const char *note)
{
  g_free (self->reason);
  self->reason = g_strdup (note);
}

void
vard_plugin_describe (VardPlugin *self,
                      const char *name,
                      const char *version,
                      const char *licence,
                      const char *summary)
{
  g_free (self->name);
  g_free (self->version);
  g_free (self->licence);
  g_free (self->summary);
  self->name = g_strdup (name);
  self->version = g_strdup (version);
  self->licence = g_strdup (licence);
  self->summary = g_strdup (summary);
}

gboolean
vard_plugin_is_loaded (VardPlugin *self)
{
  return self->is_loaded;
}

void
vard_plugin_set_loaded (VardPlugin *self)
{
  self->is_loaded = TRUE;
}

/**
 * vard_plugin_provide: (skip)
 * @plugin: the plugin that the manager handed to provide()
 * @feature: a name: "jpeg-size"
 * @type: the type of the objects; its base class says the kind of feature: #VardReward is a
 *   "reward", #VardEngine an "engine"
 *
 * Names one feature of a plugin. Call it from the plugin's provide() only.
 */
void
vard_plugin_provide (VardPlugin *self, const char *feature, GType type)
{
  g_return_if_fail (VARD_IS_PLUGIN (self));

  VardPluginProvided item = { g_strdup (feature), type };
  g_autoptr (GError) error = NULL;
  g_autoptr (VardPluginFeature) made = NULL;

  if (feature == NULL || !g_regex_match_simple ("^[a-z][a-z0-9-]*$", feature, 0, 0))
    g_set_error (&error, VARD_ERROR, VARD_ERROR_PLUGIN,
                 "\"%s\" cannot be a feature's name: use lower-case letters, digits and '-'",
                 feature != NULL ? feature : "");
  else
    made = vard_plugin_feature_new_from_type (feature, type, &error);

  if (made == NULL)
    {
      if (self->complaint == NULL)
        self->complaint = g_strdup (error->message);
      g_free (item.feature);
      return;
    }
  if (!self->is_loaded) /* else the features are known, and are borrowed by others */
    g_ptr_array_add (self->features, g_steal_pointer (&made));
  g_array_append_val (self->provided, item);
}

const char *
vard_plugin_get_complaint (VardPlugin *self)
{
  return self->complaint;
}

/* The class of a feature; 0 before the file was opened in this process */
GType
vard_plugin_find_type (VardPlugin *self, const char *feature)
{
  for (guint i = 0; i < self->provided->len; i++)
    {
      const VardPluginProvided *item = &g_array_index (self->provided, VardPluginProvided, i);

      if (g_str_equal (item->feature, feature))
        return item->type;
    }

  return 0;
}

JsonObject *
vard_plugin_to_json (VardPlugin *self)
{
  JsonObject *json = json_object_new ();
  JsonArray *features = json_array_new ();
  const struct
  {
    const char *name, *text;
  } texts[] = {
    { "state", vard_plugin_get_state_name (self) },
    { "reason", self->reason },
    { "name", self->name },
    { "version", self->version },
    { "licence", self->licence },
    { "summary", self->summary },
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (texts[i].text != NULL)
      {
        g_autofree char *valid = g_utf8_make_valid (texts[i].text, -1);

        json_object_set_string_member (json, texts[i].name, valid);
      }
  for (guint i = 0; i < self->features->len; i++)
    json_array_add_object_element (features,
                                   vard_plugin_feature_to_json (self->features->pdata[i]));
  json_object_set_array_member (json, "features", features);

  return json;
}

static gboolean
vard_plugin_read_features (VardPlugin *self, JsonNode *node, GError **error)
{
  JsonArray *array = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node)
                                                                  : NULL;
  guint n = array != NULL ? json_array_get_length (array) : 0;

  for (guint i = 0; i < n; i++)
    {
      JsonNode *item = json_array_get_element (array, i);
      VardPluginFeature *feature =
        JSON_NODE_HOLDS_OBJECT (item)
          ? vard_plugin_feature_new_from_json (json_node_get_object (item), error)
          : NULL;

      if (feature == NULL)
        {
          if (error != NULL && *error == NULL)
            g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "feature %u is not an object", i);
          return FALSE;
        }
      g_ptr_array_add (self->features, feature);
    }

  return TRUE;
}

/* Reads what vard_plugin_to_json() wrote. On failure the plugin is left half read: drop it. */
gboolean
vard_plugin_read_json (VardPlugin *self, JsonObject *json, GError **error)
{
  struct
  {
    const char *name;
    char **text;
  } texts[] = {
    { "reason", &self->reason },   { "name", &self->name },       { "version", &self->version },
    { "licence", &self->licence }, { "summary", &self->summary },
  };
  g_autoptr (GEnumClass) states = g_type_class_ref (VARD_TYPE_PLUGIN_STATE);
  JsonNode *node = json_object_get_member (json, "state");
  const char *nick = node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node)
                                                                  : NULL;
  const GEnumValue *state = nick != NULL ? g_enum_get_value_by_nick (states, nick) : NULL;

  if (state == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "\"state\" is missing or unknown");
      return FALSE;
    }
  self->state = state->value;
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      node = json_object_get_member (json, texts[i].name);
      g_clear_pointer (texts[i].text, g_free);
      if (node != NULL && JSON_NODE_HOLDS_VALUE (node))
        *texts[i].text = json_node_dup_string (node);
    }
  if (self->state == VARD_PLUGIN_STATE_READY
      && (self->name == NULL || self->version == NULL || self->licence == NULL
          || self->summary == NULL))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "the plugin's name, version, licence or summary is missing");
      return FALSE;
    }

  return vard_plugin_read_features (self, json_object_get_member (json, "features"), error);
}

/**
 * vard_plugin_get_path:
 * @self: a plugin
 *
 * Returns: its file
 */
const char *
vard_plugin_get_path (VardPlugin *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN (self), NULL);

  return self->path;
}

/**
 * vard_plugin_get_name:
 * @self: a plugin
 *
 * Returns: (nullable): what the file calls itself; %NULL when it could not be read
 */
const char *
vard_plugin_get_name (VardPlugin *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN (self), NULL);

  return self->name;
}

/**
 * vard_plugin_get_version:
 * @self: a plugin
 *
 * Returns: (nullable): its version
 */
const char *
vard_plugin_get_version (VardPlugin *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN (self), NULL);

  return self->version;
}

/**
 * vard_plugin_get_licence:
 * @self: a plugin
 *
 * Returns: (nullable): its licence, an SPDX expression
 */
const char *
vard_plugin_get_licence (VardPlugin *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN (self), NULL);

  return self->licence;
}

/**
 * vard_plugin_get_summary:
 * @self: a plugin
 *
 * Returns: (nullable): what it is, in a sentence
 */
const char *
vard_plugin_get_summary (VardPlugin *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN (self), NULL);

  return self->summary;
}

/**
 * vard_plugin_get_state:
 * @self: a plugin
 *
 * Returns: whether it can be used
 */
VardPluginState
vard_plugin_get_state (VardPlugin *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN (self), VARD_PLUGIN_STATE_REFUSED);

  return self->state;
}

/**
 * vard_plugin_get_state_name:
 * @self: a plugin
 *
 * Returns: "ready", "unavailable", "refused", "crashed" or "too-slow"
 */
const char *
vard_plugin_get_state_name (VardPlugin *self)
{
  static const char *const names[] = { "ready", "unavailable", "refused", "crashed", "too-slow" };

  g_return_val_if_fail (VARD_IS_PLUGIN (self), NULL);

  return names[self->state];
}

/**
 * vard_plugin_get_reason:
 * @self: a plugin
 *
 * Returns: (nullable): why it cannot be used, or what else there is to say
 */
const char *
vard_plugin_get_reason (VardPlugin *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN (self), NULL);

  return self->reason;
}

/**
 * vard_plugin_get_n_features:
 * @self: a plugin
 *
 * Returns: how many things it offers
 */
guint
vard_plugin_get_n_features (VardPlugin *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN (self), 0);

  return self->features->len;
}

/**
 * vard_plugin_get_feature:
 * @self: a plugin
 * @index: which one
 *
 * Returns: (transfer none): one of the things it offers
 */
VardPluginFeature *
vard_plugin_get_feature (VardPlugin *self, guint index)
{
  g_return_val_if_fail (VARD_IS_PLUGIN (self), NULL);
  g_return_val_if_fail (index < self->features->len, NULL);

  return self->features->pdata[index];
}
