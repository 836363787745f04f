/* vard-plugin-manager.c - lists all plugin files and creates objects of their features
 *
 * The manager inspects plugin files when the list is first needed, each in a child process unless
 * the cache knows the file. If two files have the same feature or the same GType name, the one
 * earlier in the search path wins and the other is listed as refused. Only create() opens a file in
 * this process.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/vard-plugin-manager.h"

#include "base/vard-error.h"
#include "base/vard-fields.h"
#include "base/vard-suggest.h"
#include "base/vard-trace.h"
#include "plugin/vard-plugin-cache.h"
#include "plugin/vard-plugin-module.h"
#include "plugin/vard-plugin-private.h"

struct _VardPluginManager
{
  GObject parent_instance;
  guint scan_seconds;
  char **folders;
  char *cache_path;
  GPtrArray *plugins; /* of VardPlugin; NULL before the first scan */
  GRecMutex lock;     /* scanning and opening */
};

static void vard_plugin_manager_list_model_init (GListModelInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VardPluginManager,
                               vard_plugin_manager,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL,
                                                      vard_plugin_manager_list_model_init))

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_UINT (VardPluginManager, scan_seconds,
                   "Seconds that a plugin file may take to describe itself", 1, 600, 10),
};
/* clang-format on */

/**
 * vard_plugin_manager_get_default:
 *
 * The manager of `VARD_PLUGIN_PATH`, the user's data folder and the system's folder
 * (`VARD_PLUGIN_SYSTEM_PATH` in its place), in this order.
 *
 * Returns: (transfer none): the manager that everybody shares
 */
VardPluginManager *
vard_plugin_manager_get_default (void)
{
  static gsize shared = 0;

  if (g_once_init_enter (&shared))
    {
      g_auto (GStrv) folders = vard_plugin_folders_from_environment ();
      g_autofree char *cache = vard_plugin_cache_dup_default_path ();

      g_once_init_leave (&shared,
                         (gsize) vard_plugin_manager_new ((const char *const *) folders, cache));
    }

  return (VardPluginManager *) shared;
}

/**
 * vard_plugin_manager_new:
 * @folders: (array zero-terminated=1): where plugin files are, the most important first
 * @cache_path: (nullable): a file for what is known of them
 *
 * Returns: (transfer full): a manager of its own, for tests and tools
 */
VardPluginManager *
vard_plugin_manager_new (const char *const *folders, const char *cache_path)
{
  g_return_val_if_fail (folders != NULL, NULL);

  VardPluginManager *self = g_object_new (VARD_TYPE_PLUGIN_MANAGER, NULL);

  self->folders = g_strdupv ((char **) folders);
  self->cache_path = g_strdup (cache_path);

  return self;
}

/**
 * vard_plugin_manager_dup_folders:
 * @self: a manager
 *
 * Returns: (transfer full): where it looks, the most important first
 */
char **
vard_plugin_manager_dup_folders (VardPluginManager *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_MANAGER (self), NULL);

  return g_strdupv (self->folders);
}

/* A file that this process has opened stays as it was opened; if it changed since, that is told. */
static VardPlugin *
vard_plugin_manager_keep_loaded (VardPlugin *known, const VardPluginStamp *stamp)
{
  const VardPluginStamp *old = vard_plugin_get_stamp (known);

  if (old->size != stamp->size || old->mtime != stamp->mtime)
    vard_plugin_set_note (known, "the file changed: it takes effect in the next process");
  return g_object_ref (known);
}

static VardPlugin *
vard_plugin_manager_look_at (VardPluginManager *self,
                             VardPluginCache *cache,
                             const char *path,
                             gboolean forget)
{
  VardPlugin *known = vard_plugin_list_find_path (self->plugins, path);
  VardPluginStamp stamp;

  if (!vard_plugin_read_stamp (path, &stamp))
    return NULL; /* deleted this moment */
  if (known != NULL && vard_plugin_is_loaded (known))
    return vard_plugin_manager_keep_loaded (known, &stamp);

  g_autoptr (VardPlugin) plugin = vard_plugin_new (path);
  vard_plugin_set_stamp (plugin, &stamp);
  if (!forget && vard_plugin_cache_recall (cache, plugin))
    return g_steal_pointer (&plugin);

  VARD_TRACE_SCOPE ("plugin", "probe");
  g_clear_object (&plugin); /* a damaged entry may have left something in it */
  plugin = vard_plugin_new (path);
  vard_plugin_set_stamp (plugin, &stamp);
  vard_plugin_probe (plugin, self->scan_seconds);
  vard_plugin_cache_store (cache, plugin);

  return g_steal_pointer (&plugin);
}

