/* fuzz-plugin.c - random texts for the parsers that read what others wrote
 *
 * Sound inputs with random damage get further into a parser than noise does. Any warning ends the
 * test.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "plugin/vard-plugin-cache.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS 20000

static guint64 next;

static guint
pick (guint n)
{
  return vard_random_uniform_int (20, 24, next++, n);
}

/* Overwrites, deletes or inserts a few bytes; half of what comes in is of the grammar. */
static char *
damage (const char *text, const char *grammar)
{
  GString *result = g_string_new (text);

  for (guint i = pick (6); i > 0; i--)
    {
      guint at = pick ((guint) result->len + 1);
      gsize n = pick (8);
      char byte = pick (2) ? grammar[pick ((guint) strlen (grammar))] : (char) (1 + pick (255));

      switch (pick (4))
        {
        case 0: g_string_insert_c (result, at, byte); break;
        case 1: g_string_erase (result, at, MIN (n, result->len - at)); break;
        case 2: g_string_truncate (result, at); break;
        default:
          if (at < result->len)
            result->str[at] = byte;
        }
    }
  return g_string_free (result, FALSE);
}

static void
test_fuzz_spec (void)
{
  static const char *const seeds[] = {
    "jpeg-size",
    "jpeg-size:target=small,weight=2",
    "a:b=c\\,d\\\\,e=,f=g=h",
    "remote:url=http://x:1/y,label=z",
  };
  guint n_good = 0;

  for (guint i = 0; i < ROUNDS; i++)
    {
      g_autofree char *text = damage (seeds[pick (G_N_ELEMENTS (seeds))], ":=,\\\\aZ_-");
      g_autoptr (GError) error = NULL;
      g_autoptr (VardPluginSpec) spec = vard_plugin_spec_parse (text, &error);

      g_assert_true ((spec == NULL) == (error != NULL));
      if (spec == NULL)
        continue;

      /* What was understood reads back the same. */
      g_autofree char *once = vard_plugin_spec_to_string (spec);
      g_autoptr (VardPluginSpec) again = vard_plugin_spec_parse (once, &error);
      g_assert_no_error (error);
      g_autofree char *twice = vard_plugin_spec_to_string (again);
      g_assert_cmpstr (once, ==, twice);
      n_good++;
    }
  g_assert_cmpuint (n_good, >, ROUNDS / 20);
}

static char *
make_cache_text (const char *path)
{
  g_autofree char *folder = g_dir_make_tmp ("vard-fuzz-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (folder, "cache.json", NULL);
  g_autoptr (VardPluginCache) cache = vard_plugin_cache_new ();
  g_autoptr (VardPlugin) plugin = vard_plugin_new (path);
  VardPluginStamp stamp;
  char *text = NULL;

  g_assert_true (vard_plugin_read_stamp (path, &stamp));
  vard_plugin_set_stamp (plugin, &stamp);
  vard_plugin_probe (plugin, 10);
  g_assert_cmpstr (vard_plugin_get_state_name (plugin), ==, "ready");
  vard_plugin_cache_store (cache, plugin);
  g_assert_true (vard_plugin_cache_save (cache, file, NULL));
  g_assert_true (g_file_get_contents (file, &text, NULL, NULL));
  remove (file);
  remove (folder);
  return text;
}

static void
test_fuzz_cache (void)
{
  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_TEST_FIXTURES"), "fixture-good.so", NULL);
  g_autofree char *sound = make_cache_text (path);
  VardPluginStamp stamp;
  guint n_read = 0, n_recalled = 0;

  g_assert_true (vard_plugin_read_stamp (path, &stamp));
  for (guint i = 0; i < ROUNDS / 4; i++)
    {
      g_autofree char *text = i == 0 ? g_strdup (sound) : damage (sound, "{}[]\",:0-nulltrue");
      g_autoptr (VardPluginCache) cache = vard_plugin_cache_new ();
      g_autoptr (VardPlugin) plugin = vard_plugin_new (path);
      g_autoptr (GError) error = NULL;
      gboolean ok = vard_plugin_cache_read (cache, text, -1, &error);

      g_assert_true (ok == (error == NULL));
      vard_plugin_set_stamp (plugin, &stamp);
      gboolean recalled = vard_plugin_cache_recall (cache, plugin);
      g_assert_true (i > 0 || recalled);
      n_read += ok;
      n_recalled += recalled;

      /* Whatever was recalled can be asked for everything. */
      for (guint f = 0; recalled && f < vard_plugin_get_n_features (plugin); f++)
        {
          VardPluginFeature *feature = vard_plugin_get_feature (plugin, f);

          g_assert_nonnull (vard_plugin_feature_get_name (feature));
          for (guint p = 0; p < vard_plugin_feature_get_n_properties (feature); p++)
            g_assert_nonnull (
              vard_plugin_property_get_range (vard_plugin_feature_get_property (feature, p)));
        }
    }
  g_assert_cmpuint (n_read, >, n_recalled);
  g_assert_cmpuint (n_recalled, >, ROUNDS / 100);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/fuzz/plugin-spec", test_fuzz_spec);
  g_test_add_func ("/fuzz/plugin-cache", test_fuzz_cache);
  return g_test_run ();
}
