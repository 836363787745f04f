/* vard-clip-config.h - reads the configuration of a CLIP folder's encoders
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "files/vard-config-reader.h"

G_BEGIN_DECLS

typedef struct
{
  VardConfigReader *vision; /* with the keys of transformers' CLIPVisionConfig */
  /* with those of CLIPTextConfig; NULL where the folder has no text encoder */
  VardConfigReader *text;
  gint64 n_features;     /* of a picture, and of a text */
  float mean[3], std[3]; /* of red, green, blue, of 1 */
} VardClipConfig;

/* config.json as transformers writes it for CLIPModel or CLIPVisionModelWithProjection, or
 * open_clip_config.json; mean and standard deviation also from preprocessor_config.json, where
 * there is one. On failure there is nothing to clear. */
gboolean vard_clip_config_read (VardClipConfig *self, const char *folder, GError **error);
void vard_clip_config_clear (VardClipConfig *self);

G_END_DECLS
