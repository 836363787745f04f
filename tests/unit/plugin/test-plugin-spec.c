/* test-plugin-spec.c - what "NAME:key=value,..." means
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

/* A spec, and how it is written in full, or the sentence that says what is wrong */
static const struct
{
  const char *text, *written, *message;
} rows[] = {
  { "jpeg-size", "jpeg-size", NULL },
  { "jpeg-size:target=small", "jpeg-size:target=small", NULL },
  { "a:b=c,d=e", "a:b=c,d=e", NULL },
  { "a:b=", "a:b=", NULL },
  { "a:b=c\\,d,e=f", "a:b=c\\,d,e=f", NULL },
  { "a:b=\\\\,c=d", "a:b=\\\\,c=d", NULL },
  { "a:b=\\d", "a:b=\\\\d", NULL },
  { "a:url=http://host:80/x=y", "a:url=http://host:80/x=y", NULL },
  { "a:long_key=1", "a:long-key=1", NULL },
  { "", NULL, "\"\" has no name: write NAME or NAME:key=value,..." },
  { ":b=c", NULL, "\":b=c\" has no name: write NAME or NAME:key=value,..." },
  { "a:", NULL, "\"\" after \"a:\" must have the form key=value" },
  { "a:b", NULL, "\"b\" after \"a:\" must have the form key=value" },
  { "a:b=c,", NULL, "\"\" after \"a:\" must have the form key=value" },
  { "a:=c", NULL, "\"=c\" after \"a:\" must have the form key=value" },
  { "a:b=c,b=d", NULL, "\"b\" is given twice for \"a\"" },
  { "a:b=\xff", NULL, "the text is not UTF-8" },
};

static void
test_plugin_spec_rows (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VardPluginSpec) spec = vard_plugin_spec_parse (rows[i].text, &error);

      if (rows[i].message != NULL)
        {
          g_assert_null (spec);
          g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
          g_assert_cmpstr (error->message, ==, rows[i].message);
          continue;
        }
      g_assert_no_error (error);
      g_autoptr (VardPluginSpec) copy = vard_plugin_spec_copy (spec);
      g_autofree char *written = vard_plugin_spec_to_string (copy);
      g_assert_cmpstr (written, ==, rows[i].written);
    }
}

static void
test_plugin_spec_values (void)
{
  g_autoptr (VardPluginSpec) spec = vard_plugin_spec_parse ("a:weight=2,b=c\\,d", NULL);

  g_assert_cmpstr (vard_plugin_spec_get_name (spec), ==, "a");
  g_assert_cmpstr (vard_plugin_spec_get_value (spec, "weight"), ==, "2");
  g_assert_cmpstr (vard_plugin_spec_get_value (spec, "b"), ==, "c,d");
  g_assert_null (vard_plugin_spec_get_value (spec, "c"));
  g_assert_true (vard_plugin_spec_is_reserved ("weight") && vard_plugin_spec_is_reserved ("policy")
                 && vard_plugin_spec_is_reserved ("isolate")
                 && vard_plugin_spec_is_reserved ("label"));
  g_assert_false (vard_plugin_spec_is_reserved ("target"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plugin-spec/rows", test_plugin_spec_rows);
  g_test_add_func ("/plugin-spec/values", test_plugin_spec_values);
  return g_test_run ();
}
