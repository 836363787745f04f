/* cpu-conv-gemm.c - convolution as a product with patches that are gathered block by block
 *
 * The matrix of all patches never exists: a block of pixels is gathered into scratch that stays in
 * the cache, and multiplied at once. A 1 x 1 kernel needs no gathering. The gradient for the input
 * of a stride-1 convolution is a convolution with the kernel turned round; with a larger stride
 * patches are scattered instead.
 *
 * Where there are few pixels and large weights (1280 channels at 8 x 8) reading the weight is what
 * takes long, so it is read once and as it is stored: then the matrix of all patches does exist, in
 * the weight's own order of channels and taps, and one product has all of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-conv.h"

#include <string.h>

#define BLOCK_FLOATS (96 * 1024)       /* of patches in one thread's scratch: 384 KiB */
#define WHOLE_FLOATS (4 * 1024 * 1024) /* of all patches together, at most 16 MB */
#define WHOLE_WEIGHT (1024 * 1024)     /* elements of a weight that should be read once */
#define SUM_PIXELS 2048                /* of one round of the weight gradient */

typedef struct
{
  CpuConv conv;
  const float *a, *b;
  float *y, *scratch;
  gsize scratch_stride;       /* floats per thread */
  gint64 rows, first, n_rows; /* pixels of a block, or of this round */
  gint64 n_bands, band;       /* input rows a band of the scatter covers */
  gboolean is_whole;          /* scratch has all patches */
  const CpuEpilogue *epilogue;
} ConvJob;

static gint64
cpu_conv_patch (const CpuConv *conv)
{
  return conv->kh * conv->kw * conv->ci;
}

static gint64
cpu_conv_pixels (const CpuConv *conv)
{
  return conv->n * conv->oh * conv->ow;
}

static gboolean
cpu_conv_is_pointwise (const CpuConv *conv)
{
  return conv->kh == 1 && conv->kw == 1 && conv->stride == 1 && conv->top == 0 && conv->left == 0
         && conv->oh == conv->h && conv->ow == conv->w;
}

static gboolean
cpu_conv_is_whole (const CpuConv *conv)
{
  return cpu_conv_pixels (conv) * cpu_conv_patch (conv) <= WHOLE_FLOATS
         && conv->co * cpu_conv_patch (conv) >= WHOLE_WEIGHT;
}

gboolean
cpu_conv_gemm_takes_taps_last (const CpuConv *conv, CpuConvKind kind)
{
  return kind != CPU_CONV_WEIGHT_GRADIENT && !cpu_conv_is_pointwise (conv)
         && cpu_conv_is_whole (conv);
}

static gint64
cpu_conv_block_rows (const CpuConv *conv, guint n_threads)
{
  gint64 rows = CLAMP (BLOCK_FLOATS / cpu_conv_patch (conv), 32, 512) / 16 * 16;
  gint64 share = (cpu_conv_pixels (conv) + 2 * n_threads - 1) / (2 * n_threads);

  return MIN (rows, MAX (32, (share + 15) / 16 * 16));
}

/* one row of a kernel over one row of the picture: columns outside are zero */
static void
cpu_gather_row (const CpuConv *conv, const float *row, gint64 x0, float *to)
{
  gint64 ci = conv->ci;

  if (x0 >= 0 && x0 + conv->kw <= conv->w)
    {
      memcpy (to, row + x0 * ci, conv->kw * ci * sizeof (float));
      return;
    }
  for (gint64 kx = 0; kx < conv->kw; kx++)
    {
      if (x0 + kx >= 0 && x0 + kx < conv->w)
        memcpy (to + kx * ci, row + (x0 + kx) * ci, ci * sizeof (float));
      else
        memset (to + kx * ci, 0, ci * sizeof (float));
    }
}

