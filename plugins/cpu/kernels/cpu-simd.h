/* cpu-simd.h - vectors of 8 floats and elementary functions that the compiler can vectorise
 *
 * A function marked CPU_SIMD is compiled for several instruction sets, and the loader picks one for
 * the machine it runs on. What it calls must be inlined (CPU_INLINE) to be compiled with it.
 *
 * Vectors are as wide as AVX2's registers: wider ones are taken apart through memory there (a
 * product ran at 9 GFLOP/s in place of 100), and loops that the compiler vectorises itself use all
 * of AVX-512 anyway.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <math.h>
#include <string.h>

/* The tests build the engine once more for each lower level, so that a machine with the best one
 * proves them all */
#if defined(CPU_ONLY_BASE)
#define CPU_SIMD
#elif defined(CPU_ONLY_AVX2)
#define CPU_SIMD __attribute__ ((target ("arch=x86-64-v3")))
#elif defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define CPU_SIMD __attribute__ ((target_clones ("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CPU_SIMD
#endif

#define CPU_INLINE static inline __attribute__ ((always_inline))

#define CPU_LANES 8

typedef float CpuVec __attribute__ ((vector_size (32)));
typedef gint32 CpuMask __attribute__ ((vector_size (32)));

CPU_INLINE CpuVec
cpu_load (const float *from)
{
  CpuVec v;

  memcpy (&v, from, sizeof v);
  return v;
}

CPU_INLINE void
cpu_store (float *to, CpuVec v)
{
  memcpy (to, &v, sizeof v);
}

CPU_INLINE CpuVec
cpu_splat (float x)
{
  return x - (CpuVec) { 0 };
}

/* the larger of each lane; b where one is not a number */
CPU_INLINE CpuVec
cpu_max (CpuVec a, CpuVec b)
{
  CpuMask larger = a > b;

  return (CpuVec) ((larger & (CpuMask) a) | (~larger & (CpuMask) b));
}

CPU_INLINE float
cpu_select (float mask, float a, float b)
{
  return mask > 0 ? a : b;
}

typedef float CpuHalf __attribute__ ((vector_size (16)));

