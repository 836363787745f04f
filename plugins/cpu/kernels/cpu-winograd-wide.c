/* cpu-winograd-wide.c - Winograd convolution for large kernels
 *
 * Transformed kernels are four times as large as the weights: 118 MB of 1280 x 1280 channels. So
 * the patches of a round of tiles are transformed first; then each thread takes some output
 * channels, and for them goes through the input channels in strips whose kernels it transforms and
 * multiplies at once.
 *
 * Of few tiles the kernels are what is large: a strip's stay in the thread's own cache, never exist
 * as a whole, and the weight is read once, as it is stored. Of many tiles the sums are: there a
 * strip is all input channels, so that the sums of a frequency are made in one go, and what the
 * next product reads is asked for while this one runs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-winograd.h"
#include "cpu-simd.h"

#define MIN_KERNEL_FLOATS (3 * 1024 * 1024)
#define MANY_TILES 192
#define ROUND_TILES 512 /* at most; their patches of 640 channels are 47 MB */
#define CHUNK 64        /* output channels of a task, about */
#define MANY_CHUNK 160  /* of many tiles: their patches are read again for each */
#define MIN_CHUNK 48
#define CHUNK_UNIT 16
#define STRIP 64       /* input channels at a time: their kernels are 0.6 MB */
#define AHEAD_TILES 16 /* of a product, in which those after it are asked for */
#define LINE 64        /* bytes of the cache */
#define TURN 16        /* input channels that are turned round at a time */

typedef struct
{
  Winograd *winograd;
  float *v, *work;
  gsize work_stride;
  gint64 first, n_tiles;  /* of a round; n_tiles at most */
  gint64 n_chunks, width; /* output channels, of the widest */
  gint64 strip, stride_v;
} Wide;

/* one task's share of the work: channels [first, first + width) of the output */
typedef struct
{
  const Winograd *winograd;
  gint64 first, width, stride_u, stride_m;
  float *u, *m, *lines, *turned;
} Chunk;

static gint64
cpu_n_tiles_of (const Winograd *self)
{
  return self->rows * self->tiles_x;
}

gboolean
cpu_winograd_is_wide (const Winograd *self)
{
  return self->kind != CPU_CONV_WEIGHT_GRADIENT
         && FREQUENCIES * self->c_from * self->c_to > MIN_KERNEL_FLOATS;
}

/* the first channel of a chunk */
static gint64
chunk_first (const Wide *self, gint64 index)
{
  gint64 c_to = self->winograd->c_to;

  return index == self->n_chunks ? c_to : c_to * index / self->n_chunks / CHUNK_UNIT * CHUNK_UNIT;
}

/* Chunks of about one width, as many for each thread */
static Wide
wide_prepare (Winograd *winograd, guint n_threads)
{
  Wide self = { .winograd = winograd, .n_tiles = MIN (cpu_n_tiles_of (winograd), ROUND_TILES) };
  gboolean is_many = self.n_tiles >= MANY_TILES;
  gint64 most = is_many ? MANY_CHUNK : CHUNK, n_chunks = (winograd->c_to + most - 1) / most;

  n_chunks = (n_chunks + n_threads - 1) / n_threads * n_threads;
  self.n_chunks = CLAMP (n_chunks, 1, MAX (1, winograd->c_to / MIN_CHUNK));
  for (gint64 i = 0; i < self.n_chunks; i++)
    self.width = MAX (self.width, chunk_first (&self, i + 1) - chunk_first (&self, i));
  self.strip = is_many ? winograd->c_from : MIN (STRIP, winograd->c_from);
  self.stride_v = self.n_tiles * winograd->c_from + STAGGER;
  self.work_stride = FREQUENCIES * ((self.strip + self.n_tiles) * self.width + 2 * STAGGER)
                     + 2 * 9 * TURN * self.width;

  return self;
}

gsize
cpu_winograd_wide_floats (const Winograd *self, guint n_threads)
{
  Winograd winograd = *self;
  Wide wide = wide_prepare (&winograd, n_threads);

  return self->c_from + FREQUENCIES * wide.stride_v + n_threads * wide.work_stride;
}

static void
cpu_patch_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const Wide *self = data;

  for (gint64 t = from; t < to; t++)
    cpu_winograd_read_tile (self->winograd, self->first + t, self->v + t * self->winograd->c_from,
                            self->stride_v);
}