/* patches of output pixels [from, to) -> [to - from, kh kw ci] */
static void
cpu_gather_patches (const CpuConv *conv, const float *x, gint64 from, gint64 to, float *patches)
{
  gint64 run = conv->kw * conv->ci;

  for (gint64 p = from; p < to; p++)
    {
      gint64 ox = p % conv->ow, oy = p / conv->ow % conv->oh;
      const float *picture = x + p / (conv->ow * conv->oh) * conv->h * conv->w * conv->ci;

      for (gint64 ky = 0; ky < conv->kh; ky++, patches += run)
        {
          gint64 iy = oy * conv->stride - conv->top + ky;

          if (iy < 0 || iy >= conv->h)
            memset (patches, 0, run * sizeof (float));
          else
            cpu_gather_row (conv, picture + iy * conv->w * conv->ci, ox * conv->stride - conv->left,
                            patches);
        }
    }
}

static void
cpu_conv_gemm_forward_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const ConvJob *job = data;
  const CpuConv *conv = &job->conv;
  gint64 patch = cpu_conv_patch (conv);
  float *patches = job->scratch + thread * job->scratch_stride;
  float *y = job->y + from * conv->co;

  cpu_gather_patches (conv, job->a, from, to, patches);
  cpu_sgemm (FALSE, TRUE, to - from, conv->co, patch, patches, patch, job->b, patch, 0, y,
             conv->co);
  cpu_epilogue_run (job->epilogue, from * conv->co, to * conv->co, thread);
}

static void
cpu_run_forward (CpuPool *pool,
                 const CpuConv *conv,
                 const float *x,
                 const float *w,
                 float *y,
                 float *scratch,
                 const CpuEpilogue *epilogue)
{
  gint64 rows = cpu_conv_block_rows (conv, cpu_pool_get_n_threads (pool));
  ConvJob job = { .conv = *conv,
                  .a = x,
                  .b = w,
                  .y = y,
                  .scratch = scratch,
                  .scratch_stride = rows * cpu_conv_patch (conv),
                  .epilogue = epilogue };

  cpu_pool_run (pool, cpu_conv_pixels (conv), rows, cpu_conv_gemm_forward_task, &job);
}

/* the convolution that takes dy to dx when the stride is 1 */
static CpuConv
cpu_conv_turned (const CpuConv *conv)
{
  return (CpuConv) {
    .n = conv->n,
    .h = conv->oh,
    .w = conv->ow,
    .ci = conv->co,
    .oh = conv->h,
    .ow = conv->w,
    .co = conv->ci,
    .kh = conv->kh,
    .kw = conv->kw,
    .stride = 1,
    .top = conv->kh - 1 - conv->top,
    .left = conv->kw - 1 - conv->left,
  };
}

/* w [co, kh, kw, ci] -> [ci, kh, kw, co] with both kernel axes reversed */
static void
cpu_turn_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const ConvJob *job = data;
  const CpuConv *conv = &job->conv;
  gint64 taps = conv->kh * conv->kw;

  for (gint64 i = from; i < to; i++)
    for (gint64 t = 0; t < taps; t++)
      for (gint64 o = 0; o < conv->co; o++)
        job->y[(i * taps + t) * conv->co + o] = job->b[(o * taps + taps - 1 - t) * conv->ci + i];
}

static void
cpu_run_turned (CpuPool *pool,
                const CpuConv *conv,
                const float *dy,
                const float *w,
                float *dx,
                float *scratch,
                const CpuEpilogue *epilogue)
{
  CpuConv turned = cpu_conv_turned (conv);
  ConvJob job = { .conv = *conv, .b = w, .y = scratch };

  cpu_pool_run (pool, conv->ci, cpu_pool_get_grain (pool, conv->ci, 8), cpu_turn_task, &job);
  cpu_run_forward (pool, &turned, dy, scratch, dx, scratch + conv->co * cpu_conv_patch (conv),
                   epilogue);
}

