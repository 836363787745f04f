/* test-tracker-group.c - a group hands everything on, and a member that fails harms nobody else
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

#include <glib/gstdio.h>

/* ---- a tracker that writes down what it gets, and fails when it is told to ---- */

#define TEST_TYPE_TRACKER (test_tracker_get_type ())
G_DECLARE_FINAL_TYPE (TestTracker, test_tracker, TEST, TRACKER, VardTracker)

struct _TestTracker
{
  VardTracker parent_instance;

  GString *heard;
  const char *fails_at; /* "write", "picture", "flush" or "close"; NULL for never */
};

G_DEFINE_FINAL_TYPE (TestTracker, test_tracker, VARD_TYPE_TRACKER)

static gboolean
test_tracker_note (TestTracker *self, const char *verb, guint64 step, GError **error)
{
  if (g_strcmp0 (self->fails_at, verb) == 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "no %s today", verb);
      return FALSE;
    }
  g_string_append_printf (self->heard, "%s %" G_GUINT64_FORMAT ";", verb, step);

  return TRUE;
}

static gboolean
test_tracker_write (VardTracker *tracker, VardMetrics *metrics, GError **error)
{
  return test_tracker_note (TEST_TRACKER (tracker), "write", vard_metrics_get_step (metrics),
                            error);
}

static gboolean
test_tracker_write_picture (VardTracker *tracker,
                            guint64 step,
                            const char *name,
                            GBytes *png,
                            GError **error)
{
  g_assert_cmpuint (g_bytes_get_size (png), ==, 3);

  return test_tracker_note (TEST_TRACKER (tracker), "picture", step, error);
}

static gboolean
test_tracker_flush (VardTracker *tracker, GError **error)
{
  return test_tracker_note (TEST_TRACKER (tracker), "flush", 0, error);
}

static gboolean
test_tracker_close (VardTracker *tracker, GError **error)
{
  return test_tracker_note (TEST_TRACKER (tracker), "close", 0, error);
}

static void
test_tracker_finalize (GObject *object)
{
  g_string_free (TEST_TRACKER (object)->heard, TRUE);

  G_OBJECT_CLASS (test_tracker_parent_class)->finalize (object);
}

static void
test_tracker_class_init (TestTrackerClass *klass)
{
  VardTrackerClass *tracker_class = VARD_TRACKER_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = test_tracker_finalize;
  tracker_class->write = test_tracker_write;
  tracker_class->write_picture = test_tracker_write_picture;
  tracker_class->flush = test_tracker_flush;
  tracker_class->close = test_tracker_close;
}

static void
test_tracker_init (TestTracker *self)
{
  self->heard = g_string_new (NULL);
}

/* ---- the group ---- */

#define ALL "write 7;picture 7;flush 0;close 0;"

static gboolean
use (VardTracker *tracker, GError **error)
{
  g_autoptr (VardMetrics) metrics = vard_metrics_new (7, 1);
  g_autoptr (GBytes) png = g_bytes_new_static ("png", 3);

  return vard_tracker_write (tracker, metrics, error)
         && vard_tracker_write_picture (tracker, 7, "grid", png, error)
         && vard_tracker_flush (tracker, error) && vard_tracker_close (tracker, error);
}

static void
on_warning (VardTrackerGroup *group, const char *message, GString *warnings)
{
  g_string_append_printf (warnings, "%s\n", message);
}

typedef struct
{
  const char *fails_at, *heard;
} FailRow;

static const FailRow fail_rows[] = {
  { NULL, ALL },
  { "write", "" },
  { "picture", "write 7;" },
  { "flush", "write 7;picture 7;" },
  { "close", "write 7;picture 7;flush 0;" },
};

/* The member in the middle fails: its neighbours hear everything, and one warning names it */
static void
test_group_drops (gconstpointer data)
{
  const FailRow *row = data;
  g_autoptr (VardTrackerGroup) group = vard_tracker_group_new ();
  g_autoptr (GString) warnings = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  TestTracker *members[3];

  g_signal_connect (group, "warning", G_CALLBACK (on_warning), warnings);
  for (guint i = 0; i < G_N_ELEMENTS (members); i++)
    {
      members[i] = g_object_new (TEST_TYPE_TRACKER, NULL);
      vard_tracker_group_add (group, VARD_TRACKER (members[i]));
    }
  members[1]->fails_at = row->fails_at;

  g_assert_true (use (VARD_TRACKER (group), &error));
  g_assert_no_error (error);
  g_assert_cmpstr (members[0]->heard->str, ==, ALL);
  g_assert_cmpstr (members[1]->heard->str, ==, row->heard);
  g_assert_cmpstr (members[2]->heard->str, ==, ALL);
  g_assert_cmpuint (vard_tracker_group_get_count (group), ==, row->fails_at != NULL ? 2 : 3);

  g_assert_true (use (VARD_TRACKER (group), &error));
  if (row->fails_at == NULL)
    g_assert_cmpstr (warnings->str, ==, "");
  else
    {
      g_autofree char *expected =
        g_strdup_printf ("the tracker TestTracker failed and gets nothing more of this run: "
                         "no %s today\n",
                         row->fails_at);

      g_assert_cmpstr (warnings->str, ==, expected);
    }
  for (guint i = 0; i < G_N_ELEMENTS (members); i++)
    g_object_unref (members[i]);
}

/* The failure of the run's record is the group's, and it stays a member */
static void
test_group_required (void)
{
  g_autoptr (VardTrackerGroup) group = vard_tracker_group_new ();
  g_autoptr (TestTracker) member = g_object_new (TEST_TYPE_TRACKER, NULL);
  g_autoptr (GError) error = NULL;

  vard_tracker_group_add_required (group, VARD_TRACKER (member));
  g_assert_true (use (VARD_TRACKER (group), &error));
  member->fails_at = "flush";
  g_assert_false (use (VARD_TRACKER (group), &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_FAILED);
  g_assert_cmpuint (vard_tracker_group_get_count (group), ==, 1);
}

/* Pictures are worth making only where somebody takes them, in a group within a group too */
static void
test_group_pictures (void)
{
  g_autoptr (VardTrackerGroup) group = vard_tracker_group_new ();
  g_autoptr (VardTrackerGroup) inner = vard_tracker_group_new ();
  g_autofree char *folder = g_dir_make_tmp ("vard-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "lines.jsonl", NULL);
  g_autoptr (VardTracker) lines = vard_jsonl_tracker_new (path, NULL);
  g_autoptr (TestTracker) member = g_object_new (TEST_TYPE_TRACKER, NULL);

  vard_tracker_group_add (group, lines);
  vard_tracker_group_add (group, VARD_TRACKER (inner));
  g_assert_false (vard_tracker_group_takes_pictures (group));
  vard_tracker_group_add (inner, VARD_TRACKER (member));
  g_assert_true (vard_tracker_group_takes_pictures (group));
  g_assert_true (use (VARD_TRACKER (group), NULL));
  g_assert_cmpstr (member->heard->str, ==, ALL);
  g_assert_cmpint (g_remove (path), ==, 0);
  g_assert_cmpint (g_remove (folder), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (fail_rows); i++)
    {
      const char *what = fail_rows[i].fails_at != NULL ? fail_rows[i].fails_at : "nothing";
      g_autofree char *path = g_strconcat ("/tracker-group/fails/", what, NULL);

      g_test_add_data_func (path, &fail_rows[i], test_group_drops);
    }
  g_test_add_func ("/tracker-group/required", test_group_required);
  g_test_add_func ("/tracker-group/pictures", test_group_pictures);

  return g_test_run ();
}
