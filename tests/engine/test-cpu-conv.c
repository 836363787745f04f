/* test-cpu-conv.c - the CPU engine's convolutions against plain loops
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-conv.h"
#include "cpu-fixture.h"

/* n, h, w, ci; oh, ow, co; kh, kw, stride, top, left */
static const CpuConv conv_cases[] = {
  { 1, 7, 5, 16, 7, 5, 17, 3, 3, 1, 1, 1 },
  { 3, 8, 8, 48, 8, 8, 24, 3, 3, 1, 1, 1 },
  { 2, 4, 4, 96, 4, 4, 33, 3, 3, 1, 1, 1 },
  { 64, 2, 2, 16, 2, 2, 16, 3, 3, 1, 1, 1 },
  { 2, 9, 6, 19, 7, 4, 16, 3, 3, 1, 0, 0 },
  { 2, 6, 9, 4, 6, 9, 5, 3, 3, 1, 1, 1 },
  { 3, 8, 8, 3, 4, 4, 8, 3, 3, 2, 1, 1 },
  { 1, 9, 7, 20, 5, 4, 8, 3, 3, 2, 1, 1 },
  { 2, 8, 8, 8, 4, 4, 8, 3, 3, 2, 0, 0 },
  { 2, 5, 5, 8, 5, 5, 12, 5, 5, 1, 2, 2 },
  { 3, 5, 4, 40, 5, 4, 24, 1, 1, 1, 0, 0 },
  { 2, 40, 33, 32, 40, 33, 3, 3, 3, 1, 1, 1 },
  { 3, 7, 9, 4, 7, 9, 20, 3, 3, 1, 1, 1 },
  { 2, 6, 5, 16, 7, 4, 2, 4, 3, 1, 2, 0 },
  /* few pixels and a large weight */
  { 1, 4, 3, 320, 4, 3, 370, 3, 3, 1, 1, 1 },
  { 2, 3, 4, 261, 2, 2, 448, 3, 3, 2, 1, 1 },
  { 2, 8, 8, 6, 2, 2, 7, 4, 4, 4, 0, 0 },
  /* weights larger than pictures: Winograd by output channels, and all patches at once */
  { 2, 3, 5, 360, 3, 5, 330, 3, 3, 1, 1, 1 },
  { 2, 5, 4, 360, 3, 2, 330, 3, 3, 2, 1, 1 },
};

/* calls what for every product that makes up the convolution: offsets of x, w and y */
#define FOR_EACH_PRODUCT(c)                       \
  for (gint64 n = 0; n < c->n; n++)               \
    for (gint64 oy = 0; oy < c->oh; oy++)         \
      for (gint64 ox = 0; ox < c->ow; ox++)       \
        for (gint64 o = 0; o < c->co; o++)        \
          for (gint64 ky = 0; ky < c->kh; ky++)   \
            for (gint64 kx = 0; kx < c->kw; kx++) \
              for (gint64 i = 0; i < c->ci; i++)

static void
convolve (const CpuConv *c, CpuConvKind kind, const float *a, const float *b, double *to)
{
  FOR_EACH_PRODUCT (c)
    {
      gint64 iy = oy * c->stride - c->top + ky, ix = ox * c->stride - c->left + kx;
      gint64 x = ((n * c->h + iy) * c->w + ix) * c->ci + i;
      gint64 w = ((o * c->kh + ky) * c->kw + kx) * c->ci + i,
             y = ((n * c->oh + oy) * c->ow + ox) * c->co + o;

      if (iy < 0 || iy >= c->h || ix < 0 || ix >= c->w)
        continue;
      if (kind == CPU_CONV_FORWARD)
        to[y] += (double) a[x] * b[w];
      else if (kind == CPU_CONV_INPUT_GRADIENT)
        to[x] += (double) a[y] * b[w];
      else
        to[w] += (double) a[x] * b[y];
    }
}

typedef enum
{
  BY_GEMM,
  BY_WINOGRAD,
  BY_COLUMNS
} ConvWay;

