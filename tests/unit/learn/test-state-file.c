/* test-state-file.c - state files say their format; older ones are read, newer ones refused by name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-state-file.h"

#include "base/vard-error.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

typedef struct
{
  char *folder, *path;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("vard-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "state.safetensors", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_unlink (fixture->path);
  g_rmdir (fixture->folder);
  g_free (fixture->path);
  g_free (fixture->folder);
}

/* Digits that a float has no room for, and what no number is */
static double doubles[] = { 1.0 / 3, -1e-300, INFINITY, NAN, 0x1.fffffffffffffp+1023 };

static void
write_file (Fixture *fixture, VardStateWriter *writer)
{
  g_autoptr (GError) error = NULL;

  vard_state_writer_write (writer, fixture->path, &error);
  g_assert_no_error (error);
}

static void
check_doubles (Fixture *fixture, gint64 format)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VardStateReader) reader = vard_state_reader_new (fixture->path, &error);
  double back[G_N_ELEMENTS (doubles)];

  g_assert_no_error (error);
  g_assert_cmpint (reader->format, ==, format);
  g_assert_true (vard_state_reader_read_doubles (reader, "d", back, G_N_ELEMENTS (back), &error));
  g_assert_no_error (error);
  g_assert_cmpint (memcmp (back, doubles, sizeof back), ==, 0);

  g_assert_false (vard_state_reader_read_doubles (reader, "d", back, 4, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "5 elements"));
}

static void
test_state_file_doubles (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VardStateWriter) writer = vard_state_writer_new ();
  g_autofree char *bytes = NULL;
  gsize length;

  vard_state_writer_add_doubles (writer, "d", doubles, G_N_ELEMENTS (doubles));
  write_file (fixture, writer);
  check_doubles (fixture, VARD_STATE_FORMAT);

  /* other programs see doubles */
  g_assert_true (g_file_get_contents (fixture->path, &bytes, &length, NULL));
  g_assert_nonnull (g_strstr_len (bytes + 8, length - 8, "\"dtype\":\"F64\""));
}

/* As vard 0.1.0 wrote before there was a number: doubles lie in I64 */
static void
test_state_file_first (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VardStateWriter) writer = vard_state_writer_new ();

  json_object_remove_member (writer->numbers, "format");
  vard_state_writer_add (writer, "d", VARD_DTYPE_I64, doubles, G_N_ELEMENTS (doubles));
  write_file (fixture, writer);
  check_doubles (fixture, 1);
}

static void
test_state_file_newer (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VardStateWriter) writer = vard_state_writer_new ();
  g_autoptr (GError) error = NULL;

  json_object_set_int_member (writer->numbers, "format", VARD_STATE_FORMAT + 1);
  vard_state_writer_add_doubles (writer, "d", doubles, G_N_ELEMENTS (doubles));
  write_file (fixture, writer);
  g_assert_null (vard_state_reader_new (fixture->path, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "written by a newer vard"));
  g_assert_nonnull (strstr (error->message, "format is 3"));
  g_assert_nonnull (strstr (error->message, "up to 2"));
}

static void
test_state_file_text (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VardStateWriter) writer = vard_state_writer_new ();
  g_autoptr (GError) error = NULL, missing = NULL;
  const char *text;

  json_object_set_string_member (writer->numbers, "phase", "pool");
  json_object_set_int_member (writer->numbers, "step", 3);
  vard_state_writer_add_doubles (writer, "d", doubles, 1);
  write_file (fixture, writer);

  g_autoptr (VardStateReader) reader = vard_state_reader_new (fixture->path, &error);

  g_assert_no_error (error);
  g_assert_true (vard_state_reader_get_text (reader, "phase", &text, &error));
  g_assert_cmpstr (text, ==, "pool");
  g_assert_false (vard_state_reader_get_text (reader, "step", &text, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  g_assert_false (vard_state_reader_get_text (reader, "other", &text, &missing));
  g_assert_error (missing, VARD_ERROR, VARD_ERROR_CONFIG);
}

#define TEST(name) \
  g_test_add ("/state-file/" #name, Fixture, NULL, set_up, test_state_file_##name, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST (doubles);
  TEST (first);
  TEST (newer);
  TEST (text);
  return g_test_run ();
}
