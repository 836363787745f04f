/* cuda-device.c - opens a device and reports its errors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-step.h"

/* 12.0: the first with the graph calls that are used here */
#define OLDEST_DRIVER 12000

/* bytes; what the vendor advises for its larger devices */
#define BLAS_WORKSPACE (32 << 20)

void
cuda_device_fail (CudaDevice *self, const char *format, ...)
{
  va_list arguments;

  if (self->error != NULL)
    return;
  va_start (arguments, format);
  self->error = g_error_new_valist (VARD_ERROR, VARD_ERROR_FAILED, format, arguments);
  va_end (arguments);
}

/* errors after which a context answers nothing else */
static gboolean
cuda_is_lost (CUresult result)
{
  return result == CUDA_ERROR_ILLEGAL_ADDRESS || result == CUDA_ERROR_LAUNCH_FAILED
         || result == CUDA_ERROR_LAUNCH_TIMEOUT || result == CUDA_ERROR_ECC_UNCORRECTABLE
         || result == CUDA_ERROR_CONTEXT_IS_DESTROYED || result == CUDA_ERROR_DEVICE_UNAVAILABLE
         || result == CUDA_ERROR_UNKNOWN;
}

gboolean
cuda_device_check (CudaDevice *self, CUresult result, const char *what)
{
  const char *name = NULL, *words = NULL;

  if (result == CUDA_SUCCESS)
    return TRUE;
  self->cuda->cuGetErrorName (result, &name);
  self->cuda->cuGetErrorString (result, &words);
  if (cuda_is_lost (result))
    cuda_device_fail (self,
                      "the device %s was lost while %s (%s: %s): resume from the last checkpoint",
                      self->name, what, name != NULL ? name : "?", words != NULL ? words : "?");
  else
    cuda_device_fail (self, "%s: %s failed (%s: %s)",
                      self->name != NULL ? self->name : "the driver", what,
                      name != NULL ? name : "?", words != NULL ? words : "?");

  return FALSE;
}

gboolean
cuda_device_report (CudaDevice *self, GError **error)
{
  if (self->error == NULL)
    return TRUE;
  g_propagate_error (error, g_error_copy (self->error));
  return FALSE;
}

gboolean
cuda_device_enter (CudaDevice *self, GError **error)
{
  return cuda_device_report (self, error)
         && (cuda_device_check (self, self->cuda->cuCtxSetCurrent (self->context),
                                "entering its context")
             || cuda_device_report (self, error));
}

gboolean
cuda_device_wait (CudaDevice *self, GError **error)
{
  if (self->error == NULL)
    cuda_device_check (self, self->cuda->cuStreamSynchronize (self->stream), "computing");
  return cuda_device_report (self, error);
}

static int
cuda_get_attribute (CudaDevice *self, CUdevice_attribute attribute)
{
  int value = 0;

  cuda_device_check (self, self->cuda->cuDeviceGetAttribute (&value, attribute, self->device),
                     "asking for attributes");
  return value;
}

static gboolean
cuda_device_find (CudaDevice *self, GError **error)
{
  char name[128] = "";
  int count = 0;
  CUresult result = self->cuda->cuInit (0);

  if (result == CUDA_SUCCESS)
    result = self->cuda->cuDriverGetVersion (&self->driver_version);
  if (result == CUDA_SUCCESS && self->driver_version < OLDEST_DRIVER)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                   "NVIDIA's driver is too old: it has CUDA %d.%d, but the engine needs %d.%d; "
                   "install a newer driver",
                   self->driver_version / 1000, self->driver_version % 1000 / 10,
                   OLDEST_DRIVER / 1000, OLDEST_DRIVER % 1000 / 10);
      return FALSE;
    }
  if (result == CUDA_SUCCESS)
    result = self->cuda->cuDeviceGetCount (&count);
  if (result == CUDA_ERROR_NO_DEVICE || (result == CUDA_SUCCESS && count == 0))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED, "this machine has no NVIDIA device");
      return FALSE;
    }
  if (result == CUDA_SUCCESS && self->index >= (guint) count)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "there is no device %u: this machine has %d, counted from 0", self->index,
                   count);
      return FALSE;
    }
  if (cuda_device_check (self, result, "starting")
      && cuda_device_check (self, self->cuda->cuDeviceGet (&self->device, self->index), "opening")
      && cuda_device_check (self, self->cuda->cuDeviceGetName (name, sizeof name, self->device),
                            "asking for its name"))
    self->name = g_strdup (name);

  return cuda_device_report (self, error);
}

static gboolean
cuda_device_start (CudaDevice *self, GError **error)
{
  const CudaLibraries *cuda = self->cuda;
  gsize unused;

  if (!cuda_device_check (self, cuda->cuDevicePrimaryCtxRetain (&self->context, self->device),
                          "making a context")
      || !cuda_device_enter (self, error))
    return cuda_device_report (self, error);
  cuda_device_check (self, cuda->cuStreamCreate (&self->stream, CU_STREAM_NON_BLOCKING),
                     "making a stream");
  cuda_device_check (self, cuda->cuMemGetInfo (&unused, &self->total), "asking for its memory");
  self->major = cuda_get_attribute (self, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  self->minor = cuda_get_attribute (self, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  self->n_multiprocessors = cuda_get_attribute (self, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  if (self->error == NULL && cuda->cublasLtCreate (&self->blas) != CUBLAS_STATUS_SUCCESS)
    cuda_device_fail (self, "%s: cannot start cuBLASLt, CUDA's matrix library", self->name);
  if (self->error == NULL
      && cuda->cuMemAlloc (&self->blas_workspace, BLAS_WORKSPACE) == CUDA_SUCCESS)
    self->blas_workspace_size = BLAS_WORKSPACE;

  return cuda_device_report (self, error);
}

CudaDevice *
cuda_device_open (guint index, GError **error)
{
  const CudaLibraries *cuda = cuda_libraries_open (error);
  g_autoptr (CudaDevice) self = NULL;

  if (cuda == NULL)
    return NULL;
  self = g_new0 (CudaDevice, 1);
  g_ref_count_init (&self->ref_count);
  self->cuda = cuda;
  self->index = index;
  self->functions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->modules = g_ptr_array_new ();
  self->weights = g_hash_table_new (g_str_hash, g_str_equal);
  if (!cuda_device_find (self, error) || !cuda_device_start (self, error))
    return NULL;

  return g_steal_pointer (&self);
}

CudaDevice *
cuda_device_ref (CudaDevice *self)
{
  g_ref_count_inc (&self->ref_count);
  return self;
}

void
cuda_device_unref (CudaDevice *self)
{
  if (!g_ref_count_dec (&self->ref_count))
    return;
  if (self->context != NULL)
    {
      self->cuda->cuCtxSetCurrent (self->context);
      cuda_device_free_memory (self);
      cuda_dnn_close (self);
      if (self->blas != NULL)
        self->cuda->cublasLtDestroy (self->blas);
      if (self->blas_workspace != 0)
        self->cuda->cuMemFree (self->blas_workspace);
      for (guint i = 0; i < self->modules->len; i++)
        self->cuda->cuModuleUnload (self->modules->pdata[i]);
      if (self->stream != NULL)
        self->cuda->cuStreamDestroy (self->stream);
      self->cuda->cuDevicePrimaryCtxRelease (self->device);
    }
  g_hash_table_unref (self->functions);
  g_hash_table_unref (self->weights);
  g_ptr_array_unref (self->modules);
  g_clear_pointer (&self->choices, g_key_file_unref);
  g_clear_error (&self->error);
  g_free (self->cache_folder);
  g_free (self->name);
  g_free (self);
}
