/* test-json.c - JSON that every reader reads, with numbers of the same bits
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <math.h>

static void
test_json_numbers (void)
{
  static const double values[] = {
    0, -0.0, 1, 1e-8, -1e-300, 1e300, 0.03, 1.0 / 3, 12345678901234567890.0, 5e-324
  };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      double back;

      vard_json_append_number (text, values[i]);

      g_autoptr (JsonNode) node = json_from_string (text->str, NULL);

      g_assert_nonnull (node);
      g_assert_cmpint (json_node_get_value_type (node), ==, G_TYPE_DOUBLE);
      back = json_node_get_double (node);
      g_assert_cmpmem (&back, sizeof back, &values[i], sizeof back);
    }
}

static void
test_json_forms (void)
{
  static const struct
  {
    double value;
    const char *text;
  } rows[] = {
    { 1e-8, "1e-08" }, { 0.03, "0.03" }, { 40, "40.0" }, { NAN, "null" }, { -INFINITY, "null" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) text = g_string_new (NULL);

      vard_json_append_number (text, rows[i].value);
      g_assert_cmpstr (text->str, ==, rows[i].text);
    }
}

static void
test_json_tree (void)
{
  const char *text = "{\"a\":[1,2.5,true,null,\"x\\\"\\\\\\n\\u0001\"],\"b\":{},\"c\":[]}";
  g_autoptr (JsonNode) node = json_from_string (text, NULL);
  g_autofree char *plain = vard_json_to_text (node, FALSE);
  g_autofree char *pretty = vard_json_to_text (node, TRUE);
  g_autoptr (JsonNode) back = json_from_string (pretty, NULL);

  g_assert_cmpstr (plain, ==, text);
  g_assert_true (json_node_equal (node, back));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/numbers", test_json_numbers);
  g_test_add_func ("/json/forms", test_json_forms);
  g_test_add_func ("/json/tree", test_json_tree);
  return g_test_run ();
}
