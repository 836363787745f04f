/* test-trace.c - the trace file is complete lines whoever writes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <glib/gstdio.h>
#include <string.h>

static gpointer
write_events (gpointer data)
{
  for (guint i = 0; i < 200; i++)
    {
      VARD_TRACE_SCOPE ("test", "scope");
      vard_trace_note ("test", "no\"te", "line %u\n", i);
    }
  return NULL;
}

static void
test_trace_off (void)
{
  vard_trace_close ();
  g_assert_cmpint (vard_trace_begin (), ==, 0);
  vard_trace_end (0, "test", "nothing");
}

static void
test_trace_threads (void)
{
  g_autofree char *folder = g_dir_make_tmp ("vard-trace-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "trace.json", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  GThread *threads[4];

  g_assert_true (vard_trace_open (path, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("writer", write_events, NULL);
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  vard_trace_close ();

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 1 + 4 * 200 * 2 + 1);
  g_assert_cmpstr (lines[0], ==, "[");
  for (guint i = 1; i + 1 < g_strv_length (lines); i++)
    {
      g_assert_true (g_str_has_suffix (lines[i], ","));
      lines[i][strlen (lines[i]) - 1] = 0;
      g_assert_true (json_parser_load_from_data (parser, lines[i], -1, NULL));

      JsonObject *event = json_node_get_object (json_parser_get_root (parser));
      g_assert_true (json_object_has_member (event, "ts") && json_object_has_member (event, "tid"));
      if (g_str_equal (json_object_get_string_member (event, "ph"), "X"))
        g_assert_cmpint (json_object_get_int_member (event, "dur"), >=, 0);
      else
        g_assert_cmpstr (json_object_get_string_member (event, "name"), ==, "no\"te");
    }
  g_unlink (path);
  g_rmdir (folder);
}

static void
test_trace_bad_path (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (vard_trace_open ("/nonexistent/trace", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trace/off", test_trace_off);
  g_test_add_func ("/trace/threads", test_trace_threads);
  g_test_add_func ("/trace/bad-path", test_trace_bad_path);
  return g_test_run ();
}
