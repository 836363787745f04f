/* fake-driver.c - libcuda.so.1 without a device: memory is the host's, and work is done when
 * somebody waits for it
 *
 * What is queued runs at the latest possible moment, when its stream or an event behind it is
 * waited for, so that pinned memory that is written again too early, or read too early, shows in
 * the results. While a stream is captured nothing is queued, and the calls are queued when the
 * graph is launched: a capture that misses a call, or keeps an address too long, shows too.
 * VARD_FAKE_CUDA makes it fail: "no-device", "old-driver", "memory=BYTES" that there are, "lost=N"
 * after which launch. With "idle" it computes nothing and gives noise to who reads, which leaves
 * what the host has to do. "backwards" is in fake-threads.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake-driver.h"
#include "fake-threads.h"

#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Record
{
  struct Record *next;
  FakeCall call;
  size_t number, size; /* in the order of queueing */
  void *data;
} Record;

typedef struct
{
  Record *first, **last;
} Queue;

struct CUgraph_st
{
  Queue queue;
};
struct CUgraphExec_st
{
  Queue queue;
};
struct CUevent_st
{
  size_t number;
}; /* of the last record before it */
struct CUfunc_st
{
  FakeKernel kernel;
  size_t args_size;
};
struct CUmod_st
{
  void *handle;
};

static Queue stream = { NULL, &stream.first };
static CUgraph captured;
static size_t n_queued, n_allocated, n_launches;
static int is_lost;

/* the number after NAME= in VARD_FAKE_CUDA, or 1 for NAME alone; 0: not there */
static size_t
get_fault (const char *name)
{
  const char *all = getenv ("VARD_FAKE_CUDA"), *found = all != NULL ? strstr (all, name) : NULL;

  if (found == NULL)
    return 0;
  found += strlen (name);
  return *found == '=' ? strtoull (found + 1, NULL, 10) : 1;
}

static int
is_idle (void)
{
  static int answer = -1;

  if (answer < 0)
    answer = get_fault ("idle") != 0;
  return answer;
}

/* ---- the queue ---- */

static void
queue_add (Queue *queue, FakeCall call, const void *data, size_t size)
{
  Record *record = calloc (1, sizeof *record);

  record->call = call;
  record->number = ++n_queued;
  record->size = size;
  record->data = malloc (size);
  memcpy (record->data, data, size);
  *queue->last = record;
  queue->last = &record->next;
}

static Record *
queue_take (Queue *queue)
{
  Record *record = queue->first;

  queue->first = record->next;
  if (queue->first == NULL)
    queue->last = &queue->first;
  return record;
}

static void
queue_clear (Queue *queue)
{
  while (queue->first != NULL)
    {
      Record *record = queue_take (queue);

      free (record->data);
      free (record);
    }
}

/* does what was queued up to a record; an error loses the device, as there */
static CUresult
run_queue (size_t last)
{
  while (stream.first != NULL && stream.first->number <= last)
    {
      Record *record = queue_take (&stream);

      if (!is_lost && record->call (record->data) != 0)
        is_lost = 1;
      free (record->data);
      free (record);
    }
  return is_lost ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
}

