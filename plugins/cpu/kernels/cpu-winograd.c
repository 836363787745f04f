/* cpu-winograd.c - 3 x 3 stride-1 convolutions by Winograd's F(4 x 4, 3 x 3)
 *
 * A 6 x 6 patch d gives 4 x 4 outputs: A' ((G g G') . (B' d B)) A (Lavin and Gray, arXiv
 * 1509.09308), 36 products in place of 144. The products of one of the 36 frequencies over all
 * channels are a matrix product. The work goes by blocks of tiles that fill whole rows of pictures,
 * so that patches and products of a block stay in the cache.
 *
 * The gradient for the input is the same with the kernel turned round and channels exchanged. The
 * gradient for the weights is the transpose of the algorithm: dg = G' (sum over tiles of (A dy A')
 * . (B' d B)) G.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-winograd.h"
#include "cpu-simd.h"

/* of patches and products that should stay in a core's own cache */
#define BLOCK_FLOATS (150 * 1024)
/* kernels larger than this are read from far away: fewer and larger blocks */
#define KERNEL_FLOATS (1024 * 1024)
#define MIN_TILES 16
#define MAX_TILES 64
#define SUM_TILES 256 /* of one round of the weight gradient */

/* ---- the four transforms of a line, on vectors of channels ---- */

CPU_INLINE void
transform_input (const CpuVec *d, guint step, CpuVec *v, guint to)
{
  CpuVec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step],
         d5 = d[5 * step];
  CpuVec p = d4 - 4.0f * d2, q = d3 - 4.0f * d1, r = d4 - d2, s = 2.0f * (d3 - d1);

  v[0] = 4.0f * d0 - 5.0f * d2 + d4;
  v[to] = p + q;
  v[2 * to] = p - q;
  v[3 * to] = r + s;
  v[4 * to] = r - s;
  v[5 * to] = 4.0f * d1 - 5.0f * d3 + d5;
}

CPU_INLINE void
transform_output (const CpuVec *m, guint step, CpuVec *y, guint to)
{
  CpuVec a = m[step] + m[2 * step], b = m[step] - m[2 * step];
  CpuVec c = m[3 * step] + m[4 * step], d = m[3 * step] - m[4 * step];

  y[0] = m[0] + a + c;
  y[to] = b + 2.0f * d;
  y[2 * to] = a + 4.0f * c;
  y[3 * to] = b + 8.0f * d + m[5 * step];
}

CPU_INLINE void
transform_kernel (const CpuVec *g, guint step, CpuVec *u, guint to)
{
  CpuVec g0 = g[0], g1 = g[step], g2 = g[2 * step];
  CpuVec a = (g0 + g2) * (-1.0f / 6), b = g1 * (1.0f / 6);
  CpuVec c = g0 * (1.0f / 24) + g2 * (1.0f / 6), d = g1 * (1.0f / 12);

  u[0] = g0 * 0.25f;
  u[to] = a - b;
  u[2 * to] = a + b;
  u[3 * to] = c + d;
  u[4 * to] = c - d;
  u[5 * to] = g2;
}

/* A: four cotangents to six frequencies */
CPU_INLINE void
transform_cotangent (const CpuVec *y, guint step, CpuVec *m, guint to)
{
  CpuVec y0 = y[0], y1 = y[step], y2 = y[2 * step], y3 = y[3 * step];
  CpuVec a = y0 + y2, b = y1 + y3, c = y0 + 4.0f * y2, d = 2.0f * y1 + 8.0f * y3;

  m[0] = y0;
  m[to] = a + b;
  m[2 * to] = a - b;
  m[3 * to] = c + d;
  m[4 * to] = c - d;
  m[5 * to] = y3;
}

/* G': six frequencies to three taps */
CPU_INLINE void
transform_kernel_back (const CpuVec *u, guint step, CpuVec *g, guint to)
{
  CpuVec a = u[step] + u[2 * step], b = u[2 * step] - u[step];
  CpuVec c = u[3 * step] + u[4 * step], d = u[3 * step] - u[4 * step];

  g[0] = u[0] * 0.25f - a * (1.0f / 6) + c * (1.0f / 24);
  g[to] = b * (1.0f / 6) + d * (1.0f / 12);
  g[2 * to] = c * (1.0f / 6) - a * (1.0f / 6) + u[5 * step];
}

/* ---- tiles ---- */

/* a channel to start the next vector at: the last vector overlaps the one before, which changes
 * nothing */
CPU_INLINE gint64
channel_at (gint64 i, gint64 c)
{
  return MIN (i * CPU_LANES, c - CPU_LANES);
}

