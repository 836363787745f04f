/* vard-plugin-list.c - finds plugin files and detects conflicts between them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/vard-plugin-private.h"

#include <string.h>

static void
vard_plugin_folders_split (GStrvBuilder *folders, const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, G_SEARCHPATH_SEPARATOR_S, -1);

  for (guint i = 0; parts[i] != NULL; i++)
    if (parts[i][0] != 0)
      g_strv_builder_add (folders, parts[i]);
}

char **
vard_plugin_folders_from_environment (void)
{
  g_autoptr (GStrvBuilder) folders = g_strv_builder_new ();
  g_autofree char *user = g_build_filename (g_get_user_data_dir (), "vard-1", "plugins", NULL);
  const char *path = g_getenv ("VARD_PLUGIN_PATH");
  const char *system = g_getenv ("VARD_PLUGIN_SYSTEM_PATH");
  const char *which = g_getenv ("VARD_PLUGINS");

  if (g_strcmp0 (which, "none") == 0)
    return g_strv_builder_end (folders);
  if (g_strcmp0 (which, "system") != 0)
    {
      if (path != NULL)
        vard_plugin_folders_split (folders, path);
      g_strv_builder_add (folders, user);
    }
  vard_plugin_folders_split (folders, system != NULL ? system : VARD_SYSTEM_PLUGIN_PATH);

  return g_strv_builder_end (folders);
}

static int
vard_plugin_folders_compare (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* The plugin files of one folder, in the order of their names */
GPtrArray *
vard_plugin_folders_list_files (const char *folder)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL); /* a folder need not exist */
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".so"))
      {
        g_autofree char *joined = g_build_filename (folder, name, NULL);
        g_autofree char *path = g_canonicalize_filename (joined, NULL);

        if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
          g_ptr_array_add (files, g_steal_pointer (&path));
      }
  g_ptr_array_sort (files, vard_plugin_folders_compare);

  return files;
}

VardPlugin *
vard_plugin_list_find_path (GPtrArray *plugins, const char *path)
{
  for (guint i = 0; plugins != NULL && i < plugins->len; i++)
    if (g_str_equal (vard_plugin_get_path (plugins->pdata[i]), path))
      return plugins->pdata[i];
  return NULL;
}

typedef enum
{
  CLASH_NONE,
  CLASH_FEATURE,
  CLASH_TYPE
} VardPluginClash;

static VardPluginClash
vard_plugin_list_compare_features (VardPluginFeature *a, VardPluginFeature *b)
{
  if (g_str_equal (vard_plugin_feature_get_kind (a), vard_plugin_feature_get_kind (b))
      && g_str_equal (vard_plugin_feature_get_name (a), vard_plugin_feature_get_name (b)))
    return CLASH_FEATURE;
  if (g_str_equal (vard_plugin_feature_get_type_name (a), vard_plugin_feature_get_type_name (b)))
    return CLASH_TYPE;

  return CLASH_NONE;
}

static char *
vard_plugin_list_describe_clash (VardPlugin *other, VardPluginFeature *feature)
{
  for (guint i = 0; i < vard_plugin_get_n_features (other); i++)
    switch (vard_plugin_list_compare_features (feature, vard_plugin_get_feature (other, i)))
      {
      case CLASH_FEATURE:
        return g_strdup_printf ("the %s \"%s\" is already provided by %s",
                                vard_plugin_feature_get_kind (feature),
                                vard_plugin_feature_get_name (feature),
                                vard_plugin_get_path (other));
      case CLASH_TYPE:
        return g_strdup_printf ("the type %s of its %s \"%s\" is already defined by %s",
                                vard_plugin_feature_get_type_name (feature),
                                vard_plugin_feature_get_kind (feature),
                                vard_plugin_feature_get_name (feature),
                                vard_plugin_get_path (other));
      case CLASH_NONE:
      default: break;
      }

  return NULL;
}

/* Whether a ready plugin before this one has a feature or a type of the same name: says which. */
char *
vard_plugin_list_find_clash (GPtrArray *plugins, VardPlugin *plugin)
{
  for (guint i = 0; i < vard_plugin_get_n_features (plugin); i++)
    for (guint j = 0; j < plugins->len; j++)
      {
        VardPlugin *other = plugins->pdata[j];
        char *clash =
          vard_plugin_get_state (other) == VARD_PLUGIN_STATE_READY
            ? vard_plugin_list_describe_clash (other, vard_plugin_get_feature (plugin, i))
            : NULL;

        if (clash != NULL)
          return clash;
      }

  return NULL;
}