int
fake_submit (FakeCall call, const void *data, size_t size)
{
  if (is_lost)
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  if (is_idle ())
    return CUDA_SUCCESS;
  queue_add (captured != NULL ? &captured->queue : &stream, call, data, size);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuStreamCreate (CUstream *made, unsigned flags)
{
  *made = malloc (1);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuStreamDestroy (CUstream old)
{
  run_queue (n_queued);
  free (old);
  return CUDA_SUCCESS;
}

/* what a device refuses while a stream is captured: calls that wait, or that may */
static CUresult
check_capture (void)
{
  return captured != NULL ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
}

CUresult CUDAAPI
cuStreamSynchronize (CUstream on)
{
  if (check_capture () != CUDA_SUCCESS)
    return check_capture ();
  return run_queue (n_queued);
}

CUresult CUDAAPI
cuStreamBeginCapture (CUstream on, CUstreamCaptureMode mode)
{
  if (captured != NULL)
    return CUDA_ERROR_ILLEGAL_STATE;
  captured = calloc (1, sizeof *captured);
  captured->queue.last = &captured->queue.first;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuStreamEndCapture (CUstream on, CUgraph *graph)
{
  *graph = captured;
  captured = NULL;
  return *graph != NULL ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_STATE;
}

/* the graph's records move to the executable */
CUresult CUDAAPI
cuGraphInstantiateWithFlags (CUgraphExec *exec, CUgraph graph, unsigned long long flags)
{
  *exec = calloc (1, sizeof **exec);
  (*exec)->queue.first = graph->queue.first;
  graph->queue = (Queue) { NULL, &graph->queue.first };
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuGraphDestroy (CUgraph graph)
{
  queue_clear (&graph->queue);
  free (graph);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuGraphExecDestroy (CUgraphExec exec)
{
  queue_clear (&exec->queue);
  free (exec);
  return CUDA_SUCCESS;
}

/* copies, since the executable may be destroyed before they are done */
CUresult CUDAAPI
cuGraphLaunch (CUgraphExec exec, CUstream to)
{
  if (captured != NULL)
    return CUDA_ERROR_ILLEGAL_STATE;
  for (Record *record = exec->queue.first; record != NULL; record = record->next)
    queue_add (&stream, record->call, record->data, record->size);
  return is_lost ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
}

CUresult CUDAAPI
cuEventCreate (CUevent *event, unsigned flags)
{
  *event = calloc (1, sizeof **event);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuEventDestroy (CUevent event)
{
  free (event);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuEventRecord (CUevent event, CUstream on)
{
  event->number = n_queued;
  return is_lost ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
}

CUresult CUDAAPI
cuEventSynchronize (CUevent event)
{
  if (check_capture () != CUDA_SUCCESS)
    return check_capture ();
  return run_queue (event->number);
}

/* ---- the device ---- */

CUresult CUDAAPI
cuInit (unsigned flags)
{
  return get_fault ("no-device") ? CUDA_ERROR_NO_DEVICE : CUDA_SUCCESS;
}

CUresult CUDAAPI
cuDriverGetVersion (int *version)
{
  *version = get_fault ("old-driver") ? 11040 : 13000;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuDeviceGetCount (int *count)
{
  *count = 1;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuDeviceGet (CUdevice *device, int ordinal)
{
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuDeviceGetName (char *name, int size, CUdevice device)
{
  snprintf (name, size, "Emulated device");
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuDeviceGetAttribute (int *value, CUdevice_attribute attribute, CUdevice device)
{
  *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9
           : attribute == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT   ? 4
                                                                     : 0;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuDevicePrimaryCtxRetain (CUcontext *context, CUdevice device)
{
  *context = (CUcontext) (size_t) 1;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuDevicePrimaryCtxRelease (CUdevice device)
{
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuCtxSetCurrent (CUcontext context)
{
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuGetErrorName (CUresult result, const char **name)
{
  *name = result == CUDA_ERROR_ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR";
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuGetErrorString (CUresult result, const char **text)
{
  *text = result == CUDA_ERROR_ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
                                               : "an error";
  return CUDA_SUCCESS;
}

/* ---- memory: each block has its size before it, and is full of NaN at first ---- */

static size_t
get_total (void)
{
  size_t limit = get_fault ("memory");

  return limit ? limit : (size_t) 8 << 30;
}

CUresult CUDAAPI
cuMemGetInfo (size_t *free_bytes, size_t *total)
{
  *total = get_total ();
  *free_bytes = *total - n_allocated;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuMemAlloc (CUdeviceptr *address, size_t size)
{
  char *block;

  if (is_lost)
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  if (check_capture () != CUDA_SUCCESS)
    return check_capture ();
  if (size + n_allocated > get_total ())
    return CUDA_ERROR_OUT_OF_MEMORY;
  block = aligned_alloc (256, (size + 511) / 256 * 256);
  *(size_t *) block = size;
  memset (block + 256, 0xff, size);
  n_allocated += size;
  *address = (CUdeviceptr) (block + 256);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuMemFree (CUdeviceptr address)
{
  char *block = (char *) address - 256;

  if (check_capture () != CUDA_SUCCESS)
    return check_capture ();
  run_queue (n_queued);
  n_allocated -= *(size_t *) block;
  free (block);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuMemAllocHost (void **address, size_t size)
{
  if (check_capture () != CUDA_SUCCESS)
    return check_capture ();
  *address = malloc (size);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuMemFreeHost (void *address)
{
  free (address);
  return CUDA_SUCCESS;
}

typedef struct
{
  void *to;
  const void *from;
  int value;
  size_t size;
} Transfer;

static int
do_copy (const void *data)
{
  const Transfer *transfer = data;

  memmove (transfer->to, transfer->from, transfer->size);
  return CUDA_SUCCESS;
}

static int
do_fill (const void *data)
{
  const Transfer *transfer = data;

  memset (transfer->to, transfer->value, transfer->size);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuMemcpyHtoDAsync (CUdeviceptr to, const void *from, size_t size, CUstream on)
{
  return fake_submit (do_copy, &(Transfer) { (void *) to, from, 0, size }, sizeof (Transfer));
}

static CUresult
give_noise (float *to, size_t n)
{
  static unsigned state = 1;

  for (size_t i = 0; i < n; i++)
    to[i] = ((state = state * 1664525 + 1013904223) >> 8) * 0x1p-23f - 1;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuMemcpyDtoHAsync (void *to, CUdeviceptr from, size_t size, CUstream on)
{
  if (is_idle ())
    return give_noise (to, size / sizeof (float));
  return fake_submit (do_copy, &(Transfer) { to, (void *) from, 0, size }, sizeof (Transfer));
}

CUresult CUDAAPI
cuMemcpyDtoDAsync (CUdeviceptr to, CUdeviceptr from, size_t size, CUstream on)
{
  return fake_submit (do_copy, &(Transfer) { (void *) to, (void *) from, 0, size },
                      sizeof (Transfer));
}

CUresult CUDAAPI
cuMemsetD8Async (CUdeviceptr to, unsigned char value, size_t size, CUstream on)
{
  return fake_submit (do_fill, &(Transfer) { (void *) to, NULL, value, size }, sizeof (Transfer));
}

/* ---- modules: shared objects of this machine, behind their size ---- */

CUresult CUDAAPI
cuModuleLoadData (CUmodule *module, const void *image)
{
  char path[] = "/tmp/vard-fake-cuda-XXXXXX";
  size_t size = *(const size_t *) image;
  int fd = size < 1 << 24 ? mkstemp (path) : -1;
  Simt **simt;
  void *handle;

  if (check_capture () != CUDA_SUCCESS)
    return check_capture ();
  if (fd < 0 || write (fd, (const char *) image + sizeof size, size) != (ssize_t) size)
    return CUDA_ERROR_INVALID_IMAGE;
  close (fd);
  handle = dlopen (path, RTLD_NOW | RTLD_LOCAL);
  unlink (path);
  simt = handle != NULL ? dlsym (handle, "simt") : NULL;
  if (simt == NULL)
    return CUDA_ERROR_INVALID_IMAGE;
  *simt = &fake_simt;
  *module = calloc (1, sizeof **module);
  (*module)->handle = handle;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI
cuModuleUnload (CUmodule module)
{
  dlclose (module->handle);
  free (module);
  return CUDA_SUCCESS;
}

/* functions live as long as the process: a test makes few */
CUresult CUDAAPI
cuModuleGetFunction (CUfunction *function, CUmodule module, const char *name)
{
  char size_name[128];
  const unsigned long *size;
  void *kernel = dlsym (module->handle, name);

  snprintf (size_name, sizeof size_name, "%s_args_size", name);
  size = dlsym (module->handle, size_name);
  if (kernel == NULL || size == NULL)
    return CUDA_ERROR_NOT_FOUND;
  *function = calloc (1, sizeof **function);
  (*function)->kernel = (FakeKernel) kernel;
  (*function)->args_size = *size;
  return CUDA_SUCCESS;
}

typedef struct
{
  FakeKernel kernel;
  SimtIndex grid, block;
  char args[4096]; /* as much as a device takes */
} Launch;

static int
do_launch (const void *data)
{
  const Launch *launch = data;

  if (get_fault ("lost") && ++n_launches > get_fault ("lost"))
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  return fake_run_grid (launch->kernel, launch->args, launch->grid, launch->block)
           ? CUDA_SUCCESS
           : CUDA_ERROR_LAUNCH_FAILED;
}

CUresult CUDAAPI
cuLaunchKernel (CUfunction f,
                unsigned grid_x,
                unsigned grid_y,
                unsigned grid_z,
                unsigned block_x,
                unsigned block_y,
                unsigned block_z,
                unsigned shared,
                CUstream on,
                void **parameters,
                void **extra)
{
  Launch launch = { f->kernel, { grid_x, grid_y, grid_z }, { block_x, block_y, block_z } };

  if (f->args_size > sizeof launch.args || grid_x == 0 || grid_y == 0 || grid_y > 65535
      || block_x > 1024)
    return CUDA_ERROR_INVALID_VALUE;
  memcpy (launch.args, parameters[0], f->args_size);
  return fake_submit (do_launch, &launch, sizeof launch);
}
