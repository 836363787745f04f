/* vard-clip-picture.c - what CLIP sees of a picture
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clip/vard-clip-picture.h"

#include "tensor/vard-image-resize.h"

#include <math.h>

static gint64
find_start (gint64 length, guint size, VardClipCrop crop)
{
  gint64 spare = length - size;

  return crop == VARD_CLIP_CROP_FLOOR ? spare / 2 : (gint64) rint (spare / 2.0);
}

void
vard_clip_picture_crop (const guint8 *rgb,
                        guint width,
                        guint height,
                        guint size,
                        VardClipCrop crop,
                        guint8 *square)
{
  guint shorter = MIN (width, height);
  VardImageWindow window = {
    .width = (gint64) size * width / shorter,
    .height = (gint64) size * height / shorter,
    .n_columns = size,
    .n_rows = size,
  };

  window.left = find_start (window.width, size, crop);
  window.top = find_start (window.height, size, crop);
  vard_image_resize_rgb (rgb, width, height, &window, square);
}

void
vard_clip_picture_normalize (const guint8 *square,
                             gsize n_pixels,
                             const float *mean,
                             const float *std,
                             float *pixels)
{
  for (gsize i = 0; i < 3 * n_pixels; i++)
    pixels[i] = (square[i] / 255.0f - mean[i % 3]) / std[i % 3];
}
