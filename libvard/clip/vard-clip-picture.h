/* vard-clip-picture.h - preprocesses a picture for CLIP
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* How the middle is found where it lies between two pixels; most sizes do not tell the two apart
 *   floor  the upper left one, as transformers does
 *   round  the even one, as torchvision does */
typedef enum
{
  VARD_CLIP_CROP_FLOOR,
  VARD_CLIP_CROP_ROUND
} VardClipCrop;

/* The shorter side becomes @size by bicubic interpolation and the middle square is kept: 8-bit RGB,
 * size x size */
void vard_clip_picture_crop (const guint8 *rgb,
                             guint width,
                             guint height,
                             guint size,
                             VardClipCrop crop,
                             guint8 *square);
/* (value / 255 - mean) / std of each colour */
void vard_clip_picture_normalize (const guint8 *square,
                                  gsize n_pixels,
                                  const float *mean,
                                  const float *std,
                                  float *pixels);

G_END_DECLS
