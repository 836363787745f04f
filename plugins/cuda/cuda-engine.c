/* cuda-engine.c - the CUDA engine
 *
 * The device is opened when it is first needed, so that an engine can be made, listed and set up
 * where there is none.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-engine.h"
#include "cuda-step.h"
#include "cuda-weights.h"

#include <string.h>

#define DNN_WORKSPACE ((gsize) 256 << 20)

struct _VardCudaEngine
{
  VardEngine parent_instance;

  guint device_index;
  gint precision;
  gboolean graphs, measure, cudnn;
  gsize dnn_workspace;

  GRecMutex mutex;
  CudaDevice *device;
};

G_DEFINE_ENUM_TYPE (CudaPrecision,
                    cuda_precision,
                    G_DEFINE_ENUM_VALUE (CUDA_PRECISION_FP32, "fp32"),
                    G_DEFINE_ENUM_VALUE (CUDA_PRECISION_TF32, "tf32"),
                    G_DEFINE_ENUM_VALUE (CUDA_PRECISION_BF16, "bf16"))

G_DEFINE_FINAL_TYPE (VardCudaEngine, vard_cuda_engine, VARD_TYPE_ENGINE)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_UINT (VardCudaEngine, device_index,
                   "Number of the device to use, counted from 0", 0, 255, 0),
  VARD_FIELD_ENUM (VardCudaEngine, precision,
                   "Precision of products: fp32, tf32 (10 bits of mantissa) or bf16 (7 bits, and "
                   "half the memory for frozen weights and activations); sums and trained weights "
                   "stay in single precision",
                   cuda_precision_get_type, CUDA_PRECISION_FP32),
  VARD_FIELD_BOOLEAN (VardCudaEngine, graphs,
                      "Capture a step as a CUDA graph and replay it", TRUE),
  VARD_FIELD_BOOLEAN (VardCudaEngine, measure,
                      "Measure several algorithms once for each product and remember the fastest "
                      "on disk; if off, trust the estimate of cuBLASLt",
                      TRUE),
  VARD_FIELD_BOOLEAN (VardCudaEngine, cudnn,
                      "Use cuDNN, if installed, for convolutions and in bf16 for attention",
                      TRUE),
};
/* clang-format on */

static CudaDevice *
vard_cuda_engine_ensure (VardCudaEngine *self, GError **error)
{
  g_rec_mutex_lock (&self->mutex);
  if (self->device == NULL)
    self->device = cuda_device_open (self->device_index, error);
  g_rec_mutex_unlock (&self->mutex);
  return self->device;
}

static char *
vard_cuda_engine_describe (VardEngine *engine)
{
  VardCudaEngine *self = VARD_CUDA_ENGINE (engine);
  g_autoptr (GError) error = NULL;
  CudaDevice *device = vard_cuda_engine_ensure (self, &error);
  const char *precision = ((const char *[]) { "fp32", "tf32", "bf16" })[self->precision];
  g_autofree char *dnn = NULL;

  if (device == NULL)
    return g_strdup_printf ("cuda: unavailable: %s", error->message);
  g_rec_mutex_lock (&self->mutex);
  dnn = self->cudnn ? cuda_dnn_describe (device) : g_strdup ("cuDNN not used");
  g_rec_mutex_unlock (&self->mutex);

  return g_strdup_printf ("cuda: %s, %.1f GB, sm_%d%d, driver for CUDA %d.%d, %s, %s products",
                          device->name, device->total * 1e-9, device->major, device->minor,
                          device->driver_version / 1000, device->driver_version % 1000 / 10, dnn,
                          precision);
}

static VardBuffer *
vard_cuda_engine_alloc (VardEngine *engine, gsize size, GError **error)
{
  VardCudaEngine *self = VARD_CUDA_ENGINE (engine);
  CudaDevice *device = vard_cuda_engine_ensure (self, error);
  VardBuffer *buffer;

  if (device == NULL)
    return NULL;
  g_rec_mutex_lock (&self->mutex);
  buffer = cuda_device_alloc (device, size, error);
  g_rec_mutex_unlock (&self->mutex);

  return buffer;
}

/* weights that were made of its values are made again */
static void
vard_cuda_engine_touch (VardCudaEngine *self, VardBuffer *buffer)
{
  g_autoptr (GHashTable) buffers = g_hash_table_new (NULL, NULL);

  g_hash_table_add (buffers, buffer);
  g_rec_mutex_lock (&self->mutex);
  cuda_weights_touch (self->device, buffers);
  g_rec_mutex_unlock (&self->mutex);
}

/* A tensor that no program has used yet, or that programs have in another type, is still on the
 * host */
static gboolean
vard_cuda_engine_write (VardEngine *engine,
                        VardBuffer *to,
                        gsize offset,
                        gconstpointer from,
                        gsize size,
                        GError **error)
{
  VardCudaEngine *self = VARD_CUDA_ENGINE (engine);
  CudaDevice *device = vard_cuda_engine_ensure (self, error);
  gboolean is_done;

  if (device != NULL)
    vard_cuda_engine_touch (self, to);
  if (to->is_host)
    return VARD_ENGINE_CLASS (vard_cuda_engine_parent_class)
      ->write (engine, to, offset, from, size, error);
  g_rec_mutex_lock (&self->mutex);
  is_done = device != NULL && cuda_device_write (device, to->data + offset, from, size, error);
  g_rec_mutex_unlock (&self->mutex);

  return is_done;
}