/* adds the patches of output row (n, oy) to the input rows [y0, y1) of its picture */
static void
cpu_scatter_patches (const CpuConv *conv,
                     const float *patches,
                     gint64 oy,
                     gint64 y0,
                     gint64 y1,
                     float *picture)
{
  for (gint64 ox = 0; ox < conv->ow; ox++)
    for (gint64 ky = 0; ky < conv->kh; ky++)
      for (gint64 kx = 0; kx < conv->kw; kx++, patches += conv->ci)
        {
          gint64 iy = oy * conv->stride - conv->top + ky, ix = ox * conv->stride - conv->left + kx;

          if (iy < y0 || iy >= y1 || ix < 0 || ix >= conv->w)
            continue;

          float *to = picture + (iy * conv->w + ix) * conv->ci;

          for (gint64 c = 0; c < conv->ci; c++)
            to[c] += patches[c];
        }
}

/* the patches of row i of all output rows, which lie in scratch: [ow, kh kw, ci] */
static const float *
cpu_ready_patches (const ConvJob *job, gint64 i, guint thread)
{
  const CpuConv *conv = &job->conv;
  gint64 patch = cpu_conv_patch (conv), taps = conv->kh * conv->kw;
  const float *from = job->scratch + i * conv->ow * patch;
  float *turned = job->scratch + cpu_conv_pixels (conv) * patch + thread * conv->ow * patch;

  if (!conv->taps_last)
    return from;
  for (gint64 p = 0; p < conv->ow; p++)
    cpu_transpose (from + p * patch, conv->ci, taps, taps, turned + p * patch, conv->ci);

  return turned;
}

static void
cpu_scatter_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const ConvJob *job = data;
  const CpuConv *conv = &job->conv;
  gint64 patch = cpu_conv_patch (conv);

  for (gint64 i = from; i < to; i++)
    {
      gint64 n = i / job->n_bands, y0 = i % job->n_bands * job->band;
      gint64 y1 = MIN (y0 + job->band, conv->h);
      float *picture = job->y + n * conv->h * conv->w * conv->ci;
      /* output rows whose kernel touches [y0, y1) */
      gint64 low = y0 + conv->top - conv->kh + 1;
      gint64 oy0 = low <= 0 ? 0 : (low + conv->stride - 1) / conv->stride;
      gint64 oy1 = MIN ((y1 - 1 + conv->top) / conv->stride + 1, conv->oh);

      memset (picture + y0 * conv->w * conv->ci, 0,
              (y1 - y0) * conv->w * conv->ci * sizeof (float));
      for (gint64 oy = oy0; oy < oy1; oy++)
        {
          const float *dy = job->a + (n * conv->oh + oy) * conv->ow * conv->co;
          float *patches = job->scratch + thread * job->scratch_stride;

          if (!job->is_whole)
            cpu_sgemm (FALSE, FALSE, conv->ow, patch, conv->co, dy, conv->co, job->b, patch, 0,
                       patches, patch);
          cpu_scatter_patches (conv,
                               job->is_whole ? cpu_ready_patches (job, n * conv->oh + oy, thread)
                                             : patches,
                               oy, y0, y1, picture);
        }
      cpu_epilogue_run (job->epilogue, (n * conv->h + y0) * conv->w * conv->ci,
                        (n * conv->h + y1) * conv->w * conv->ci, thread);
    }
}

