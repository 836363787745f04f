/* test-json-parse.c - what vard accepts as JSON, and how it refuses the rest
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "base/vard-json-parse.h"

#include <string.h>

static void
test_json_parse_good (void)
{
  static const char *const texts[] = {
    "{}",
    " [1, -2.5e-3, true, null] \n",
    "\"a\"",
    "3",
    "\xef\xbb\xbf{\"a\": \"}]}]\"}",
    "{\"a\": \"\\\"[[[\\\\\"}",
    "{\"\xc3\xa4\": \"\\u00e4\"}",
    "[\"/* */ // '\"]",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (JsonNode) node = vard_json_parse (texts[i], -1, &error);

      g_assert_no_error (error);
      g_assert_nonnull (node);
    }
}

static void
test_json_parse_bad (void)
{
  static const struct
  {
    const char *text;
    gssize length;
    const char *message;
  } rows[] = {
    { "", -1, "it is empty" },
    { "{\n\"a\": 1}\n{\"a\": 2}", -1, "line 3: text follows the end of the value" },
    { "[1] [2]", -1, "line 1: text follows the end of the value" },
    { "[\n\"ab\\u0000cd\"]", -1, "line 2: a string contains a NUL character (\\u0000)" },
    { "[1\0]", 4, "line 1: the text contains a NUL byte" },
    { "[\"a\xff\"]", -1, "line 1: the text is not UTF-8" },
    { "{\"a\": \"b", -1, "line 1: a string does not end" },
    { "{\"a\": \"b\\", -1, "line 1: a string does not end" },
    { "\"a\" \"b\"", -1, "line 1: text follows the end of the value" },
    { "[1]]", -1, "line 1: text follows the end of the value" },
    { "]", -1, "line 1: a closing ']' without an opening one" },
    { "['\"', 1]", -1, "line 1: ''' is not JSON" },
    { "[1] /* c */", -1, "line 1: text follows the end of the value" },
    { "[/* c */ 1]", -1, "line 1: '/' is not JSON" },
    { "[\x01]", -1, "line 1: byte 1 is not JSON" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (JsonNode) node = vard_json_parse (rows[i].text, rows[i].length, &error);

      g_assert_null (node);
      g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
      g_assert_cmpstr (error->message, ==, rows[i].message);
    }
}

/* Unbalanced brackets and their like are json-glib's to refuse: with an error, whatever its
 * words */
static void
test_json_parse_malformed (void)
{
  static const char *const texts[] = { "[1", "{\"a\"}", "{1: 2}", "[1 2]", "[truth]",
                                       "[}", "{]",      "nil",    "[01x]" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (vard_json_parse (texts[i], -1, &error));
      g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
    }
}

static void
test_json_parse_depth (void)
{
  static const guint depths[] = { VARD_JSON_MAX_DEPTH, VARD_JSON_MAX_DEPTH + 1, 500000 };

  for (guint i = 0; i < G_N_ELEMENTS (depths); i++)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      g_autoptr (GError) error = NULL;

      for (guint k = 0; k < depths[i]; k++)
        g_string_append_c (text, '[');
      for (guint k = 0; k < depths[i]; k++)
        g_string_append_c (text, ']');

      g_autoptr (JsonNode) node = vard_json_parse (text->str, text->len, &error);

      g_assert_true ((node != NULL) == (depths[i] <= VARD_JSON_MAX_DEPTH));
      if (node == NULL)
        g_assert_cmpstr (error->message, ==, "line 1: more than 100 brackets within brackets");
    }
}

static void
test_json_parse_object (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) object = vard_json_parse_object ("{\"a\": 3}", -1, &error);

  g_assert_no_error (error);
  g_assert_cmpint (json_object_get_int_member (object, "a"), ==, 3);
  g_assert_null (vard_json_parse_object ("[3]", -1, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  g_clear_error (&error);
  g_assert_null (vard_json_parse_object_file ("/nonexistent/a.json", &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json-parse/good", test_json_parse_good);
  g_test_add_func ("/json-parse/bad", test_json_parse_bad);
  g_test_add_func ("/json-parse/malformed", test_json_parse_malformed);
  g_test_add_func ("/json-parse/depth", test_json_parse_depth);
  g_test_add_func ("/json-parse/object", test_json_parse_object);

  return g_test_run ();
}