static void
vard_plugin_manager_add (GPtrArray *plugins, VardPlugin *plugin)
{
  if (vard_plugin_get_state (plugin) == VARD_PLUGIN_STATE_READY)
    {
      g_autofree char *clash = vard_plugin_list_find_clash (plugins, plugin);

      if (clash != NULL)
        vard_plugin_set_problem (plugin, VARD_PLUGIN_STATE_REFUSED, "%s", clash);
    }
  g_ptr_array_add (plugins, plugin);
}

static GPtrArray *
vard_plugin_manager_scan (VardPluginManager *self, gboolean forget)
{
  GPtrArray *plugins = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (VardPluginCache) cache =
    self->cache_path != NULL ? vard_plugin_cache_load (self->cache_path) : vard_plugin_cache_new ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; self->folders[i] != NULL; i++)
    {
      g_autoptr (GPtrArray) files = vard_plugin_folders_list_files (self->folders[i]);

      for (guint j = 0; j < files->len; j++)
        if (vard_plugin_list_find_path (plugins, files->pdata[j]) == NULL)
          {
            VardPlugin *plugin = vard_plugin_manager_look_at (self, cache, files->pdata[j], forget);

            if (plugin != NULL)
              vard_plugin_manager_add (plugins, plugin);
          }
    }
  if (self->cache_path != NULL && vard_plugin_cache_is_changed (cache)
      && !vard_plugin_cache_save (cache, self->cache_path, &error))
    g_debug ("plugin cache: %s", error->message); /* the next process looks again: no harm */

  return plugins;
}

/* Called with the lock held */
static void
vard_plugin_manager_ensure (VardPluginManager *self)
{
  if (self->plugins == NULL)
    self->plugins = vard_plugin_manager_scan (self, FALSE);
}

/**
 * vard_plugin_manager_rescan:
 * @self: a manager
 * @forget: look at every file again, also those that are known
 *
 * Looks at the folders again. A plugin that is in use stays as it is.
 */
void
vard_plugin_manager_rescan (VardPluginManager *self, gboolean forget)
{
  g_return_if_fail (VARD_IS_PLUGIN_MANAGER (self));

  g_rec_mutex_lock (&self->lock);
  GPtrArray *plugins = vard_plugin_manager_scan (self, forget);
  guint n_old = self->plugins != NULL ? self->plugins->len : 0, n_new = plugins->len;
  g_clear_pointer (&self->plugins, g_ptr_array_unref);
  self->plugins = plugins;
  g_rec_mutex_unlock (&self->lock);
  g_list_model_items_changed (G_LIST_MODEL (self), 0, n_old, n_new);
}

static GType
vard_plugin_manager_get_item_type (GListModel *model)
{
  return VARD_TYPE_PLUGIN;
}

static guint
vard_plugin_manager_get_n_items (GListModel *model)
{
  VardPluginManager *self = VARD_PLUGIN_MANAGER (model);

  g_rec_mutex_lock (&self->lock);
  vard_plugin_manager_ensure (self);
  guint n = self->plugins->len;
  g_rec_mutex_unlock (&self->lock);

  return n;
}

static gpointer
vard_plugin_manager_get_item (GListModel *model, guint position)
{
  VardPluginManager *self = VARD_PLUGIN_MANAGER (model);

  g_rec_mutex_lock (&self->lock);
  vard_plugin_manager_ensure (self);
  gpointer item = position < self->plugins->len ? g_object_ref (self->plugins->pdata[position])
                                                : NULL;
  g_rec_mutex_unlock (&self->lock);

  return item;
}

static void
vard_plugin_manager_list_model_init (GListModelInterface *iface)
{
  iface->get_item_type = vard_plugin_manager_get_item_type;
  iface->get_n_items = vard_plugin_manager_get_n_items;
  iface->get_item = vard_plugin_manager_get_item;
}

/**
 * vard_plugin_manager_get_n_plugins:
 * @self: a manager
 *
 * Returns: how many plugin files there are, usable or not
 */
guint
vard_plugin_manager_get_n_plugins (VardPluginManager *self)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_MANAGER (self), 0);

  return vard_plugin_manager_get_n_items (G_LIST_MODEL (self));
}

/**
 * vard_plugin_manager_get_plugin:
 * @self: a manager
 * @index: which one
 *
 * Returns: (nullable) (transfer full): a plugin file, usable or not
 */
VardPlugin *
vard_plugin_manager_get_plugin (VardPluginManager *self, guint index)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_MANAGER (self), NULL);

  return vard_plugin_manager_get_item (G_LIST_MODEL (self), index);
}

