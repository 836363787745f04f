/* cuda-compiler.c - compiles kernels at run time for the device, and caches them on disk
 *
 * The name of a cached module is the hash of its source, the architecture, and the versions of
 * compiler and driver. The file is written under another name and renamed, so two processes may
 * write it at once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-device.h"

/* made by the build: the text of the kernels */
#include <cuda-sources.h>
#include <string.h>

#define THREADS 256

const char *
cuda_device_ensure_cache_folder (CudaDevice *self)
{
  const char *chosen = g_getenv ("VARD_CUDA_CACHE");

  if (self->cache_folder == NULL)
    self->cache_folder = chosen != NULL
                           ? g_strdup (chosen)
                           : g_build_filename (g_get_user_cache_dir (), "vard", "cuda", NULL);
  g_mkdir_with_parents (self->cache_folder, 0755);

  return self->cache_folder;
}

static char *
cuda_get_arch (CudaDevice *self)
{
  return g_strdup_printf ("sm_%d%d", self->major, self->minor);
}

static char *
cuda_cache_path (CudaDevice *self, const char *source)
{
  g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, source, -1);
  g_autofree char *arch = cuda_get_arch (self);
  g_autofree char *name = NULL;
  int major = 0, minor = 0;

  self->cuda->nvrtcVersion (&major, &minor);
  name =
    g_strdup_printf ("%.32s-%s-%d.%d-%d.cubin", hash, arch, major, minor, self->driver_version);

  return g_build_filename (cuda_device_ensure_cache_folder (self), name, NULL);
}

/* ---- compiling ---- */

static void
cuda_fail_with_log (CudaDevice *self, nvrtcProgram program, nvrtcResult result)
{
  gsize size = 0;
  g_autofree char *log = NULL;

  self->cuda->nvrtcGetProgramLogSize (program, &size);
  log = g_malloc0 (size + 1);
  if (size > 0)
    self->cuda->nvrtcGetProgramLog (program, log);
  cuda_device_fail (self, "a kernel could not be compiled (%s): %.600s",
                    self->cuda->nvrtcGetErrorString (result), log);
}

static GBytes *
cuda_compile_program (CudaDevice *self, nvrtcProgram program)
{
  g_autofree char *arch = cuda_get_arch (self);
  g_autofree char *arch_option = g_strconcat ("--gpu-architecture=", arch, NULL);
  const char *options[] = { arch_option, "--std=c++17", "--fmad=true" };
  nvrtcResult result = self->cuda->nvrtcCompileProgram (program, G_N_ELEMENTS (options), options);
  gsize size = 0;
  g_autofree char *code = NULL;

  if (result == NVRTC_SUCCESS)
    result = self->cuda->nvrtcGetCUBINSize (program, &size);
  if (result == NVRTC_SUCCESS)
    {
      code = g_malloc (size);
      result = self->cuda->nvrtcGetCUBIN (program, code);
    }
  if (result != NVRTC_SUCCESS)
    {
      cuda_fail_with_log (self, program, result);
      return NULL;
    }

  return g_bytes_new_take (g_steal_pointer (&code), size);
}

static GBytes *
cuda_compile_source (CudaDevice *self, const char *source)
{
  nvrtcProgram program = NULL;
  nvrtcResult result = self->cuda->nvrtcCreateProgram (&program, source, "vard.cu", 0, NULL, NULL);
  GBytes *code;

  if (result != NVRTC_SUCCESS)
    {
      cuda_device_fail (self, "cannot start CUDA's run-time compiler (%s)",
                        self->cuda->nvrtcGetErrorString (result));
      return NULL;
    }
  code = cuda_compile_program (self, program);
  self->cuda->nvrtcDestroyProgram (&program);
  self->n_compiled++;

  return code;
}

static CUmodule
cuda_load_cached (CudaDevice *self, const char *path)
{
  g_autofree char *contents = NULL;
  gsize size = 0;
  CUmodule module = NULL;

  /* a file that was cut short is no module; the driver wants a whole header at least */
  if (!g_file_get_contents (path, &contents, &size, NULL) || size < 64
      || self->cuda->cuModuleLoadData (&module, contents) != CUDA_SUCCESS)
    return NULL;
  self->n_cached++;

  return module;
}

