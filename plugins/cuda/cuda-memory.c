/* cuda-memory.c - device memory: blocks, and transfers through two pinned buffers
 *
 * A write returns once its last piece is in pinned memory, and the device fetches it while the
 * caller goes on. Two halves take turns; a half is written again only after the device has read it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-device.h"

#include <string.h>

/* bytes: long enough that the transfer, and not its start, is what costs */
#define HALF (4 << 20)

typedef struct
{
  CudaDevice *device;
  CUdeviceptr address;
  gsize size;
} Block;

static void
block_free (gpointer data)
{
  Block *block = data;
  CudaDevice *device = block->device;

  /* what is queued may still use it: freeing waits for that */
  device->cuda->cuCtxSetCurrent (device->context);
  if (block->address != 0)
    {
      device->cuda->cuMemFree (block->address);
      device->allocated -= block->size;
    }
  cuda_device_unref (device);
  g_free (block);
}

static void
cuda_set_memory_error (CudaDevice *self, gsize size, GError **error)
{
  gsize free_bytes = 0, total = 0;

  self->cuda->cuMemGetInfo (&free_bytes, &total);
  g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED,
               "%s has too little memory: %.2f GB more are needed, %.2f of %.2f GB are free and "
               "this process holds %.2f; lower --micro-batch, --value-batch or --batch-size, train "
               "with --segments, use --engine cuda:precision=bf16, or make smaller pictures",
               self->name, size * 1e-9, free_bytes * 1e-9, total * 1e-9, self->allocated * 1e-9);
}

VardBuffer *
cuda_device_reserve (CudaDevice *self, gsize size)
{
  Block block = { cuda_device_ref (self), 0, MAX (size, 1) };

  return vard_buffer_new_wrapped (NULL, size, FALSE, g_memdup2 (&block, sizeof block), block_free);
}

gboolean
cuda_device_realize (CudaDevice *self, VardBuffer *buffer, GError **error)
{
  Block *block = buffer->owner;
  CUresult result;

  if (block->address != 0)
    return TRUE;
  if (!cuda_device_enter (self, error))
    return FALSE;
  result = self->cuda->cuMemAlloc (&block->address, block->size);
  if (result == CUDA_ERROR_OUT_OF_MEMORY)
    {
      block->address = 0;
      cuda_set_memory_error (self, block->size, error);
      return FALSE;
    }
  if (!cuda_device_check (self, result, "allocating memory"))
    return cuda_device_report (self, error);
  buffer->data = (gpointer) block->address;
  self->allocated += block->size;
  self->peak = MAX (self->peak, self->allocated);

  return TRUE;
}

VardBuffer *
cuda_device_alloc (CudaDevice *self, gsize size, GError **error)
{
  g_autoptr (VardBuffer) buffer = cuda_device_reserve (self, size);

  return cuda_device_realize (self, buffer, error) ? g_steal_pointer (&buffer) : NULL;
}

static gboolean
cuda_ensure_staging (CudaDevice *self)
{
  void *pinned = NULL;

  if (self->staging != NULL)
    return TRUE;
  for (guint i = 0; i < 2; i++)
    if (!cuda_device_check (self,
                            self->cuda->cuEventCreate (&self->staging_free[i],
                                                       CU_EVENT_DISABLE_TIMING),
                            "making an event"))
      return FALSE;
  if (!cuda_device_check (self, self->cuda->cuMemAllocHost (&pinned, 2 * HALF),
                          "allocating pinned memory"))
    return FALSE;
  self->staging = pinned;

  return TRUE;
}

void
cuda_device_free_memory (CudaDevice *self)
{
  for (guint i = 0; i < 2; i++)
    if (self->staging_free[i] != NULL)
      self->cuda->cuEventDestroy (self->staging_free[i]);
  if (self->staging != NULL)
    self->cuda->cuMemFreeHost (self->staging);
}

gboolean
cuda_device_write (CudaDevice *self, gpointer to, gconstpointer from, gsize size, GError **error)
{
  if (!cuda_device_enter (self, error) || !cuda_ensure_staging (self))
    return cuda_device_report (self, error);
  for (gsize done = 0; done < size && self->error == NULL;)
    {
      guint half = self->staging_next++ % 2;
      guint8 *pinned = self->staging + half * HALF;
      gsize piece = MIN (size - done, HALF);

      cuda_device_check (self, self->cuda->cuEventSynchronize (self->staging_free[half]),
                         "waiting for a transfer");
      memcpy (pinned, (const guint8 *) from + done, piece);
      cuda_device_check (self,
                         self->cuda->cuMemcpyHtoDAsync ((CUdeviceptr) to + done, pinned, piece,
                                                        self->stream),
                         "writing");
      cuda_device_check (self, self->cuda->cuEventRecord (self->staging_free[half], self->stream),
                         "writing");
      done += piece;
    }

  return cuda_device_report (self, error);
}

/* one piece is on its way while the one before is copied out */
gboolean
cuda_device_read (CudaDevice *self, gconstpointer from, gpointer to, gsize size, GError **error)
{
  gsize pending = 0, begin = 0;

  if (!cuda_device_enter (self, error) || !cuda_ensure_staging (self))
    return cuda_device_report (self, error);
  for (gsize done = 0; (done < size || pending > 0) && self->error == NULL;)
    {
      guint half = self->staging_next % 2;
      gsize piece = MIN (size - done, HALF);

      if (piece > 0)
        {
          cuda_device_check (self, self->cuda->cuEventSynchronize (self->staging_free[half]),
                             "waiting for a transfer");
          cuda_device_check (self,
                             self->cuda->cuMemcpyDtoHAsync (self->staging + half * HALF,
                                                            (CUdeviceptr) from + done, piece,
                                                            self->stream),
                             "reading");
          cuda_device_check (self,
                             self->cuda->cuEventRecord (self->staging_free[half], self->stream),
                             "reading");
          self->staging_next++;
        }
      if (pending > 0)
        {
          guint other = piece > 0 ? !half : (self->staging_next - 1) % 2;

          if (cuda_device_check (self, self->cuda->cuEventSynchronize (self->staging_free[other]),
                                 "reading"))
            memcpy ((guint8 *) to + begin, self->staging + other * HALF, pending);
        }
      begin = done;
      pending = piece;
      done += piece;
    }

  return cuda_device_report (self, error);
}

void
cuda_device_copy (CudaDevice *self, gconstpointer from, gpointer to, gsize size)
{
  if (self->error == NULL)
    cuda_device_check (self,
                       self->cuda->cuMemcpyDtoDAsync ((CUdeviceptr) to, (CUdeviceptr) from, size,
                                                      self->stream),
                       "copying");
}

void
cuda_device_fill (CudaDevice *self, gpointer to, guint8 value, gsize size)
{
  if (self->error == NULL)
    cuda_device_check (self,
                       self->cuda->cuMemsetD8Async ((CUdeviceptr) to, value, size, self->stream),
                       "filling");
}
