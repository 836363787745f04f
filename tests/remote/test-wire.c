/* test-wire.c - JSON that nobody vouches for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../../rewards/wire/wire.h"

#include <math.h>
#include <string.h>

/* What is left of it, or NULL when it is refused with the word */
static const struct
{
  const char *text, *result, *word;
} rows[] = {
  { "{\"a\":1}", "{\"a\":1}", NULL },
  { " [1, -2.5e-1, \"x\\\"y\", true, null]\r\n", "[1,-0.25,\"x\\\"y\",true,null]", NULL },
  { "{\"a\":NaN,\"b\":[-Infinity,Infinity,\"NaN\"]}", "{\"a\":null,\"b\":[null,null,\"NaN\"]}",
    NULL },
  { "[123456789012345678901234567890]", "[1.2345678901234568e+29]", NULL },
  { "", NULL, "truncated" },
  { "{\"a\":1", NULL, "truncated" },
  { "{\"a\":\"b", NULL, "truncated" },
  { "{\"a\":1}{\"a\":2}", NULL, "after the end" },
  { "{\"a\":1} x", NULL, "after the end" },
  { "{\"a\":0x10}", NULL, "an invalid number" },
  { "{\"a\":010}", NULL, "an invalid number" },
  { "{\"a\":1.}", NULL, "an invalid number" },
  { "{\"a\":1e}", NULL, "an invalid number" },
  { "{\"a\":.5}", NULL, "other than JSON" },
  { "{\"a\":+1}", NULL, "other than JSON" },
  { "{\"a\":1 /* c */}", NULL, "other than JSON" },
  { "Loading 100%", NULL, "other than JSON" },
  { "]", NULL, "not open" },
  { "{\"a\":1,}", NULL, "" },
  { "{\"a\" 1}", NULL, "" },
  { "\"\x01\"", NULL, "control character" },
  { "\"\xff\"", NULL, "UTF-8" },
};

static void
test_wire_rows (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (JsonNode) node = wire_parse (rows[i].text, strlen (rows[i].text), &error);

      if (rows[i].result == NULL)
        {
          g_assert_null (node);
          if (strstr (error->message, rows[i].word) == NULL)
            g_error ("%s: %s", rows[i].text, error->message);
          continue;
        }
      g_assert_no_error (error);
      g_autofree char *text = json_to_string (node, FALSE);
      g_assert_cmpstr (text, ==, rows[i].result);
    }
}

/* Every beginning of a text is refused, and so is every text with one byte changed to NUL. */
static void
test_wire_cuts (void)
{
  const char *text = "{\"rewards\": [0.5, -1e3, null], \"errors\": [null, \"\\u00e9\", \"x\"]}";

  for (gsize n = 0; n < strlen (text); n++)
    {
      g_autoptr (GError) error = NULL, other = NULL;
      g_autofree char *copy = g_strdup (text), *part = g_strndup (text, n);

      g_assert_null (wire_parse (part, n, &error));
      g_assert_nonnull (error);
      copy[n] = 0;
      g_assert_null (wire_parse (copy, strlen (text), &other));
      g_assert_nonnull (other);
    }
}

static void
test_wire_depth (void)
{
  g_autofree char *deep = g_strnfill (1 << 20, '[');
  g_autoptr (GError) error = NULL;

  g_assert_null (wire_parse (deep, 1 << 20, &error));
  g_assert_nonnull (strstr (error->message, "nested too deeply"));
}

static void
test_wire_numbers (void)
{
  static const struct
  {
    const char *text;
    gboolean is_number;
  } values[] = {
    { "[1]", TRUE },     { "[1.5]", TRUE },   { "[1e999]", FALSE }, { "[\"1\"]", FALSE },
    { "[true]", FALSE }, { "[null]", FALSE }, { "[[1]]", FALSE },   { "[NaN]", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (JsonNode) node = wire_parse (values[i].text, strlen (values[i].text), NULL);
      double number = -99;

      g_assert_cmpint (wire_get_number (json_array_get_element (json_node_get_array (node), 0),
                                        &number),
                       ==, values[i].is_number);
      g_assert_true (values[i].is_number == (number != -99));
    }
}

static void
assert_finite (JsonNode *node)
{
  double number;

  if (JSON_NODE_HOLDS_OBJECT (node))
    {
      g_autoptr (GList) values = json_object_get_values (json_node_get_object (node));
      for (GList *at = values; at != NULL; at = at->next)
        assert_finite (at->data);
    }
  else if (JSON_NODE_HOLDS_ARRAY (node))
    for (guint i = 0; i < json_array_get_length (json_node_get_array (node)); i++)
      assert_finite (json_array_get_element (json_node_get_array (node), i));
  else if (wire_get_number (node, &number))
    g_assert_true (isfinite (number));
}

/* A text with bytes changed, left out and put in is refused, or is a value without surprises */
static void
test_wire_mutations (void)
{
  const char *seeds[] = { "{\"rewards\": [0.5, -1e3, null, NaN, 12345678901234567890], \"errors\": "
                          "[{\"a\": \"\\u00e9\"}]}",
                          "[[], {}, [[[\"x\", true]]], -Infinity, 0.0e+1]" };
  const char pieces[] = "{}[],:\"\\0123456789.eE+-NaInfty u\x80";
  guint n_accepted = 0;

  for (guint i = 0; i < 40000; i++)
    {
      g_autoptr (GString) text = g_string_new (seeds[i % 2]);

      for (int n = g_test_rand_int_range (1, 4); n > 0; n--)
        {
          gsize at = g_test_rand_int_range (0, text->len);
          char piece = pieces[g_test_rand_int_range (0, sizeof pieces - 1)];

          if (g_test_rand_bit ())
            text->str[at] = piece;
          else if (g_test_rand_bit ())
            g_string_erase (text, at, 1);
          else
            g_string_insert_c (text, at, piece);
        }
      g_autoptr (GError) error = NULL;
      g_autoptr (JsonNode) node = wire_parse (text->str, text->len, &error);
      g_assert_true ((node == NULL) == (error != NULL));
      if (node == NULL)
        continue;
      assert_finite (node);
      n_accepted++;
    }
  g_assert_cmpuint (n_accepted, >, 400);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/wire/rows", test_wire_rows);
  g_test_add_func ("/wire/cuts", test_wire_cuts);
  g_test_add_func ("/wire/depth", test_wire_depth);
  g_test_add_func ("/wire/numbers", test_wire_numbers);
  g_test_add_func ("/wire/mutations", test_wire_mutations);
  return g_test_run ();
}
