/* vard-image-read.c - decodes PNG and JPEG with stb_image, the one place that includes it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-image-private.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_MAX_DIMENSIONS VARD_IMAGE_MAX_SIDE
#define STBI_ASSERT(condition) g_assert (condition)

/* unused functions are reported at the end of the file, so these hold for all of it */
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wtype-limits"
#include <stb_image.h>

guint8 *
vard_image_decode_rgb (const guint8 *data,
                       gsize size,
                       guint *width,
                       guint *height,
                       const char **reason)
{
  int w, h, n_channels;
  guint8 *rgb;

  if (size > G_MAXINT)
    {
      *reason = "the file is too large";
      return NULL;
    }
  /* a few bytes can claim gigabytes: look at the size before decoding */
  if (!stbi_info_from_memory (data, size, &w, &h, &n_channels))
    {
      *reason = stbi_failure_reason ();
      return NULL;
    }
  if (w > VARD_IMAGE_MAX_SIDE || h > VARD_IMAGE_MAX_SIDE || (gint64) w * h > VARD_IMAGE_MAX_PIXELS)
    {
      *reason = "it is too large";
      return NULL;
    }
  rgb = stbi_load_from_memory (data, size, &w, &h, &n_channels, 3);
  if (rgb == NULL)
    {
      *reason = stbi_failure_reason ();
      return NULL;
    }
  *width = w;
  *height = h;

  return rgb;
}

void
vard_image_free_rgb (gpointer rgb)
{
  stbi_image_free (rgb);
}
