/* vard-run-store.c - lists the runs in a folder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-run-store.h"

/**
 * VardRunStore:
 *
 * The runs of a folder, by name: a #GListModel of #VardRun. A run that stays keeps its object.
 */
struct _VardRunStore
{
  GObject parent_instance;

  char *folder;
  GPtrArray *runs; /* of VardRun, by name */
};

static void vard_run_store_init_list (GListModelInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VardRunStore,
                               vard_run_store,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, vard_run_store_init_list))

/**
 * vard_run_store_new:
 * @folder: (type filename): where the runs are
 *
 * Returns: (transfer full): a list, empty until it is refreshed
 */
VardRunStore *
vard_run_store_new (const char *folder)
{
  g_return_val_if_fail (folder != NULL, NULL);

  VardRunStore *self = g_object_new (VARD_TYPE_RUN_STORE, NULL);

  self->folder = g_canonicalize_filename (folder, NULL);

  return self;
}

/**
 * vard_run_store_get_folder:
 * @self: a list of runs
 *
 * Returns: (type filename): the folder it lists
 */
const char *
vard_run_store_get_folder (VardRunStore *self)
{
  g_return_val_if_fail (VARD_IS_RUN_STORE (self), NULL);

  return self->folder;
}

/**
 * vard_run_store_find:
 * @self: a list of runs
 * @name: the name of a run
 *
 * Returns: (transfer none) (nullable): that run
 */
VardRun *
vard_run_store_find (VardRunStore *self, const char *name)
{
  g_return_val_if_fail (VARD_IS_RUN_STORE (self) && name != NULL, NULL);

  for (guint i = 0; i < self->runs->len; i++)
    if (g_str_equal (vard_run_get_name (self->runs->pdata[i]), name))
      return self->runs->pdata[i];

  return NULL;
}

static gint
vard_run_store_compare_runs (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (vard_run_get_name (*(VardRun *const *) a),
                    vard_run_get_name (*(VardRun *const *) b));
}

static VardRun *
vard_run_store_open_run (VardRunStore *self, const char *name)
{
  VardRun *known = vard_run_store_find (self, name);

  if (known != NULL && vard_run_refresh (known, NULL))
    return g_object_ref (known);

  g_autofree char *path = g_build_filename (self->folder, name, NULL);

  return vard_run_open (path, NULL);
}

/**
 * vard_run_store_refresh:
 * @self: a list of runs
 * @error: return location for an error
 *
 * Looks for runs again, and at what each is doing. Folders that are no runs are passed over.
 *
 * Returns: whether the folder could be read
 */
gboolean
vard_run_store_refresh (VardRunStore *self, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN_STORE (self), FALSE);

  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, error);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_object_unref);
  const char *name;

  if (dir == NULL)
    return FALSE;
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      VardRun *run = *name == '.' ? NULL : vard_run_store_open_run (self, name);

      if (run != NULL)
        g_ptr_array_add (found, run);
    }
  g_ptr_array_sort (found, vard_run_store_compare_runs);

  gboolean is_same = found->len == self->runs->len;

  for (guint i = 0; is_same && i < found->len; i++)
    is_same = found->pdata[i] == self->runs->pdata[i];
  if (is_same)
    return TRUE;

  guint n_before = self->runs->len;

  g_ptr_array_unref (self->runs);
  self->runs = g_steal_pointer (&found);
  g_list_model_items_changed (G_LIST_MODEL (self), 0, n_before, self->runs->len);

  return TRUE;
}

static GType
vard_run_store_get_item_type (GListModel *list)
{
  return VARD_TYPE_RUN;
}

static guint
vard_run_store_get_n_items (GListModel *list)
{
  return VARD_RUN_STORE (list)->runs->len;
}

static gpointer
vard_run_store_get_item (GListModel *list, guint i)
{
  VardRunStore *self = VARD_RUN_STORE (list);

  return i < self->runs->len ? g_object_ref (self->runs->pdata[i]) : NULL;
}

static void
vard_run_store_init_list (GListModelInterface *iface)
{
  iface->get_item_type = vard_run_store_get_item_type;
  iface->get_n_items = vard_run_store_get_n_items;
  iface->get_item = vard_run_store_get_item;
}

static void
vard_run_store_finalize (GObject *object)
{
  VardRunStore *self = VARD_RUN_STORE (object);

  g_ptr_array_unref (self->runs);
  g_free (self->folder);
  G_OBJECT_CLASS (vard_run_store_parent_class)->finalize (object);
}

static void
vard_run_store_class_init (VardRunStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_run_store_finalize;
}

static void
vard_run_store_init (VardRunStore *self)
{
  self->runs = g_ptr_array_new_with_free_func (g_object_unref);
}