CPU_INLINE gint64
channel_vectors (gint64 c)
{
  return (c + CPU_LANES - 1) / CPU_LANES;
}

/* addresses of a size x size square of pixels from (y, x) on; outside ones are @outside */
static void
cpu_find_pixels (const float *picture,
                 gint64 h,
                 gint64 w,
                 gint64 c,
                 gint64 y,
                 gint64 x,
                 guint size,
                 const float *outside,
                 const float **pixels)
{
  for (guint i = 0; i < size; i++)
    for (guint j = 0; j < size; j++)
      {
        gint64 py = y + i, px = x + j;

        pixels[i * size + j] = py >= 0 && py < h && px >= 0 && px < w ? picture + (py * w + px) * c
                                                                      : outside;
      }
}

/* pixels of a patch -> v[36][stride] at one tile */
CPU_SIMD static void
write_patch (const float **pixels, gint64 c, float *v, gint64 stride)
{
  for (gint64 n = 0; n < channel_vectors (c); n++)
    {
      gint64 at = channel_at (n, c);
      CpuVec half[FREQUENCIES], line[PATCH], out[PATCH];

      for (guint j = 0; j < PATCH; j++)
        {
          for (guint i = 0; i < PATCH; i++)
            line[i] = cpu_load (pixels[i * PATCH + j] + at);
          transform_input (line, 1, half + j, PATCH);
        }
      for (guint i = 0; i < PATCH; i++)
        {
          transform_input (half + i * PATCH, 1, out, 1);
          for (guint j = 0; j < PATCH; j++)
            cpu_store (v + (i * PATCH + j) * stride + at, out[j]);
        }
    }
}

/* m[36][stride] at one tile -> its pixels, of which rows x columns are inside */
CPU_SIMD void
cpu_winograd_write_pixels (const float *m,
                           gint64 stride,
                           gint64 c,
                           float *y,
                           gint64 row_stride,
                           gint64 pixel_stride,
                           guint rows,
                           guint columns)
{
  for (gint64 n = 0; n < channel_vectors (c); n++)
    {
      gint64 at = channel_at (n, c);
      CpuVec half[TILE * PATCH], line[PATCH], out[TILE];

      for (guint j = 0; j < PATCH; j++)
        {
          for (guint i = 0; i < PATCH; i++)
            line[i] = cpu_load (m + (i * PATCH + j) * stride + at);
          transform_output (line, 1, half + j, PATCH);
        }
      for (guint i = 0; i < rows; i++)
        {
          transform_output (half + i * PATCH, 1, out, 1);
          for (guint j = 0; j < columns; j++)
            cpu_store (y + i * row_stride + j * pixel_stride + at, out[j]);
        }
    }
}

/* cotangents of a tile -> m[36][stride] */
CPU_SIMD static void
write_cotangents (const float **pixels, gint64 c, float *m, gint64 stride)
{
  for (gint64 n = 0; n < channel_vectors (c); n++)
    {
      gint64 at = channel_at (n, c);
      CpuVec half[TILE * PATCH], line[TILE], out[PATCH];

      for (guint j = 0; j < TILE; j++)
        {
          for (guint i = 0; i < TILE; i++)
            line[i] = cpu_load (pixels[i * TILE + j] + at);
          transform_cotangent (line, 1, half + j, TILE);
        }
      for (guint i = 0; i < PATCH; i++)
        {
          transform_cotangent (half + i * TILE, 1, out, 1);
          for (guint j = 0; j < PATCH; j++)
            cpu_store (m + (i * PATCH + j) * stride + at, out[j]);
        }
    }
}

/* nine taps of c channels each, @step apart -> u[36][stride] */
CPU_SIMD void
cpu_winograd_write_kernel (const float *w,
                           gint64 step,
                           gint64 c,
                           gboolean turned,
                           float *u,
                           gint64 stride)
{
  for (gint64 n = 0; n < channel_vectors (c); n++)
    {
      gint64 at = channel_at (n, c);
      CpuVec taps[9], half[PATCH * 3], out[PATCH];

      for (guint t = 0; t < 9; t++)
        taps[t] = cpu_load (w + (turned ? 8 - t : t) * step + at);
      for (guint j = 0; j < 3; j++)
        transform_kernel (taps + j, 3, half + j, 3);
      for (guint i = 0; i < PATCH; i++)
        {
          transform_kernel (half + i * 3, 1, out, 1);
          for (guint j = 0; j < PATCH; j++)
            cpu_store (u + (i * PATCH + j) * stride + at, out[j]);
        }
    }
}

