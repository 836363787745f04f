/* cpu-winograd-wide.c - Winograd's convolution where kernels are larger than pictures
 *
 * Transformed kernels are four times as large as the weights: 118 MB of 1280 x 1280 channels. Here they never exist as a
 * whole. All patches are transformed first; then each thread takes some output channels, and for them goes through the
 * input channels in strips whose kernels it transforms into its own cache and multiplies at once. The weight is read
 * once, as it is stored.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-winograd.h"
#include "cpu-simd.h"

#define MIN_KERNEL_FLOATS (4 * 1024 * 1024)
#define CHUNK 64           /* output channels of a task; the last takes what is left */
#define STRIP 64           /* input channels at a time: their kernels are 0.6 MB */
#define LINE 64            /* bytes of the cache */
#define TURN 16            /* input channels that are turned round at a time */

typedef struct
{
  Winograd *winograd;
  float *v, *work;
  gsize work_stride;
  gint64 n_tiles, n_chunks, stride_v;
} Wide;

/* one task's share of the work: channels [first, first + width) of the output */
typedef struct
{
  const Winograd *winograd;
  gint64 first, width, stride_u, stride_m;
  float *u, *m, *lines, *turned;
} Chunk;

static gint64
n_tiles_of (const Winograd *self)
{
  return self->rows * self->tiles_x;
}

static gint64
n_chunks_of (const Winograd *self)
{
  return MAX (1, self->c_to / CHUNK);
}

static gint64
widest_chunk (const Winograd *self)
{
  return self->c_to - (n_chunks_of (self) - 1) * CHUNK;
}

gboolean
cpu_winograd_is_wide (const Winograd *self)
{
  return self->kind != CPU_CONV_WEIGHT_GRADIENT && FREQUENCIES * self->c_from * self->c_to > MIN_KERNEL_FLOATS
         && n_tiles_of (self) <= self->c_to;
}

static gsize
work_floats (const Winograd *self)
{
  gint64 width = widest_chunk (self);

  return FREQUENCIES * ((STRIP + n_tiles_of (self)) * width + 2 * STAGGER) + 2 * 9 * TURN * width;
}

gsize
cpu_winograd_wide_floats (const Winograd *self,
                          guint           n_threads)
{
  return self->c_from + FREQUENCIES * (n_tiles_of (self) * self->c_from + STAGGER) + n_threads * work_floats (self);
}

static void
patch_task (gpointer data,
            gint64   from,
            gint64   to,
            guint    thread)
{
  const Wide *self = data;

  for (gint64 t = from; t < to; t++)
    cpu_winograd_read_tile (self->winograd, t, self->v + t * self->winograd->c_from, self->stride_v);
}

/* ---- kernels of a strip ---- */

/* w [co, 9, ci] -> [9][TURN][width] */
static void
turn_plain (const Chunk *self,
            gint64       i0,
            gint64       n)
{
  gint64 ci = self->winograd->conv.ci;
  const float *w = self->winograd->b + self->first * 9 * ci + i0;

  for (gint64 t = 0; t < 9; t++)
    cpu_transpose (w + t * ci, self->width, n, 9 * ci, self->turned + t * TURN * self->width, self->width);
}

/* where the stored kernel of channels o, i begins */
static gconstpointer
stored_at (const Chunk *self,
           gint64       o,
           gint64       i)
{
  const Winograd *winograd = self->winograd;

  return (const guint8 *) winograd->b + (o * winograd->conv.ci + i) * 9 * vard_dtype_get_size (winograd->stored->dtype);
}

/* stored [co, ci, 9] -> [TURN][9][width] */
static void
turn_stored (const Chunk *self,
             gint64       i0,
             gint64       n)
{
  const CpuWeight *stored = self->winograd->stored;
  gint64 ci = self->winograd->conv.ci;

  if (stored->dtype == VARD_DTYPE_F32)
    {
      cpu_transpose (stored_at (self, self->first, i0), self->width, n * 9, ci * 9, self->turned, self->width);
      return;
    }
  for (gint64 o = 0; o < self->width; o++)
    cpu_weight_load (stored, self->winograd->b, ((self->first + o) * ci + i0) * 9, n * 9, self->lines + o * n * 9);
  cpu_transpose (self->lines, self->width, n * 9, n * 9, self->turned, self->width);
}

/* Asks for one of FREQUENCIES parts of the stored kernels that the next strip is made of, while this one is multiplied */
static void
fetch_part (const Chunk *self,
            gint64       i0,
            gint64       n,
            gint64       part)
{
  gboolean forward = self->winograd->kind == CPU_CONV_FORWARD;
  gint64 rows = forward ? self->width : n, bytes = 9 * (forward ? n : self->width);

  bytes *= vard_dtype_get_size (self->winograd->stored->dtype);
  for (gint64 r = rows * part / FREQUENCIES; r < rows * (part + 1) / FREQUENCIES; r++)
    {
      const guint8 *from = forward ? stored_at (self, self->first + r, i0) : stored_at (self, i0 + r, self->first);

      for (gint64 at = 0; at < bytes; at += LINE)
        __builtin_prefetch (from + at, 0, 2);
    }
}

