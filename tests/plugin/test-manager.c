/* test-manager.c - every way in which a plugin file can fail is listed, and harms nobody
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

/* The last word of a message may be the system's, so only a part is compared. */
static const struct
{
  const char *file;
  VardPluginState state;
  const char *reason;
} rows[] = {
  { "bad-name", VARD_PLUGIN_STATE_REFUSED, "\"Bad, name\" cannot be a feature's name" },
  { "bad-type", VARD_PLUGIN_STATE_REFUSED, "(VardReward) is not a class that can be instantiated" },
  { "crash-open", VARD_PLUGIN_STATE_CRASHED, "Segmentation fault while opening the file" },
  { "crash-provide", VARD_PLUGIN_STATE_CRASHED,
    "Aborted while naming its features (no licence server found)" },
  { "exits", VARD_PLUGIN_STATE_CRASHED,
    "it ended the process with status 0 while naming its features" },
  { "good", VARD_PLUGIN_STATE_READY, NULL },
  { "hangs-open", VARD_PLUGIN_STATE_TOO_SLOW, "no answer within 1 s while opening the file" },
  { "hangs", VARD_PLUGIN_STATE_TOO_SLOW, "no answer within 1 s while naming its features" },
  { "missing-library", VARD_PLUGIN_STATE_UNAVAILABLE,
    "libvard-gone.so.9: cannot open shared object file" },
  { "no-symbol", VARD_PLUGIN_STATE_REFUSED,
    "it has no symbol \"vard_plugin\": it is a library but not a plugin" },
  { "other-abi", VARD_PLUGIN_STATE_REFUSED,
    "it was built for plugin interface 99.3, but this is 1.0" },
  { "reserved-word", VARD_PLUGIN_STATE_REFUSED,
    "has a property \"weight\", which is a reserved name" },
  { "same-feature", VARD_PLUGIN_STATE_REFUSED, "the reward \"good\" is already provided by " },
  { "same-type", VARD_PLUGIN_STATE_REFUSED,
    "the type GoodReward of its reward \"unlike-good\" is already defined by " },
  { "small-descriptor", VARD_PLUGIN_STATE_REFUSED, "its descriptor has 24 bytes, but must have" },
  { "text", VARD_PLUGIN_STATE_REFUSED, "it cannot be opened: " },
  { "undefined-function", VARD_PLUGIN_STATE_REFUSED,
    "undefined symbol: a_function_that_nobody_wrote" },
};

/* A folder of its own with a copy of the good file, and a place for a cache */
typedef struct
{
  char *folder, *file, *cache;
} Place;

static void
place_set_up (Place *place, gconstpointer data)
{
  g_autofree char *from =
    g_build_filename (g_getenv ("VARD_TEST_FIXTURES"), "fixture-good.so", NULL);
  g_autofree char *bytes = NULL;
  gsize length;

  place->folder = g_dir_make_tmp ("vard-plugins-XXXXXX", NULL);
  place->file = g_build_filename (place->folder, "copy.so", NULL);
  place->cache = g_build_filename (place->folder, "cache", "plugins.json", NULL);
  g_assert_true (g_file_get_contents (from, &bytes, &length, NULL));
  g_assert_true (g_file_set_contents (place->file, bytes, length, NULL));
}

static void
place_tear_down (Place *place, gconstpointer data)
{
  g_autofree char *cache_folder = g_path_get_dirname (place->cache);

  g_unsetenv ("VARD_PLUGIN_SCAN");
  g_unlink (place->cache);
  g_rmdir (cache_folder);
  g_unlink (place->file);
  g_rmdir (place->folder);
  g_free (place->folder);
  g_free (place->file);
  g_free (place->cache);
}

static VardPluginManager *
make_manager (const char *folder, const char *cache)
{
  const char *const folders[] = { folder, NULL };
  VardPluginManager *manager = vard_plugin_manager_new (folders, cache);

  g_object_set (manager, "scan-seconds", 1u, NULL);
  return manager;
}

static void
check_rows (VardPluginManager *manager)
{
  g_assert_cmpuint (vard_plugin_manager_get_n_plugins (manager), ==, G_N_ELEMENTS (rows));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (VardPlugin) plugin = vard_plugin_manager_get_plugin (manager, i);
      g_autofree char *file = g_strdup_printf ("/fixture-%s.so", rows[i].file);

      g_assert_true (g_str_has_suffix (vard_plugin_get_path (plugin), file));
      if (vard_plugin_get_state (plugin) != rows[i].state)
        g_error ("%s is %s: %s", file, vard_plugin_get_state_name (plugin),
                 vard_plugin_get_reason (plugin));
      if (rows[i].reason == NULL)
        g_assert_null (vard_plugin_get_reason (plugin));
      else if (strstr (vard_plugin_get_reason (plugin), rows[i].reason) == NULL)
        g_error ("%s: \"%s\" is not in \"%s\"", file, rows[i].reason,
                 vard_plugin_get_reason (plugin));
    }
}

