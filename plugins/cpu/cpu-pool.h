/* cpu-pool.h - the engine's threads: a parallel for in which the caller takes part
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _CpuPool CpuPool;

/* Does [from, to) of the range; @thread is below the pool's thread count, for scratch. */
typedef void (*CpuTask) (gpointer data, gint64 from, gint64 to, guint thread);

CpuPool *cpu_pool_new (guint n_threads);
void cpu_pool_free (CpuPool *self);
guint cpu_pool_get_n_threads (const CpuPool *self);

/* Chunks not yet started are skipped once it is cancelled: the results are then void */
void cpu_pool_set_cancellable (CpuPool *self, GCancellable *cancellable);
gboolean cpu_pool_is_cancelled (CpuPool *self);

/* Covers [0, n) by chunks of @grain. Which thread does a chunk is not fixed, so no sum may cross
 * chunks. Not reentrant: one caller at a time, and never from inside a task. */
void cpu_pool_run (CpuPool *self, gint64 n, gint64 grain, CpuTask task, gpointer data);

/* A grain that gives each thread a few chunks of at least @least */
gint64 cpu_pool_get_grain (const CpuPool *self, gint64 n, gint64 least);

G_END_DECLS