static gboolean
vard_cuda_engine_read (VardEngine *engine,
                       VardBuffer *from,
                       gsize offset,
                       gpointer to,
                       gsize size,
                       GError **error)
{
  VardCudaEngine *self = VARD_CUDA_ENGINE (engine);
  CudaDevice *device = vard_cuda_engine_ensure (self, error);
  gboolean is_done;

  if (from->is_host)
    return VARD_ENGINE_CLASS (vard_cuda_engine_parent_class)
      ->read (engine, from, offset, to, size, error);
  g_rec_mutex_lock (&self->mutex);
  is_done = device != NULL && cuda_device_read (device, from->data + offset, to, size, error);
  g_rec_mutex_unlock (&self->mutex);

  return is_done;
}

/* queued behind what was queued before */
static gboolean
vard_cuda_engine_copy (VardEngine *engine,
                       VardBuffer *from,
                       gsize from_offset,
                       VardBuffer *to,
                       gsize to_offset,
                       gsize size,
                       GError **error)
{
  VardCudaEngine *self = VARD_CUDA_ENGINE (engine);
  CudaDevice *device = vard_cuda_engine_ensure (self, error);
  gboolean is_done;

  if (device == NULL)
    return FALSE;
  vard_cuda_engine_touch (self, to);
  if (from->is_host)
    return vard_cuda_engine_write (engine, to, to_offset, from->data + from_offset, size, error);
  if (to->is_host)
    return vard_cuda_engine_read (engine, from, from_offset, to->data + to_offset, size, error);
  g_rec_mutex_lock (&self->mutex);
  is_done = cuda_device_enter (device, error);
  if (is_done)
    cuda_device_copy (device, from->data + from_offset, to->data + to_offset, size);
  is_done = is_done && cuda_device_report (device, error);
  g_rec_mutex_unlock (&self->mutex);

  return is_done;
}

static gboolean
vard_cuda_engine_fill (VardEngine *engine,
                       VardBuffer *to,
                       gsize offset,
                       guint8 value,
                       gsize size,
                       GError **error)
{
  VardCudaEngine *self = VARD_CUDA_ENGINE (engine);
  CudaDevice *device = vard_cuda_engine_ensure (self, error);
  gboolean is_done;

  if (device != NULL)
    vard_cuda_engine_touch (self, to);
  if (to->is_host)
    return VARD_ENGINE_CLASS (vard_cuda_engine_parent_class)
      ->fill (engine, to, offset, value, size, error);
  g_rec_mutex_lock (&self->mutex);
  is_done = device != NULL && cuda_device_enter (device, error);
  if (is_done)
    cuda_device_fill (device, to->data + offset, value, size);
  is_done = is_done && cuda_device_report (device, error);
  g_rec_mutex_unlock (&self->mutex);

  return is_done;
}

static gboolean
vard_cuda_engine_lower (VardEngine *engine, VardLowering *lowering, GError **error)
{
  VardCudaEngine *self = VARD_CUDA_ENGINE (engine);
  CudaDevice *device = vard_cuda_engine_ensure (self, error);
  g_autoptr (CudaProgram) program = NULL;
  gboolean is_done;

  if (device == NULL)
    return FALSE;
  g_rec_mutex_lock (&self->mutex);
  device->measures = self->measure;
  device->uses_dnn = self->cudnn;
  device->dnn_workspace = self->dnn_workspace;
  program = cuda_program_new (device, self->precision);
  is_done = cuda_lower (program, lowering, error);
  g_rec_mutex_unlock (&self->mutex);

  return is_done;
}

static CudaProgram *
cuda_peek_program (VardProgram *program)
{
  return ((const CudaStepData *) vard_program_get_step (program, 0)->data)->program;
}

static gboolean
vard_cuda_engine_prepare (VardEngine *engine, VardProgram *program, GError **error)
{
  VardCudaEngine *self = VARD_CUDA_ENGINE (engine);
  gboolean is_done;

  if (vard_program_get_n_steps (program) == 0)
    return TRUE;
  g_rec_mutex_lock (&self->mutex);
  is_done = cuda_program_prepare (cuda_peek_program (program), error);
  g_rec_mutex_unlock (&self->mutex);

  return is_done;
}

static gboolean
vard_cuda_engine_execute (VardEngine *engine,
                          VardProgram *program,
                          GCancellable *cancellable,
                          GError **error)
{
  VardCudaEngine *self = VARD_CUDA_ENGINE (engine);
  gboolean is_done;

  if (vard_program_get_n_steps (program) == 0)
    return !g_cancellable_set_error_if_cancelled (cancellable, error);
  g_rec_mutex_lock (&self->mutex);
  is_done =
    cuda_program_run (cuda_peek_program (program), program, self->graphs, cancellable, error);
  g_rec_mutex_unlock (&self->mutex);

  return is_done;
}

