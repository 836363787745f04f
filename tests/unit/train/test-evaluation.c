/* test-evaluation.c - diversity and gain on pictures and rewards that can be worked out by hand
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-evaluation-private.h"

#include <math.h>

/* two prompts of two seeds; one pixel each: 0 and 10, then 100 and 130 */
static VardEvaluation *
make (void)
{
  static const guint8 levels[] = { 0, 10, 100, 130 };
  const guint64 seeds[] = { 5, 6 };
  char *names[] = { (char *) "a", NULL };
  VardEvaluation *self =
    vard_evaluation_new ((const char *[]) { "one", "two", NULL }, 2, seeds, 2, names);

  for (guint i = 0; i < 4; i++)
    {
      const guint8 rgb[] = { levels[i], levels[i], levels[i] };
      g_autoptr (GBytes) bytes = g_bytes_new (rgb, 3);

      g_ptr_array_add (self->images, vard_image_new (1, 1, bytes, NULL));
      self->rewards[i] = i;
      self->scores[i] = 10 * i;
    }

  return self;
}

static void
test_evaluation_diversity (void)
{
  g_autoptr (VardEvaluation) self = make ();

  g_assert_cmpfloat_with_epsilon (vard_evaluation_measure_diversity (self), (10 + 30) / 2.0, 1e-9);
  g_assert_cmpfloat_with_epsilon (vard_evaluation_measure_across (self), (100 + 120) / 2.0, 1e-9);
}

static void
test_evaluation_gain (void)
{
  g_autoptr (VardEvaluation) self = make ();
  const float base[] = { -1, 0, 1, 2 }, holes[] = { -1, NAN, 1, 2 };

  /* one more for each picture, in standard deviations (n - 1) of -1, 0, 1, 2 */
  g_assert_cmpfloat_with_epsilon (vard_evaluation_measure_gain (self, base), 1 / sqrt (5 / 3.0),
                                  1e-6);
  self->rewards[3] = NAN;
  g_assert_cmpfloat_with_epsilon (vard_evaluation_measure_gain (self, holes), 1 / sqrt (7 / 3.0),
                                  1e-6);
}

static void
test_evaluation_lookup (void)
{
  g_autoptr (VardEvaluation) self = make ();

  g_assert_cmpfloat (vard_evaluation_get_score (self, "a", 1, 0), ==, 20);
  g_assert_true (isnan (vard_evaluation_get_score (self, "b", 1, 0)));
  g_assert_cmpfloat (vard_evaluation_get_reward (self, 1, 1), ==, 3);
  g_assert_cmpuint (vard_evaluation_get_seed (self, 1), ==, 6);
  g_assert_cmpstr (vard_evaluation_get_prompt (self, 1), ==, "two");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/evaluation/diversity", test_evaluation_diversity);
  g_test_add_func ("/evaluation/gain", test_evaluation_gain);
  g_test_add_func ("/evaluation/lookup", test_evaluation_lookup);
  return g_test_run ();
}
