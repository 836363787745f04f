/* cpu-engine.c - the CPU engine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-engine.h"
#include "cpu-step.h"

#include <stdlib.h>
#include <sys/mman.h>

typedef struct
{
  const char *name;
  guint64 n_calls;
  double seconds, flops;
} KernelTimes;

struct _VardCpuEngine
{
  VardEngine parent_instance;

  guint threads;
  gboolean profile;

  CpuPool *pool;
  GHashTable *times; /* interned kernel name -> KernelTimes */
};

G_DEFINE_FINAL_TYPE (VardCpuEngine, vard_cpu_engine, VARD_TYPE_ENGINE)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_UINT (VardCpuEngine, threads, "Number of threads; 0 uses one per core",
                   0, 1024, 0),
  VARD_FIELD_BOOLEAN (VardCpuEngine, profile, "Add up the time spent in each kernel",
                      FALSE),
};
/* clang-format on */

static const char *const level_names[] = {
  [CPU_LEVEL_AVX512] = "AVX-512",
  [CPU_LEVEL_AVX2] = "AVX2",
  [CPU_LEVEL_BASE] = "no vector extensions in use",
};

/* made when it is first needed, so that the number of threads can be set after construction */
static CpuPool *
vard_cpu_engine_ensure_pool (VardCpuEngine *self)
{
  if (self->threads == 0)
    self->threads = g_get_num_processors ();
  if (self->pool == NULL)
    self->pool = cpu_pool_new (self->threads);
  return self->pool;
}

static char *
vard_cpu_engine_describe (VardEngine *engine)
{
  VardCpuEngine *self = VARD_CPU_ENGINE (engine);
  guint n_threads = cpu_pool_get_n_threads (vard_cpu_engine_ensure_pool (self));

  return g_strdup_printf ("cpu: %u thread%s, %s", n_threads, n_threads == 1 ? "" : "s",
                          level_names[cpu_get_level ()]);
}

/* Large blocks ask for large pages: with small ones the walk over a batch misses the translation
 * cache all the time */
static VardBuffer *
vard_cpu_engine_alloc (VardEngine *engine, gsize size, GError **error)
{
  gsize page = 2 << 20, whole = (size + page - 1) / page * page;
  gpointer data = NULL;

  if (size < page)
    return VARD_ENGINE_CLASS (vard_cpu_engine_parent_class)->alloc (engine, size, error);
  if (posix_memalign (&data, page, whole) != 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED,
                   "not enough memory for %" G_GSIZE_FORMAT " MB", size >> 20);
      return NULL;
    }
#ifdef MADV_HUGEPAGE
  madvise (data, whole, MADV_HUGEPAGE);
#endif

  return vard_buffer_new_wrapped (data, size, TRUE, data, free);
}

static gboolean
vard_cpu_engine_lower (VardEngine *engine, VardLowering *lowering, GError **error)
{
  return cpu_lower (vard_cpu_engine_ensure_pool (VARD_CPU_ENGINE (engine)), lowering);
}

static void
vard_cpu_engine_add_time (VardCpuEngine *self, const VardStep *step, gint64 begin)
{
  KernelTimes *times = g_hash_table_lookup (self->times, step->name);

  if (times == NULL)
    {
      times = g_new0 (KernelTimes, 1);
      times->name = step->name;
      g_hash_table_insert (self->times, (gpointer) step->name, times);
    }
  times->n_calls++;
  times->seconds += (g_get_monotonic_time () - begin) / 1e6;
  times->flops += step->flops;
}

static void
vard_cpu_engine_run_step (VardCpuEngine *self, VardProgram *program, guint i)
{
  const VardStep *step = vard_program_get_step (program, i);
  gint64 begin = vard_trace_begin ();
  gint64 start = self->profile ? g_get_monotonic_time () : 0;

  step->kernel (step, vard_program_get_in (program, i), vard_program_get_out (program, i),
                vard_program_get_scratch (program, i));
  vard_step_trace (step, begin, "cpu");
  if (self->profile)
    vard_cpu_engine_add_time (self, step, start);
}

static gboolean
vard_cpu_engine_execute (VardEngine *engine,
                         VardProgram *program,
                         GCancellable *cancellable,
                         GError **error)
{
  VardCpuEngine *self = VARD_CPU_ENGINE (engine);

  /* kernels stop between two chunks when it is cancelled; the check after each step makes that an
   * error */
  cpu_pool_set_cancellable (self->pool, cancellable);
  for (guint i = 0; i < vard_program_get_n_steps (program) && !cpu_pool_is_cancelled (self->pool);
       i++)
    vard_cpu_engine_run_step (self, program, i);
  cpu_pool_set_cancellable (self->pool, NULL);

  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static gboolean
vard_cpu_engine_is_exact (VardEngine *engine)
{
  return TRUE;
}

static gint
cpu_compare_times (gconstpointer a, gconstpointer b)
{
  double x = (*(KernelTimes *const *) a)->seconds, y = (*(KernelTimes *const *) b)->seconds;

  return x < y ? 1 : x > y ? -1 : 0;
}

char *
vard_cpu_engine_dup_profile (VardCpuEngine *self)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new ();
  GString *text = g_string_new (NULL);
  GHashTableIter iter;
  gpointer times;

  g_return_val_if_fail (VARD_IS_CPU_ENGINE (self), NULL);

  g_hash_table_iter_init (&iter, self->times);
  while (g_hash_table_iter_next (&iter, NULL, &times))
    g_ptr_array_add (all, times);
  g_ptr_array_sort (all, cpu_compare_times);
  for (guint i = 0; i < all->len; i++)
    {
      const KernelTimes *t = all->pdata[i];

      g_string_append_printf (text, "%9.4f s %7" G_GUINT64_FORMAT " calls %8.1f GFLOP/s  %s\n",
                              t->seconds, t->n_calls, t->flops / MAX (t->seconds, 1e-9) * 1e-9,
                              t->name);
    }

  return g_string_free (text, FALSE);
}

static void
vard_cpu_engine_finalize (GObject *object)
{
  VardCpuEngine *self = VARD_CPU_ENGINE (object);

  g_clear_pointer (&self->pool, cpu_pool_free);
  g_clear_pointer (&self->times, g_hash_table_unref);
  G_OBJECT_CLASS (vard_cpu_engine_parent_class)->finalize (object);
}

static void
vard_cpu_engine_class_init (VardCpuEngineClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  VardEngineClass *engine_class = VARD_ENGINE_CLASS (klass);

  object_class->finalize = vard_cpu_engine_finalize;
  engine_class->alloc = vard_cpu_engine_alloc;
  engine_class->describe = vard_cpu_engine_describe;
  engine_class->lower = vard_cpu_engine_lower;
  engine_class->execute = vard_cpu_engine_execute;
  engine_class->is_exact = vard_cpu_engine_is_exact;
  vard_fields_install (object_class, fields, G_N_ELEMENTS (fields));
}

static void
vard_cpu_engine_init (VardCpuEngine *self)
{
  self->times = g_hash_table_new_full (NULL, NULL, NULL, g_free);
}
