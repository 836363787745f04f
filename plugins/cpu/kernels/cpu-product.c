/* cpu-product.c - the product of two matrices on one thread
 *
 * Why not a BLAS: Debian's serial OpenBLAS takes its work buffers without a lock, so two calls at
 * once now and then get the same one and return wrong numbers (seen as one bad product in 20,000
 * with 0.3.21), and one with locks and threads fights the pool. On this engine's shapes these loops
 * were as fast: 110 GFLOP/s on a core where that library had 95 to 116, and more than it on the
 * short and narrow ones.
 *
 * A block of sums, rows by a few vectors, stays in registers while k runs: each step loads these
 * vectors of B and one number a row of A. A is read where it is unless it is transposed and wide;
 * so is B when its rows are whole vectors and not far apart. Else a panel is copied to the stack
 * first, so that the steps of k lie side by side. Sums run over k in order, so an element depends
 * on its row and column alone and not on how the product is cut into blocks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-product.h"
#include "cpu-simd.h"

#define MAX_ROWS 8
#define MAX_VECTORS 3
#define MAX_WIDTH 48
#define DEPTH 384      /* a panel of B is at most 72 KiB */
#define PACKED_ROWS 64 /* of a transposed A at a time: at most 96 KiB */
/* when its columns are at least this far apart: 53 to 75 GFLOP/s at 512, a loss at 128 */
#define PACKED_APART 384
#define LINE 16 /* floats in a line of the cache */
/* rows of B this long are copied: they would fall on the same lines of the cache, */
#define FAR_APART 512
/* but not for so few rows of A, if no vector crosses two lines (as few as 8 never pay) */
#define FEW_ROWS 64

typedef struct
{
  const float *a;
  gint64 row_a, step_a; /* from one row and from one k to the next */
  const float *b;
  gint64 step_b;
  gint64 k;
  float *c;
  gint64 ldc;
  guint rows, columns; /* that exist; the block may be larger */
  gboolean beta;
} Block;

typedef void (*BlockKernel) (const Block *block);

/* What an instruction set does best: rows and vectors that fill its registers, and half the rows
 * for what is left */
typedef struct
{
  guint rows, vectors, lanes;
  /* of k at a time, at most DEPTH: AVX2's panel and rows fit the first cache */
  gint64 depth;
  BlockKernel full[MAX_VECTORS], half[MAX_VECTORS]; /* by vectors - 1 */
} Kernels;

/* ---- the innermost loops ---- */

/* a row of C whose last vectors are not whole */
static void
cpu_copy_part (float *to, const float *from, guint columns)
{
  for (guint j = 0; j < columns; j++)
    to[j] = from[j];
}

/* the same, read into room for @width floats */
static void
cpu_read_part (float *to, const float *from, guint columns, guint width)
{
  cpu_copy_part (to, from, columns);
  for (guint j = columns; j < width; j++)
    to[j] = 0;
}

/* One block by vectors of a type as wide as the instruction set's registers; rows and vectors are
 * numbers, so that all loops but that over k unroll: the sums then are registers from the first to
 * the last. Rows beyond the last read the last again. */
#define UNROLL _Pragma ("GCC unroll 8")
#define BLOCK_KERNEL(name_, target_, Vector, rows_, vectors_)                                   \
  target_ static void name_ (const Block *s)                                                    \
  {                                                                                             \
    enum                                                                                        \
    {                                                                                           \
      LANES = sizeof (Vector) / sizeof (float),                                                 \
      WIDTH = LANES * vectors_                                                                  \
    };                                                                                          \
    gboolean is_whole = s->columns == WIDTH;                                                    \
    Vector sums[rows_][vectors_];                                                               \
    const float *a[rows_], *b = s->b;                                                           \
    float part[WIDTH];                                                                          \
    gint64 at = 0;                                                                              \
                                                                                                \
    UNROLL for (guint i = 0; i < rows_; i++)                                                    \
    {                                                                                           \
      gint64 row = MIN (i, s->rows - 1);                                                        \
      const float *c = is_whole ? s->c + row * s->ldc : part;                                   \
                                                                                                \
      a[i] = s->a + row * s->row_a;                                                             \
      if (s->beta && !is_whole)                                                                 \
        cpu_read_part (part, s->c + row * s->ldc, s->columns, WIDTH);                           \
      UNROLL for (guint v = 0; v < vectors_; v++) sums[i][v] = (Vector) { 0 };                  \
      if (s->beta)                                                                              \
        UNROLL for (guint v = 0; v < vectors_; v++)                                             \
          memcpy (&sums[i][v], c + v * LANES, sizeof sums[i][v]);                               \
    }                                                                                           \
    _Pragma ("GCC unroll 4") for (gint64 k = 0; k < s->k; k++, b += s->step_b, at += s->step_a) \
    {                                                                                           \
      Vector line[vectors_];                                                                    \
                                                                                                \
      UNROLL for (guint v = 0; v < vectors_; v++)                                               \
        memcpy (&line[v], b + v * LANES, sizeof line[v]);                                       \
      UNROLL for (guint i = 0; i < rows_; i++) UNROLL for (guint v = 0; v < vectors_; v++)      \
        sums[i][v] += a[i][at] * line[v];                                                       \
    }                                                                                           \
    UNROLL for (guint i = 0; i < rows_; i++)                                                    \
    {                                                                                           \
      float *c = is_whole ? s->c + i * s->ldc : part;                                           \
                                                                                                \
      if (i >= s->rows)                                                                         \
        break;                                                                                  \
      UNROLL for (guint v = 0; v < vectors_; v++)                                               \
        memcpy (c + v * LANES, &sums[i][v], sizeof sums[i][v]);                                 \
      if (!is_whole)                                                                            \
        cpu_copy_part (s->c + i * s->ldc, part, s->columns);                                    \
    }                                                                                           \
  }

