/* vard-lora-hash.c - the two hashes by which kohya's programs identify a LoRA file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "adapters/vard-lora-hash.h"

#include "base/vard-error.h"

#include <string.h>

#define LEGACY_OFFSET 0x100000u
#define LEGACY_LENGTH 0x10000u
#define N_LEGACY_DIGITS 8

static char *
vard_lora_hash_hash_part (const guint8 *bytes, gsize size, gsize begin, gsize length)
{
  begin = MIN (begin, size);
  return g_compute_checksum_for_data (G_CHECKSUM_SHA256, bytes + begin, MIN (length, size - begin));
}

gboolean
vard_lora_hash_file (const char *path, char **model_hash, char **legacy_hash, GError **error)
{
  g_autoptr (GMappedFile) file = g_mapped_file_new (path, FALSE, error);
  const guint8 *bytes = file != NULL ? (const guint8 *) g_mapped_file_get_contents (file) : NULL;
  gsize size = file != NULL ? g_mapped_file_get_length (file) : 0;
  guint64 header;

  if (file == NULL)
    return FALSE;
  if (size < sizeof header)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s has %" G_GSIZE_FORMAT " bytes, too few for a header", path, size);
      return FALSE;
    }
  memcpy (&header, bytes, sizeof header);
  header = GUINT64_FROM_LE (header);
  if (model_hash != NULL)
    *model_hash = vard_lora_hash_hash_part (bytes, size, MIN (header, size) + sizeof header, size);
  if (legacy_hash != NULL)
    {
      *legacy_hash = vard_lora_hash_hash_part (bytes, size, LEGACY_OFFSET, LEGACY_LENGTH);
      (*legacy_hash)[N_LEGACY_DIGITS] = 0;
    }

  return TRUE;
}
