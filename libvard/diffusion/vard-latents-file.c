/* vard-latents-file.c - latents in safetensors files, as other tools lay them out
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "diffusion/vard-latents-file.h"

#include "base/vard-error.h"

static void
vard_latents_swap (const float *from,
                   float *to,
                   gint64 n,
                   const VardModelInfo *info,
                   gboolean to_channels_last)
{
  gint64 area = info->height * info->width, n_channels = info->channels;

  for (gint64 i = 0; i < n; i++)
    for (gint64 p = 0; p < area; p++)
      for (gint64 c = 0; c < n_channels; c++)
        {
          gint64 last = (i * area + p) * n_channels + c, first = (i * n_channels + c) * area + p;

          if (to_channels_last)
            to[last] = from[first];
          else
            to[first] = from[last];
        }
}

float *
vard_latents_read (VardSafetensors *file,
                   const char *name,
                   gint64 n,
                   const VardModelInfo *info,
                   GError **error)
{
  g_autoptr (VardTensor) stored = vard_safetensors_lookup (file, name, error);
  g_autoptr (VardTensor) tensor = stored != NULL ? vard_tensor_convert (stored, VARD_DTYPE_F32)
                                                 : NULL;
  gint64 count = n * info->height * info->width * info->channels;

  if (tensor == NULL)
    return NULL;
  if (vard_tensor_get_count (tensor) != count)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s: the tensor %s has %" G_GINT64_FORMAT " values, but %" G_GINT64_FORMAT
                   " latents of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                   " are needed",
                   vard_safetensors_get_path (file), name, vard_tensor_get_count (tensor), n,
                   info->channels, info->height, info->width);
      return NULL;
    }

  float *latents = g_new (float, count);

  vard_latents_swap (vard_tensor_peek_f32 (tensor), latents, n, info, TRUE);

  return latents;
}

gboolean
vard_latents_write (const char *path,
                    const float *latents,
                    guint n,
                    const VardModelInfo *info,
                    GError **error)
{
  VardShape shape = VARD_SHAPE (n, info->channels, info->height, info->width);
  g_autoptr (VardTensor) tensor = vard_tensor_new (VARD_DTYPE_F32, &shape);
  VardSafetensorsEntry entry = { .name = "latents", .tensor = tensor, .dtype = VARD_DTYPE_F32 };

  vard_latents_swap (latents, vard_tensor_peek_f32 (tensor), n, info, FALSE);

  return vard_safetensors_write (path, &entry, 1, NULL, error);
}