static gsize
get_conv_scratch (const CpuConv *c, CpuConvKind kind, ConvWay way, guint n_threads)
{
  if (way == BY_COLUMNS)
    return cpu_conv_narrow_get_scratch_size (c, kind, n_threads);
  return way == BY_WINOGRAD ? cpu_winograd_get_scratch_size (c, kind, n_threads)
                            : cpu_conv_gemm_get_scratch_size (c, kind, n_threads);
}

static double
run_conv (CpuPool *pool,
          const CpuConv *c,
          CpuConvKind kind,
          ConvWay way,
          const float *a,
          const float *b,
          gint64 count,
          const float *expected)
{
  gsize size = get_conv_scratch (c, kind, way, cpu_pool_get_n_threads (pool));
  g_autofree float *scratch = g_malloc (size + 1), *got = g_new (float, count);
  CpuEpilogue none = { NULL };

  /* what is read before it is written shows as NaN */
  memset (scratch, 0xff, size);
  memset (got, 0xff, count * sizeof *got);
  if (way == BY_COLUMNS)
    cpu_conv_narrow_run (pool, c, kind, a, b, got, scratch, &none);
  else
    (way == BY_WINOGRAD ? cpu_winograd_run : cpu_conv_gemm_run) (pool, c, kind, a, b, got, scratch,
                                                                 &none);
  return get_difference (got, expected, count);
}

/* [co, taps, ci] as files have it: its taps last */
static void
put_taps_last (const CpuConv *c, const float *w, float *stored)
{
  gint64 taps = c->kh * c->kw;

  for (gint64 o = 0; o < c->co; o++)
    for (gint64 t = 0; t < taps; t++)
      for (gint64 i = 0; i < c->ci; i++)
        stored[(o * c->ci + i) * taps + t] = w[(o * taps + t) * c->ci + i];
}

/* the same with the weight as files have it */
static double
run_conv_taps_last (CpuPool *pool,
                    const CpuConv *c,
                    CpuConvKind kind,
                    const float *a,
                    const float *b,
                    gint64 count,
                    const float *expected)
{
  CpuConv conv = *c;
  g_autofree float *stored = g_new (float, c->co * c->kh * c->kw * c->ci);

  put_taps_last (c, b, stored);
  conv.taps_last = TRUE;
  return run_conv (pool, &conv, kind, BY_GEMM, a, stored, count, expected);
}

/* of the largest value, for products: a sum of n terms in order is off by about eps sqrt (n) */
static double
get_conv_tolerance (const CpuConv *c, CpuConvKind kind)
{
  gint64 n = kind == CPU_CONV_WEIGHT_GRADIENT
               ? c->n * c->oh * c->ow
               : c->kh * c->kw * (kind == CPU_CONV_FORWARD ? c->ci : c->co);

  return MAX (2e-6, 6e-8 * sqrt (n));
}

static void
check_conv (CpuPool *pool, const CpuConv *c, CpuConvKind kind)
{
  gint64 sizes[] = { c->n * c->h * c->w * c->ci, c->co * c->kh * c->kw * c->ci,
                     c->n * c->oh * c->ow * c->co };
  gint64 count = kind == CPU_CONV_FORWARD          ? sizes[2]
                 : kind == CPU_CONV_INPUT_GRADIENT ? sizes[0]
                                                   : sizes[1];
  g_autofree float *a = random_floats (sizes[kind == CPU_CONV_INPUT_GRADIENT ? 2 : 0], 1);
  g_autofree float *b = random_floats (sizes[kind == CPU_CONV_WEIGHT_GRADIENT ? 2 : 1], 2);
  g_autofree double *sums = g_new0 (double, count);
  g_autofree float *expected = g_new (float, count);
  double tolerance = get_conv_tolerance (c, kind);

  convolve (c, kind, a, b, sums);
  for (gint64 i = 0; i < count; i++)
    expected[i] = sums[i];
  g_assert_cmpfloat (run_conv (pool, c, kind, BY_GEMM, a, b, count, expected), <, tolerance);
  if (cpu_conv_gemm_takes_taps_last (c, kind))
    g_assert_cmpfloat (run_conv_taps_last (pool, c, kind, a, b, count, expected), <, tolerance);
  if (cpu_winograd_can (c, kind))
    g_assert_cmpfloat (run_conv (pool, c, kind, BY_WINOGRAD, a, b, count, expected), <, 3e-5);
  if (cpu_conv_narrow_can (c, kind))
    g_assert_cmpfloat (run_conv (pool, c, kind, BY_COLUMNS, a, b, count, expected), <, tolerance);
}