/* input channels [i0, i0 + n): u[36][n][width] */
static void
write_forward_kernels (const Chunk *self,
                       gint64       i0,
                       gint64       n)
{
  gboolean is_stored = self->winograd->stored != NULL;
  gint64 width = self->width, from = is_stored ? 9 * width : width, step = is_stored ? width : TURN * width;

  for (gint64 at = 0; at < n; at += TURN)
    {
      gint64 count = MIN (TURN, n - at);

      (is_stored ? turn_stored : turn_plain) (self, i0 + at, count);
      for (gint64 i = 0; i < count; i++)
        cpu_winograd_write_kernel (self->turned + i * from, step, width, FALSE, self->u + (at + i) * width,
                                   self->stride_u);
    }
}

/* of the gradient for the input the strip is of co, the chunk of ci */
static void
write_back_kernels (const Chunk *self,
                    gint64       o0,
                    gint64       n)
{
  const Winograd *winograd = self->winograd;
  gint64 ci = winograd->conv.ci, width = self->width;

  for (gint64 o = 0; o < n; o++)
    {
      const float *w = self->turned;
      gint64 step = width;

      if (winograd->stored == NULL)
        {
          w = winograd->b + (o0 + o) * 9 * ci + self->first;
          step = ci;
        }
      else
        {
          const float *lines = stored_at (self, o0 + o, self->first);

          if (winograd->stored->dtype != VARD_DTYPE_F32)
            {
              cpu_weight_load (winograd->stored, winograd->b, ((o0 + o) * ci + self->first) * 9, width * 9, self->lines);
              lines = self->lines;
            }
          cpu_transpose (lines, width, 9, 9, self->turned, width);
        }
      cpu_winograd_write_kernel (w, step, width, TRUE, self->u + o * width, self->stride_u);
    }
}

/* ---- products ---- */

static Chunk
chunk_at (const Wide *self,
          gint64      index,
          guint       thread)
{
  const Winograd *winograd = self->winograd;
  Chunk chunk = { .winograd = winograd, .first = index * CHUNK };

  chunk.width = index == self->n_chunks - 1 ? winograd->c_to - chunk.first : CHUNK;
  chunk.stride_u = STRIP * chunk.width + STAGGER;
  chunk.stride_m = self->n_tiles * chunk.width + STAGGER;
  chunk.u = self->work + thread * self->work_stride;
  chunk.m = chunk.u + FREQUENCIES * chunk.stride_u;
  chunk.lines = chunk.m + FREQUENCIES * chunk.stride_m;
  chunk.turned = chunk.lines + 9 * TURN * chunk.width;
  return chunk;
}

static void
chunk_task (gpointer data,
            gint64   from,
            gint64   to,
            guint    thread)
{
  const Wide *self = data;
  gint64 c_from = self->winograd->c_from;

  for (gint64 index = from; index < to; index++)
    {
      Chunk chunk = chunk_at (self, index, thread);

      for (gint64 i = 0; i < c_from; i += STRIP)
        {
          gint64 n = MIN (STRIP, c_from - i);

          if (self->winograd->kind == CPU_CONV_FORWARD)
            write_forward_kernels (&chunk, i, n);
          else
            write_back_kernels (&chunk, i, n);
          for (gint64 f = 0; f < FREQUENCIES; f++)
            {
              if (self->winograd->stored != NULL && i + n < c_from)
                fetch_part (&chunk, i + n, MIN (STRIP, c_from - i - n), f);
              cpu_sgemm (FALSE, FALSE, self->n_tiles, chunk.width, n, self->v + f * self->stride_v + i, c_from,
                         chunk.u + f * chunk.stride_u, chunk.width, i > 0, chunk.m + f * chunk.stride_m, chunk.width);
            }
        }
      for (gint64 t = 0; t < self->n_tiles; t++)
        cpu_winograd_write_tile (self->winograd, t, chunk.first, chunk.width, chunk.m + t * chunk.width,
                                 chunk.stride_m);
    }
}

static void
epilogue_task (gpointer data,
               gint64   from,
               gint64   to,
               guint    thread)
{
  cpu_epilogue_run (data, from, to, thread);
}

void
cpu_winograd_run_wide (CpuPool  *pool,
                       Winograd *winograd,
                       float    *scratch)
{
  const CpuRegion *region = winograd->epilogue->region;
  Wide self = { .winograd = winograd, .n_tiles = n_tiles_of (winograd), .n_chunks = n_chunks_of (winograd) };

  self.stride_v = self.n_tiles * winograd->c_from + STAGGER;
  self.v = scratch + winograd->c_from;
  self.work = self.v + FREQUENCIES * self.stride_v;
  self.work_stride = work_floats (winograd);
  winograd->zeros = scratch;
  memset (scratch, 0, winograd->c_from * sizeof *scratch);
  cpu_pool_run (pool, self.n_tiles, cpu_pool_get_grain (pool, self.n_tiles, 1), patch_task, &self);
  cpu_pool_run (pool, self.n_chunks, 1, chunk_task, &self);
  if (region != NULL)
    cpu_pool_run (pool, region->count, cpu_pool_get_grain (pool, region->count, 4 * region->tile), epilogue_task,
                  (gpointer) winograd->epilogue);
}
