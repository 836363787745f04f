/* vard-prompt-source.c - the prompts of a run with their metadata
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-prompt-source.h"

#include "base/vard-error.h"
#include "base/vard-json-parse.h"

static void
vard_prompt_source_unref_object (gpointer object)
{
  if (object != NULL)
    json_object_unref (object);
}

struct _VardPromptSource
{
  GObject parent_instance;

  GPtrArray *texts;
  GPtrArray *metadata; /* JsonObject or NULL, as many */
};

G_DEFINE_FINAL_TYPE (VardPromptSource, vard_prompt_source, G_TYPE_OBJECT)

static void
vard_prompt_source_add (VardPromptSource *self, const char *text, JsonObject *metadata)
{
  g_ptr_array_add (self->texts, g_strdup (text));
  g_ptr_array_add (self->metadata, metadata != NULL ? json_object_ref (metadata) : NULL);
}

static gboolean
vard_prompt_source_add_json_line (VardPromptSource *self, const char *line, GError **error)
{
  g_autoptr (JsonNode) node = vard_json_parse (line, -1, error);

  if (node == NULL)
    return FALSE;

  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonNode *prompt = object != NULL ? json_object_get_member (object, "prompt") : NULL;

  if (prompt == NULL || json_node_get_value_type (prompt) != G_TYPE_STRING)
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_CONFIG,
                           "expected an object with a string “prompt”");
      return FALSE;
    }
  vard_prompt_source_add (self, json_node_get_string (prompt), object);

  return TRUE;
}

static gboolean
vard_prompt_source_add_lines (VardPromptSource *self,
                              const char *path,
                              char **lines,
                              GError **error)
{
  gboolean is_json = g_str_has_suffix (path, ".jsonl");

  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *line = g_strstrip (lines[i]);
      g_autoptr (GError) local = NULL;

      if (*line == '\0' || (!is_json && *line == '#'))
        continue;
      if (!is_json)
        vard_prompt_source_add (self, line, NULL);
      else if (!vard_prompt_source_add_json_line (self, line, &local))
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s:%u: %s", path, i + 1,
                       local->message);
          return FALSE;
        }
    }

  return TRUE;
}

/**
 * vard_prompt_source_new_from_file:
 * @path: (type filename): a text file with a prompt a line, or JSON lines when the name ends in
 * .jsonl
 * @error: where to put an error
 *
 * In a text file empty lines and lines that begin with '#' are skipped. A JSON line is an object
 * with "prompt" and whatever else a reward reads.
 *
 * Returns: (transfer full): the prompts
 */
VardPromptSource *
vard_prompt_source_new_from_file (const char *path, GError **error)
{
  g_return_val_if_fail (path != NULL, NULL);

  g_autoptr (VardPromptSource) self = g_object_new (VARD_TYPE_PROMPT_SOURCE, NULL);
  g_autoptr (GError) local = NULL;
  g_autofree char *text = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, &local))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "cannot read the prompts: %s",
                   local->message);
      return NULL;
    }
  if (!g_utf8_validate_len (text, length, NULL))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s is not UTF-8 text", path);
      return NULL;
    }

  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  if (!vard_prompt_source_add_lines (self, path, lines, error))
    return NULL;
  if (self->texts->len == 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s has no prompts", path);
      return NULL;
    }

  return g_steal_pointer (&self);
}

/**
 * vard_prompt_source_new:
 * @prompts: (array zero-terminated=1): at least one prompt
 *
 * Returns: (transfer full): the prompts, without metadata
 */
VardPromptSource *
vard_prompt_source_new (const char *const *prompts)
{
  g_return_val_if_fail (prompts != NULL && prompts[0] != NULL, NULL);

  VardPromptSource *self = g_object_new (VARD_TYPE_PROMPT_SOURCE, NULL);

  for (guint i = 0; prompts[i] != NULL; i++)
    vard_prompt_source_add (self, prompts[i], NULL);

  return self;
}

/**
 * vard_prompt_source_get_count:
 * @self: prompts
 *
 * Returns: how many there are
 */
guint
vard_prompt_source_get_count (VardPromptSource *self)
{
  g_return_val_if_fail (VARD_IS_PROMPT_SOURCE (self), 0);

  return self->texts->len;
}

/**
 * vard_prompt_source_get_text:
 * @self: prompts
 * @i: below the count
 *
 * Returns: (transfer none): a prompt
 */
const char *
vard_prompt_source_get_text (VardPromptSource *self, guint i)
{
  g_return_val_if_fail (VARD_IS_PROMPT_SOURCE (self), NULL);
  g_return_val_if_fail (i < self->texts->len, NULL);

  return self->texts->pdata[i];
}

/**
 * vard_prompt_source_get_metadata:
 * @self: prompts
 * @i: below the count
 *
 * Returns: (transfer none) (nullable): the prompt's whole JSON object
 */
JsonObject *
vard_prompt_source_get_metadata (VardPromptSource *self, guint i)
{
  g_return_val_if_fail (VARD_IS_PROMPT_SOURCE (self), NULL);
  g_return_val_if_fail (i < self->metadata->len, NULL);

  return self->metadata->pdata[i];
}

/**
 * vard_prompt_source_dup_common_keys:
 * @self: prompts
 *
 * Returns: (transfer full) (array zero-terminated=1): what the metadata of every prompt has
 */
char **
vard_prompt_source_dup_common_keys (VardPromptSource *self)
{
  g_return_val_if_fail (VARD_IS_PROMPT_SOURCE (self), NULL);

  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  JsonObject *first = self->metadata->len > 0 ? self->metadata->pdata[0] : NULL;
  g_autoptr (GList) keys = first != NULL ? json_object_get_members (first) : NULL;

  for (GList *key = keys; key != NULL; key = key->next)
    {
      gboolean is_common = TRUE;

      for (guint i = 1; i < self->metadata->len && is_common; i++)
        {
          JsonObject *other = self->metadata->pdata[i];

          is_common = other != NULL && json_object_has_member (other, key->data);
        }
      if (is_common)
        g_strv_builder_add (builder, key->data);
    }

  return g_strv_builder_end (builder);
}

static void
vard_prompt_source_finalize (GObject *object)
{
  VardPromptSource *self = VARD_PROMPT_SOURCE (object);

  g_clear_pointer (&self->texts, g_ptr_array_unref);
  g_clear_pointer (&self->metadata, g_ptr_array_unref);

  G_OBJECT_CLASS (vard_prompt_source_parent_class)->finalize (object);
}

static void
vard_prompt_source_class_init (VardPromptSourceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_prompt_source_finalize;
}

static void
vard_prompt_source_init (VardPromptSource *self)
{
  self->texts = g_ptr_array_new_with_free_func (g_free);
  self->metadata = g_ptr_array_new_with_free_func (vard_prompt_source_unref_object);
}