CPU_SIMD static void
write_kernel_gradient (const float *u, gint64 stride, gint64 c, float *w)
{
  for (gint64 n = 0; n < channel_vectors (c); n++)
    {
      gint64 at = channel_at (n, c);
      CpuVec in[FREQUENCIES], half[3 * PATCH], out[3];

      for (guint f = 0; f < FREQUENCIES; f++)
        in[f] = cpu_load (u + f * stride + at);
      for (guint j = 0; j < PATCH; j++)
        transform_kernel_back (in + j, PATCH, half + j, PATCH);
      for (guint i = 0; i < 3; i++)
        {
          transform_kernel_back (half + i * PATCH, 1, out, 1);
          for (guint j = 0; j < 3; j++)
            cpu_store (w + (i * 3 + j) * c + at, out[j]);
        }
    }
}

/* ---- forward and the gradient for the input ---- */

/* w [co, 9 ci] -> [9 ci, co], columns [from, to): a ninth of the 36 planes that would be turned
 * afterwards */
static void
cpu_transpose_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const Winograd *self = data;
  gint64 ci = self->conv.ci, co = self->conv.co;

  cpu_transpose (self->b + from, co, to - from, 9 * ci, self->taps + from * co, co);
}

static void
cpu_kernel_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const Winograd *self = data;
  gint64 ci = self->conv.ci, co = self->conv.co;

  for (gint64 i = from; i < to; i++)
    if (self->kind == CPU_CONV_FORWARD)
      cpu_winograd_write_kernel (self->taps + i * co, ci * co, co, FALSE, self->kernels + i * co,
                                 self->kernel_stride);
    else
      cpu_winograd_write_kernel (self->b + i * 9 * ci, ci, ci, TRUE, self->kernels + i * ci,
                                 self->kernel_stride);
}

void
cpu_winograd_read_tile (const Winograd *self, gint64 tile, float *v, gint64 stride)
{
  const float *pixels[FREQUENCIES];
  gint64 tx = tile % self->tiles_x, row = tile / self->tiles_x;
  const float *picture = self->a + row / self->tiles_y * self->h * self->w * self->c_from;

  cpu_find_pixels (picture, self->h, self->w, self->c_from, row % self->tiles_y * TILE - self->top,
                   tx * TILE - self->left, PATCH, self->zeros, pixels);
  write_patch (pixels, self->c_from, v, stride);
}

void
cpu_winograd_write_tile (const Winograd *self,
                         gint64 tile,
                         gint64 channel,
                         gint64 n_channels,
                         const float *m,
                         gint64 stride)
{
  gint64 tx = tile % self->tiles_x, row = tile / self->tiles_x, ty = row % self->tiles_y,
         c = self->c_to;
  float *y = self->y + ((row / self->tiles_y * self->oh + ty * TILE) * self->ow + tx * TILE) * c
             + channel;

  cpu_winograd_write_pixels (m, stride, n_channels, y, self->ow * c, c,
                             MIN (TILE, self->oh - ty * TILE), MIN (TILE, self->ow - tx * TILE));
}

/* the first output pixel of a row of tiles, counted over all pictures */
static gint64
cpu_first_pixel (const Winograd *self, gint64 row)
{
  return (row / self->tiles_y * self->oh + MIN (row % self->tiles_y * TILE, self->oh)) * self->ow;
}

static void
cpu_winograd_block_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const Winograd *self = data;
  gint64 first = from * self->tiles_x, n = (to - from) * self->tiles_x;
  gint64 c_from = self->c_from, c_to = self->c_to;
  gint64 stride_v = n * c_from + STAGGER, stride_m = n * c_to + STAGGER;
  float *v = self->work + thread * self->work_stride, *m = v + FREQUENCIES * stride_v;

  for (gint64 t = 0; t < n; t++)
    cpu_winograd_read_tile (self, first + t, v + t * c_from, stride_v);
  for (gint64 f = 0; f < FREQUENCIES; f++)
    cpu_sgemm (FALSE, FALSE, n, c_to, c_from, v + f * stride_v, c_from,
               self->kernels + f * self->kernel_stride, c_to, FALSE, m + f * stride_m, c_to);
  for (gint64 t = 0; t < n; t++)
    cpu_winograd_write_tile (self, first + t, 0, c_to, m + t * c_to, stride_m);
  cpu_epilogue_run (self->epilogue, cpu_first_pixel (self, from) * c_to,
                    cpu_first_pixel (self, to) * c_to, thread);
}