static void
test_manager_states (Place *place, gconstpointer data)
{
  const char *folder = g_getenv ("VARD_TEST_FIXTURES");
  g_autoptr (VardPluginManager) first = make_manager (folder, place->cache);

  check_rows (first);

  /* What the cache knows needs no child; what may have been installed since is looked at again. */
  g_setenv ("VARD_PLUGIN_SCAN", "/nonexistent/helper", TRUE);
  g_autoptr (VardPluginManager) second = make_manager (folder, place->cache);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (VardPlugin) plugin = vard_plugin_manager_get_plugin (second, i);

      g_assert_cmpint (vard_plugin_get_state (plugin), ==, rows[i].state);
      if (rows[i].state == VARD_PLUGIN_STATE_UNAVAILABLE)
        g_assert_nonnull (strstr (vard_plugin_get_reason (plugin), "/nonexistent/helper"));
    }
  g_unsetenv ("VARD_PLUGIN_SCAN");

  g_assert_true (g_file_set_contents (place->cache, "{\"format\": 1, \"files\": [", -1, NULL));
  g_autoptr (VardPluginManager) third = make_manager (folder, place->cache);
  check_rows (third);
}

static void
test_manager_names (Place *place, gconstpointer data)
{
  const struct
  {
    const char *name;
    VardError code;
    const char *message;
  } names[] = {
    { "godo", VARD_ERROR_USAGE, "there is no reward \"godo\"; did you mean \"good\"?" },
    { "zebra", VARD_ERROR_USAGE, "there is no reward \"zebra\" (there are: good)" },
    { "fixture-hangs", VARD_ERROR_PLUGIN, "fixture-hangs.so is too-slow: no answer within 1 s" },
    { "fixture-other-abi", VARD_ERROR_PLUGIN,
      "fixture-other-abi.so is refused: it was built for plugin interface 99.3" },
    { "unlike-good", VARD_ERROR_PLUGIN, "fixture-same-type.so is refused: the type GoodReward" },
  };
  g_autoptr (VardPluginManager) manager =
    make_manager (g_getenv ("VARD_TEST_FIXTURES"), place->cache);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (vard_plugin_manager_create (manager, "reward", names[i].name, &error));
      g_assert_error (error, VARD_ERROR, (int) names[i].code);
      if (strstr (error->message, names[i].message) == NULL)
        g_error ("\"%s\" is not in \"%s\"", names[i].message, error->message);
    }

  g_autoptr (GError) error = NULL;
  g_assert_null (vard_plugin_manager_create (manager, "engine", "good", &error));
  g_assert_cmpstr (error->message, ==, "there is no engine \"good\" (there are: none)");
}

static void
test_manager_description (Place *place, gconstpointer data)
{
  g_autoptr (VardPluginManager) manager = make_manager (place->folder, NULL);
  g_autoptr (VardPlugin) plugin = vard_plugin_manager_get_plugin (manager, 0);
  g_autoptr (GPtrArray) features = vard_plugin_manager_list_features (manager, "reward");
  double minimum = -1, maximum = -1;

  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (manager)), ==, 1);
  g_assert_cmpstr (vard_plugin_get_name (plugin), ==, "good");
  g_assert_cmpstr (vard_plugin_get_version (plugin), ==, "1.2.3");
  g_assert_cmpstr (vard_plugin_get_licence (plugin), ==, "MIT");
  g_assert_cmpstr (vard_plugin_get_summary (plugin), ==, "A plugin that works");
  g_assert_cmpuint (features->len, ==, 1);

  VardPluginFeature *feature = features->pdata[0];
  g_assert_cmpstr (vard_plugin_feature_get_name (feature), ==, "good");
  g_assert_cmpstr (vard_plugin_feature_get_type_name (feature), ==, "GoodReward");
  g_assert_cmpuint (g_type_from_name ("GoodReward"), ==, 0); /* the file was not opened here */
  g_assert_cmpuint (vard_plugin_feature_get_n_properties (feature), ==, 1);

  VardPluginProperty *property = vard_plugin_feature_get_property (feature, 0);
  g_assert_cmpstr (vard_plugin_property_get_name (property), ==, "gain");
  g_assert_cmpstr (vard_plugin_property_get_nick (property), ==, "Gain");
  g_assert_cmpstr (vard_plugin_property_get_blurb (property), ==, "Factor of the score");
  g_assert_cmpstr (vard_plugin_property_get_kind (property), ==, "number");
  g_assert_cmpstr (vard_plugin_property_get_default (property), ==, "1");
  g_assert_cmpstr (vard_plugin_property_get_range (property), ==, "a number from 0 to 10");
  g_assert_true (vard_plugin_property_get_limits (property, &minimum, &maximum));
  g_assert_cmpfloat (minimum, ==, 0);
  g_assert_cmpfloat (maximum, ==, 10);
}

