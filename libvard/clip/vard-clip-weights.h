/* vard-clip-weights.h - reads the weights of CLIP's two encoders in any supported naming and format
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum
{
  VARD_CLIP_VISION_PART,
  VARD_CLIP_TEXT_PART
} VardClipPart;

typedef struct _VardClipWeights VardClipWeights;

/* @file, or what is found in @folder where it is NULL: model.safetensors or pytorch_model.bin with
 * the names of transformers, open_clip_model.safetensors or open_clip_pytorch_model.bin with
 * OpenCLIP's. Names decide, not files. */
VardClipWeights *vard_clip_weights_open (const char *folder, const char *file, GError **error);
void vard_clip_weights_free (VardClipWeights *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardClipWeights, vard_clip_weights_free)

/* Fills a tree with the children "vision_model" and "visual_projection", or "text_model" and
 * "text_projection". Every parameter must be there, and no other tensor of that encoder. */
gboolean vard_clip_weights_load (VardClipWeights *self,
                                 VardClipPart part,
                                 VardModule *root,
                                 GError **error);
/* The factor of similarities, e to the power of logit_scale; 1 where the file has none */
gboolean vard_clip_weights_read_scale (VardClipWeights *self, double *scale, GError **error);

G_END_DECLS
