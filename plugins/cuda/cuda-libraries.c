/* cuda-libraries.c - opens the driver, the run-time compiler and the matrix library
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-libraries.h"

#include <dlfcn.h>

typedef struct
{
  const char *name;
  gsize offset;
} Symbol;

#define CUDA_SYMBOL(function) { G_STRINGIFY (function), G_STRUCT_OFFSET (CudaLibraries, function) },

static const Symbol driver_symbols[] = { CUDA_DRIVER_FUNCTIONS (CUDA_SYMBOL) };
static const Symbol compiler_symbols[] = { CUDA_COMPILER_FUNCTIONS (CUDA_SYMBOL) };
static const Symbol blas_symbols[] = { CUDA_BLAS_FUNCTIONS (CUDA_SYMBOL) };

typedef struct
{
  const char *const *names; /* the newest first */
  const Symbol *symbols;
  guint n_symbols;
  const char *what, *remedy;
} Library;

static const Library libraries[] = {
  { (const char *const[]) { "libcuda.so.1", NULL }, driver_symbols, G_N_ELEMENTS (driver_symbols),
    "NVIDIA's driver", "install it, or choose another engine" },
  { (const char *const[]) { "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", NULL },
    compiler_symbols, G_N_ELEMENTS (compiler_symbols), "CUDA's run-time compiler",
    "install the libraries of CUDA 12 or 13" },
  { (const char *const[]) { "libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so", NULL },
    blas_symbols, G_N_ELEMENTS (blas_symbols), "CUDA's matrix library",
    "install the libraries of CUDA 12 or 13" },
};

/* only from the folder when one is named: a test must not fall through to a real device */
static void *
library_open (const Library *library)
{
  const char *folder = g_getenv ("VARD_CUDA_LIBRARIES");
  void *handle = NULL;

  for (guint i = 0; library->names[i] != NULL && handle == NULL; i++)
    {
      g_autofree char *path = folder != NULL ? g_build_filename (folder, library->names[i], NULL)
                                             : NULL;

      handle =
        dlopen (path != NULL ? path : library->names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    }

  return handle;
}

static gboolean
library_load (const Library *library, CudaLibraries *self, GError **error)
{
  void *handle = library_open (library);

  if (handle == NULL)
    {
      const char *reason = dlerror ();

      g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED, "%s cannot be opened (%s): %s",
                   library->what, reason != NULL ? reason : library->names[0], library->remedy);
      return FALSE;
    }
  for (guint i = 0; i < library->n_symbols; i++)
    {
      void *symbol = dlsym (handle, library->symbols[i].name);

      if (symbol == NULL)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                       "%s has no %s because it is too old: install a newer one", library->names[0],
                       library->symbols[i].name);
          return FALSE;
        }
      *(void **) ((guint8 *) self + library->symbols[i].offset) = symbol;
    }

  return TRUE;
}

const CudaLibraries *
cuda_libraries_open (GError **error)
{
  static GMutex mutex;
  static CudaLibraries table;
  static gboolean is_open;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&mutex);

  for (guint i = 0; i < G_N_ELEMENTS (libraries) && !is_open; i++)
    if (!library_load (&libraries[i], &table, error))
      return NULL;
  is_open = TRUE;

  return &table;
}
