/* vard-clip-text.h - CLIP's text transformer: token ids to states
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "files/vard-config-reader.h"
#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_CLIP_TEXT (vard_clip_text_get_type ())
G_DECLARE_FINAL_TYPE (VardClipText, vard_clip_text, VARD, CLIP_TEXT, VardModule)

VardClipText *vard_clip_text_new (VardConfigReader *config, GError **error);
gint64 vard_clip_text_get_width (VardClipText *self);
gint64 vard_clip_text_get_n_positions (VardClipText *self);
guint vard_clip_text_get_n_layers (VardClipText *self);
gint64 vard_clip_text_get_n_ids (VardClipText *self);
/* ids i32 [n, tokens] -> the last states after the final norm [n, tokens, width] */
VardNode *vard_clip_text_record (VardClipText *self, VardNode *ids);

G_END_DECLS
