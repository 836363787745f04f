/* vard-engine.c - the engine interface, with host memory as the default
 *
 * All programs of an engine share one arena, as large as the largest needs, so executions take
 * turns. With VARD_DEBUG=poison in the environment the arena is filled with NaN before each
 * execution: a value that is read before it is written shows up at once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine/vard-engine-private.h"

#include "base/vard-trace.h"

#include "base/vard-error.h"

#include <string.h>

typedef struct
{
  GRecMutex mutex;
  VardBuffer *arena;
  gsize largest; /* that a program asked for; the arena grows to it when that is run */
  gboolean poisons;
} VardEnginePrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (VardEngine, vard_engine, G_TYPE_OBJECT)

#define PRIVATE(self) ((VardEnginePrivate *) vard_engine_get_instance_private (self))

static VardBuffer *
vard_engine_real_alloc (VardEngine *self, gsize size, GError **error)
{
  gpointer data = NULL;

  /* not GLib's allocator: running out of memory is an error to report, not a reason to abort */
  if (posix_memalign (&data, VARD_BLOCK_ALIGNMENT, MAX (size, 1)) != 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED,
                   "not enough memory for %" G_GSIZE_FORMAT " MB", size >> 20);
      return NULL;
    }

  return vard_buffer_new_wrapped (data, size, TRUE, data, free);
}

static gboolean
vard_engine_real_write (VardEngine *self,
                        VardBuffer *to,
                        gsize offset,
                        gconstpointer from,
                        gsize size,
                        GError **error)
{
  memcpy (to->data + offset, from, size);
  return TRUE;
}

static gboolean
vard_engine_real_read (VardEngine *self,
                       VardBuffer *from,
                       gsize offset,
                       gpointer to,
                       gsize size,
                       GError **error)
{
  memcpy (to, from->data + offset, size);
  return TRUE;
}

static gboolean
vard_engine_real_copy (VardEngine *self,
                       VardBuffer *from,
                       gsize from_offset,
                       VardBuffer *to,
                       gsize to_offset,
                       gsize size,
                       GError **error)
{
  memmove (to->data + to_offset, from->data + from_offset, size);
  return TRUE;
}

static gboolean
vard_engine_real_fill (VardEngine *self,
                       VardBuffer *to,
                       gsize offset,
                       guint8 value,
                       gsize size,
                       GError **error)
{
  memset (to->data + offset, value, size);
  return TRUE;
}

static gboolean
vard_engine_real_execute (VardEngine *self,
                          VardProgram *program,
                          GCancellable *cancellable,
                          GError **error)
{
  for (guint i = 0; i < vard_program_get_n_steps (program); i++)
    {
      const VardStep *step = vard_program_get_step (program, i);
      gint64 begin = vard_trace_begin ();

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      step->kernel (step, vard_program_get_in (program, i), vard_program_get_out (program, i),
                    vard_program_get_scratch (program, i));
      vard_step_trace (step, begin, "reference");
    }

  return TRUE;
}

static gboolean
vard_engine_real_wait (VardEngine *self, GError **error)
{
  return TRUE;
}

static void
vard_engine_finalize (GObject *object)
{
  VardEnginePrivate *private = PRIVATE (VARD_ENGINE (object));

  vard_buffer_unref (private->arena);
  g_rec_mutex_clear (&private->mutex);
  G_OBJECT_CLASS (vard_engine_parent_class)->finalize (object);
}

static void
vard_engine_class_init (VardEngineClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_engine_finalize;
  klass->alloc = vard_engine_real_alloc;
  klass->write = vard_engine_real_write;
  klass->read = vard_engine_real_read;
  klass->copy = vard_engine_real_copy;
  klass->fill = vard_engine_real_fill;
  klass->execute = vard_engine_real_execute;
  klass->wait = vard_engine_real_wait;
}

static void
vard_engine_init (VardEngine *self)
{
  const char *debug = g_getenv ("VARD_DEBUG");

  g_rec_mutex_init (&PRIVATE (self)->mutex);
  PRIVATE (self)->poisons = debug != NULL && strstr (debug, "poison") != NULL;
}

/**
 * vard_engine_describe:
 * @self: an engine
 *
 * Returns: (transfer full): a sentence: device, threads, libraries
 */
char *
vard_engine_describe (VardEngine *self)
{
  g_return_val_if_fail (VARD_IS_ENGINE (self), NULL);

  VardEngineClass *klass = VARD_ENGINE_GET_CLASS (self);

  return klass->describe != NULL ? klass->describe (self) : g_strdup (G_OBJECT_TYPE_NAME (self));
}

VardBuffer *
vard_engine_alloc (VardEngine *self, gsize size, GError **error)
{
  return VARD_ENGINE_GET_CLASS (self)->alloc (self, size, error);
}

gboolean
vard_engine_write (VardEngine *self,
                   VardBuffer *to,
                   gsize offset,
                   gconstpointer from,
                   gsize size,
                   GError **error)
{
  g_return_val_if_fail (offset + size <= to->size, FALSE);

  return VARD_ENGINE_GET_CLASS (self)->write (self, to, offset, from, size, error);
}