static gint64
cpu_choose_block_rows (const Winograd *self, guint n_threads)
{
  gint64 kernels = FREQUENCIES * self->c_from * self->c_to;
  gint64 tiles = CLAMP (BLOCK_FLOATS / (FREQUENCIES * (self->c_from + self->c_to)),
                        kernels > KERNEL_FLOATS ? MAX_TILES : MIN_TILES, MAX_TILES);
  gint64 most = MAX (1, tiles / self->tiles_x);
  gint64 share = (self->rows + n_threads - 1) / n_threads;

  return MIN (most, share);
}

static Winograd
cpu_winograd_prepare (const CpuConv *conv, CpuConvKind kind, guint n_threads)
{
  Winograd self = { .conv = *conv, .kind = kind };
  gboolean back = kind == CPU_CONV_INPUT_GRADIENT;

  self.c_from = back ? conv->co : conv->ci;
  self.c_to = back ? conv->ci : conv->co;
  self.h = back ? conv->oh : conv->h;
  self.w = back ? conv->ow : conv->w;
  self.oh = back ? conv->h : conv->oh;
  self.ow = back ? conv->w : conv->ow;
  self.top = back ? 2 - conv->top : conv->top;
  self.left = back ? 2 - conv->left : conv->left;
  self.tiles_x = (self.ow + TILE - 1) / TILE;
  self.tiles_y = (self.oh + TILE - 1) / TILE;
  self.rows = conv->n * self.tiles_y;
  self.block_rows = cpu_choose_block_rows (&self, n_threads);
  self.work_stride = FREQUENCIES
                     * (self.block_rows * self.tiles_x * (self.c_from + self.c_to) + 2 * STAGGER);
  self.kernel_stride = conv->ci * conv->co + STAGGER;

  return self;
}

static void
cpu_run_convolution (CpuPool *pool, Winograd *self)
{
  if (self->kind == CPU_CONV_FORWARD)
    cpu_pool_run (pool, 9 * self->conv.ci, cpu_pool_get_grain (pool, 9 * self->conv.ci, 64),
                  cpu_transpose_task, self);
  cpu_pool_run (pool, self->c_from, cpu_pool_get_grain (pool, self->c_from, 8), cpu_kernel_task,
                self);
  cpu_pool_run (pool, self->rows, self->block_rows, cpu_winograd_block_task, self);
}

/* ---- the gradient for the weights ---- */

static void
cpu_winograd_patch_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const Winograd *self = data;
  gint64 n = self->n_tiles, ci = self->conv.ci, co = self->conv.co;
  gint64 stride_v = n * ci + STAGGER, stride_m = n * co + STAGGER;
  float *v = self->work, *m = self->work + FREQUENCIES * stride_v;

  for (gint64 t = from; t < to; t++)
    {
      gint64 tile = self->first + t, row = tile / self->tiles_x;
      const float *dy = self->b + row / self->tiles_y * self->oh * self->ow * co;
      const float *pixels[TILE * TILE];

      cpu_winograd_read_tile (self, tile, v + t * ci, stride_v);
      cpu_find_pixels (dy, self->oh, self->ow, co, row % self->tiles_y * TILE,
                       tile % self->tiles_x * TILE, TILE, self->zeros, pixels);
      write_cotangents (pixels, co, m + t * co, stride_m);
    }
}

static void
cpu_frequency_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const Winograd *self = data;
  gint64 n = self->n_tiles, ci = self->conv.ci, co = self->conv.co;
  gint64 stride_v = n * ci + STAGGER, stride_m = n * co + STAGGER;
  float *v = self->work, *m = self->work + FREQUENCIES * stride_v;

  for (gint64 f = from; f < to; f++)
    cpu_sgemm (TRUE, FALSE, co, ci, n, m + f * stride_m, co, v + f * stride_v, ci, self->first > 0,
               self->kernels + f * self->kernel_stride, ci);
}

static void
cpu_kernel_gradient_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  const Winograd *self = data;
  gint64 ci = self->conv.ci;

  for (gint64 o = from; o < to; o++)
    write_kernel_gradient (self->kernels + o * ci, self->kernel_stride, ci, self->y + o * 9 * ci);
}

static void
cpu_winograd_run_weight_gradient (CpuPool *pool, Winograd *self)
{
  gint64 n_tiles = self->rows * self->tiles_x;

  for (self->first = 0; self->first < n_tiles; self->first += SUM_TILES)
    {
      self->n_tiles = MIN (SUM_TILES, n_tiles - self->first);
      cpu_pool_run (pool, self->n_tiles, 16, cpu_winograd_patch_task, self);
      cpu_pool_run (pool, FREQUENCIES, 3, cpu_frequency_task, self);
    }
  cpu_pool_run (pool, self->conv.co, cpu_pool_get_grain (pool, self->conv.co, 8),
                cpu_kernel_gradient_task, self);
}

