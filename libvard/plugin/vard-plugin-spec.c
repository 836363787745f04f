/* vard-plugin-spec.c - parses "NAME:key=value,..." from a command line or settings file
 *
 * The first ':' ends the name, ',' ends a value, the first '=' ends a key. In a value '\,' is a
 * comma and '\\' a backslash; any other backslash is itself. The reserved keys say how something is
 * used and are never properties of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/vard-plugin-spec.h"

#include "base/vard-error.h"
#include "base/vard-settings.h"

#include <string.h>

struct _VardPluginSpec
{
  char *name;
  GPtrArray *words; /* key, value, key, value, ... */
};

G_DEFINE_BOXED_TYPE (VardPluginSpec, vard_plugin_spec, vard_plugin_spec_copy, vard_plugin_spec_free)

static VardPluginSpec *
vard_plugin_spec_new (char *name)
{
  VardPluginSpec *self = g_new0 (VardPluginSpec, 1);

  self->name = name;
  self->words = g_ptr_array_new_with_free_func (g_free);
  return self;
}

/**
 * vard_plugin_spec_is_reserved:
 * @key: a key
 *
 * Returns: whether @key is one of weight, policy, isolate and label
 */
gboolean
vard_plugin_spec_is_reserved (const char *key)
{
  static const char *const reserved[] = { "weight",
                                          "policy",
                                          "isolate",
                                          "label",
                                          "isolate-start-seconds",
                                          "isolate-answer-seconds",
                                          "isolate-restarts",
                                          NULL };

  g_return_val_if_fail (key != NULL, FALSE);

  return g_strv_contains (reserved, key);
}

/* Takes one "key=value" from *rest and moves behind its comma. */
static gboolean
vard_plugin_spec_take_pair (VardPluginSpec *self, const char **rest, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  const char *p = *rest;
  gssize equals = -1;

  for (; *p != 0 && *p != ','; p++)
    {
      if (*p == '\\' && (p[1] == ',' || p[1] == '\\'))
        p++;
      else if (*p == '=' && equals < 0)
        equals = (gssize) text->len;
      g_string_append_c (text, *p);
    }
  if (equals <= 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "\"%s\" after \"%s:\" must have the form key=value", text->str, self->name);
      return FALSE;
    }

  g_autofree char *key = g_strndup (text->str, equals);
  g_strdelimit (key, "_", '-');
  if (vard_plugin_spec_get_value (self, key) != NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "\"%s\" is given twice for \"%s\"", key,
                   self->name);
      return FALSE;
    }
  g_ptr_array_add (self->words, g_steal_pointer (&key));
  g_ptr_array_add (self->words, g_strdup (text->str + equals + 1));
  *rest = *p == ',' ? p + 1 : NULL;

  return TRUE;
}

/**
 * vard_plugin_spec_parse: (constructor)
 * @text: `NAME[:key=value,...]`
 * @error: return location
 *
 * Returns: (transfer full): its parts
 */
VardPluginSpec *
vard_plugin_spec_parse (const char *text, GError **error)
{
  g_return_val_if_fail (text != NULL, NULL);

  const char *colon = strchr (text, ':');
  const char *rest = colon != NULL ? colon + 1 : NULL;
  g_autoptr (VardPluginSpec) self =
    vard_plugin_spec_new (colon != NULL ? g_strndup (text, colon - text) : g_strdup (text));

  if (!g_utf8_validate (text, -1, NULL))
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_USAGE, "the text is not UTF-8");
      return NULL;
    }
  if (self->name[0] == 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "\"%s\" has no name: write NAME or NAME:key=value,...", text);
      return NULL;
    }
  while (rest != NULL)
    if (!vard_plugin_spec_take_pair (self, &rest, error))
      return NULL;

  return g_steal_pointer (&self);
}

/**
 * vard_plugin_spec_copy:
 * @self: a spec
 *
 * Returns: (transfer full): another with the same parts
 */
VardPluginSpec *
vard_plugin_spec_copy (VardPluginSpec *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  VardPluginSpec *copy = vard_plugin_spec_new (g_strdup (self->name));

  for (guint i = 0; i < self->words->len; i++)
    g_ptr_array_add (copy->words, g_strdup (self->words->pdata[i]));

  return copy;
}

/**
 * vard_plugin_spec_free:
 * @self: (nullable): a spec
 */
void
vard_plugin_spec_free (VardPluginSpec *self)
{
  if (self == NULL)
    return;
  g_free (self->name);
  g_ptr_array_unref (self->words);
  g_free (self);
}

/**
 * vard_plugin_spec_get_name:
 * @self: a spec
 *
 * Returns: the name before the ':'
 */
const char *
vard_plugin_spec_get_name (VardPluginSpec *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->name;
}

/**
 * vard_plugin_spec_get_value:
 * @self: a spec
 * @key: a key
 *
 * Returns: (nullable): what was given for @key
 */
const char *
vard_plugin_spec_get_value (VardPluginSpec *self, const char *key)
{
  g_return_val_if_fail (self != NULL && key != NULL, NULL);

  for (guint i = 0; i < self->words->len; i += 2)
    if (g_str_equal (self->words->pdata[i], key))
      return self->words->pdata[i + 1];

  return NULL;
}

/**
 * vard_plugin_spec_to_string:
 * @self: a spec
 *
 * Returns: a text that reads back as @self
 */
char *
vard_plugin_spec_to_string (VardPluginSpec *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  GString *text = g_string_new (self->name);

  for (guint i = 0; i < self->words->len; i++)
    {
      g_string_append_c (text, i == 0 ? ':' : i % 2 == 0 ? ',' : '=');
      for (const char *p = self->words->pdata[i]; *p != 0; p++)
        {
          if (*p == ',' || *p == '\\')
            g_string_append_c (text, '\\');
          g_string_append_c (text, *p);
        }
    }

  return g_string_free (text, FALSE);
}

/**
 * vard_plugin_spec_apply:
 * @self: a spec
 * @object: an object of what it names
 * @error: return location
 *
 * Sets the properties of @object; reserved keys are left alone.
 *
 * Returns: %TRUE when all were set
 */
gboolean
vard_plugin_spec_apply (VardPluginSpec *self, GObject *object, GError **error)
{
  g_return_val_if_fail (self != NULL && G_IS_OBJECT (object), FALSE);

  for (guint i = 0; i < self->words->len; i += 2)
    if (!vard_plugin_spec_is_reserved (self->words->pdata[i])
        && !vard_settings_set_text (object, self->words->pdata[i], self->words->pdata[i + 1],
                                    error))
      {
        g_prefix_error (error, "%s: ", self->name);
        return FALSE;
      }

  return TRUE;
}
