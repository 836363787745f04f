/* cli-lora.c - the option --lora FILE[:STRENGTH]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-lora.h"

#include <stdio.h>

void
cli_lora_tell (const char *spec, guint n_layers)
{
  g_autofree char *path = NULL;
  double strength;

  if (vard_lora_spec_parse (spec, &path, &strength, NULL))
    printf ("%s: %u layer%s, strength %g\n", path, n_layers, n_layers == 1 ? "" : "s", strength);
}

gboolean
cli_lora_add (VardModel *model, char **specs, GError **error)
{
  for (guint i = 0; specs != NULL && specs[i] != NULL; i++)
    {
      g_autofree char *path = NULL;
      double strength;
      guint n_layers;

      if (!vard_lora_spec_parse (specs[i], &path, &strength, error)
          || !vard_model_add_lora (model, path, strength, &n_layers, error))
        return FALSE;
      cli_lora_tell (specs[i], n_layers);
    }

  return TRUE;
}
