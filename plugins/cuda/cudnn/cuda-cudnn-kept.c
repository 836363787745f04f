/* cuda-cudnn-kept.c - stores cuDNN's chosen plans in compiled form
 *
 * A file begins with the hash of the rest: the library reads compiled code from it, and a file that
 * was cut short or changed is as none. Version, device, shapes and way are in its name.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-cudnn-step.h"

#define HASH_LENGTH 64

/* to be counted up when a graph is described in another way: a kept one has its tensors' numbers */
#define DESCRIPTIONS 1

static char *
cuda_cudnn_kept_dup_path (CudaDevice *device, const char *key, gint way)
{
  g_autofree char *text = g_strdup_printf ("%d %s %d %s sm_%d%d", DESCRIPTIONS, key, way,
                                           device->name, device->major, device->minor);
  g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
  g_autofree char *name = g_strdup_printf ("cudnn-%.32s.plan", hash);

  return g_build_filename (cuda_device_ensure_cache_folder (device), name, NULL);
}

/* a folder that cannot be written costs time only */
void
cuda_dnn_keep (CudaDevice *device, const char *key, gint way, const char *text)
{
  g_autofree char *path = cuda_cudnn_kept_dup_path (device, key, way);
  g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
  g_autofree char *contents = g_strconcat (hash, "\n", text, NULL);

  g_file_set_contents (path, contents, -1, NULL);
}

char *
cuda_dnn_dup_kept (CudaDevice *device, const char *key, gint way)
{
  g_autofree char *path = cuda_cudnn_kept_dup_path (device, key, way), *contents = NULL,
                  *hash = NULL;
  gsize size = 0;

  if (!g_file_get_contents (path, &contents, &size, NULL) || size <= HASH_LENGTH + 1
      || contents[HASH_LENGTH] != '\n')
    return NULL;
  hash = g_compute_checksum_for_data (G_CHECKSUM_SHA256,
                                      (const guchar *) contents + HASH_LENGTH + 1,
                                      size - HASH_LENGTH - 1);

  return strncmp (hash, contents, HASH_LENGTH) == 0 ? g_strdup (contents + HASH_LENGTH + 1) : NULL;
}
