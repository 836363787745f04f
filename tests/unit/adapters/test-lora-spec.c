/* test-lora-spec.c - FILE[:STRENGTH] as people type it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

#include <glib/gstdio.h>

static void
test_lora_spec_parse (void)
{
  static const struct
  {
    const char *spec, *path;
    double strength;
  } rows[] = {
    { "a.safetensors", "a.safetensors", 1 },
    { "a.safetensors:0.5", "a.safetensors", 0.5 },
    { "a:-2", "a", -2 },
    { "a:0", "a", 0 },
    { "c:/a:1e-3", "c:/a", 1e-3 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *path = NULL;
      double strength;

      g_assert_true (vard_lora_spec_parse (rows[i].spec, &path, &strength, &error));
      g_assert_no_error (error);
      g_assert_cmpstr (path, ==, rows[i].path);
      g_assert_cmpfloat (strength, ==, rows[i].strength);
    }
}

static void
test_lora_spec_no_strength (void)
{
  static const char *const specs[] = { "a:", "a:x", "a:1x", "a:nan", "a:inf", "a:1:y" };

  for (guint i = 0; i < G_N_ELEMENTS (specs); i++)
    {
      g_autoptr (GError) error = NULL;
      char *path = NULL;
      double strength = 7;

      g_assert_false (vard_lora_spec_parse (specs[i], &path, &strength, &error));
      g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
      g_assert_null (path);
      g_assert_cmpfloat (strength, ==, 7);
    }
}

/* A file whose name ends like a strength is a file */
static void
test_lora_spec_file_with_colon (void)
{
  g_autofree char *folder = g_dir_make_tmp ("vard-lora-spec-XXXXXX", NULL);
  g_autofree char *name = g_build_filename (folder, "a:0.5", NULL);
  g_autofree char *path = NULL;
  double strength;

  g_assert_true (g_file_set_contents (name, "", 0, NULL));
  g_assert_true (vard_lora_spec_parse (name, &path, &strength, NULL));
  g_assert_cmpstr (path, ==, name);
  g_assert_cmpfloat (strength, ==, 1);
  g_unlink (name);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lora-spec/parse", test_lora_spec_parse);
  g_test_add_func ("/lora-spec/no-strength", test_lora_spec_no_strength);
  g_test_add_func ("/lora-spec/file-with-colon", test_lora_spec_file_with_colon);

  return g_test_run ();
}