#ifdef __SANITIZE_ADDRESS__
#define WARM_MICROSECONDS 200000
#else
#define WARM_MICROSECONDS 20000
#endif

/* A hundred files: each is looked at once, and then it is one file that is read */
static void
test_manager_hundred (Place *place, gconstpointer data)
{
  g_autofree char *bytes = NULL;
  gint64 cold = 0, warm = G_MAXINT64;
  gsize length;

  g_assert_true (g_file_get_contents (place->file, &bytes, &length, NULL));
  for (guint i = 0; i < 99; i++)
    {
      g_autofree char *path = g_strdup_printf ("%s/more-%02u.so", place->folder, i);

      g_assert_true (g_file_set_contents (path, bytes, (gssize) length, NULL));
    }

  for (guint round = 0; round < 6; round++)
    {
      g_autoptr (VardPluginManager) manager = make_manager (place->folder, place->cache);
      gint64 begin = g_get_monotonic_time ();

      g_object_set (manager, "scan-seconds", 60u, NULL);
      g_assert_cmpuint (vard_plugin_manager_get_n_plugins (manager), ==, 100);
      begin = g_get_monotonic_time () - begin;
      if (round == 0)
        cold = begin;
      else
        warm = MIN (warm, begin);
    }
  g_test_message ("100 plugin files: %.2f s cold, %.2f ms from the cache", cold / 1e6, warm / 1e3);
  g_assert_cmpint (cold, <, 30 * G_USEC_PER_SEC); /* 3 s where nothing else runs */
  g_assert_cmpint (warm, <, WARM_MICROSECONDS);   /* 5 ms where nothing else runs */
  for (guint i = 0; i < 99; i++)
    {
      g_autofree char *path = g_strdup_printf ("%s/more-%02u.so", place->folder, i);

      g_unlink (path);
    }
}

static void
set_time (const char *path, time_t seconds)
{
  const struct timespec times[2] = { { seconds, 0 }, { seconds, 0 } };

  g_assert_cmpint (utimensat (AT_FDCWD, path, times, 0), ==, 0);
}

/* Runs last: it opens a file for good. */
static void
test_manager_changes (Place *place, gconstpointer data)
{
  g_autoptr (VardPluginManager) manager = make_manager (place->folder, place->cache);
  g_autoptr (VardPluginSpec) spec = NULL;
  g_autoptr (GError) error = NULL;
  double gain;

  g_assert_cmpuint (vard_plugin_manager_get_n_plugins (manager), ==, 1);
  set_time (place->file, 1000);
  g_assert_null (vard_plugin_manager_create (manager, "reward", "good", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_PLUGIN);
  g_assert_nonnull (strstr (error->message, "changed since vard scanned it"));
  g_clear_error (&error);

  vard_plugin_manager_rescan (manager, FALSE);
  g_autoptr (GObject) reward =
    vard_plugin_manager_create_from_spec (manager, "reward", "good:gain=2.5,weight=3,label=a\\,b",
                                          &spec, &error);
  g_assert_no_error (error);
  g_assert_true (VARD_IS_REWARD (reward));
  g_object_get (reward, "gain", &gain, NULL);
  g_assert_cmpfloat (gain, ==, 2.5);
  g_assert_cmpstr (vard_plugin_spec_get_value (spec, "weight"), ==, "3");
  g_assert_cmpstr (vard_plugin_spec_get_value (spec, "label"), ==, "a,b");
  g_assert_null (
    vard_plugin_manager_create_from_spec (manager, "reward", "good:gain=11", NULL, &error));
  g_assert_cmpstr (error->message, ==, "good: gain is \"11\", but must be a number from 0 to 10");

  set_time (place->file, 2000);
  vard_plugin_manager_rescan (manager, TRUE);
  g_autoptr (VardPlugin) plugin = vard_plugin_manager_get_plugin (manager, 0);
  g_assert_cmpint (vard_plugin_get_state (plugin), ==, VARD_PLUGIN_STATE_READY);
  g_assert_cmpstr (vard_plugin_get_reason (plugin), ==,
                   "the file changed: it takes effect in the next process");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/manager/states", Place, NULL, place_set_up, test_manager_states, place_tear_down);
  g_test_add ("/manager/names", Place, NULL, place_set_up, test_manager_names, place_tear_down);
  g_test_add ("/manager/description", Place, NULL, place_set_up, test_manager_description,
              place_tear_down);
  g_test_add ("/manager/hundred", Place, NULL, place_set_up, test_manager_hundred, place_tear_down);
  g_test_add ("/manager/changes", Place, NULL, place_set_up, test_manager_changes, place_tear_down);
  return g_test_run ();
}
