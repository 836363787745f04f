/* cli-lora.c - the option --lora FILE[:STRENGTH]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-lora.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What stands after the last ':' is a strength, unless there is a file of the whole name */
static gboolean
split (const char *spec, char **path, double *strength, GError **error)
{
  const char *colon = strrchr (spec, ':');
  char *end;

  *strength = 1;
  if (!colon || g_file_test (spec, G_FILE_TEST_EXISTS))
    {
      *path = g_strdup (spec);
      return TRUE;
    }
  *strength = g_ascii_strtod (colon + 1, &end);
  if (end == colon + 1 || *end || !isfinite (*strength))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "--lora takes FILE[:STRENGTH]; \"%s\" is no strength", colon + 1);
      return FALSE;
    }
  *path = g_strndup (spec, colon - spec);
  return TRUE;
}

gboolean
cli_lora_add (VardModel *model, char **specs, GError **error)
{
  for (guint i = 0; specs && specs[i]; i++)
    {
      g_autofree char *path = NULL;
      double strength;
      guint n_layers;

      if (!split (specs[i], &path, &strength, error)
          || !vard_model_add_lora (model, path, strength, &n_layers, error))
        return FALSE;
      printf ("%s: %u layer%s, strength %g\n", path, n_layers, n_layers == 1 ? "" : "s", strength);
    }
  return TRUE;
}
