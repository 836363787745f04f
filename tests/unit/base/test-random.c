/* test-random.c - Philox against its published vectors, and what draws promise
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <math.h>
#include <string.h>

/* philox4x32-10 in the known-answer file of the authors' Random123 library */
static const struct
{
  guint32 counter[4], key[2], out[4];
} vectors[] = {
  { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
  { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
    { 0xffffffff, 0xffffffff },
    { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
  { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
    { 0xa4093822, 0x299f31d0 },
    { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
};

static void
test_random_philox (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (vectors); i++)
    {
      guint32 out[4];

      vard_philox4x32 (vectors[i].counter, vectors[i].key, out);
      g_assert_cmpmem (out, sizeof out, vectors[i].out, sizeof out);
    }
}

static void
test_random_normal_pieces (void)
{
  float whole[1003], pieces[1003];

  vard_random_fill_normal (7, 3, whole, 1003);
  for (guint first = 0; first < 1003; first += 13)
    vard_random_fill_normal_at (7, 3, first, pieces + first, MIN (13, 1003 - first));
  g_assert_cmpmem (whole, sizeof whole, pieces, sizeof pieces);

  vard_random_fill_normal (7, 4, pieces, 1003);
  g_assert_cmpint (memcmp (whole, pieces, sizeof whole), !=, 0);
  vard_random_fill_normal (8, 3, pieces, 1003);
  g_assert_cmpint (memcmp (whole, pieces, sizeof whole), !=, 0);
}

static void
test_random_normal_moments (void)
{
  const gsize n = 1 << 18;
  g_autofree float *z = g_new (float, n);
  double sum = 0, square = 0, fourth = 0, neighbour = 0;

  vard_random_fill_normal (vard_random_derive_key (1, "moments", 0), 0, z, n);
  for (gsize i = 0; i < n; i++)
    {
      g_assert_true (isfinite (z[i]));
      sum += z[i];
      square += (double) z[i] * z[i];
      fourth += pow (z[i], 4);
      neighbour += (double) z[i] * z[(i + 1) % n];
    }
  /* five standard errors: sd 1, sqrt 2, sqrt 96, 1 over sqrt n */
  double error = 5 / sqrt ((double) n);
  g_assert_cmpfloat (fabs (sum / n), <, error);
  g_assert_cmpfloat (fabs (square / n - 1), <, error * sqrt (2));
  g_assert_cmpfloat (fabs (fourth / n - 3), <, error * sqrt (96));
  g_assert_cmpfloat (fabs (neighbour / n), <, error);
}

/* The layout of words is part of a run's reproducibility: it may not change by accident. */
static void
test_random_normal_pinned (void)
{
  float z[4];
  double a = sqrt (-2 * log ((0x6627e8d5u + 0.5) / 4294967296.0));

  vard_random_fill_normal (0, 0, z, 4);
  g_assert_cmpfloat_with_epsilon (z[0], a * cos (2 * G_PI * (0xe169c58du / 4294967296.0)), 1e-6);
  g_assert_cmpfloat_with_epsilon (z[1], a * sin (2 * G_PI * (0xe169c58du / 4294967296.0)), 1e-6);
}

static void
test_random_keys (void)
{
  g_assert_cmpuint (vard_random_derive_key (1, "noise", 0), ==,
                    vard_random_derive_key (1, "noise", 0));
  g_assert_cmpuint (vard_random_derive_key (1, "noise", 0), !=,
                    vard_random_derive_key (2, "noise", 0));
  g_assert_cmpuint (vard_random_derive_key (1, "noise", 0), !=,
                    vard_random_derive_key (1, "noise", 1));
  g_assert_cmpuint (vard_random_derive_key (1, "noise", 0), !=,
                    vard_random_derive_key (1, "order", 0));
}

static void
test_random_uniform (void)
{
  guint counts[7] = { 0 };

  for (guint i = 0; i < 70000; i++)
    {
      double u = vard_random_uniform (5, 6, i);

      g_assert_true (u >= 0 && u < 1);
      counts[vard_random_uniform_int (5, 7, i, 7)]++;
    }
  for (guint i = 0; i < 7; i++) /* sd of a count is 93 */
    g_assert_cmpint (ABS ((int) counts[i] - 10000), <, 470);
}

static void
test_random_permutation (void)
{
  guint order[100], seen[100] = { 0 }, moved = 0;

  vard_random_permutation (1, 2, order, 100);
  for (guint i = 0; i < 100; i++)
    {
      g_assert_cmpuint (order[i], <, 100);
      g_assert_cmpuint (seen[order[i]]++, ==, 0);
      moved += order[i] != i;
    }
  g_assert_cmpuint (moved, >, 80);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/random/philox", test_random_philox);
  g_test_add_func ("/random/normal/pieces", test_random_normal_pieces);
  g_test_add_func ("/random/normal/moments", test_random_normal_moments);
  g_test_add_func ("/random/normal/pinned", test_random_normal_pinned);
  g_test_add_func ("/random/keys", test_random_keys);
  g_test_add_func ("/random/uniform", test_random_uniform);
  g_test_add_func ("/random/permutation", test_random_permutation);
  return g_test_run ();
}
