/* test-run-store.c - the list of runs keeps the objects of runs that stay
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "run/vard-folder.h"

#include <glib/gstdio.h>

static void
count_change (GListModel *list, guint position, guint removed, guint added, guint *n_changes)
{
  ++*n_changes;
}

static void
make_run (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (JsonObject) record = json_object_new ();
  g_autoptr (VardRun) run = vard_run_create (path, record, NULL);

  g_assert_nonnull (run);
}

static void
test_run_store (void)
{
  g_autofree char *folder = g_dir_make_tmp ("vard-XXXXXX", NULL);
  g_autofree char *other = g_build_filename (folder, "other", NULL);
  g_autoptr (VardRunStore) store = vard_run_store_new (folder);
  g_autoptr (GError) error = NULL;
  guint n_changes = 0;

  g_signal_connect (store, "items-changed", G_CALLBACK (count_change), &n_changes);
  make_run (folder, "b");
  g_assert_cmpint (g_mkdir (other, 0777), ==, 0);
  g_assert_true (vard_run_store_refresh (store, &error));
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (store)), ==, 1);

  VardRun *kept = vard_run_store_find (store, "b");

  g_assert_true (vard_run_store_refresh (store, &error));
  g_assert_cmpuint (n_changes, ==, 1);
  make_run (folder, "a");
  g_assert_true (vard_run_store_refresh (store, &error));
  g_assert_cmpuint (n_changes, ==, 2);
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (store)), ==, 2);

  g_autoptr (VardRun) first = g_list_model_get_item (G_LIST_MODEL (store), 0);

  g_assert_cmpstr (vard_run_get_name (first), ==, "a");
  g_assert_true (vard_run_store_find (store, "b") == kept);
  g_assert_null (g_list_model_get_item (G_LIST_MODEL (store), 2));
  g_assert_true (vard_folder_remove (folder, NULL));
  g_assert_false (vard_run_store_refresh (store, &error));
  g_assert_nonnull (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/run-store", test_run_store);
  return g_test_run ();
}
