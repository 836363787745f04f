/* vard-plugin-cache.c - caches what vard knows about plugin files
 *
 * The cache is one JSON file with the size, time and description of each plugin file. It is a
 * convenience and never an authority. A damaged cache is ignored. An entry counts only while its
 * size and time are those of the file. The cache is written under another name and renamed, so two
 * processes cannot mix their data. It does not remember "unavailable", because a missing library
 * may have been installed since.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/vard-plugin-cache.h"

#include "base/vard-error.h"
#include "base/vard-json.h"
#include "base/vard-json-parse.h"
#include "plugin/vard-plugin-module.h"

#define FORMAT 1

struct _VardPluginCache
{
  GHashTable *files; /* path -> JsonObject { size, mtime, plugin } */
  gboolean is_changed;
};

char *
vard_plugin_cache_dup_default_path (void)
{
  const char *given = g_getenv ("VARD_PLUGIN_CACHE");

  if (given != NULL && given[0] != 0)
    return g_strdup (given);
  return g_build_filename (g_get_user_cache_dir (), "vard-1", "plugins.json", NULL);
}

VardPluginCache *
vard_plugin_cache_new (void)
{
  VardPluginCache *self = g_new0 (VardPluginCache, 1);

  self->files =
    g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) json_object_unref);
  return self;
}

void
vard_plugin_cache_free (VardPluginCache *self)
{
  g_hash_table_unref (self->files);
  g_free (self);
}

gboolean
vard_plugin_cache_is_changed (VardPluginCache *self)
{
  return self->is_changed;
}

/* What an entry is worth depends on who made it. */
static char *
vard_plugin_cache_dup_maker (void)
{
  return g_strdup_printf ("vard %s, plugin interface %u.%u", VARD_VERSION, VARD_PLUGIN_ABI_MAJOR,
                          VARD_PLUGIN_ABI_MINOR);
}

static gboolean
vard_plugin_cache_check (JsonObject *root, GError **error)
{
  g_autofree char *maker = vard_plugin_cache_dup_maker ();
  JsonNode *files = json_object_get_member (root, "files");

  if (json_object_get_int_member_with_default (root, "format", 0) != FORMAT
      || g_strcmp0 (json_object_get_string_member_with_default (root, "maker", NULL), maker) != 0)
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_CONFIG,
                           "the plugin cache is from another version");
      return FALSE;
    }
  if (files == NULL || !JSON_NODE_HOLDS_OBJECT (files))
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_CONFIG, "the plugin cache has no files");
      return FALSE;
    }

  return TRUE;
}

/* Adds the entries of a cache's text. Those that are no objects are left out. */
gboolean
vard_plugin_cache_read (VardPluginCache *self, const char *text, gssize length, GError **error)
{
  g_autoptr (JsonNode) root = vard_json_parse (text, length, error);
  JsonNode *node = root;

  if (root == NULL)
    return FALSE;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_CONFIG,
                           "the plugin cache is not a JSON object");
      return FALSE;
    }
  if (!vard_plugin_cache_check (json_node_get_object (node), error))
    return FALSE;

  JsonObjectIter iter;
  const char *path;
  json_object_iter_init (&iter,
                         json_object_get_object_member (json_node_get_object (node), "files"));
  while (json_object_iter_next (&iter, &path, &node))
    if (JSON_NODE_HOLDS_OBJECT (node))
      g_hash_table_replace (self->files, g_strdup (path), json_node_dup_object (node));

  return TRUE;
}

VardPluginCache *
vard_plugin_cache_load (const char *path)
{
  VardPluginCache *self = vard_plugin_cache_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, &error)
      || !vard_plugin_cache_read (self, text, (gssize) length, &error))
    g_debug ("plugin cache %s: %s", path, error->message);

  return self;
}

gboolean
vard_plugin_cache_save (VardPluginCache *self, const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *maker = vard_plugin_cache_dup_maker ();
  g_autoptr (JsonObject) root = json_object_new ();
  JsonObject *files = json_object_new ();
  GHashTableIter iter;
  gpointer name, entry;

  json_object_set_int_member (root, "format", FORMAT);
  json_object_set_string_member (root, "maker", maker);
  g_hash_table_iter_init (&iter, self->files);
  while (g_hash_table_iter_next (&iter, &name, &entry))
    if (g_file_test (name, G_FILE_TEST_EXISTS)) /* forget what was deleted */
      json_object_set_object_member (files, name, json_object_ref (entry));
  json_object_set_object_member (root, "files", files);

  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), root);
  g_autofree char *text = vard_json_to_text (node, FALSE);
  g_mkdir_with_parents (folder, 0700);
  if (!g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error))
    return FALSE;
  self->is_changed = FALSE;

  return TRUE;
}

/* Fills in a plugin from its entry; FALSE when there is none for the file as it is now. */
gboolean
vard_plugin_cache_recall (VardPluginCache *self, VardPlugin *plugin)
{
  JsonObject *entry = g_hash_table_lookup (self->files, vard_plugin_get_path (plugin));
  const VardPluginStamp *stamp = vard_plugin_get_stamp (plugin);
  g_autoptr (GError) error = NULL;

  if (entry == NULL
      || json_object_get_int_member_with_default (entry, "size", -1) != (gint64) stamp->size
      || json_object_get_int_member_with_default (entry, "mtime", -1) != stamp->mtime)
    return FALSE;

  JsonNode *node = json_object_get_member (entry, "plugin");

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node)
         && vard_plugin_read_json (plugin, json_node_get_object (node), &error);
}

void
vard_plugin_cache_store (VardPluginCache *self, VardPlugin *plugin)
{
  const VardPluginStamp *stamp = vard_plugin_get_stamp (plugin);
  JsonObject *entry;

  if (vard_plugin_get_state (plugin) == VARD_PLUGIN_STATE_UNAVAILABLE)
    return;
  entry = json_object_new ();
  json_object_set_int_member (entry, "size", (gint64) stamp->size);
  json_object_set_int_member (entry, "mtime", stamp->mtime);
  json_object_set_object_member (entry, "plugin", vard_plugin_to_json (plugin));
  g_hash_table_replace (self->files, g_strdup (vard_plugin_get_path (plugin)), entry);
  self->is_changed = TRUE;
}
