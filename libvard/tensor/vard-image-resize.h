/* vard-image-resize.h - bicubic resampling of rows of pixels
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What is wanted of a picture that is stretched to width x height: all of it, or a window. Nothing
 * outside the window is computed, so the whole may be larger than memory. */
typedef struct
{
  gint64 width, height;
  gint64 left, top;
  guint n_columns, n_rows;
} VardImageWindow;

/* @from: @width x @height pixels of 8-bit RGB; @to: the window's */
void vard_image_resize_rgb (const guint8 *from,
                            guint width,
                            guint height,
                            const VardImageWindow *window,
                            guint8 *to);

G_END_DECLS
