/* cpu-conv-narrow.c - convolutions to few channels: a product, then a sum of its shifted columns
 *
 * With patches as rows, a product to 3 or 4 channels leaves most of each vector empty and reads
 * every pixel kh kw times. Here each pixel is multiplied once by the weights of all taps and
 * channels, which fill the vectors: t [pixels, taps channels]. Each result is then the sum, over
 * the taps, of the tap's column at the pixel that it covers. The gradient of a narrow input is the
 * same with the taps reversed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-conv.h"

#include <string.h>

#define MAX_COLUMNS 48          /* three vectors of AVX-512 */
#define MIN_CHANNELS 16         /* with fewer to read from there is little to save */
#define BAND_FLOATS (32 * 1024) /* of products that are made before they are added up: 128 KiB */

/* One direction of work: pictures [n, h, w, c_from] to [n, oh, ow, c_to] */
typedef struct
{
  CpuConv conv;
  gboolean back;
  gint64 c_from, c_to, h, w, oh, ow, top, left;
  gint64 columns;       /* taps c_to */
  gint64 band, n_bands; /* rows of results in a band, bands of a picture */
  const float *a, *b;
  float *y, *scratch;
  gint64 scratch_stride; /* floats a thread */
  const CpuEpilogue *epilogue;
} Narrow;

static Narrow
narrow_prepare (const CpuConv *conv, CpuConvKind kind)
{
  gboolean back = kind == CPU_CONV_INPUT_GRADIENT;
  Narrow self = { .conv = *conv, .back = back };

  self.c_from = back ? conv->co : conv->ci;
  self.c_to = back ? conv->ci : conv->co;
  self.h = back ? conv->oh : conv->h;
  self.w = back ? conv->ow : conv->w;
  self.oh = back ? conv->h : conv->oh;
  self.ow = back ? conv->w : conv->ow;
  self.top = back ? conv->kh - 1 - conv->top : conv->top;
  self.left = back ? conv->kw - 1 - conv->left : conv->left;
  self.columns = conv->kh * conv->kw * self.c_to;
  self.band = CLAMP (BAND_FLOATS / (self.w * self.columns) - conv->kh + 1, 1, self.oh);
  self.n_bands = (self.oh + self.band - 1) / self.band;
  self.scratch_stride = (self.band + conv->kh - 1) * self.w * self.columns;

  return self;
}

/* adds what tap (ky, kx) sees of a row of products to a row of results */
static void
cpu_add_tap (const Narrow *self, const float *products, gint64 ky, gint64 kx, float *y)
{
  const CpuConv *conv = &self->conv;
  gint64 taps = conv->kh * conv->kw, tap = ky * conv->kw + kx;
  gint64 first = self->back ? (taps - 1 - tap) * self->c_to : tap, step = self->back ? 1 : taps;
  gint64 from = MAX (0, self->left - kx), to = MIN (self->ow, self->w + self->left - kx);

  for (gint64 x = from; x < to; x++)
    {
      const float *column = products + (x + kx - self->left) * self->columns + first;

      for (gint64 c = 0; c < self->c_to; c++)
        y[x * self->c_to + c] += column[c * step];
    }
}

/* one band: products of the rows that it looks at, from row @low on, and their sums */
static void
cpu_run_band (const Narrow *self, gint64 index, guint thread)
{
  gint64 picture = index / self->n_bands, first = index % self->n_bands * self->band;
  gint64 last = MIN (first + self->band, self->oh), taps_y = self->conv.kh;
  gint64 low = CLAMP (first - self->top, 0, self->h),
         high = CLAMP (last - self->top + taps_y - 1, low, self->h);
  gint64 row = self->ow * self->c_to, start = (picture * self->oh + first) * row;
  float *products = self->scratch + thread * self->scratch_stride, *y = self->y + start;

  cpu_sgemm (FALSE, !self->back, (high - low) * self->w, self->columns, self->c_from,
             self->a + (picture * self->h + low) * self->w * self->c_from, self->c_from, self->b,
             self->back ? self->columns : self->c_from, FALSE, products, self->columns);
  memset (y, 0, (last - first) * row * sizeof *y);
  for (gint64 oy = first; oy < last; oy++, y += row)
    for (gint64 ky = MAX (0, self->top - oy); ky < MIN (taps_y, self->h + self->top - oy); ky++)
      for (gint64 kx = 0; kx < self->conv.kw; kx++)
        cpu_add_tap (self, products + (oy + ky - self->top - low) * self->w * self->columns, ky, kx,
                     y);
  cpu_epilogue_run (self->epilogue, start, start + (last - first) * row, thread);
}

static void
cpu_band_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  for (gint64 i = from; i < to; i++)
    cpu_run_band (data, i, thread);
}

gboolean
cpu_conv_narrow_can (const CpuConv *conv, CpuConvKind kind)
{
  gint64 taps = conv->kh * conv->kw;

  if (kind == CPU_CONV_WEIGHT_GRADIENT || conv->stride != 1 || taps == 1 || conv->top >= conv->kh
      || conv->left >= conv->kw)
    return FALSE;

  return taps * (kind == CPU_CONV_FORWARD ? conv->co : conv->ci) <= MAX_COLUMNS
         && (kind == CPU_CONV_FORWARD ? conv->ci : conv->co) >= MIN_CHANNELS;
}

gsize
cpu_conv_narrow_get_scratch_size (const CpuConv *conv, CpuConvKind kind, guint n_threads)
{
  return n_threads * narrow_prepare (conv, kind).scratch_stride * sizeof (float);
}

void
cpu_conv_narrow_run (CpuPool *pool,
                     const CpuConv *conv,
                     CpuConvKind kind,
                     const float *a,
                     const float *b,
                     float *y,
                     float *scratch,
                     const CpuEpilogue *epilogue)
{
  Narrow self = narrow_prepare (conv, kind);

  self.a = a;
  self.b = b;
  self.y = y;
  self.scratch = scratch;
  self.epilogue = epilogue;
  cpu_pool_run (pool, conv->n * self.n_bands, 1, cpu_band_task, &self);
}