/* ---- kernels of a strip ---- */

/* w [co, 9, ci] -> [9][TURN][width] */
static void
cpu_turn_plain (const Chunk *self, gint64 i0, gint64 n)
{
  gint64 ci = self->winograd->conv.ci;
  const float *w = self->winograd->b + self->first * 9 * ci + i0;

  for (gint64 t = 0; t < 9; t++)
    cpu_transpose (w + t * ci, self->width, n, 9 * ci, self->turned + t * TURN * self->width,
                   self->width);
}

/* where the stored kernel of channels o, i begins */
static gconstpointer
cpu_stored_at (const Chunk *self, gint64 o, gint64 i)
{
  const Winograd *winograd = self->winograd;

  return (const guint8 *) winograd->b
         + (o * winograd->conv.ci + i) * 9 * vard_dtype_get_size (winograd->stored->dtype);
}

/* stored [co, ci, 9] -> [TURN][9][width] */
static void
cpu_turn_stored (const Chunk *self, gint64 i0, gint64 n)
{
  const CpuWeight *stored = self->winograd->stored;
  gint64 ci = self->winograd->conv.ci;

  if (stored->dtype == VARD_DTYPE_F32)
    {
      cpu_transpose (cpu_stored_at (self, self->first, i0), self->width, n * 9, ci * 9,
                     self->turned, self->width);
      return;
    }
  for (gint64 o = 0; o < self->width; o++)
    cpu_weight_load (stored, self->winograd->b, ((self->first + o) * ci + i0) * 9, n * 9,
                     self->lines + o * n * 9);
  cpu_transpose (self->lines, self->width, n * 9, n * 9, self->turned, self->width);
}

/* Asks for one of FREQUENCIES parts of the stored kernels that the next strip is made of, while
 * this one is multiplied */
static void
cpu_fetch_part (const Chunk *self, gint64 i0, gint64 n, gint64 part)
{
  gboolean forward = self->winograd->kind == CPU_CONV_FORWARD;
  gint64 rows = forward ? self->width : n, bytes = 9 * (forward ? n : self->width);

  bytes *= vard_dtype_get_size (self->winograd->stored->dtype);
  for (gint64 r = rows * part / FREQUENCIES; r < rows * (part + 1) / FREQUENCIES; r++)
    {
      const guint8 *from = forward ? cpu_stored_at (self, self->first + r, i0)
                                   : cpu_stored_at (self, i0 + r, self->first);

      for (gint64 at = 0; at < bytes; at += LINE)
        __builtin_prefetch (from + at, 0, 2);
    }
}

/* input channels [i0, i0 + n): u[36][n][width] */
static void
cpu_write_forward_kernels (const Chunk *self, gint64 i0, gint64 n)
{
  gboolean is_stored = self->winograd->stored != NULL;
  gint64 width = self->width, from = is_stored ? 9 * width : width,
         step = is_stored ? width : TURN * width;

  for (gint64 at = 0; at < n; at += TURN)
    {
      gint64 count = MIN (TURN, n - at);

      (is_stored ? cpu_turn_stored : cpu_turn_plain) (self, i0 + at, count);
      for (gint64 i = 0; i < count; i++)
        cpu_winograd_write_kernel (self->turned + i * from, step, width, FALSE,
                                   self->u + (at + i) * width, self->stride_u);
    }
}

/* of the gradient for the input the strip is of co, the chunk of ci */
static void
cpu_write_back_kernels (const Chunk *self, gint64 o0, gint64 n)
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
          const float *lines = cpu_stored_at (self, o0 + o, self->first);

          if (winograd->stored->dtype != VARD_DTYPE_F32)
            {
              cpu_weight_load (winograd->stored, winograd->b, ((o0 + o) * ci + self->first) * 9,
                               width * 9, self->lines);
              lines = self->lines;
            }
          cpu_transpose (lines, width, 9, 9, self->turned, width);
        }
      cpu_winograd_write_kernel (w, step, width, TRUE, self->u + o * width, self->stride_u);
    }
}

/* ---- products ---- */