typedef float Vector4 __attribute__ ((vector_size (16)));

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define V4 __attribute__ ((target ("arch=x86-64-v4,prefer-vector-width=512")))
#define V3 __attribute__ ((target ("arch=x86-64-v3")))

typedef float Vector16 __attribute__ ((vector_size (64)));
typedef float Vector8 __attribute__ ((vector_size (32)));

BLOCK_KERNEL (v4_8_3, V4, Vector16, 8, 3)
BLOCK_KERNEL (v4_8_2, V4, Vector16, 8, 2)
BLOCK_KERNEL (v4_8_1, V4, Vector16, 8, 1)
BLOCK_KERNEL (v4_4_3, V4, Vector16, 4, 3)
BLOCK_KERNEL (v4_4_2, V4, Vector16, 4, 2)
BLOCK_KERNEL (v4_4_1, V4, Vector16, 4, 1)
BLOCK_KERNEL (v3_4_3, V3, Vector8, 4, 3)
BLOCK_KERNEL (v3_4_2, V3, Vector8, 4, 2)
BLOCK_KERNEL (v3_4_1, V3, Vector8, 4, 1)
BLOCK_KERNEL (v3_2_3, V3, Vector8, 2, 3)
BLOCK_KERNEL (v3_2_2, V3, Vector8, 2, 2)
BLOCK_KERNEL (v3_2_1, V3, Vector8, 2, 1)

static const Kernels v4_kernels = {
  8, 3, 16, 384, { v4_8_1, v4_8_2, v4_8_3 }, { v4_4_1, v4_4_2, v4_4_3 }
};
static const Kernels v3_kernels = {
  4, 3, 8, 320, { v3_4_1, v3_4_2, v3_4_3 }, { v3_2_1, v3_2_2, v3_2_3 }
};
#endif

BLOCK_KERNEL (base_4_2, , Vector4, 4, 2)
BLOCK_KERNEL (base_4_1, , Vector4, 4, 1)
BLOCK_KERNEL (base_2_2, , Vector4, 2, 2)
BLOCK_KERNEL (base_2_1, , Vector4, 2, 1)

static const Kernels base_kernels = {
  4, 2, 4, 256, { base_4_1, base_4_2 }, { base_2_1, base_2_2 }
};

static const Kernels *const kernels_of[] = {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  [CPU_LEVEL_AVX512] = &v4_kernels,
  [CPU_LEVEL_AVX2] = &v3_kernels,
#endif
  [CPU_LEVEL_BASE] = &base_kernels,
};