static void
cpu_run_scatter (CpuPool *pool,
                 const CpuConv *conv,
                 const float *dy,
                 const float *w,
                 float *dx,
                 float *scratch,
                 const CpuEpilogue *epilogue)
{
  gint64 n_threads = cpu_pool_get_n_threads (pool);
  gint64 n_bands = conv->n >= 2 * n_threads ? 1 : MIN (conv->h, 2 * n_threads);
  ConvJob job = { .conv = *conv,
                  .a = dy,
                  .b = w,
                  .y = dx,
                  .scratch = scratch,
                  .scratch_stride = conv->ow * cpu_conv_patch (conv),
                  .epilogue = epilogue };

  job.band = (conv->h + n_bands - 1) / n_bands;
  job.n_bands = (conv->h + job.band - 1) / job.band;
  job.is_whole = cpu_conv_is_whole (conv);
  if (job.is_whole)
    {
      CpuGemm gemm = { .m = cpu_conv_pixels (conv),
                       .n = cpu_conv_patch (conv),
                       .k = conv->co,
                       .lda = conv->co,
                       .ldb = cpu_conv_patch (conv),
                       .ldc = cpu_conv_patch (conv),
                       .n_batches = 1 };

      cpu_gemm_run (pool, &gemm, dy, w, scratch, NULL);
    }
  cpu_pool_run (pool, conv->n * job.n_bands, 1, cpu_scatter_task, &job);
}

static void
cpu_gather_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const ConvJob *job = data;

  cpu_gather_patches (&job->conv, job->a, job->first + from, job->first + to,
                      job->scratch + from * cpu_conv_patch (&job->conv));
}

/* the same, each patch [ci, kh kw] */
static void
cpu_gather_turned_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const ConvJob *job = data;
  const CpuConv *conv = &job->conv;
  gint64 patch = cpu_conv_patch (conv), taps = conv->kh * conv->kw;
  float *line = job->scratch + cpu_conv_pixels (conv) * patch + thread * patch;

  for (gint64 p = from; p < to; p++)
    {
      cpu_gather_patches (conv, job->a, p, p + 1, line);
      cpu_transpose (line, taps, conv->ci, conv->ci, job->scratch + p * patch, taps);
    }
}

static void
cpu_run_whole (CpuPool *pool,
               const CpuConv *conv,
               const float *x,
               const float *w,
               float *y,
               float *scratch,
               const CpuEpilogue *epilogue)
{
  gint64 pixels = cpu_conv_pixels (conv), patch = cpu_conv_patch (conv);
  ConvJob job = { .conv = *conv, .a = x, .scratch = scratch };
  CpuGemm gemm = { .transpose_b = TRUE,
                   .m = pixels,
                   .n = conv->co,
                   .k = patch,
                   .lda = patch,
                   .ldb = patch,
                   .ldc = conv->co,
                   .n_batches = 1 };

  cpu_pool_run (pool, pixels, cpu_pool_get_grain (pool, pixels, 1),
                conv->taps_last ? cpu_gather_turned_task : cpu_gather_task, &job);
  cpu_gemm_run (pool, &gemm, scratch, w, y, epilogue);
}

/* dw [co, columns from..to of the patch] += dy' patches over this round's pixels */
static void
cpu_weight_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const ConvJob *job = data;
  const CpuConv *conv = &job->conv;
  gint64 patch = cpu_conv_patch (conv);

  cpu_sgemm (TRUE, FALSE, conv->co, to - from, job->n_rows, job->b + job->first * conv->co,
             conv->co, job->scratch + from, patch, job->first > 0, job->y + from, patch);
}

/* Rounds of gathering and multiplying; the sum over pixels stays on one thread for each element */
static void
cpu_run_weight_gradient (CpuPool *pool,
                         const CpuConv *conv,
                         const float *x,
                         const float *dy,
                         float *dw,
                         float *scratch)
{
  gint64 pixels = cpu_conv_pixels (conv), patch = cpu_conv_patch (conv);
  gint64 n_threads = cpu_pool_get_n_threads (pool);
  gint64 columns = MAX (16, ((patch + n_threads - 1) / n_threads + 15) / 16 * 16);
  ConvJob job = { .conv = *conv, .a = x, .b = dy, .y = dw, .scratch = scratch };

  for (job.first = 0; job.first < pixels; job.first += SUM_PIXELS)
    {
      job.n_rows = MIN (SUM_PIXELS, pixels - job.first);
      if (cpu_conv_is_pointwise (conv))
        job.scratch = (float *) x + job.first * patch;
      else
        cpu_pool_run (pool, job.n_rows, 64, cpu_gather_task, &job);
      cpu_pool_run (pool, patch, columns, cpu_weight_task, &job);
    }
}