/* the lanes' sum in a fixed order: halves onto each other */
CPU_INLINE float
cpu_lanes_sum (CpuVec v)
{
  CpuHalf half[2], four;

  memcpy (half, &v, sizeof v);
  four = half[0] + half[1];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

CPU_INLINE float
cpu_from_bits (gint32 bits)
{
  float x;

  memcpy (&x, &bits, sizeof x);
  return x;
}

CPU_INLINE gint32
cpu_to_bits (float x)
{
  gint32 bits;

  memcpy (&bits, &x, sizeof bits);
  return bits;
}

/* x = n ln 2 + r, a Taylor sum in r, and 2^n in two halves so that neither leaves the floats; NaN
 * stays NaN */
CPU_INLINE float
cpu_exp (float x)
{
  float y = x > 89.0f ? 89.0f : x;

  y = y < -104.0f ? -104.0f : y;

  float whole = rintf (y * 1.44269504f);
  gint32 n = (gint32) whole;
  float r = y - whole * 0.693145752f - whole * 1.42860677e-6f;
  float p = 1.0f / 720;

  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r * r + r + 1;

  /* unsigned: a number that is none gives any n */
  gint32 half = n >> 1;
  guint32 low = (guint32) half + 127, high = (guint32) n - (guint32) half + 127;

  return p * cpu_from_bits ((gint32) (low << 23)) * cpu_from_bits ((gint32) (high << 23));
}

/* The same for x <= 0 in fewer steps: what is below the normal floats is 0 */
CPU_INLINE float
cpu_exp_down (float x)
{
  float y = x < -87.0f ? -87.0f : x;
  float whole = rintf (y * 1.44269504f);
  float r = y - whole * 0.693145752f - whole * 1.42860677e-6f;
  float p = 1.0f / 720;

  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r * r + r + 1;
  p *= cpu_from_bits ((gint32) (((guint32) (gint32) whole + 127) << 23));
  return x < -87.0f ? 0 : p;
}

/* 2^x for x <= 0 with a polynomial of degree 5 that was fitted on [-1/2, 1/2] (2.2e-7 relative); 0
 * below 2^-127, for the exponent's bits then are 0. NaN stays NaN. */
CPU_INLINE CpuVec
cpu_exp2_down (CpuVec x)
{
  /* 3 2^22: adding it rounds, and leaves the integer in the low bits */
  const CpuVec magic = cpu_splat (12582912.0f);
  CpuVec y =
    (CpuVec) (((x < -127.0f) & (CpuMask) cpu_splat (-127.0f)) | (~(x < -127.0f) & (CpuMask) x));
  CpuVec whole = y + magic, r = y - (whole - magic);
  CpuVec p = 1.32764713e-3f * r + 9.67554096e-3f;

  p = p * r + 5.55071309e-2f;
  p = p * r + 2.40221202e-1f;
  p = p * r + 6.93146944e-1f;
  p = p * r + 1.0f;
  return p * (CpuVec) (((CpuMask) whole << 23) + 0x3f800000);
}

/* 2 artanh ((m - 1) / (m + 1)) for the mantissa m in [sqrt 1/2, sqrt 2) */
CPU_INLINE float
cpu_log (float x)
{
  gboolean tiny = x < 1.17549435e-38f;
  float y = tiny ? x * 8388608.0f : x;
  gint32 bits = (gint32) ((guint32) cpu_to_bits (y) - 0x3f3504f3u);
  float n = (float) (bits >> 23) - (tiny ? 23.0f : 0.0f);
  float m = cpu_from_bits ((bits & 0x7fffff) + 0x3f3504f3);
  float s = (m - 1) / (m + 1), z = s * s;
  float p = 1.0f / 9;

  p = p * z + 1.0f / 7;
  p = p * z + 1.0f / 5;
  p = p * z + 1.0f / 3;
  p = 2 * s + 2 * s * z * p + n * 1.42860677e-6f + n * 0.693145752f;

  p = x > 3.40282347e38f ? x : p;
  p = x == 0 ? -INFINITY : p;
  return x >= 0 ? p : NAN;
}

CPU_INLINE float
cpu_sigmoid (float x)
{
  return 1 / (1 + cpu_exp (-x));
}

CPU_INLINE float
cpu_tanh (float x)
{
  float z = x * x, p = -0.00560274f;
  float far = 1 - 2 / (cpu_exp (2 * x) + 1);

  p = p * z + 0.02053994f;
  p = p * z - 0.05370532f;
  p = p * z + 0.13330932f;
  p = p * z - 0.33333252f;
  return z < 0.4f ? x + x * z * p : far;
}

/* erfc (x) for x >= 0: exp (-x^2) times a polynomial in t = 1 / (1 + x / 2), fitted to 5e-8
 * relative */
CPU_INLINE float
cpu_erfc_positive (float x)
{
  float t = 1 / (1 + 0.5f * x), p = -0.0593865f;

  p = p * t + 0.28612422f;
  p = p * t - 0.49040698f;
  p = p * t + 0.28173407f;
  p = p * t - 0.02914913f;
  p = p * t + 0.2037528f;
  p = p * t + 0.24283504f;
  p = p * t + 0.28241211f;
  p = p * t + 0.28208433f;
  return p * t * cpu_exp (-x * x);
}

CPU_INLINE float
cpu_erf (float x)
{
  float a = fabsf (x), z = x * x, p = -6.09035818e-4f;
  float far = 1 - cpu_erfc_positive (a);

  p = p * z + 5.01196259e-3f;
  p = p * z - 2.67789089e-2f;
  p = p * z + 1.12821408e-1f;
  p = p * z - 3.76125233e-1f;
  p = p * z + 1.12837917f;
  return z < 0.81f ? x * p : x < 0 ? -far : far;
}

CPU_INLINE float
cpu_gelu (float x)
{
  float tail = 0.5f * cpu_erfc_positive (fabsf (x) * 0.707106781f);

  return x < 0 ? x * tail : x - x * tail;
}

/* quadrant by Cody and Waite's three-part pi / 2, then Taylor sums on [-pi/4, pi/4]; good to |x| of
 * some thousands */
CPU_INLINE float
cpu_sin_shifted (float x, gint32 shift)
{
  float whole = rintf (x * 0.636619772f);
  gint32 n = (gint32) whole;
  float r = x - whole * 1.5703125f - whole * 4.83751297e-4f - whole * 7.54978942e-8f;
  float z = r * r, s = 1.0f / 362880, c = 1.0f / 40320;

  s = s * z - 1.0f / 5040;
  s = s * z + 1.0f / 120;
  s = s * z - 1.0f / 6;
  s = s * z * r + r;
  c = c * z - 1.0f / 720;
  c = c * z + 1.0f / 24;
  c = c * z - 0.5f;
  c = c * z + 1;
  n += shift;

  float y = (n & 1) ? c : s;

  return (n & 2) ? -y : y;
}

CPU_INLINE float
cpu_sin (float x)
{
  return cpu_sin_shifted (x, 0);
}

CPU_INLINE float
cpu_cos (float x)
{
  return cpu_sin_shifted (x, 1);
}