CpuLevel
cpu_get_level (void)
{
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(CPU_ONLY_BASE)
#ifndef CPU_ONLY_AVX2
  if (__builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512vl")
      && __builtin_cpu_supports ("avx512bw") && __builtin_cpu_supports ("avx512dq"))
    return CPU_LEVEL_AVX512;
#endif
  if (__builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma"))
    return CPU_LEVEL_AVX2;
#endif

  return CPU_LEVEL_BASE;
}

/* ---- transposing ---- */

typedef float Quad __attribute__ ((vector_size (16)));
typedef gint32 QuadMask __attribute__ ((vector_size (16)));

CPU_INLINE void
transpose_4 (const float *from, gint64 ldf, float *to, gint64 ldt)
{
  Quad r[4], s[4];

  for (guint i = 0; i < 4; i++)
    memcpy (&r[i], from + i * ldf, sizeof r[i]);
  s[0] = __builtin_shuffle (r[0], r[1], (QuadMask) { 0, 4, 1, 5 });
  s[1] = __builtin_shuffle (r[0], r[1], (QuadMask) { 2, 6, 3, 7 });
  s[2] = __builtin_shuffle (r[2], r[3], (QuadMask) { 0, 4, 1, 5 });
  s[3] = __builtin_shuffle (r[2], r[3], (QuadMask) { 2, 6, 3, 7 });
  r[0] = __builtin_shuffle (s[0], s[2], (QuadMask) { 0, 1, 4, 5 });
  r[1] = __builtin_shuffle (s[0], s[2], (QuadMask) { 2, 3, 6, 7 });
  r[2] = __builtin_shuffle (s[1], s[3], (QuadMask) { 0, 1, 4, 5 });
  r[3] = __builtin_shuffle (s[1], s[3], (QuadMask) { 2, 3, 6, 7 });
  for (guint i = 0; i < 4; i++)
    memcpy (to + i * ldt, &r[i], sizeof r[i]);
}

static void
cpu_transpose_by_4 (const float *from,
                    gint64 rows,
                    gint64 columns,
                    gint64 ldf,
                    float *to,
                    gint64 ldt)
{
  gint64 whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;

  for (gint64 j = 0; j < whole_columns; j += 4)
    for (gint64 i = 0; i < whole_rows; i += 4)
      transpose_4 (from + i * ldf + j, ldf, to + j * ldt + i, ldt);
  for (gint64 i = 0; i < rows; i++)
    for (gint64 j = i < whole_rows ? whole_columns : 0; j < columns; j++)
      to[j * ldt + i] = from[i * ldf + j];
}

#ifdef V3
typedef gint32 Mask8 __attribute__ ((vector_size (32)));

/* 24 shuffles, each of which the processor has as one instruction */
V3 static void
transpose_8 (const float *from, gint64 ldf, float *to, gint64 ldt)
{
  Vector8 r[8], s[8];

  UNROLL for (guint i = 0; i < 8; i++) memcpy (&r[i], from + i * ldf, sizeof r[i]);
  UNROLL for (guint i = 0; i < 8; i += 2)
  {
    s[i] = __builtin_shuffle (r[i], r[i + 1], (Mask8) { 0, 8, 1, 9, 4, 12, 5, 13 });
    s[i + 1] = __builtin_shuffle (r[i], r[i + 1], (Mask8) { 2, 10, 3, 11, 6, 14, 7, 15 });
  }
  UNROLL for (guint i = 0; i < 8; i++)
  {
    guint j = (i & 4) + (i >> 1 & 1);

    r[i] = i & 1 ? __builtin_shuffle (s[j], s[j + 2], (Mask8) { 2, 3, 10, 11, 6, 7, 14, 15 })
                 : __builtin_shuffle (s[j], s[j + 2], (Mask8) { 0, 1, 8, 9, 4, 5, 12, 13 });
  }
  UNROLL for (guint i = 0; i < 4; i++)
  {
    s[i] = __builtin_shuffle (r[i], r[i + 4], (Mask8) { 0, 1, 2, 3, 8, 9, 10, 11 });
    s[i + 4] = __builtin_shuffle (r[i], r[i + 4], (Mask8) { 4, 5, 6, 7, 12, 13, 14, 15 });
  }
  UNROLL for (guint i = 0; i < 8; i++) memcpy (to + i * ldt, &s[i], sizeof s[i]);
}

/* whole squares, each line of the cache at once: rows that are a power of two apart share few
 * places in it */
V3 static void
transpose_by_8 (const float *from, gint64 rows, gint64 columns, gint64 ldf, float *to, gint64 ldt)
{
  for (gint64 j = 0; j < columns; j += LINE)
    for (gint64 i = 0; i < rows; i += 8)
      for (gint64 k = j; k < MIN (j + LINE, columns); k += 8)
        transpose_8 (from + i * ldf + k, ldf, to + k * ldt + i, ldt);
}
#endif

void
cpu_transpose (const float *from, gint64 rows, gint64 columns, gint64 ldf, float *to, gint64 ldt)
{
  gint64 done_rows = 0, done_columns = 0;

#ifdef V3
  if (cpu_get_level () != CPU_LEVEL_BASE)
    {
      done_rows = rows / 8 * 8;
      done_columns = columns / 8 * 8;
      transpose_by_8 (from, done_rows, done_columns, ldf, to, ldt);
    }
#endif
  cpu_transpose_by_4 (from + done_columns, done_rows, columns - done_columns, ldf,
                      to + done_columns * ldt, ldt);
  cpu_transpose_by_4 (from + done_rows * ldf, rows - done_rows, columns, ldf, to + done_rows, ldt);
}

/* ---- panels ---- */

static gint64
cpu_product_panel_width (const Kernels *kernels, gint64 columns)
{
  gint64 vectors = (columns + kernels->lanes - 1) / kernels->lanes;

  /* a panel of one vector has too few sums to keep the adders busy: 2 and 2 in place of 3 and 1 */
  if (vectors == kernels->vectors + 1)
    return kernels->lanes * ((vectors + 1) / 2);

  return kernels->lanes * MIN (kernels->vectors, vectors);
}

/* k rows of columns of op (B), each filled up with zeros to width */
static void
cpu_pack_panel (gboolean transposed,
                const float *b,
                gint64 ldb,
                gint64 k,
                gint64 columns,
                gint64 width,
                float *panel)
{
  if (transposed)
    cpu_transpose (b, columns, k, ldb, panel, width);
  for (gint64 i = 0; i < k; i++, panel += width)
    {
      if (!transposed)
        memcpy (panel, b + i * ldb, columns * sizeof *panel);
      for (gint64 j = columns; j < width; j++)
        panel[j] = 0;
    }
}

/* rows of a transposed A -> [rows / group][depth][group]; rows that do not fill a group are left as
 * they are */
static void
cpu_pack_rows (const float *a, gint64 lda, gint64 rows, gint64 depth, gint64 group, float *panel)
{
  for (gint64 i = 0; i < rows; i += group)
    {
      gint64 n = MIN (group, rows - i);
      float *to = panel + i * depth;

      if (n == MAX_ROWS && group == MAX_ROWS)
        for (gint64 k = 0; k < depth; k++)
          memcpy (to + k * MAX_ROWS, a + k * lda + i, MAX_ROWS * sizeof *to);
      else
        for (gint64 k = 0; k < depth; k++)
          for (gint64 r = 0; r < n; r++)
            to[k * group + r] = a[k * lda + i + r];
    }
}

/* Where the next panel comes from. It is asked for line by line while this one is multiplied:
 * copied cold, it took an eighth of the time of 256 rows. */
typedef struct
{
  const float *at;
  /* rows of memory that are left, and the floats of one that are wanted */
  gint64 ld, runs, run;
  gint64 next;  /* in a run */
  gint64 share; /* lines for each block of rows of A */
} Ahead;

static Ahead
ahead_make (const float *b,
            gint64 ldb,
            gboolean transposed,
            gint64 depth,
            gint64 columns,
            gint64 n_blocks)
{
  Ahead self = { .at = b,
                 .ld = ldb,
                 .runs = transposed ? columns : depth,
                 .run = transposed ? depth : columns };

  if (b == NULL)
    return (Ahead) { 0 };

  gint64 before = (guintptr) b / sizeof (float) % LINE;

  self.at -= before;
  self.run += before;
  self.share = self.runs * (self.run / LINE + 1) / n_blocks + 1;

  return self;
}

static void
ahead_fetch (Ahead *self)
{
  for (gint64 i = 0; i < self->share && self->runs > 0; i++)
    {
      __builtin_prefetch (self->at + self->next, 0, 2);
      self->next += LINE;
      if (self->next < self->run)
        continue;
      self->next = 0;
      self->at += self->ld;
      self->runs--;
    }
}

/* whether whole vectors of B's rows are as quick to read where they are */
static gboolean
cpu_lies_ready (const float *b, gint64 ldb, gint64 m)
{
  gboolean is_aligned = (guintptr) b % (LINE * sizeof (float)) == 0 && ldb % LINE == 0;

  return ldb < FAR_APART || m <= MAX_ROWS || (is_aligned && m <= FEW_ROWS);
}

/* all rows against one panel of B; @group_a is from one block of rows of A to the next */
static void
cpu_run_panel (const Kernels *kernels,
               Block *block,
               gint64 m,
               gint64 group_a,
               guint vectors,
               Ahead *ahead)
{
  const float *a = block->a;
  float *c = block->c;

  for (gint64 i = 0; i < m; i += kernels->rows)
    {
      block->rows = MIN (kernels->rows, m - i);
      block->a = a + i / kernels->rows * group_a;
      block->c = c + i * block->ldc;
      ahead_fetch (ahead);
      if (block->rows > kernels->rows / 2)
        kernels->full[vectors - 1](block);
      else
        kernels->half[vectors - 1](block);
    }
}

gint64
cpu_panel_get_width (CpuLevel level, gint64 columns)
{
  return cpu_product_panel_width (kernels_of[level], columns);
}

void
cpu_panel_multiply (CpuLevel level,
                    gint64 m,
                    gint64 width,
                    gint64 k,
                    const float *a,
                    gint64 row_a,
                    gint64 step_a,
                    const float *panel,
                    gboolean beta,
                    float *c,
                    gint64 stride)
{
  const Kernels *kernels = kernels_of[level];
  Block block = { a, row_a, step_a, panel, stride, k, c, stride, 0, width, beta };
  Ahead nothing = { 0 };

  cpu_run_panel (kernels, &block, m, row_a * kernels->rows, width / kernels->lanes, &nothing);
}

/* rows of A that lie ready, over depth, against all columns of B; @next_b is where the panels after
 * these come from, or NULL */
static void
cpu_product_run_rows (const Kernels *kernels,
                      const Block *rows,
                      gint64 m,
                      gint64 group_a,
                      gint64 n,
                      gboolean transpose_b,
                      gint64 ldb,
                      const float *next_b)
{
  float panel[DEPTH * MAX_WIDTH] __attribute__ ((aligned (64)));

  for (gint64 j = 0; j < n;)
    {
      gint64 width = cpu_product_panel_width (kernels, n - j), columns = MIN (width, n - j);
      Block block = *rows;
      Ahead ahead = { 0 };

      block.b = rows->b + j * (transpose_b ? ldb : 1);
      block.c = rows->c + j;
      block.columns = columns;
      j += columns;
      if (transpose_b || columns < width || !cpu_lies_ready (block.b, ldb, m))
        {
          const float *next = j < n ? block.b + columns * (transpose_b ? ldb : 1) : next_b;

          ahead = ahead_make (next, ldb, transpose_b, block.k, MIN (width, j < n ? n - j : n),
                              (m + kernels->rows - 1) / kernels->rows);
          cpu_pack_panel (transpose_b, block.b, ldb, block.k, columns, width, panel);
          block.b = panel;
          block.step_b = width;
        }
      cpu_run_panel (kernels, &block, m, group_a, width / kernels->lanes, &ahead);
    }
}

void
cpu_sgemm_by (CpuLevel level,
              gboolean transpose_a,
              gboolean transpose_b,
              gint64 m,
              gint64 n,
              gint64 k,
              const float *a,
              gint64 lda,
              const float *b,
              gint64 ldb,
              gboolean beta,
              float *c,
              gint64 ldc)
{
  const Kernels *kernels = kernels_of[level];
  gboolean packs = transpose_a && lda >= PACKED_APART && n > MAX_WIDTH / 2;
  gint64 group = kernels->rows, most = packs ? PACKED_ROWS / group * group : m;
  gint64 row_a = transpose_a ? 1 : lda, step_a = packs ? group : transpose_a ? lda : 1;
  float packed[DEPTH * PACKED_ROWS] __attribute__ ((aligned (64)));

  for (gint64 from = 0; from < k; from += kernels->depth)
    for (gint64 i = 0; i < m; i += most)
      {
        gint64 rows = MIN (most, m - i), depth = MIN (kernels->depth, k - from);
        const float *first = transpose_a ? a + from * lda + i : a + i * lda + from;
        Block block = { packs ? packed : first,
                        row_a,
                        step_a,
                        b + from * (transpose_b ? 1 : ldb),
                        ldb,
                        depth,
                        c + i * ldc,
                        ldc,
                        0,
                        0,
                        beta || from > 0 };

        if (packs)
          cpu_pack_rows (first, lda, rows, depth, group, packed);
        cpu_product_run_rows (kernels, &block, rows, packs ? depth * group : row_a * group, n,
                              transpose_b, ldb,
                              i + rows < m || from + depth >= k
                                ? NULL
                                : block.b + depth * (transpose_b ? 1 : ldb));
      }
}

void
cpu_sgemm (gboolean transpose_a,
           gboolean transpose_b,
           gint64 m,
           gint64 n,
           gint64 k,
           const float *a,
           gint64 lda,
           const float *b,
           gint64 ldb,
           gboolean beta,
           float *c,
           gint64 ldc)
{
  cpu_sgemm_by (cpu_get_level (), transpose_a, transpose_b, m, n, k, a, lda, b, ldb, beta, c, ldc);
}
