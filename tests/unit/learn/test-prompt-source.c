/* test-prompt-source.c - prompt files, good ones and bad ones
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>
#include <glib/gstdio.h>

static VardPromptSource *
read_text (const char *name, const char *text, gssize length, GError **error)
{
  g_autofree char *folder = g_dir_make_tmp ("vard-prompts-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, name, NULL);
  VardPromptSource *source;

  g_assert_true (g_file_set_contents (path, text, length, NULL));
  source = vard_prompt_source_new_from_file (path, error);
  g_unlink (path);
  g_rmdir (folder);

  return source;
}

static void
test_prompt_source_text (void)
{
  g_autoptr (VardPromptSource) source =
    read_text ("a.txt", "# fruit\nred apple\n\n  pear \r\n", -1, NULL);

  g_assert_cmpuint (vard_prompt_source_get_count (source), ==, 2);
  g_assert_cmpstr (vard_prompt_source_get_text (source, 0), ==, "red apple");
  g_assert_cmpstr (vard_prompt_source_get_text (source, 1), ==, "pear");
  g_assert_null (vard_prompt_source_get_metadata (source, 1));
}

static void
test_prompt_source_json (void)
{
  g_autoptr (VardPromptSource) source =
    read_text ("a.jsonl", "{\"prompt\": \"a cat\", \"answer\": 4}\n\n{\"prompt\": \"# b\"}\n", -1,
               NULL);
  JsonObject *metadata = vard_prompt_source_get_metadata (source, 0);

  g_assert_cmpuint (vard_prompt_source_get_count (source), ==, 2);
  g_assert_cmpint (json_object_get_int_member (metadata, "answer"), ==, 4);
  g_assert_cmpstr (vard_prompt_source_get_text (source, 1), ==, "# b");
}

typedef struct
{
  const char *name, *text;
  gssize length;
  const char *says;
} BadRow;

static const BadRow bad_rows[] = {
  { "a.txt", "# nothing\n\n", -1, "no prompts" },
  { "a.txt", "caf\xe9\n", -1, "UTF-8" },
  { "a.txt", "a\0b", 3, "UTF-8" },
  { "a.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": 3}\n", -1, ":2: " },
  { "a.jsonl", "{\"prompt\": \n", -1, ":1: " },
  { "a.jsonl", "[1]\n", -1, "prompt" },
  { "a.jsonl", "", 0, "no prompts" },
};

static void
test_prompt_source_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VardPromptSource) source =
        read_text (bad_rows[i].name, bad_rows[i].text, bad_rows[i].length, &error);

      g_assert_null (source);
      g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
      g_assert_nonnull (strstr (error->message, bad_rows[i].says));
    }

  g_autoptr (GError) error = NULL;
  g_assert_null (vard_prompt_source_new_from_file ("/nonexistent/prompts.txt", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/prompt-source/text", test_prompt_source_text);
  g_test_add_func ("/prompt-source/json", test_prompt_source_json);
  g_test_add_func ("/prompt-source/bad", test_prompt_source_bad);
  return g_test_run ();
}
