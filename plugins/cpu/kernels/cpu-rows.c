/* cpu-rows.c - sums, products and exponentials of runs of floats
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-rows.h"
#include "cpu-simd.h"

CPU_SIMD float
cpu_row_largest (const float *x, gint64 n)
{
  CpuVec best = cpu_splat (-INFINITY);
  float largest = -INFINITY;
  gint64 i = 0;

  for (; i + CPU_LANES <= n; i += CPU_LANES)
    best = cpu_max (cpu_load (x + i), best);
  for (guint lane = 0; lane < CPU_LANES; lane++)
    largest = best[lane] > largest ? best[lane] : largest;
  for (; i < n; i++)
    largest = x[i] > largest ? x[i] : largest;

  return largest;
}

CPU_SIMD float
cpu_row_exp (float *x, gint64 n, float scale, float shift)
{
  CpuVec v = cpu_splat (0);
  float sum = 0;
  gint64 i = 0;

  /* four vectors at once: each is a chain of operations that wait for one another */
  for (; i + 4 * CPU_LANES <= n; i += 4 * CPU_LANES)
    {
      for (guint lane = 0; lane < 4 * CPU_LANES; lane++)
        x[i + lane] = cpu_exp_down (scale * x[i + lane] - shift);
      for (guint k = 0; k < 4; k++)
        v += cpu_load (x + i + k * CPU_LANES);
    }
  for (; i < n; i++)
    sum += x[i] = cpu_exp_down (scale * x[i] - shift);

  return sum + cpu_lanes_sum (v);
}

/* four sums, so that one addition need not wait for the last */
CPU_SIMD float
cpu_row_sum (const float *x, gint64 n)
{
  CpuVec v[4] = { cpu_splat (0), cpu_splat (0), cpu_splat (0), cpu_splat (0) };
  float sum = 0;
  gint64 i = 0;

  for (; i + 4 * CPU_LANES <= n; i += 4 * CPU_LANES)
    for (guint k = 0; k < 4; k++)
      v[k] += cpu_load (x + i + k * CPU_LANES);
  for (; i + CPU_LANES <= n; i += CPU_LANES)
    v[0] += cpu_load (x + i);
  for (; i < n; i++)
    sum += x[i];

  return sum + cpu_lanes_sum ((v[0] + v[1]) + (v[2] + v[3]));
}

CPU_SIMD float
cpu_row_dot (const float *x, const float *y, gint64 n)
{
  CpuVec v = cpu_splat (0);
  float sum = 0;
  gint64 i = 0;

  for (; i + CPU_LANES <= n; i += CPU_LANES)
    v += cpu_load (x + i) * cpu_load (y + i);
  for (; i < n; i++)
    sum += x[i] * y[i];

  return sum + cpu_lanes_sum (v);
}

CPU_SIMD void
cpu_row_scale (float *x, gint64 n, float factor)
{
  for (gint64 i = 0; i < n; i++)
    x[i] *= factor;
}

CPU_SIMD float
cpu_row_spread (const float *x, gint64 n, float mean)
{
  CpuVec v = cpu_splat (0), centre = cpu_splat (mean);
  float sum = 0;
  gint64 i = 0;

  for (; i + CPU_LANES <= n; i += CPU_LANES)
    {
      CpuVec d = cpu_load (x + i) - centre;

      v += d * d;
    }
  for (; i < n; i++)
    sum += (x[i] - mean) * (x[i] - mean);

  return sum + cpu_lanes_sum (v);
}

CPU_SIMD void
cpu_row_add (float *y, const float *x, gint64 n)
{
  for (gint64 i = 0; i < n; i++)
    y[i] += x[i];
}
