/* cpu-pool.c - the engine's threads: a parallel for in which the caller takes part
 *
 * A job is open while pool->open holds its number. A worker enters by counting itself in n_inside
 * and then looks at open; the caller closes the job when its chunks are used up and waits only for
 * the workers that are inside. A worker that was asleep therefore never delays a short job. Between
 * jobs workers spin for some microseconds, which covers the gaps between the steps of a program,
 * then sleep on a condition.
 *
 * Each thread starts with its own share of the range, always the same one, and then takes chunks
 * from the others'. What a thread has written it mostly reads again in the next step: reading it
 * from another core's cache is four times slower (25 against 100 GB/s).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-pool.h"

#include <stdatomic.h>

#define SPINS 100000 /* about 50 microseconds */

typedef struct
{
  CpuPool *pool;
  guint index;
} CpuWorker;

/* a thread's share that is left, alone on its cache line */
typedef struct
{
  _Atomic gint64 next;
  gint64 end;
  guint8 padding[48];
} CpuShare;

struct _CpuPool
{
  guint n_threads;
  GThread **threads; /* n_threads - 1 of them */
  CpuWorker *workers;
  GCancellable *cancellable;

  CpuTask task;
  gpointer data;
  gint64 n, grain;
  CpuShare *shares;
  _Atomic guint64 open; /* number of the open job, 0 when there is none */
  _Atomic guint n_inside;
  _Atomic guint n_asleep;
  _Atomic gboolean stop;
  guint64 n_jobs;

  GMutex mutex;
  GCond cond;
};

/* No pause instruction: a hypervisor takes rows of them for a lock's waiter and hands the processor
 * to another guest (measured: a tenth of a small model's time) */
static inline void
cpu_relax (void)
{
  __asm__ volatile("");
}

static void
cpu_pool_work (CpuPool *self, guint thread)
{
  for (guint i = 0; i < self->n_threads; i++)
    {
      CpuShare *share = &self->shares[(thread + i) % self->n_threads];

      for (;;)
        {
          gint64 from;

          if (atomic_load_explicit (&share->next, memory_order_relaxed) >= share->end)
            break;
          from = atomic_fetch_add_explicit (&share->next, self->grain, memory_order_relaxed);
          if (from >= share->end || cpu_pool_is_cancelled (self))
            break;
          self->task (self->data, from, MIN (from + self->grain, self->n), thread);
        }
    }
}

static void
cpu_pool_share_out (CpuPool *self)
{
  gint64 n_chunks = (self->n + self->grain - 1) / self->grain;

  for (guint i = 0; i < self->n_threads; i++)
    {
      atomic_store_explicit (&self->shares[i].next, n_chunks * i / self->n_threads * self->grain,
                             memory_order_relaxed);
      self->shares[i].end = n_chunks * (i + 1) / self->n_threads * self->grain;
    }
}

static void
cpu_pool_sleep (CpuPool *self, guint64 seen)
{
  g_mutex_lock (&self->mutex);
  atomic_fetch_add (&self->n_asleep, 1);
  for (;;)
    {
      guint64 open = atomic_load (&self->open);

      if ((open != 0 && open != seen) || atomic_load (&self->stop))
        break;
      g_cond_wait (&self->cond, &self->mutex);
    }
  atomic_fetch_sub (&self->n_asleep, 1);
  g_mutex_unlock (&self->mutex);
}

static gpointer
cpu_pool_thread (gpointer data)
{
  CpuWorker *worker = data;
  CpuPool *self = worker->pool;
  guint64 seen = 0;

  while (!atomic_load (&self->stop))
    {
      guint64 open = 0;

      for (guint i = 0; i < SPINS; i++)
        {
          open = atomic_load_explicit (&self->open, memory_order_acquire);
          if (open != 0 && open != seen)
            break;
          cpu_relax ();
        }
      if (open == 0 || open == seen)
        {
          cpu_pool_sleep (self, seen);
          continue;
        }
      atomic_fetch_add (&self->n_inside, 1);
      open = atomic_load (&self->open);
      if (open != 0)
        {
          cpu_pool_work (self, worker->index);
          seen = open;
        }
      atomic_fetch_sub (&self->n_inside, 1);
    }

  return NULL;
}

void
cpu_pool_run (CpuPool *self, gint64 n, gint64 grain, CpuTask task, gpointer data)
{
  if (n <= 0)
    return;
  if (self->n_threads == 1 || n <= grain)
    {
      for (gint64 from = 0; from < n && !cpu_pool_is_cancelled (self); from += grain)
        task (data, from, MIN (from + grain, n), 0);
      return;
    }

  self->task = task;
  self->data = data;
  self->n = n;
  self->grain = grain;
  cpu_pool_share_out (self);
  atomic_store (&self->open, ++self->n_jobs);
  if (atomic_load (&self->n_asleep) > 0)
    {
      g_mutex_lock (&self->mutex);
      g_cond_broadcast (&self->cond);
      g_mutex_unlock (&self->mutex);
    }

  cpu_pool_work (self, 0);
  atomic_store (&self->open, 0);
  for (guint i = 0; atomic_load (&self->n_inside) > 0; i++)
    {
      if (i < SPINS)
        cpu_relax ();
      else
        g_thread_yield ();
    }
}

gint64
cpu_pool_get_grain (const CpuPool *self, gint64 n, gint64 least)
{
  gint64 n_chunks = self->n_threads == 1 ? 1 : 4 * (gint64) self->n_threads;

  return MAX (MAX (least, 1), (n + n_chunks - 1) / n_chunks);
}

guint
cpu_pool_get_n_threads (const CpuPool *self)
{
  return self->n_threads;
}

void
cpu_pool_set_cancellable (CpuPool *self, GCancellable *cancellable)
{
  self->cancellable = cancellable;
}

gboolean
cpu_pool_is_cancelled (CpuPool *self)
{
  return self->cancellable != NULL && g_cancellable_is_cancelled (self->cancellable);
}

CpuPool *
cpu_pool_new (guint n_threads)
{
  CpuPool *self = g_new0 (CpuPool, 1);

  self->n_threads = MAX (n_threads, 1);
  self->threads = g_new0 (GThread *, self->n_threads);
  self->workers = g_new0 (CpuWorker, self->n_threads);
  self->shares = g_aligned_alloc0 (self->n_threads, sizeof (CpuShare), 64);
  g_mutex_init (&self->mutex);
  g_cond_init (&self->cond);
  for (guint i = 1; i < self->n_threads; i++)
    {
      self->workers[i] = (CpuWorker) { self, i };
      self->threads[i] = g_thread_new ("vard-cpu", cpu_pool_thread, &self->workers[i]);
    }

  return self;
}

void
cpu_pool_free (CpuPool *self)
{
  g_mutex_lock (&self->mutex);
  atomic_store (&self->stop, TRUE);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
  for (guint i = 1; i < self->n_threads; i++)
    g_thread_join (self->threads[i]);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->cond);
  g_free (self->threads);
  g_free (self->workers);
  g_aligned_free (self->shares);
  g_free (self);
}