static void
cpu_run_pointwise (CpuPool *pool,
                   const CpuConv *conv,
                   CpuConvKind kind,
                   const float *a,
                   const float *b,
                   float *y,
                   const CpuEpilogue *epilogue)
{
  gboolean forward = kind == CPU_CONV_FORWARD;
  gint64 k = forward ? conv->ci : conv->co, n = forward ? conv->co : conv->ci;
  CpuGemm gemm = { .transpose_b = forward,
                   .m = cpu_conv_pixels (conv),
                   .n = n,
                   .k = k,
                   .lda = k,
                   .ldb = conv->ci,
                   .ldc = n,
                   .n_batches = 1 };

  cpu_gemm_run (pool, &gemm, a, b, y, epilogue);
}

static gboolean
cpu_conv_can_turn (const CpuConv *conv)
{
  return conv->stride == 1 && conv->top < conv->kh && conv->left < conv->kw;
}

void
cpu_conv_gemm_run (CpuPool *pool,
                   const CpuConv *conv,
                   CpuConvKind kind,
                   const float *a,
                   const float *b,
                   float *y,
                   float *scratch,
                   const CpuEpilogue *epilogue)
{
  if (kind == CPU_CONV_WEIGHT_GRADIENT)
    cpu_run_weight_gradient (pool, conv, a, b, y, scratch);
  else if (cpu_conv_is_pointwise (conv))
    cpu_run_pointwise (pool, conv, kind, a, b, y, epilogue);
  else if (kind == CPU_CONV_FORWARD && cpu_conv_is_whole (conv))
    cpu_run_whole (pool, conv, a, b, y, scratch, epilogue);
  else if (kind == CPU_CONV_FORWARD)
    cpu_run_forward (pool, conv, a, b, y, scratch, epilogue);
  else if (cpu_conv_can_turn (conv) && !cpu_conv_is_whole (conv))
    cpu_run_turned (pool, conv, a, b, y, scratch, epilogue);
  else
    cpu_run_scatter (pool, conv, a, b, y, scratch, epilogue);
}

gsize
cpu_conv_gemm_get_scratch_size (const CpuConv *conv, CpuConvKind kind, guint n_threads)
{
  gint64 patch = cpu_conv_patch (conv), floats = 0;

  if (kind == CPU_CONV_WEIGHT_GRADIENT)
    floats = cpu_conv_is_pointwise (conv) ? 0 : MIN (SUM_PIXELS, cpu_conv_pixels (conv)) * patch;
  else if (cpu_conv_is_pointwise (conv))
    floats = 0;
  else if (cpu_conv_is_whole (conv))
    floats = (cpu_conv_pixels (conv) + n_threads * conv->ow) * patch;
  else if (kind == CPU_CONV_FORWARD)
    floats = n_threads * cpu_conv_block_rows (conv, n_threads) * patch;
  else if (cpu_conv_can_turn (conv))
    {
      CpuConv turned = cpu_conv_turned (conv);

      floats = conv->co * patch
               + n_threads * cpu_conv_block_rows (&turned, n_threads) * cpu_conv_patch (&turned);
    }
  else
    floats = n_threads * conv->ow * patch;

  return floats * sizeof (float);
}

/* seconds: 60 GFLOP/s a thread, and 4 GB/s of gathering */
double
cpu_conv_gemm_get_cost (const CpuConv *conv, guint n_threads)
{
  double products = 2.0 * cpu_conv_pixels (conv) * cpu_conv_patch (conv) * conv->co;
  double gathered =
    cpu_conv_is_pointwise (conv) ? 0 : 4.0 * cpu_conv_pixels (conv) * cpu_conv_patch (conv);

  return (products / 80e9 + gathered / 8e9) / n_threads;
}
