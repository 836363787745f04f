/* test-solo-communicator.c - one rank leaves values as they are and refuses what lies outside a
 * buffer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

static void
test_solo_values (void)
{
  g_autoptr (VardCommunicator) solo = vard_solo_communicator_new ();
  g_autoptr (VardBuffer) from = vard_buffer_new (4 * sizeof (float));
  g_autoptr (VardBuffer) to = vard_buffer_new (2 * sizeof (float));
  g_autoptr (GError) error = NULL;
  float *x = (float *) from->data;

  for (guint i = 0; i < 4; i++)
    x[i] = i + 1;
  g_assert_cmpuint (vard_communicator_get_rank (solo), ==, 0);
  g_assert_cmpuint (vard_communicator_get_size (solo), ==, 1);
  g_assert_true (vard_communicator_all_reduce (solo, from, 0, 4, &error));
  g_assert_true (vard_communicator_broadcast (solo, from, 0, from->size, 0, &error));
  g_assert_cmpfloat (x[3], ==, 4);
  g_assert_true (vard_communicator_all_gather (solo, from, 8, 8, to, &error));
  g_assert_cmpfloat (((float *) to->data)[1], ==, 4);
  g_assert_true (vard_communicator_barrier (solo, &error));
  g_assert_no_error (error);
}

static void
test_solo_range (void)
{
  g_autoptr (VardCommunicator) solo = vard_solo_communicator_new ();
  g_autoptr (VardBuffer) buffer = vard_buffer_new (16);
  g_autoptr (GError) reduce = NULL, root = NULL, gather = NULL;

  g_assert_false (vard_communicator_all_reduce (solo, buffer, 4, 4, &reduce));
  g_assert_error (reduce, VARD_ERROR, VARD_ERROR_FAILED);
  g_assert_false (vard_communicator_broadcast (solo, buffer, 0, 4, 1, &root));
  g_assert_error (root, VARD_ERROR, VARD_ERROR_FAILED);
  g_assert_false (vard_communicator_all_gather (solo, buffer, 0, 32, buffer, &gather));
  g_assert_error (gather, VARD_ERROR, VARD_ERROR_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/solo/values", test_solo_values);
  g_test_add_func ("/solo/range", test_solo_range);
  return g_test_run ();
}
