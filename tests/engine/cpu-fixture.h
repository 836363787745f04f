/* cpu-fixture.h - what the tests of the CPU engine's kernels share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <math.h>
#include <vard-internal.h>

static inline float *
random_floats (gint64 n, guint64 counter)
{
  float *x = g_new (float, n);

  vard_random_fill_normal (7, counter, x, n);
  return x;
}

/* max |a - b| / max |b| */
static inline double
get_difference (const float *a, const float *b, gint64 n)
{
  double worst = 0, largest = 1e-30;

  for (gint64 i = 0; i < n; i++)
    {
      if (!(fabs ((double) a[i] - b[i]) <= worst))
        worst = fabs ((double) a[i] - b[i]);
      largest = MAX (largest, fabs (b[i]));
    }
  return worst / largest;
}
