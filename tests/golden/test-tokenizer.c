/* test-tokenizer.c - token ids against CLIPTokenizerFast
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "clip/vard-clip-tokenizer.h"

#include <glib/gstdio.h>
#include <string.h>

static JsonArray *cases;

/* the committed vocabulary under another padding token; (transfer full) */
static char *
make_folder (const char *pad_token)
{
  static const char *const names[] = { "vocab.json", "merges.txt", "tokenizer_config.json" };
  g_autofree char *folder = g_dir_make_tmp (NULL, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *from =
        g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "tokenizer", names[i], NULL);
      g_autofree char *to = g_build_filename (folder, names[i], NULL);
      g_autofree char *text = NULL;
      g_autofree char *padding = g_strdup_printf ("\"pad_token\": \"%s\"", pad_token);
      g_autoptr (GError) error = NULL;

      g_file_get_contents (from, &text, NULL, &error);
      g_assert_no_error (error);

      g_autoptr (GString) changed = g_string_new (text);

      if (i == 2)
        g_assert_cmpuint (g_string_replace (changed, "\"pad_token\": \"<|endoftext|>\"", padding,
                                            0),
                          ==, 1);
      g_file_set_contents (to, changed->str, -1, &error);
      g_assert_no_error (error);
    }
  return g_steal_pointer (&folder);
}

static void
remove_folder (const char *folder)
{
  static const char *const names[] = { "vocab.json", "merges.txt", "tokenizer_config.json" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (folder, names[i], NULL);

      g_unlink (path);
    }
  g_rmdir (folder);
}

static gboolean
check_row (VardClipTokenizer *tokenizer, JsonArray *row, guint length)
{
  const char *text = json_array_get_string_element (row, 0);
  JsonArray *expected = json_array_get_array_element (row, 1);
  g_autofree gint32 *ids = g_new (gint32, length);
  g_autoptr (GError) error = NULL;
  guint n_valid;
  gboolean is_same = TRUE;

  vard_clip_tokenizer_encode (tokenizer, text, ids, length, &n_valid, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < length; i++)
    is_same = is_same && ids[i] == json_array_get_int_element (expected, i);
  if (!is_same)
    g_test_message ("differs: “%s”", text);
  return is_same;
}

static void
test_case (gconstpointer data)
{
  JsonObject *object = json_array_get_object_element (cases, GPOINTER_TO_UINT (data));
  JsonArray *rows = json_object_get_array_member (object, "rows");
  guint length = json_object_get_int_member (object, "length"), n_wrong = 0;
  g_autofree char *folder = make_folder (json_object_get_string_member (object, "pad_token"));
  g_autoptr (GError) error = NULL;
  g_autoptr (VardClipTokenizer) tokenizer = vard_clip_tokenizer_new (folder, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (vard_clip_tokenizer_get_max_length (tokenizer), ==, length);
  g_assert_cmpuint (json_array_get_length (rows), >, 100);
  for (guint i = 0; i < json_array_get_length (rows); i++)
    if (!check_row (tokenizer, json_array_get_array_element (rows, i), length))
      n_wrong++;
  g_assert_cmpuint (n_wrong, ==, 0);
  remove_folder (folder);
}

/* each word is one token; two more are start and end */
static void
test_cut (void)
{
  static const struct
  {
    const char *text;
    guint n_ids;
    gsize at;
  } rows[] = {
    { "red apple", 16, 9 },
    { "red apple", 4, 9 },
    { "red apple", 3, 4 },
    { "red apple", 2, 0 },
    { "  red\t\napple  ", 3, 7 },
    { "  red\t\napple  ", 4, 14 },
    { "", 2, 0 },
    { " ", 2, 1 },
    { "red \xc3\xa9t\xc3\xa9 apple", 3, 4 },
    { "red \xff", 2, 5 },
  };
  g_autofree char *folder =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "tokenizer", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardClipTokenizer) tokenizer = vard_clip_tokenizer_new (folder, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpuint (vard_clip_tokenizer_find_cut (tokenizer, rows[i].text, rows[i].n_ids), ==,
                      rows[i].at);
}

int
main (int argc, char **argv)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "tokenizer.json", NULL);
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  cases = json_node_get_array (json_parser_get_root (parser));
  g_test_add_data_func ("/tokenizer/stock", GUINT_TO_POINTER (0), test_case);
  g_test_add_data_func ("/tokenizer/stable-diffusion-2", GUINT_TO_POINTER (1), test_case);
  g_test_add_func ("/tokenizer/cut", test_cut);
  return g_test_run ();
}