static void
test_conv (gconstpointer data)
{
  for (guint n_threads = 1; n_threads <= 3; n_threads++)
    {
      CpuPool *pool = cpu_pool_new (n_threads);

      for (CpuConvKind kind = CPU_CONV_FORWARD; kind <= CPU_CONV_WEIGHT_GRADIENT; kind++)
        check_conv (pool, data, kind);
      cpu_pool_free (pool);
    }
}

/* More tiles than a round of the wide way has, and chunks not alike, against products, which are
 * proven above */
static void
test_conv_many_tiles (void)
{
  CpuConv c = { 1, 92, 90, 48, 92, 90, 1830, 3, 3, 1, 1, 1 };
  CpuWeight weight = { .dtype = VARD_DTYPE_F32, .rows = c.co, .columns = c.ci, .taps = 9 };
  g_autofree float *w = random_floats (c.co * 9 * c.ci, 2),
                   *stored = g_new (float, c.co * 9 * c.ci);
  CpuPool *pool = cpu_pool_new (3);

  put_taps_last (&c, w, stored);
  for (CpuConvKind kind = CPU_CONV_FORWARD; kind <= CPU_CONV_INPUT_GRADIENT; kind++)
    {
      gint64 pixels = c.h * c.w, count = pixels * (kind == CPU_CONV_FORWARD ? c.co : c.ci);
      g_autofree float *a = random_floats (pixels * c.co, 1), *expected = g_new (float, count),
                       *got = g_new (float, count);
      g_autofree float *scratch = g_malloc (
        MAX (get_conv_scratch (&c, kind, BY_WINOGRAD, 3), get_conv_scratch (&c, kind, BY_GEMM, 3)));

      cpu_conv_gemm_run (pool, &c, kind, a, w, expected, scratch, &(CpuEpilogue) { NULL });
      g_assert_true (cpu_winograd_reads_stored (&c, kind, 3));
      g_assert_cmpfloat (run_conv (pool, &c, kind, BY_WINOGRAD, a, w, count, expected), <, 6e-5);
      cpu_winograd_run_stored (pool, &c, kind, &weight, a, stored, got, scratch,
                               &(CpuEpilogue) { NULL });
      g_assert_cmpfloat (get_difference (got, expected, count), <, 6e-5);
    }
  cpu_pool_free (pool);
}

/* the shapes that pay must be known as such, or the fast path is never taken */
static void
test_conv_choice (void)
{
  CpuConv conv = { 64, 16, 16, 48, 16, 16, 48, 3, 3, 1, 1, 1 };

  g_assert_true (cpu_winograd_can (&conv, CPU_CONV_FORWARD));
  g_assert_cmpfloat (cpu_winograd_get_cost (&conv, CPU_CONV_FORWARD, 2), <,
                     cpu_conv_gemm_get_cost (&conv, 2));
  conv.ci = 3;
  g_assert_false (cpu_winograd_can (&conv, CPU_CONV_FORWARD));
  g_assert_true (cpu_conv_narrow_can (&conv, CPU_CONV_INPUT_GRADIENT));
  g_assert_false (cpu_conv_narrow_can (&conv, CPU_CONV_FORWARD));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (conv_cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/cpu/conv/%u", i);

      g_test_add_data_func (path, &conv_cases[i], test_conv);
    }
  g_test_add_func ("/cpu/conv/many-tiles", test_conv_many_tiles);
  g_test_add_func ("/cpu/conv/choice", test_conv_choice);
  return g_test_run ();
}