/**
 * vard_plugin_manager_list_features:
 * @self: a manager
 * @kind: (nullable): "reward", "engine", ...; %NULL for all
 *
 * Returns: (transfer container) (element-type VardPluginFeature): what can be created
 */
GPtrArray *
vard_plugin_manager_list_features (VardPluginManager *self, const char *kind)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_MANAGER (self), NULL);

  GPtrArray *features = g_ptr_array_new_with_free_func (g_object_unref);

  g_rec_mutex_lock (&self->lock);
  vard_plugin_manager_ensure (self);
  for (guint i = 0; i < self->plugins->len; i++)
    for (guint j = 0; j < vard_plugin_get_n_features (self->plugins->pdata[i]); j++)
      {
        VardPluginFeature *feature = vard_plugin_get_feature (self->plugins->pdata[i], j);

        if (vard_plugin_get_state (self->plugins->pdata[i]) == VARD_PLUGIN_STATE_READY
            && (kind == NULL || g_str_equal (kind, vard_plugin_feature_get_kind (feature))))
          g_ptr_array_add (features, g_object_ref (feature));
      }
  g_rec_mutex_unlock (&self->lock);

  return features;
}

/* A file that cannot be used and is named like what was asked for, or would offer it */
static VardPlugin *
vard_plugin_manager_find_broken (VardPluginManager *self, const char *kind, const char *name)
{
  g_autofree char *file = g_strconcat (name, ".so", NULL);
  g_autofree char *longer = g_strconcat (name, "-", kind, ".so", NULL);

  for (guint i = 0; i < self->plugins->len; i++)
    {
      VardPlugin *plugin = self->plugins->pdata[i];
      g_autofree char *base = g_path_get_basename (vard_plugin_get_path (plugin));

      if (vard_plugin_get_state (plugin) == VARD_PLUGIN_STATE_READY)
        continue;
      if (g_str_equal (base, file) || g_str_equal (base, longer)
          || g_strcmp0 (vard_plugin_get_name (plugin), name) == 0)
        return plugin;
      for (guint j = 0; j < vard_plugin_get_n_features (plugin); j++)
        if (g_str_equal (vard_plugin_feature_get_name (vard_plugin_get_feature (plugin, j)), name)
            && g_str_equal (vard_plugin_feature_get_kind (vard_plugin_get_feature (plugin, j)),
                            kind))
          return plugin;
    }

  return NULL;
}

/* The sentence for a name that is not there; called with the lock held */
static void
vard_plugin_manager_set_unknown (VardPluginManager *self,
                                 const char *kind,
                                 const char *name,
                                 GError **error)
{
  VardPlugin *broken = vard_plugin_manager_find_broken (self, kind, name);
  g_autoptr (GPtrArray) features = vard_plugin_manager_list_features (self, kind);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (guint i = 0; i < features->len; i++)
    g_ptr_array_add (names, (gpointer) vard_plugin_feature_get_name (features->pdata[i]));
  g_ptr_array_add (names, NULL);

  if (broken != NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN, "the %s \"%s\" cannot be used: %s is %s: %s",
                 kind, name, vard_plugin_get_path (broken), vard_plugin_get_state_name (broken),
                 vard_plugin_get_reason (broken));
  else
    vard_suggest_error (kind, name, (const char *const *) names->pdata, error);
}

/**
 * vard_plugin_manager_find:
 * @self: a manager
 * @kind: "reward", "engine", ...
 * @name: name of a feature
 * @error: return location
 *
 * Opens nothing. When there is no such feature, @error suggests the nearest name, or says what is
 * wrong with the file that should have it.
 *
 * Returns: (transfer full): the feature
 */
VardPluginFeature *
vard_plugin_manager_find (VardPluginManager *self,
                          const char *kind,
                          const char *name,
                          GError **error)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_MANAGER (self) && kind != NULL && name != NULL, NULL);

  g_autoptr (GPtrArray) features = vard_plugin_manager_list_features (self, kind);

  for (guint i = 0; i < features->len; i++)
    if (g_str_equal (vard_plugin_feature_get_name (features->pdata[i]), name))
      return g_object_ref (features->pdata[i]);

  g_rec_mutex_lock (&self->lock);
  vard_plugin_manager_set_unknown (self, kind, name, error);
  g_rec_mutex_unlock (&self->lock);

  return NULL;
}

/**
 * vard_plugin_manager_find_plugin:
 * @self: a manager
 * @feature: a feature from this manager
 *
 * Returns: (nullable) (transfer full): the file that offers it
 */
