/* vard-clip-picture.c - preprocesses a picture for CLIP
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clip/vard-clip-picture.h"

#include "tensor/vard-image-resize.h"

#include <math.h>

static gint64
vard_clip_picture_find_start (gint64 length, guint size, VardClipCrop crop)
{
  gint64 spare = length - size;

  return crop == VARD_CLIP_CROP_FLOOR ? spare / 2 : (gint64) rint (spare / 2.0);
}

/**
 * vard_clip_picture_crop: (skip)
 * @rgb: 8-bit RGB, @height rows of 3 @width bytes
 * @width: of the picture, in pixels
 * @height: of the picture, in pixels
 * @size: the side of the square, in pixels
 * @crop: how to find the middle
 * @square: (out caller-allocates): @size x @size x 3 bytes
 *
 * Scales the shorter side to @size by bicubic interpolation and keeps the middle square.
 */
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

  window.left = vard_clip_picture_find_start (window.width, size, crop);
  window.top = vard_clip_picture_find_start (window.height, size, crop);
  vard_image_resize_rgb (rgb, width, height, &window, square);
}

/**
 * vard_clip_picture_normalize: (skip)
 * @square: 8-bit RGB
 * @n_pixels: how many
 * @mean: of each of the 3 colours
 * @std: of each of the 3 colours
 * @pixels: (out caller-allocates): @n_pixels x 3 values
 *
 * Computes (value / 255 - mean) / std of each colour.
 */
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
