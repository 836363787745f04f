/* test-reward-batch.c - pictures, scores and failures
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <math.h>

static VardRewardBatch *
make_batch (guint n)
{
  VardRewardBatch *batch = vard_reward_batch_new ();
  const guint8 rgb[12] = { 1, 2, 3 };
  g_autoptr (GBytes) pixels = g_bytes_new (rgb, sizeof rgb);

  for (guint i = 0; i < n; i++)
    g_assert_true (vard_reward_batch_append (batch, pixels, 4, 1, "apple", NULL, i, NULL));
  return batch;
}

static void
test_reward_batch_statuses (void)
{
  g_autoptr (VardRewardBatch) batch = make_batch (5);
  double score = 7;

  g_assert_cmpint (vard_reward_batch_get_status (batch, 0), ==, VARD_REWARD_STATUS_UNSET);
  g_assert_false (vard_reward_batch_get_score (batch, 0, &score));
  g_assert_cmpfloat (score, ==, 7); /* not written */

  vard_reward_batch_set_score (batch, 0, -1.5);
  g_assert_true (vard_reward_batch_get_score (batch, 0, &score));
  g_assert_cmpfloat (score, ==, -1.5);

  vard_reward_batch_set_score (batch, 1, NAN);
  vard_reward_batch_set_score (batch, 2, -INFINITY);
  vard_reward_batch_set_failed (batch, 3, "too dark");
  vard_reward_batch_set_failed (batch, 4, NULL);
  const char *const messages[] = { NULL, "its score is not a number", "its score is infinite",
                                   "too dark", "it failed without a reason" };
  for (guint i = 1; i < 5; i++)
    {
      g_assert_cmpint (vard_reward_batch_get_status (batch, i), ==, VARD_REWARD_STATUS_FAILED);
      g_assert_cmpstr (vard_reward_batch_get_message (batch, i), ==, messages[i]);
      g_assert_false (vard_reward_batch_get_score (batch, i, NULL));
    }

  vard_reward_batch_set_score (batch, 3, 1); /* a second try may succeed */
  g_assert_null (vard_reward_batch_get_message (batch, 3));
  vard_reward_batch_reset (batch);
  for (guint i = 0; i < 5; i++)
    g_assert_cmpint (vard_reward_batch_get_status (batch, i), ==, VARD_REWARD_STATUS_UNSET);
  g_assert_finalize_object (G_OBJECT (g_steal_pointer (&batch)));
}

static void
test_reward_batch_pixels (void)
{
  g_autoptr (VardRewardBatch) batch = make_batch (2);
  gsize n;

  g_assert_cmpuint (vard_reward_batch_peek_pixels (batch, 1, &n)[2], ==, 3);
  g_assert_cmpuint (n, ==, 12);
  g_assert_cmpuint (g_bytes_get_size (vard_reward_batch_get_pixels (batch, 1)), ==, 12);
  g_assert_cmpuint (vard_reward_batch_get_width (batch, 1), ==, 4);
  g_assert_cmpuint (vard_reward_batch_get_height (batch, 1), ==, 1);
  g_assert_cmpuint (vard_reward_batch_get_group (batch, 1), ==, 1);
  g_assert_cmpstr (vard_reward_batch_get_prompt (batch, 1), ==, "apple");
  g_assert_null (vard_reward_batch_get_metadata (batch, 1));
}

static void
test_reward_batch_sizes (void)
{
  const struct
  {
    guint width, height;
  } bad[] = {
    { 0, 0 },          { 0, 4 }, { 3, 1 }, { 5, 1 }, { 65536, 65536 }, { 0x80000000, 0x80000000 },
    { 4, 0x40000001 },
  };
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();
  g_autoptr (GBytes) pixels = g_bytes_new ("twelve bytes", 12);
  g_autoptr (GBytes) odd = g_bytes_new ("thirteen byte", 13);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (vard_reward_batch_append (batch, pixels, bad[i].width, bad[i].height, NULL,
                                                NULL, 0, &error));
      g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
    }
  g_assert_false (vard_reward_batch_append (batch, odd, 4, 1, NULL, NULL, 0, NULL));
  g_assert_cmpuint (vard_reward_batch_get_count (batch), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reward-batch/statuses", test_reward_batch_statuses);
  g_test_add_func ("/reward-batch/pixels", test_reward_batch_pixels);
  g_test_add_func ("/reward-batch/sizes", test_reward_batch_sizes);
  return g_test_run ();
}