static gboolean
vard_cuda_engine_wait (VardEngine *engine, GError **error)
{
  VardCudaEngine *self = VARD_CUDA_ENGINE (engine);

  return self->device == NULL
         || (cuda_device_enter (self->device, error) && cuda_device_wait (self->device, error));
}

static gboolean
vard_cuda_engine_is_exact (VardEngine *engine)
{
  return VARD_CUDA_ENGINE (engine)->precision == CUDA_PRECISION_FP32;
}

/* What is held and is neither a weight nor the arena are buffers */
static gboolean
vard_cuda_engine_describe_memory (VardEngine *engine, VardDeviceMemory *memory)
{
  VardCudaEngine *self = VARD_CUDA_ENGINE (engine);
  CudaDevice *device = vard_cuda_engine_ensure (self, NULL);
  gsize n_made, arena;

  if (device == NULL || !cuda_device_enter (device, NULL))
    return FALSE;
  g_rec_mutex_lock (&self->mutex);
  arena = vard_engine_get_arena_size (engine);
  memory->weights = cuda_weights_count (device, &n_made);
  memory->buffers = device->allocated - n_made - arena;
  memory->libraries = device->blas_workspace_size;
  memory->needed = memory->weights + memory->buffers + memory->workspace + memory->libraries;
  memory->peak = device->peak + device->blas_workspace_size;
  memory->missing = memory->weights - n_made + memory->workspace - MIN (arena, memory->workspace);
  cuda_device_check (device, device->cuda->cuMemGetInfo (&memory->free, &memory->total),
                     "asking for its memory");
  g_rec_mutex_unlock (&self->mutex);

  return device->error == NULL;
}

void
vard_cuda_engine_get_modules (VardCudaEngine *self, guint *n_compiled, guint *n_cached)
{
  g_return_if_fail (VARD_IS_CUDA_ENGINE (self));

  *n_compiled = self->device != NULL ? self->device->n_compiled : 0;
  *n_cached = self->device != NULL ? self->device->n_cached : 0;
}

void
vard_cuda_engine_get_choices (VardCudaEngine *self, guint *n_measured, guint *n_recalled)
{
  g_return_if_fail (VARD_IS_CUDA_ENGINE (self));

  *n_measured = self->device != NULL ? self->device->n_measured : 0;
  *n_recalled = self->device != NULL ? self->device->n_recalled : 0;
}

guint
vard_cuda_engine_get_conversions (VardCudaEngine *self)
{
  g_return_val_if_fail (VARD_IS_CUDA_ENGINE (self), 0);

  return self->device != NULL ? self->device->n_converted : 0;
}

void
vard_cuda_engine_get_memory (VardCudaEngine *self, gsize *allocated, gsize *peak)
{
  g_return_if_fail (VARD_IS_CUDA_ENGINE (self));

  *allocated = self->device != NULL ? self->device->allocated : 0;
  *peak = self->device != NULL ? self->device->peak : 0;
}

void
vard_cuda_engine_set_dnn_workspace (VardCudaEngine *self, gsize size)
{
  self->dnn_workspace = size;
}

static void
vard_cuda_engine_dispose (GObject *object)
{
  /* the arena belongs to the parent, whose blocks hold the device */
  g_clear_pointer (&VARD_CUDA_ENGINE (object)->device, cuda_device_unref);
  G_OBJECT_CLASS (vard_cuda_engine_parent_class)->dispose (object);
}

static void
vard_cuda_engine_finalize (GObject *object)
{
  g_rec_mutex_clear (&VARD_CUDA_ENGINE (object)->mutex);
  G_OBJECT_CLASS (vard_cuda_engine_parent_class)->finalize (object);
}

static void
vard_cuda_engine_class_init (VardCudaEngineClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  VardEngineClass *engine_class = VARD_ENGINE_CLASS (klass);

  object_class->dispose = vard_cuda_engine_dispose;
  object_class->finalize = vard_cuda_engine_finalize;
  engine_class->describe = vard_cuda_engine_describe;
  engine_class->alloc = vard_cuda_engine_alloc;
  engine_class->write = vard_cuda_engine_write;
  engine_class->read = vard_cuda_engine_read;
  engine_class->copy = vard_cuda_engine_copy;
  engine_class->fill = vard_cuda_engine_fill;
  engine_class->lower = vard_cuda_engine_lower;
  engine_class->prepare = vard_cuda_engine_prepare;
  engine_class->execute = vard_cuda_engine_execute;
  engine_class->wait = vard_cuda_engine_wait;
  engine_class->describe_memory = vard_cuda_engine_describe_memory;
  engine_class->is_exact = vard_cuda_engine_is_exact;
  vard_fields_install (object_class, fields, G_N_ELEMENTS (fields));
}

static void
vard_cuda_engine_init (VardCudaEngine *self)
{
  g_rec_mutex_init (&self->mutex);
  self->dnn_workspace = DNN_WORKSPACE;
}
