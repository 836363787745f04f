/* vard-clip-vision.h - CLIP's vision transformer: pictures to one state each
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "files/vard-config-reader.h"
#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_CLIP_VISION (vard_clip_vision_get_type ())
G_DECLARE_FINAL_TYPE (VardClipVision, vard_clip_vision, VARD, CLIP_VISION, VardModule)

VardClipVision *vard_clip_vision_new (VardConfigReader *config, GError **error);
gint64 vard_clip_vision_get_width (VardClipVision *self);
/* a side of the square pictures it takes, in pixels */
gint64 vard_clip_vision_get_size (VardClipVision *self);
/* normalised pixels [n, size, size, 3] -> the state of the class token after the last norm [n,
 * width] */
VardNode *vard_clip_vision_record (VardClipVision *self, VardNode *pixels);

G_END_DECLS
