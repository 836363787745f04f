/* test-checkpoint-weights.c - a checkpoint's weights reach the parameters that they belong to
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-checkpoint-weights.h"

#include "base/vard-error.h"
#include "learn/vard-parameter-set.h"
#include "learn/vard-state-file.h"
#include "nn/vard-linear.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  char *folder;
  VardModule *layer; /* weight [2, 3], bias [2]: 6 and 2 floats, each on a cache line */
} Fixture;

#define COUNT 32

static void
setup (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("vard-checkpoint-XXXXXX", NULL);
  fixture->layer = VARD_MODULE (vard_linear_new (3, 2, TRUE, VARD_LAYOUT_PLAIN));
  vard_module_set_trainable (fixture->layer, TRUE);
}

static void
teardown (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, VARD_CHECKPOINT_FILE, NULL);

  g_unlink (path);
  g_rmdir (fixture->folder);
  g_free (fixture->folder);
  g_object_unref (fixture->layer);
}

/* Element i of a tensor is first + i */
static void
write_checkpoint (Fixture *fixture, const char *const *names, const float *first, gsize count)
{
  g_autofree char *path = g_build_filename (fixture->folder, VARD_CHECKPOINT_FILE, NULL);
  g_autoptr (VardStateWriter) writer = vard_state_writer_new ();
  g_autoptr (GError) error = NULL;
  float values[2][COUNT];

  for (guint k = 0; names[k] != NULL; k++)
    {
      for (guint i = 0; i < count; i++)
        values[k][i] = first[k] + i;
      vard_state_writer_add (writer, names[k], VARD_DTYPE_F32, values[k], count);
    }
  json_object_set_string_member (writer->numbers, "of-a-later-vard", "and of no interest");
  g_assert_true (vard_state_writer_write (writer, path, &error));
  g_assert_no_error (error);
}

static void
check_parameter (const char *path, VardParameter *parameter, gint64 at, gpointer data)
{
  const float *values = vard_tensor_peek_f32 (parameter->tensor);

  for (gint64 i = 0; i < vard_tensor_get_count (parameter->tensor); i++)
    g_assert_cmpfloat (values[i], ==, *(float *) data + at + i);
}

static void
test_weights (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  const char *const names[] = { VARD_CHECKPOINT_WEIGHTS, NULL };
  float first = 100;

  g_assert_cmpint (vard_parameter_set_foreach (fixture->layer, NULL, NULL), ==, COUNT);
  write_checkpoint (fixture, names, &first, COUNT);
  g_assert_true (vard_checkpoint_weights_read (fixture->folder, fixture->layer, &error));
  g_assert_no_error (error);
  vard_parameter_set_foreach (fixture->layer, check_parameter, &first);
}

static void
test_average (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  const char *const names[] = { VARD_CHECKPOINT_WEIGHTS, VARD_CHECKPOINT_AVERAGE, NULL };
  float first[] = { 100, 500 };

  write_checkpoint (fixture, names, first, COUNT);
  g_assert_true (vard_checkpoint_weights_read (fixture->folder, fixture->layer, &error));
  vard_parameter_set_foreach (fixture->layer, check_parameter, &first[1]);
}

static void
test_damaged (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) missing = NULL, other = NULL, short_one = NULL;
  const char *const names[] = { VARD_CHECKPOINT_WEIGHTS, NULL };
  const char *const wrong[] = { "weights", NULL };
  float first = 1;

  g_assert_false (vard_checkpoint_weights_read (fixture->folder, fixture->layer, &missing));
  g_assert_nonnull (missing);
  write_checkpoint (fixture, wrong, &first, COUNT);
  g_assert_false (vard_checkpoint_weights_read (fixture->folder, fixture->layer, &other));
  g_assert_nonnull (strstr (other->message, VARD_CHECKPOINT_WEIGHTS));
  write_checkpoint (fixture, names, &first, COUNT - 16);
  g_assert_false (vard_checkpoint_weights_read (fixture->folder, fixture->layer, &short_one));
  g_assert_error (short_one, VARD_ERROR, VARD_ERROR_CONFIG);
  g_assert_nonnull (strstr (short_one->message, "16 elements"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/checkpoint-weights/weights", Fixture, NULL, setup, test_weights, teardown);
  g_test_add ("/checkpoint-weights/average", Fixture, NULL, setup, test_average, teardown);
  g_test_add ("/checkpoint-weights/damaged", Fixture, NULL, setup, test_damaged, teardown);

  return g_test_run ();
}
