/* test-sampling.c - a request's settings, its signals, and what it refuses
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

#include "tiny-model.h"

typedef struct
{
  char *folder;
  VardSampling *sampling;
  guint n_pictures, n_progress, n_done;
} Fixture;

static void
count_picture (VardSampling *sampling, guint index, VardImage *image, Fixture *fixture)
{
  g_assert_cmpuint (index, ==, fixture->n_pictures);
  fixture->n_pictures++;
}

static void
count_progress (VardSampling *sampling,
                guint n_done,
                guint n_pictures,
                guint step,
                guint n_steps,
                Fixture *fixture)
{
  g_assert_cmpuint (n_done, >=, fixture->n_done);
  fixture->n_done = n_done;
  fixture->n_progress++;
}

static void
setup (Fixture *fixture, gconstpointer data)
{
  const char *const prompts[] = { "a", "b", NULL };

  fixture->folder = tiny_model_make ();
  fixture->sampling = vard_sampling_new ();
  g_object_set (fixture->sampling, "model", fixture->folder, "prompt", prompts, "count", 2, "steps",
                2, "batch", 3, "engine", "reference", NULL);
  g_signal_connect (fixture->sampling, "picture", G_CALLBACK (count_picture), fixture);
  g_signal_connect (fixture->sampling, "progress", G_CALLBACK (count_progress), fixture);
}

static void
teardown (Fixture *fixture, gconstpointer data)
{
  g_object_unref (fixture->sampling);
  tiny_model_remove (fixture->folder);
}

static void
test_sampling_run (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) kept = vard_sampling_run (fixture->sampling, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (kept->len, ==, 4);
  g_assert_cmpuint (fixture->n_pictures, ==, 4);
  g_assert_cmpuint (fixture->n_done, ==, 4);
  g_assert_cmpuint (fixture->n_progress, ==, 2 + 2 + 1);
  g_assert_cmpstr (vard_image_get_text (kept->pdata[3], "prompt"), ==, "b");
  g_assert_cmpstr (vard_image_get_text (kept->pdata[3], "seed"), ==, "1");

  fixture->n_pictures = fixture->n_done = 0;
  vard_sampling_set_keep_pictures (fixture->sampling, FALSE);

  g_autoptr (GPtrArray) none = vard_sampling_run (fixture->sampling, NULL, &error);

  g_assert_cmpuint (none->len, ==, 0);
  g_assert_cmpuint (fixture->n_pictures, ==, 4);
}

/* Loaded once for requests that need the same model, and again for another one */
static void
test_sampling_stays_loaded (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  VardModel *first;

  g_assert_null (vard_sampling_get_model (fixture->sampling));
  g_assert_true (vard_sampling_load (fixture->sampling, NULL, &error));
  first = g_object_ref (vard_sampling_get_model (fixture->sampling));
  g_object_set (fixture->sampling, "seed", (guint64) 5, "steps", 1, NULL);
  g_assert_true (vard_sampling_load (fixture->sampling, NULL, &error));
  g_assert_true (vard_sampling_get_model (fixture->sampling) == first);
  g_object_set (fixture->sampling, "width", 16, NULL);
  g_assert_true (vard_sampling_load (fixture->sampling, NULL, &error));
  g_assert_true (vard_sampling_get_model (fixture->sampling) != first);
  g_object_unref (first);
}

static void
take_result (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

static GPtrArray *
run_beside (Fixture *fixture, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  vard_sampling_run_async (fixture->sampling, cancellable, take_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);

  return vard_sampling_run_finish (fixture->sampling, result, error);
}

static void
test_sampling_beside (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL, cancelled = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GPtrArray) kept = run_beside (fixture, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (kept->len, ==, 4);
  g_assert_cmpuint (fixture->n_pictures, ==, 4);
  g_assert_cmpuint (fixture->n_done, ==, 4);

  fixture->n_pictures = fixture->n_done = 0;
  g_object_set (fixture->sampling, "count", 100000, NULL);
  g_signal_connect_object (fixture->sampling, "picture", G_CALLBACK (g_cancellable_cancel),
                           cancellable, G_CONNECT_SWAPPED);
  g_assert_null (run_beside (fixture, cancellable, &cancelled));
  g_assert_error (cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (fixture->n_pictures, >, 0);
}

static void
test_sampling_pending (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL, pending = NULL, again = NULL;
  g_autoptr (GAsyncResult) first = NULL, second = NULL;

  vard_sampling_run_async (fixture->sampling, NULL, take_result, &first);
  vard_sampling_run_async (fixture->sampling, NULL, take_result, &second);
  g_assert_null (vard_sampling_run (fixture->sampling, NULL, &pending));
  g_assert_error (pending, G_IO_ERROR, G_IO_ERROR_PENDING);
  while (first == NULL || second == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_null (vard_sampling_run_finish (fixture->sampling, second, &again));
  g_assert_error (again, G_IO_ERROR, G_IO_ERROR_PENDING);

  g_autoptr (GPtrArray) kept = vard_sampling_run_finish (fixture->sampling, first, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (kept->len, ==, 4);
}

static void
test_sampling_refuses (Fixture *fixture, gconstpointer data)
{
  static const char *const none[] = { NULL };
  g_autoptr (GError) guided = NULL, prompt = NULL;

  g_object_set (fixture->sampling, "negative-prompt", "x", NULL);
  g_assert_null (vard_sampling_run (fixture->sampling, NULL, &guided));
  g_assert_error (guided, VARD_ERROR, VARD_ERROR_USAGE);
  g_object_set (fixture->sampling, "negative-prompt", NULL, "prompt", none, NULL);
  g_assert_null (vard_sampling_run (fixture->sampling, NULL, &prompt));
  g_assert_error (prompt, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_cmpuint (fixture->n_pictures, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/sampling/run", Fixture, NULL, setup, test_sampling_run, teardown);
  g_test_add ("/sampling/stays-loaded", Fixture, NULL, setup, test_sampling_stays_loaded, teardown);
  g_test_add ("/sampling/beside", Fixture, NULL, setup, test_sampling_beside, teardown);
  g_test_add ("/sampling/pending", Fixture, NULL, setup, test_sampling_pending, teardown);
  g_test_add ("/sampling/refuses", Fixture, NULL, setup, test_sampling_refuses, teardown);

  return g_test_run ();
}
