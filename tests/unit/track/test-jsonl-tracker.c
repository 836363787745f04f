/* test-jsonl-tracker.c - lines are appended whole, or not at all
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

typedef struct
{
  char *folder, *path;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("vard-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "metrics.jsonl", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_unlink (fixture->path);
  g_rmdir (fixture->folder);
  g_free (fixture->path);
  g_free (fixture->folder);
}

static gboolean
write_step (VardTracker *tracker, guint64 step, GError **error)
{
  g_autoptr (VardMetrics) metrics = vard_metrics_new (step, step * 0.5);

  vard_metrics_set (metrics, "reward/mean", -1.25);
  return vard_tracker_write (tracker, metrics, error);
}

static void
test_jsonl_append (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  for (guint64 step = 1; step <= 2; step++)
    {
      g_autoptr (VardTracker) tracker = vard_jsonl_tracker_new (fixture->path, &error);

      g_assert_no_error (error);
      g_assert_true (write_step (tracker, step, &error));
      g_assert_true (vard_tracker_flush (tracker, &error));
      g_assert_true (vard_tracker_close (tracker, &error));
      g_assert_true (vard_tracker_close (tracker, &error));
      g_assert_no_error (error);
      g_assert_false (vard_tracker_flush (tracker, &error));
      g_assert_nonnull (strstr (error->message, fixture->path));
      g_clear_error (&error);
    }
  g_assert_true (g_file_get_contents (fixture->path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==,
                   "{\"step\":1,\"time\":0.5,\"reward/mean\":-1.25}\n"
                   "{\"step\":2,\"time\":1.0,\"reward/mean\":-1.25}\n");
}

static void
test_jsonl_no_folder (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "missing", "x.jsonl", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (vard_jsonl_tracker_new (path, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, path));
}

/* A limit on the size of files stands in for a full disk: the write that would cross it is cut
 * short */
static void
test_jsonl_full (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VardTracker) tracker = vard_jsonl_tracker_new (fixture->path, &error);
  struct rlimit before, limit;
  g_autofree char *text = NULL;

  g_assert_true (write_step (tracker, 1, &error));

  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  limit = before;
  limit.rlim_cur = 60;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  g_assert_false (write_step (tracker, 2, &error));
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);

  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, fixture->path));
  g_assert_true (g_file_get_contents (fixture->path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "{\"step\":1,\"time\":0.5,\"reward/mean\":-1.25}\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/jsonl/append", Fixture, NULL, set_up, test_jsonl_append, tear_down);
  g_test_add ("/jsonl/no-folder", Fixture, NULL, set_up, test_jsonl_no_folder, tear_down);
  g_test_add ("/jsonl/full", Fixture, NULL, set_up, test_jsonl_full, tear_down);
  return g_test_run ();
}
