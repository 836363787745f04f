/* vard-image-private.h - shared by the picture and its codecs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "tensor/vard-image.h"

G_BEGIN_DECLS

/* a side; four times what the largest models draw */
#define VARD_IMAGE_MAX_SIDE 16384
#define VARD_IMAGE_MAX_PIXELS (1 << 26)

/* RGB rows of an encoded picture, or NULL with *reason (static) */
guint8 *vard_image_decode_rgb (const guint8 *data,
                               gsize size,
                               guint *width,
                               guint *height,
                               const char **reason);
void vard_image_free_rgb (gpointer rgb);
/* What may name a text in a PNG file: 1 to 79 characters of ASCII */
gboolean vard_image_is_text_key (const char *key);
/* The texts of an encoded PNG picture; of other files none */
void vard_image_read_texts (VardImage *self, const guint8 *data, gsize size);

G_END_DECLS
