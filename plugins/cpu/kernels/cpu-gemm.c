/* cpu-gemm.c - matrix products on all threads of the engine
 *
 * Blocks are whole rows where there are enough of them, so that what follows the product reads it
 * from the cache; else columns too. Each block of rows copies all of B into panels: of a large B
 * blocks take as many rows as the cache has room for, and the threads share its columns (256 rows
 * by 1280 and 5120: 80 to 170 GFLOP/s on two cores).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-gemm.h"

#define MIN_ROWS 64
/* whose part of A stays in a core's own cache beside a panel of B; */
#define MAX_ROWS 256
/* AVX-512's blocks are larger and come back to it less often: 1.02 to 1.03 times as fast */
#define MAX_ROWS_WIDE 512
#define MIN_COLUMNS 32
#define COLUMN_UNIT 16
#define LARGE_B (256 * 1024) /* elements */

typedef struct
{
  const CpuGemm *gemm;
  const float *a, *b;
  float *c;
  gint64 rows, columns;     /* of a block */
  gint64 n_rows, n_columns; /* blocks of one product */
  const CpuEpilogue *epilogue;
} GemmJob;

void
cpu_epilogue_run (const CpuEpilogue *self, gint64 from, gint64 to, guint thread)
{
  if (self->region != NULL)
    cpu_region_run (self->region, self->in, self->out, from, to,
                    self->scratch + thread * self->scratch_stride);
}

static void
cpu_gemm_block (const GemmJob *job, gint64 index, guint thread)
{
  const CpuGemm *g = job->gemm;
  gint64 batch = index / (job->n_rows * job->n_columns);
  gint64 row = index / job->n_columns % job->n_rows * job->rows;
  gint64 column = index % job->n_columns * job->columns;
  gint64 m = MIN (job->rows, g->m - row), n = MIN (job->columns, g->n - column);
  const float *a = job->a + batch * g->stride_a + (g->transpose_a ? row : row * g->lda);
  const float *b = job->b + batch * g->stride_b + (g->transpose_b ? column * g->ldb : column);
  gint64 first = batch * g->stride_c + row * g->ldc;

  cpu_sgemm (g->transpose_a, g->transpose_b, m, n, g->k, a, g->lda, b, g->ldb, 0,
             job->c + first + column, g->ldc);
  if (job->epilogue != NULL && job->n_columns == 1)
    cpu_epilogue_run (job->epilogue, first, first + m * g->ldc, thread);
}

static void
cpu_gemm_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  for (gint64 i = from; i < to; i++)
    cpu_gemm_block (data, i, thread);
}

static void
cpu_epilogue_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  cpu_epilogue_run (data, from, to, thread);
}

static gint64
cpu_round_up (gint64 x, gint64 to)
{
  return (x + to - 1) / to * to;
}

/* Small products of a large batch are handed out several at a time */
static gint64
cpu_gemm_grain (const GemmJob *job)
{
  double flops = 2.0 * job->rows * job->columns * job->gemm->k;

  return MAX (1, (gint64) (2e6 / flops));
}

static void
cpu_gemm_split_columns (GemmJob *job, gint64 n)
{
  gint64 columns = cpu_round_up ((job->gemm->n + n - 1) / n, COLUMN_UNIT);

  job->columns = MIN (MAX (columns, MIN_COLUMNS), job->gemm->n);
  job->n_columns = (job->gemm->n + job->columns - 1) / job->columns;
}

void
cpu_gemm_run (CpuPool *pool,
              const CpuGemm *gemm,
              const float *a,
              const float *b,
              float *c,
              const CpuEpilogue *epilogue)
{
  gint64 n_threads = cpu_pool_get_n_threads (pool);
  gint64 wanted = (n_threads + gemm->n_batches - 1) / gemm->n_batches;
  gboolean is_large = gemm->n * gemm->k >= LARGE_B;
  gint64 most = cpu_get_level () == CPU_LEVEL_AVX512 ? MAX_ROWS_WIDE : MAX_ROWS;
  gint64 rows = CLAMP (cpu_round_up ((gemm->m + 2 * wanted - 1) / (2 * wanted), 16),
                       is_large ? most : MIN_ROWS, most);
  GemmJob job = { gemm, a, b, c, MIN (rows, gemm->m), gemm->n, 1, 1, epilogue };

  job.n_rows = (gemm->m + job.rows - 1) / job.rows;
  if (is_large && job.n_rows % wanted != 0 && job.n_rows < 4 * wanted)
    cpu_gemm_split_columns (&job, 2 * wanted);
  else if (job.n_rows < wanted)
    cpu_gemm_split_columns (&job, wanted);

  gint64 n_blocks = gemm->n_batches * job.n_rows * job.n_columns;

  cpu_pool_run (pool, n_blocks, cpu_gemm_grain (&job), cpu_gemm_task, &job);
  if (epilogue != NULL && epilogue->region != NULL && job.n_columns > 1)
    {
      gint64 count = epilogue->region->count;

      cpu_pool_run (pool, count, cpu_pool_get_grain (pool, count, 4 * epilogue->region->tile),
                    cpu_epilogue_task, (gpointer) epilogue);
    }
}
