/* cpu-cast.c - conversions between element types, and random numbers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-cast.h"
#include "cpu-simd.h"

#define GRAIN 16384
#define BLOCK 1024 /* a conversion between two narrow types goes through floats */

#if defined(__x86_64__) && defined(__GNUC__) && !defined(CPU_ONLY_BASE)
#include <immintrin.h>
#define HAVE_F16C 1
#else
#define HAVE_F16C 0
#endif

typedef struct
{
  VardDType from, to;
  gconstpointer x;
  gpointer y;
  const gint64 *counters; /* of each row */
  gint64 row;             /* elements of a row */
  gboolean has_f16c;
} CastJob;

#if HAVE_F16C
__attribute__ ((target ("avx,f16c"))) static gint64
half_to_float_fast (const guint16 *x, gint64 n, float *y)
{
  gint64 i = 0;

  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps (y + i, _mm256_cvtph_ps (_mm_loadu_si128 ((const __m128i *) (x + i))));
  return i;
}

__attribute__ ((target ("avx,f16c"))) static gint64
float_to_half_fast (const float *x, gint64 n, guint16 *y)
{
  gint64 i = 0;

  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128 ((__m128i *) (y + i),
                      _mm256_cvtps_ph (_mm256_loadu_ps (x + i), _MM_FROUND_TO_NEAREST_INT));

  return i;
}
#endif

static gboolean
cpu_machine_has_f16c (void)
{
#if HAVE_F16C
  return __builtin_cpu_supports ("avx") && __builtin_cpu_supports ("f16c");
#else
  return FALSE;
#endif
}

CPU_SIMD static void
bf16_to_float (const guint16 *x, gint64 n, float *y)
{
  for (gint64 i = 0; i < n; i++)
    y[i] = cpu_from_bits ((gint32) ((guint32) x[i] << 16));
}

/* to nearest, ties to even; a NaN stays one */
CPU_SIMD static void
float_to_bf16 (const float *x, gint64 n, guint16 *y)
{
  for (gint64 i = 0; i < n; i++)
    {
      guint32 bits = (guint32) cpu_to_bits (x[i]);
      guint32 rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;

      y[i] = (bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded;
    }
}

static void
cpu_half_to_float (const CastJob *job, const guint16 *x, gint64 n, float *y)
{
  gint64 i = 0;

#if HAVE_F16C
  if (job->has_f16c)
    i = half_to_float_fast (x, n, y);
#endif
  for (; i < n; i++)
    y[i] = vard_half_to_float (x[i]);
}

static void
cpu_float_to_half (const CastJob *job, const float *x, gint64 n, guint16 *y)
{
  gint64 i = 0;

#if HAVE_F16C
  if (job->has_f16c)
    i = float_to_half_fast (x, n, y);
#endif
  for (; i < n; i++)
    y[i] = vard_float_to_half (x[i]);
}

static void
cpu_integers_to_float (VardDType from, gconstpointer x, gint64 first, gint64 n, float *y)
{
  for (gint64 i = 0; i < n; i++)
    if (from == VARD_DTYPE_I32)
      y[i] = ((const gint32 *) x)[first + i];
    else if (from == VARD_DTYPE_I64)
      y[i] = ((const gint64 *) x)[first + i];
    else
      y[i] = ((const guint8 *) x)[first + i];
}

/* @n elements from @first on as floats */
static void
cpu_cast_widen (const CastJob *job, gint64 first, gint64 n, float *y)
{
  if (job->from == VARD_DTYPE_F32)
    memcpy (y, (const float *) job->x + first, n * sizeof *y);
  else if (job->from == VARD_DTYPE_F16)
    cpu_half_to_float (job, (const guint16 *) job->x + first, n, y);
  else if (job->from == VARD_DTYPE_BF16)
    bf16_to_float ((const guint16 *) job->x + first, n, y);
  else
    cpu_integers_to_float (job->from, job->x, first, n, y);
}

static void
cpu_cast_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const CastJob *job = data;
  float block[BLOCK];

  for (gint64 i = from; i < to; i += BLOCK)
    {
      gint64 n = MIN (BLOCK, to - i);
      float *floats = job->to == VARD_DTYPE_F32 ? (float *) job->y + i : block;

      cpu_cast_widen (job, i, n, floats);
      if (job->to == VARD_DTYPE_F16)
        cpu_float_to_half (job, floats, n, (guint16 *) job->y + i);
      else if (job->to == VARD_DTYPE_BF16)
        float_to_bf16 (floats, n, (guint16 *) job->y + i);
    }
}

void
cpu_cast_run (CpuPool *pool, VardDType from, VardDType to, gint64 n, gconstpointer x, gpointer y)
{
  CastJob job = { .from = from, .to = to, .x = x, .y = y, .has_f16c = cpu_machine_has_f16c () };

  cpu_pool_run (pool, n, GRAIN, cpu_cast_task, &job);
}

void
cpu_widen (VardDType from, gconstpointer x, gint64 n, float *y)
{
  CastJob job = { .from = from, .x = x, .has_f16c = cpu_machine_has_f16c () };

  cpu_cast_widen (&job, 0, n, y);
}

static void
cpu_random_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const CastJob *job = data;

  for (gint64 row = from / job->row, end; from < to; row++, from = end)
    {
      end = MIN (to, (row + 1) * job->row);
      vard_random_fill_normal_at (job->counters[2 * row], job->counters[2 * row + 1],
                                  from - row * job->row, (float *) job->y + from, end - from);
    }
}

void
cpu_random_normal_run (CpuPool *pool, const gint64 *counters, gint64 n_rows, gint64 n, float *y)
{
  CastJob job = { .y = y, .counters = counters, .row = n / n_rows };

  cpu_pool_run (pool, n, GRAIN / 4, cpu_random_task, &job);
}