static CUmodule
cuda_load_compiled (CudaDevice *self, const char *source, const char *path)
{
  g_autoptr (GBytes) code = cuda_compile_source (self, source);
  CUmodule module = NULL;

  if (code == NULL
      || !cuda_device_check (self,
                             self->cuda->cuModuleLoadData (&module, g_bytes_get_data (code, NULL)),
                             "loading a kernel"))
    return NULL;
  /* a cache that cannot be written costs time, not the run */
  g_file_set_contents (path, g_bytes_get_data (code, NULL), g_bytes_get_size (code), NULL);

  return module;
}

static CUmodule
cuda_load_module (CudaDevice *self, const char *source)
{
  g_autofree char *path = cuda_cache_path (self, source);
  CUmodule module = cuda_load_cached (self, path);

  if (module == NULL)
    module = cuda_load_compiled (self, source, path);
  if (module != NULL)
    g_ptr_array_add (self->modules, module);

  return module;
}

/* modules and functions share the table: a module's key is its source's alone */
static CUfunction
cuda_find_function (CudaDevice *self, const char *key, const char *source, const char *name)
{
  g_autofree char *function_key = g_strconcat (key, ":", name, NULL);
  CUfunction function = g_hash_table_lookup (self->functions, function_key);
  CUmodule module = NULL;

  if (function != NULL || self->error != NULL)
    return function;
  module = g_hash_table_lookup (self->functions, key);
  if (module == NULL)
    module = cuda_load_module (self, source);
  if (module == NULL)
    return NULL;
  g_hash_table_insert (self->functions, g_strdup (key), module);
  if (!cuda_device_check (self, self->cuda->cuModuleGetFunction (&function, module, name), name))
    return NULL;
  g_hash_table_insert (self->functions, g_steal_pointer (&function_key), function);

  return function;
}

static const char *
cuda_peek_source (const char *file)
{
  g_autofree char *path = g_strconcat ("/org/vard/cuda/", file, NULL);
  g_autoptr (GBytes) bytes = g_resource_lookup_data (cuda_sources_get_resource (), path, 0, NULL);

  g_assert (bytes != NULL);
  return g_bytes_get_data (bytes, NULL); /* part of the plugin, and ends with a zero byte */
}

static char *
cuda_make_source (const char *text)
{
  return g_strconcat (cuda_peek_source ("cuda-args.h"), cuda_peek_source ("cuda-prelude.h"), text,
                      NULL);
}

CUfunction
cuda_device_get_kernel (CudaDevice *self, const char *file, const char *name)
{
  g_autofree char *source = cuda_make_source (cuda_peek_source (file));

  return cuda_find_function (self, file, source, name);
}

CUfunction
cuda_device_compile (CudaDevice *self, const char *text, const char *name)
{
  g_autofree char *source = cuda_make_source (text);
  g_autofree char *key = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);

  return cuda_find_function (self, key, source, name);
}

/* ---- launching ---- */

void
cuda_device_launch (CudaDevice *self,
                    CUfunction function,
                    gint64 n_blocks,
                    gint64 n_rows,
                    guint n_threads,
                    gconstpointer args)
{
  void *parameters[] = { (void *) args };

  if (self->error != NULL || n_blocks == 0)
    return;
  if (n_blocks > G_MAXINT32 || n_rows > G_MAXUINT16)
    {
      cuda_device_fail (self,
                        "a kernel would need a grid of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                        " blocks",
                        n_blocks, n_rows);
      return;
    }
  cuda_device_check (self,
                     self->cuda->cuLaunchKernel (function, n_blocks, n_rows, 1, n_threads, 1, 1, 0,
                                                 self->stream, parameters, NULL),
                     "starting a kernel");
}

void
cuda_device_launch_over (CudaDevice *self, CUfunction function, gint64 count, gconstpointer args)
{
  gint64 n_blocks = (count + THREADS - 1) / THREADS;

  /* enough blocks to fill the device some times over; each then walks on */
  cuda_device_launch (self, function, MIN (n_blocks, 32 * MAX (self->n_multiprocessors, 1)), 1,
                      THREADS, args);
}
