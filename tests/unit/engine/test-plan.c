/* test-plan.c - the planner: no overlap, close to the lower bound
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine/vard-plan.h"

#include <vard-internal.h>

static void
test_plan_chain (void)
{
  /* a chain of equal values needs two places at any time */
  VardBlock blocks[] = { { 100, 0, 1, 0 }, { 100, 1, 2, 0 }, { 100, 2, 3, 0 }, { 100, 3, 4, 0 } };
  gsize total = vard_plan_blocks (blocks, G_N_ELEMENTS (blocks));

  g_assert_cmpuint (total, ==, 256);
  g_assert_true (vard_plan_verify (blocks, G_N_ELEMENTS (blocks), NULL));
}

static void
test_plan_verify_finds_overlap (void)
{
  VardBlock blocks[] = { { 128, 0, 2, 0 }, { 128, 1, 3, 64 } };
  g_autoptr (GError) error = NULL;

  g_assert_false (vard_plan_verify (blocks, 2, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_GRAPH);
}

/* the most bytes that live at any step: no plan is smaller */
static gsize
get_lower_bound (const VardBlock *blocks, guint n_blocks, guint n_steps)
{
  g_autofree gsize *live = g_new0 (gsize, n_steps + 1);
  gsize most = 0;

  for (guint i = 0; i < n_blocks; i++)
    for (guint step = blocks[i].first; step <= MIN (blocks[i].last, n_steps); step++)
      live[step] += blocks[i].size;
  for (guint step = 0; step <= n_steps; step++)
    most = MAX (most, live[step]);
  return most;
}

/* lifetimes like a forward and backward pass: value i lives until step 2 n - i, with short-lived
 * ones between */
static void
test_plan_random (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (5);

  for (guint round = 0; round < 20; round++)
    {
      VardBlock blocks[400];
      guint n = 200;

      for (guint i = 0; i < n; i++)
        {
          blocks[2 * i] = (VardBlock) { g_rand_int_range (random, 1, 1 << 16), i, 2 * n - i, 0 };
          blocks[2 * i + 1] =
            (VardBlock) { g_rand_int_range (random, 1, 1 << 18), 2 * i, 2 * i + 1, 0 };
        }

      gsize total = vard_plan_blocks (blocks, 2 * n);
      gsize bound = get_lower_bound (blocks, 2 * n, 2 * n);

      g_assert_true (vard_plan_verify (blocks, 2 * n, NULL));
      g_assert_cmpuint (total, >=, bound);
      g_assert_cmpfloat (total, <=, 1.05 * bound);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/chain", test_plan_chain);
  g_test_add_func ("/plan/verify-finds-overlap", test_plan_verify_finds_overlap);
  g_test_add_func ("/plan/random", test_plan_random);
  return g_test_run ();
}
