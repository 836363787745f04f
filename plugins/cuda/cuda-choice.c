/* cuda-choice.c - stores the fastest algorithm for each product on disk
 *
 * One file for a device's name, architecture and version of the matrix library: what was measured
 * with others says nothing. It is read when the first choice is made, and written after a program's
 * first execution.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-device.h"

#include <string.h>

#define GROUP "algorithms"

static char *
cuda_dup_path (CudaDevice *self)
{
  g_autofree char *name = g_strdup_printf ("algorithms-%s-sm_%d%d-%" G_GSIZE_FORMAT ".ini",
                                           self->name, self->major, self->minor,
                                           self->cuda->cublasLtGetVersion ());

  g_strcanon (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_.", '-');

  return g_build_filename (cuda_device_ensure_cache_folder (self), name, NULL);
}

/* a file that cannot be read is as none: choices are made again */
static void
cuda_ensure_choices (CudaDevice *self)
{
  g_autofree char *path = NULL;

  if (self->choices != NULL)
    return;
  path = cuda_dup_path (self);
  self->choices = g_key_file_new ();
  g_key_file_load_from_file (self->choices, path, G_KEY_FILE_NONE, NULL);
}

gboolean
cuda_device_recall (CudaDevice *self, const char *key, gpointer choice, gsize size)
{
  g_autofree char *text = NULL;
  g_autofree guchar *bytes = NULL;
  gsize n_bytes = 0;

  cuda_ensure_choices (self);
  text = g_key_file_get_string (self->choices, GROUP, key, NULL);
  if (text != NULL)
    bytes = g_base64_decode (text, &n_bytes);
  if (n_bytes != size)
    return FALSE;
  memcpy (choice, bytes, size);

  return TRUE;
}

void
cuda_device_remember (CudaDevice *self, const char *key, gconstpointer choice, gsize size)
{
  g_autofree char *text = g_base64_encode (choice, size);

  cuda_ensure_choices (self);
  g_key_file_set_string (self->choices, GROUP, key, text);
  self->has_new_choices = TRUE;
}

/* what another process wrote meanwhile is lost, and measured again when it is needed */
void
cuda_device_save_choices (CudaDevice *self)
{
  g_autofree char *path = NULL;

  if (!self->has_new_choices)
    return;
  path = cuda_dup_path (self);
  g_key_file_save_to_file (self->choices, path, NULL);
  self->has_new_choices = FALSE;
}