gboolean
vard_engine_read (VardEngine *self,
                  VardBuffer *from,
                  gsize offset,
                  gpointer to,
                  gsize size,
                  GError **error)
{
  g_return_val_if_fail (offset + size <= from->size, FALSE);

  return VARD_ENGINE_GET_CLASS (self)->read (self, from, offset, to, size, error);
}

gboolean
vard_engine_copy (VardEngine *self,
                  VardBuffer *from,
                  gsize from_offset,
                  VardBuffer *to,
                  gsize to_offset,
                  gsize size,
                  GError **error)
{
  return VARD_ENGINE_GET_CLASS (self)->copy (self, from, from_offset, to, to_offset, size, error);
}

/**
 * vard_engine_is_exact: (skip)
 * @self: an engine
 *
 * Returns: whether products read their operands in single precision, without rounding them first
 */
gboolean
vard_engine_is_exact (VardEngine *self)
{
  VardEngineClass *klass = VARD_ENGINE_GET_CLASS (self);

  return klass->is_exact != NULL && klass->is_exact (self);
}

gboolean
vard_engine_describe_memory (VardEngine *self, VardDeviceMemory *memory)
{
  VardEngineClass *klass = VARD_ENGINE_GET_CLASS (self);

  *memory = (VardDeviceMemory) { .workspace = PRIVATE (self)->largest };
  return klass->describe_memory != NULL && klass->describe_memory (self, memory);
}

gboolean
vard_engine_adopt (VardEngine *self, VardTensor *tensor, GError **error)
{
  VardBuffer *before = vard_tensor_peek_buffer (tensor);
  gsize size = vard_tensor_get_n_bytes (tensor);
  g_autoptr (VardBuffer) probe = before->is_host ? vard_engine_alloc (self, 1, error) : NULL;
  g_autoptr (VardBuffer) buffer = NULL;

  if (!before->is_host)
    return TRUE;
  if (probe == NULL)
    return FALSE;
  /* An engine that computes in host memory takes the tensor where it is: it may lie in a flat
   * buffer with others, and programs that were compiled before know its address */
  if (probe->is_host)
    return TRUE;
  buffer = vard_engine_alloc (self, size, error);
  if (buffer == NULL
      || !vard_engine_write (self, buffer, 0, vard_tensor_peek_data (tensor), size, error))
    return FALSE;
  vard_tensor_set_storage (tensor, buffer, 0);

  return TRUE;
}

VardTensor *
vard_engine_fetch (VardEngine *self, VardTensor *tensor, GError **error)
{
  g_autoptr (VardTensor) copy =
    vard_tensor_new (vard_tensor_get_dtype (tensor), vard_tensor_peek_shape (tensor));

  if (!vard_engine_read (self, vard_tensor_peek_buffer (tensor), vard_tensor_get_offset (tensor),
                         vard_tensor_peek_data (copy), vard_tensor_get_n_bytes (tensor), error))
    return NULL;

  return g_steal_pointer (&copy);
}

/* grows the shared arena; programs resolve their addresses at each execution, so it may move */
gboolean
vard_engine_reserve (VardEngine *self, gsize size, GError **error)
{
  VardEnginePrivate *private = PRIVATE (self);

  if (private->arena != NULL && private->arena->size >= size)
    return TRUE;
  g_clear_pointer (&private->arena, vard_buffer_unref);
  private->arena = vard_engine_alloc (self, size, error);

  return private->arena != NULL;
}

void
vard_engine_expect_arena (VardEngine *self, gsize size)
{
  PRIVATE (self)->largest = MAX (PRIVATE (self)->largest, size);
}

gsize
vard_engine_get_expected_arena (VardEngine *self)
{
  return PRIVATE (self)->largest;
}

/**
 * vard_engine_get_arena_size: (skip)
 * @self: an engine
 *
 * Returns: the present size in bytes of the workspace that all programs of @self share; it grows
 *   when a program needs more
 */
gsize
vard_engine_get_arena_size (VardEngine *self)
{
  return PRIVATE (self)->arena != NULL ? PRIVATE (self)->arena->size : 0;
}

VardBuffer *
vard_engine_peek_arena (VardEngine *self)
{
  return PRIVATE (self)->arena;
}

void
vard_engine_lock (VardEngine *self)
{
  g_rec_mutex_lock (&PRIVATE (self)->mutex);
}

void
vard_engine_unlock (VardEngine *self)
{
  g_rec_mutex_unlock (&PRIVATE (self)->mutex);
}

gboolean
vard_engine_poisons (VardEngine *self)
{
  return PRIVATE (self)->poisons;
}

gboolean
vard_engine_prepare (VardEngine *self, VardProgram *program, GError **error)
{
  VardEngineClass *klass = VARD_ENGINE_GET_CLASS (self);

  return klass->prepare == NULL || klass->prepare (self, program, error);
}

gboolean
vard_engine_execute (VardEngine *self,
                     VardProgram *program,
                     GCancellable *cancellable,
                     GError **error)
{
  VardEngineClass *klass = VARD_ENGINE_GET_CLASS (self);
  VardBuffer *arena = vard_engine_peek_arena (self);

  if (vard_engine_poisons (self) && arena != NULL
      && !klass->fill (self, arena, 0, 0xff, arena->size, error))
    return FALSE;

  return klass->execute (self, program, cancellable, error) && klass->wait (self, error);
}
