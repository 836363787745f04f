/* cuda-device.h - a device: context, stream, memory, kernels, and its first error
 *
 * Everything is queued on one stream, in order. A call of the vendor's that fails in the middle of
 * a program is kept, and handed over when the program ends: kernels have no way to return an error.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-libraries.h"

G_BEGIN_DECLS

typedef struct
{
  grefcount ref_count;
  const CudaLibraries *cuda;
  guint index;
  CUdevice device;
  CUcontext context;
  CUstream stream;
  char *name;
  int driver_version, major, minor, n_multiprocessors;
  gsize total, allocated, peak; /* bytes */
  gboolean is_capturing;        /* nothing may be waited for */
  gboolean measures;            /* algorithms are timed where there are several */
  GKeyFile *choices;            /* of algorithms, by product */
  gboolean has_new_choices;
  guint n_measured, n_recalled;
  GHashTable *functions; /* source's hash and name -> CUfunction */
  GPtrArray *modules;
  char *cache_folder; /* compiled kernels, or NULL */
  /* modules that the compiler made, and that came from the cache */
  guint n_compiled, n_cached;
  GHashTable *weights;   /* key -> CudaWeight, borrowed */
  CUfunction cast;       /* the kernel of that name, once it was needed */
  guint n_converted;     /* operands that a product converted for itself */
  gboolean uses_dnn;     /* cuDNN, where it is there */
  gpointer dnn;          /* CudaDnnTarget, or NULL until it was needed */
  GHashTable *dnn_works; /* key -> CudaDnnWork, or NULL */
  gsize dnn_workspace;   /* bytes that a way may take beside its tensors */
  cublasLtHandle_t blas;
  CUdeviceptr blas_workspace;
  gsize blas_workspace_size;
  guint8 *staging;         /* pinned, two halves */
  CUevent staging_free[2]; /* when the device has read a half */
  guint staging_next;
  GError *error; /* the first; sticky */
} CudaDevice;

CudaDevice *cuda_device_open (guint index, GError **error);
CudaDevice *cuda_device_ref (CudaDevice *self);
void cuda_device_unref (CudaDevice *self);

/* makes the device's context this thread's; FALSE when the device was lost earlier */
gboolean cuda_device_enter (CudaDevice *self, GError **error);
/* FALSE: kept as the device's error, with what was being done */
gboolean cuda_device_check (CudaDevice *self, CUresult result, const char *what);
void cuda_device_fail (CudaDevice *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* hands over the kept error, if there is one */
gboolean cuda_device_report (CudaDevice *self, GError **error);
gboolean cuda_device_wait (CudaDevice *self, GError **error);

/* ---- memory (cuda-memory.c) ---- */
VardBuffer *cuda_device_alloc (CudaDevice *self, gsize size, GError **error);
/* a buffer whose memory is allocated when it is first used: until then it has no address */
VardBuffer *cuda_device_reserve (CudaDevice *self, gsize size);
gboolean cuda_device_realize (CudaDevice *self, VardBuffer *buffer, GError **error);
gboolean cuda_device_write (CudaDevice *self,
                            gpointer to,
                            gconstpointer from,
                            gsize size,
                            GError **error);
gboolean cuda_device_read (CudaDevice *self,
                           gconstpointer from,
                           gpointer to,
                           gsize size,
                           GError **error);
void cuda_device_copy (CudaDevice *self, gconstpointer from, gpointer to, gsize size);
void cuda_device_fill (CudaDevice *self, gpointer to, guint8 value, gsize size);
void cuda_device_free_memory (CudaDevice *self);

/* ---- kernels (cuda-compiler.c) ---- */
/* the function of a kernel file of the plugin's, or of a generated source; NULL: the error is
 * kept */
CUfunction cuda_device_get_kernel (CudaDevice *self, const char *file, const char *name);
CUfunction cuda_device_compile (CudaDevice *self, const char *source, const char *name);
void cuda_device_launch (CudaDevice *self,
                         CUfunction function,
                         gint64 n_blocks,
                         gint64 n_rows,
                         guint n_threads,
                         gconstpointer args);
/* a grid that walks over count elements */
void cuda_device_launch_over (CudaDevice *self,
                              CUfunction function,
                              gint64 count,
                              gconstpointer args);

/* CUDA_TYPE_F32 and so on */
int cuda_type_code (VardDType dtype);

/* where compiled kernels and choices are kept */
const char *cuda_device_ensure_cache_folder (CudaDevice *self);

/* ---- choices of algorithms (cuda-choice.c) ---- */
gboolean cuda_device_recall (CudaDevice *self, const char *key, gpointer choice, gsize size);
void cuda_device_remember (CudaDevice *self, const char *key, gconstpointer choice, gsize size);
void cuda_device_save_choices (CudaDevice *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CudaDevice, cuda_device_unref)

G_END_DECLS