VardPlugin *
vard_plugin_manager_find_plugin (VardPluginManager *self, VardPluginFeature *feature)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_MANAGER (self) && VARD_IS_PLUGIN_FEATURE (feature), NULL);

  VardPlugin *found = NULL;

  g_rec_mutex_lock (&self->lock);
  vard_plugin_manager_ensure (self);
  for (guint i = 0; found == NULL && i < self->plugins->len; i++)
    for (guint j = 0; j < vard_plugin_get_n_features (self->plugins->pdata[i]); j++)
      if (vard_plugin_get_feature (self->plugins->pdata[i], j) == feature)
        found = g_object_ref (self->plugins->pdata[i]);
  g_rec_mutex_unlock (&self->lock);

  return found;
}

static void
vard_plugin_manager_ignore_stage (const char *stage, gpointer data)
{
}

/* Opens the file of a feature in this process, once */
static GType
vard_plugin_manager_load (VardPlugin *plugin, const char *name, GError **error)
{
  const VardPluginStamp *known = vard_plugin_get_stamp (plugin);
  VardPluginStamp stamp = { 0 };
  VardPluginState state;

  if (!vard_plugin_is_loaded (plugin))
    {
      if (!vard_plugin_read_stamp (vard_plugin_get_path (plugin), &stamp)
          || stamp.size != known->size || stamp.mtime != known->mtime)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN,
                       "%s changed since vard scanned it: start the program again",
                       vard_plugin_get_path (plugin));
          return 0;
        }
      vard_plugin_set_loaded (plugin);
      if (!vard_plugin_module_open (plugin, vard_plugin_manager_ignore_stage, NULL, &state, error))
        {
          g_prefix_error (error, "%s: ", vard_plugin_get_path (plugin));
          return 0;
        }
    }

  GType type = vard_plugin_find_type (plugin, name);
  if (type == 0)
    g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN,
                 "%s no longer provides \"%s\": the file changed since vard scanned it",
                 vard_plugin_get_path (plugin), name);

  return type;
}

/**
 * vard_plugin_manager_create:
 * @self: a manager
 * @kind: "reward", "engine", ...
 * @name: name of a feature
 * @error: return location
 *
 * Returns: (transfer full): a new object of it, with its defaults
 */
GObject *
vard_plugin_manager_create (VardPluginManager *self,
                            const char *kind,
                            const char *name,
                            GError **error)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_MANAGER (self) && kind != NULL && name != NULL, NULL);

  g_autoptr (VardPluginFeature) feature = vard_plugin_manager_find (self, kind, name, error);
  if (feature == NULL)
    return NULL;

  g_autoptr (VardPlugin) plugin = vard_plugin_manager_find_plugin (self, feature);
  if (plugin == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN,
                   "the file of the %s \"%s\" no longer exists", kind, name);
      return NULL;
    }

  g_rec_mutex_lock (&self->lock);
  GType type = vard_plugin_manager_load (plugin, name, error);
  g_rec_mutex_unlock (&self->lock);

  return type != 0 ? g_object_new (type, NULL) : NULL;
}

/**
 * vard_plugin_manager_create_from_spec:
 * @self: a manager
 * @kind: "reward", "engine", ...
 * @spec: `NAME[:key=value,...]`
 * @parsed: (out) (optional) (transfer full): the parts of @spec, for the reserved keys
 * @error: return location
 *
 * Returns: (transfer full): a new object of it, with the properties that @spec gives
 */
GObject *
vard_plugin_manager_create_from_spec (VardPluginManager *self,
                                      const char *kind,
                                      const char *spec,
                                      VardPluginSpec **parsed,
                                      GError **error)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_MANAGER (self) && kind != NULL && spec != NULL, NULL);

  g_autoptr (VardPluginSpec) parts = vard_plugin_spec_parse (spec, error);
  if (parts == NULL)
    return NULL;

  g_autoptr (GObject) object =
    vard_plugin_manager_create (self, kind, vard_plugin_spec_get_name (parts), error);
  if (object == NULL || !vard_plugin_spec_apply (parts, object, error))
    return NULL;
  if (parsed != NULL)
    *parsed = g_steal_pointer (&parts);

  return g_steal_pointer (&object);
}

static void
vard_plugin_manager_finalize (GObject *object)
{
  VardPluginManager *self = VARD_PLUGIN_MANAGER (object);

  g_strfreev (self->folders);
  g_free (self->cache_path);
  g_clear_pointer (&self->plugins, g_ptr_array_unref);
  g_rec_mutex_clear (&self->lock);
  G_OBJECT_CLASS (vard_plugin_manager_parent_class)->finalize (object);
}

static void
vard_plugin_manager_class_init (VardPluginManagerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_plugin_manager_finalize;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
vard_plugin_manager_init (VardPluginManager *self)
{
  g_rec_mutex_init (&self->lock);
}