/* ---- the outside ---- */

gboolean
cpu_winograd_can (const CpuConv *conv, CpuConvKind kind)
{
  return conv->kh == 3 && conv->kw == 3 && conv->stride == 1 && conv->top <= 2 && conv->left <= 2
         && conv->ci >= CPU_LANES && conv->co >= CPU_LANES;
}

static gsize
cpu_winograd_work_floats (const Winograd *self, guint n_threads)
{
  if (self->kind != CPU_CONV_WEIGHT_GRADIENT)
    return n_threads * self->work_stride;
  return FREQUENCIES
         * (MIN (SUM_TILES, self->rows * self->tiles_x) * (self->conv.ci + self->conv.co)
            + 2 * STAGGER);
}

gsize
cpu_winograd_get_scratch_size (const CpuConv *conv, CpuConvKind kind, guint n_threads)
{
  Winograd self = cpu_winograd_prepare (conv, kind, n_threads);

  if (cpu_winograd_is_wide (&self))
    return cpu_winograd_wide_floats (&self, n_threads) * sizeof (float);

  gsize kernels = FREQUENCIES * self.kernel_stride
                  + (kind == CPU_CONV_FORWARD ? 9 * conv->ci * conv->co : 0);

  return (kernels + MAX (conv->ci, conv->co) + cpu_winograd_work_floats (&self, n_threads))
         * sizeof (float);
}

/* seconds: products at 80 GFLOP/s a thread, transforms at 8 GB/s */
double
cpu_winograd_get_cost (const CpuConv *conv, CpuConvKind kind, guint n_threads)
{
  Winograd self = cpu_winograd_prepare (conv, kind, n_threads);
  double tiles = self.rows * self.tiles_x;
  double products = 2.0 * FREQUENCIES * tiles * conv->ci * conv->co;
  /* kernels of the wide way stay in the cache */
  double kernels = (double) conv->ci * conv->co * (cpu_winograd_is_wide (&self) ? 0.25 : 1);
  double moved = 4.0 * FREQUENCIES * (tiles * (conv->ci + conv->co) + kernels);

  return (products / 80e9 + moved / 8e9) / n_threads;
}

gboolean
cpu_winograd_reads_stored (const CpuConv *conv, CpuConvKind kind, guint n_threads)
{
  Winograd self = cpu_winograd_prepare (conv, kind, n_threads);

  return cpu_winograd_is_wide (&self);
}

void
cpu_winograd_run_stored (CpuPool *pool,
                         const CpuConv *conv,
                         CpuConvKind kind,
                         const CpuWeight *weight,
                         const float *a,
                         gconstpointer b,
                         float *y,
                         float *scratch,
                         const CpuEpilogue *epilogue)
{
  Winograd self = cpu_winograd_prepare (conv, kind, cpu_pool_get_n_threads (pool));

  self.a = a;
  self.b = b;
  self.y = y;
  self.stored = weight;
  self.epilogue = epilogue;
  cpu_winograd_run_wide (pool, &self, scratch);
}

void
cpu_winograd_run (CpuPool *pool,
                  const CpuConv *conv,
                  CpuConvKind kind,
                  const float *a,
                  const float *b,
                  float *y,
                  float *scratch,
                  const CpuEpilogue *epilogue)
{
  Winograd self = cpu_winograd_prepare (conv, kind, cpu_pool_get_n_threads (pool));
  gint64 channels = MAX (conv->ci, conv->co);

  self.a = a;
  self.b = b;
  self.y = y;
  self.epilogue = epilogue;
  if (cpu_winograd_is_wide (&self))
    {
      cpu_winograd_run_wide (pool, &self, scratch);
      return;
    }
  self.zeros = scratch;
  self.kernels = scratch + channels;
  self.work = self.kernels + FREQUENCIES * self.kernel_stride;
  if (kind == CPU_CONV_FORWARD)
    {
      self.taps = self.work;
      self.work += 9 * conv->ci * conv->co;
    }
  memset (self.zeros, 0, channels * sizeof (float));
  if (kind == CPU_CONV_WEIGHT_GRADIENT)
    cpu_winograd_run_weight_gradient (pool, &self);
  else
    cpu_run_convolution (pool, &self);
}