static Chunk
chunk_at (const Wide *self, gint64 index, guint thread)
{
  Chunk chunk = { .winograd = self->winograd, .first = chunk_first (self, index) };

  chunk.width = chunk_first (self, index + 1) - chunk.first;
  chunk.stride_u = self->strip * chunk.width + STAGGER;
  chunk.stride_m = self->n_tiles * chunk.width + STAGGER;
  chunk.u = self->work + thread * self->work_stride;
  chunk.m = chunk.u + FREQUENCIES * chunk.stride_u;
  chunk.lines = chunk.m + FREQUENCIES * chunk.stride_m;
  chunk.turned = chunk.lines + 9 * TURN * chunk.width;

  return chunk;
}

/* Asks for @n channels of the patches of some tiles */
static void
cpu_fetch_patches (const Wide *self, const float *v, gint64 n, gint64 from, gint64 count)
{
  for (gint64 t = from; t < MIN (from + count, self->n_tiles); t++)
    for (gint64 i = 0; i < n; i += LINE / (gint64) sizeof (float))
      __builtin_prefetch (v + t * self->winograd->c_from + i, 0, 2);
}

/* one frequency of input channels [i, i + n): the sums of all tiles */
static void
cpu_multiply (const Wide *self, const Chunk *chunk, gint64 i, gint64 n, gint64 frequency)
{
  gint64 c_from = self->winograd->c_from,
         step = self->n_tiles < MANY_TILES ? self->n_tiles : AHEAD_TILES;
  const float *v = self->v + frequency * self->stride_v + i;

  for (gint64 t = 0; t < self->n_tiles; t += step)
    {
      if (t + step < self->n_tiles)
        cpu_fetch_patches (self, v, n, t + step, step);
      else if (frequency + 1 < FREQUENCIES)
        cpu_fetch_patches (self, v + self->stride_v, n, 0, step);
      cpu_sgemm (FALSE, FALSE, MIN (step, self->n_tiles - t), chunk->width, n, v + t * c_from,
                 c_from, chunk->u + frequency * chunk->stride_u, chunk->width, i > 0,
                 chunk->m + frequency * chunk->stride_m + t * chunk->width, chunk->width);
    }
}

static void
chunk_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const Wide *self = data;
  gint64 c_from = self->winograd->c_from;

  for (gint64 index = from; index < to; index++)
    {
      Chunk chunk = chunk_at (self, index, thread);

      for (gint64 i = 0; i < c_from; i += self->strip)
        {
          gint64 n = MIN (self->strip, c_from - i), next = MIN (self->strip, c_from - i - n);

          if (self->winograd->kind == CPU_CONV_FORWARD)
            cpu_write_forward_kernels (&chunk, i, n);
          else
            cpu_write_back_kernels (&chunk, i, n);
          for (gint64 f = 0; f < FREQUENCIES; f++)
            {
              if (self->winograd->stored != NULL && next > 0)
                cpu_fetch_part (&chunk, i + n, next, f);
              cpu_multiply (self, &chunk, i, n, f);
            }
        }
      for (gint64 t = 0; t < self->n_tiles; t++)
        cpu_winograd_write_tile (self->winograd, self->first + t, chunk.first, chunk.width,
                                 chunk.m + t * chunk.width, chunk.stride_m);
    }
}

static void
cpu_winograd_wide_epilogue_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  cpu_epilogue_run (data, from, to, thread);
}

void
cpu_winograd_run_wide (CpuPool *pool, Winograd *winograd, float *scratch)
{
  const CpuRegion *region = winograd->epilogue->region;
  Wide self = wide_prepare (winograd, cpu_pool_get_n_threads (pool));
  gint64 most = self.n_tiles, n_tiles = cpu_n_tiles_of (winograd);

  self.v = scratch + winograd->c_from;
  self.work = self.v + FREQUENCIES * self.stride_v;
  winograd->zeros = scratch;
  memset (scratch, 0, winograd->c_from * sizeof *scratch);
  for (self.first = 0; self.first < n_tiles; self.first += most)
    {
      self.n_tiles = MIN (most, n_tiles - self.first);
      cpu_pool_run (pool, self.n_tiles, cpu_pool_get_grain (pool, self.n_tiles, 1), cpu_patch_task,
                    &self);
      cpu_pool_run (pool, self.n_chunks, 1, chunk_task, &self);
    }
  if (region != NULL)
    cpu_pool_run (pool, region->count, cpu_pool_get_grain (pool, region->count, 4 * region->tile),
                  cpu_winograd_wide_epilogue_task, (gpointer) winograd->epilogue);
}
