/* vard-lora-scale.c - the factor of B A for files that store no alpha
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "adapters/vard-lora-scale.h"

#include "base/vard-error.h"
#include "base/vard-json-parse.h"

#include <json-glib/json-glib.h>
#include <math.h>

struct _VardLoraScale
{
  char *path;         /* of what is read, for messages */
  JsonNode *root;     /* (nullable) */
  gboolean is_beside; /* adapter_config.json: keys have no component */
};

static gboolean
vard_lora_scale_read_text (VardLoraScale *self, const char *text, GError **error)
{
  g_autoptr (GError) reason = NULL;

  self->root = vard_json_parse (text, -1, &reason);
  if (self->root != NULL && JSON_NODE_HOLDS_OBJECT (self->root))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s: the configuration of the adapter is not a JSON object%s%s", self->path,
               reason != NULL ? ": " : "", reason != NULL ? reason->message : "");

  return FALSE;
}

/* whether PEFT wrote it on its own: only then is a configuration beside the file about it */
static gboolean
vard_lora_scale_is_raw (VardSafetensors *file)
{
  const char *const *names = vard_safetensors_peek_names (file);

  return names[0] != NULL && g_str_has_prefix (names[0], "base_model.model.");
}

VardLoraScale *
vard_lora_scale_new (VardSafetensors *file, GError **error)
{
  g_autoptr (VardLoraScale) self = g_new0 (VardLoraScale, 1);
  const char *text =
    g_hash_table_lookup (vard_safetensors_peek_metadata (file), "lora_adapter_metadata");
  g_autofree char *folder = g_path_get_dirname (vard_safetensors_get_path (file));
  g_autofree char *path = g_build_filename (folder, "adapter_config.json", NULL);
  g_autofree char *contents = NULL;

  self->path = g_strdup (vard_safetensors_get_path (file));
  if (text != NULL)
    return vard_lora_scale_read_text (self, text, error) ? g_steal_pointer (&self) : NULL;
  if (!vard_lora_scale_is_raw (file) || !g_file_get_contents (path, &contents, NULL, NULL))
    return g_steal_pointer (&self);
  g_free (self->path);
  self->path = g_steal_pointer (&path);
  self->is_beside = TRUE;

  return vard_lora_scale_read_text (self, contents, error) ? g_steal_pointer (&self) : NULL;
}

void
vard_lora_scale_free (VardLoraScale *self)
{
  g_free (self->path);
  g_clear_pointer (&self->root, json_node_unref);
  g_free (self);
}

static JsonNode *
vard_lora_scale_peek (VardLoraScale *self, const VardLoraPlace *place, const char *key)
{
  g_autofree char *name = self->is_beside ? g_strdup (key)
                                          : g_strconcat (place->component, ".", key, NULL);
  JsonNode *node =
    self->root != NULL ? json_object_get_member (json_node_get_object (self->root), name) : NULL;

  return node != NULL && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

static gboolean
vard_lora_scale_is_true (VardLoraScale *self, const VardLoraPlace *place, const char *key)
{
  JsonNode *node = vard_lora_scale_peek (self, place, key);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_boolean (node);
}

/* the value of the first pattern that is the path's end; patterns are regular expressions */
static gboolean
vard_lora_scale_find_pattern (VardLoraScale *self,
                              const VardLoraPlace *place,
                              const char *key,
                              const char *path,
                              double *value)
{
  JsonNode *node = vard_lora_scale_peek (self, place, key);
  JsonObjectIter iter;
  const char *pattern;
  JsonNode *number;

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return FALSE;
  json_object_iter_init_ordered (&iter, json_node_get_object (node));
  while (json_object_iter_next_ordered (&iter, &pattern, &number))
    {
      g_autofree char *whole = g_strdup_printf ("^(.*\\.)?(%s)$", pattern);

      if (JSON_NODE_HOLDS_VALUE (number) && g_regex_match_simple (whole, path, 0, 0))
        {
          *value = json_node_get_double (number);
          return TRUE;
        }
    }

  return FALSE;
}

gboolean
vard_lora_scale_find (VardLoraScale *self,
                      const VardLoraPlace *place,
                      const char *path,
                      guint rank,
                      gboolean needs_config,
                      double *scale,
                      GError **error)
{
  JsonNode *node = vard_lora_scale_peek (self, place, "lora_alpha");
  double alpha = rank;

  if (vard_lora_scale_is_true (self, place, "use_dora"))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                   "%s: the adapter is a DoRA, and vard reads only LoRA", self->path);
      return FALSE;
    }
  if (node != NULL && JSON_NODE_HOLDS_VALUE (node))
    alpha = json_node_get_double (node);
  else if (needs_config)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s: a PEFT file needs lora_alpha in adapter_config.json beside it, which is "
                   "missing or lacks it",
                   self->path);
      return FALSE;
    }
  vard_lora_scale_find_pattern (self, place, "alpha_pattern", path, &alpha);
  if (!isfinite (alpha))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: lora_alpha of %s is %f", self->path,
                   path, alpha);
      return FALSE;
    }
  *scale = alpha / (vard_lora_scale_is_true (self, place, "use_rslora") ? sqrt (rank) : rank);

  return TRUE;
}
