/* vard-lora-spec.c - FILE[:STRENGTH], how people name a LoRA file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "adapters/vard-lora-spec.h"

#include "base/vard-error.h"

#include <math.h>
#include <string.h>

/**
 * vard_lora_spec_parse:
 * @spec: FILE[:STRENGTH]; text after the last ':' is a strength, unless a file has the whole name
 * @path: (out) (transfer full) (type filename): the file; it need not exist
 * @strength: (out): what multiplies the file's adapters; 1 where @spec names none
 * @error: return location for an error
 *
 * Splits what a person typed.
 *
 * Returns: %FALSE with %VARD_ERROR_USAGE where the strength is no finite number
 */
gboolean
vard_lora_spec_parse (const char *spec, char **path, double *strength, GError **error)
{
  g_return_val_if_fail (spec != NULL && path != NULL && strength != NULL, FALSE);

  const char *colon = strrchr (spec, ':');
  char *end;

  if (colon == NULL || g_file_test (spec, G_FILE_TEST_EXISTS))
    {
      *path = g_strdup (spec);
      *strength = 1;
      return TRUE;
    }

  double value = g_ascii_strtod (colon + 1, &end);

  if (end == colon + 1 || *end != 0 || !isfinite (value))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "lora takes FILE[:STRENGTH]; \"%s\" is not a strength", colon + 1);
      return FALSE;
    }
  *path = g_strndup (spec, colon - spec);
  *strength = value;

  return TRUE;
}
