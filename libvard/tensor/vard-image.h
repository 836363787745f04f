/* vard-image.h - an 8-bit RGB picture with text beside it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define VARD_TYPE_IMAGE (vard_image_get_type ())
G_DECLARE_FINAL_TYPE (VardImage, vard_image, VARD, IMAGE, GObject)

VardImage *vard_image_new (guint width, guint height, GBytes *rgb, GError **error);
VardImage *vard_image_new_from_file (const char *path, GError **error);
VardImage *vard_image_new_grid (VardImage **images,
                                guint n_images,
                                guint n_columns,
                                guint gap,
                                GError **error);
VardImage *vard_image_new_resized (VardImage *self, guint width, guint height, GError **error);
guint vard_image_get_width (VardImage *self);
guint vard_image_get_height (VardImage *self);
GBytes *vard_image_get_rgb (VardImage *self);
const guint8 *vard_image_peek_pixels (VardImage *self);
void vard_image_set_text (VardImage *self, const char *key, const char *value);
const char *vard_image_get_text (VardImage *self, const char *key);
char **vard_image_list_text_keys (VardImage *self);
GBytes *vard_image_encode_png (VardImage *self, GError **error);
gboolean vard_image_save (VardImage *self, const char *path, GError **error);

G_END_DECLS
