/* vard-clip.h - CLIP: pictures and texts as directions, near each other when they belong together
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine.h"
#include <gio/gio.h>
#include "clip/vard-clip-picture.h"

G_BEGIN_DECLS

#define VARD_TYPE_CLIP (vard_clip_get_type ())
G_DECLARE_FINAL_TYPE (VardClip, vard_clip, VARD, CLIP, GObject)

/* Where it comes from: a folder as transformers or OpenCLIP writes it; another weight file, and
 * another folder with vocab.json and merges.txt, where they are not NULL */
typedef struct
{
  const char *folder, *weights, *tokenizer;
} VardClipFiles;

/* Loads the encoder of pictures */
VardClip *vard_clip_new (const VardClipFiles *files, VardEngine *engine, GError **error);
/* Loads the encoder of texts and its tokenizer, once */
gboolean vard_clip_load_text (VardClip *self, GError **error);
guint vard_clip_get_n_features (VardClip *self);
/* a side of the square that it sees, in pixels */
guint vard_clip_get_size (VardClip *self);
/* what its training multiplied the cosine with */
double vard_clip_get_scale (VardClip *self);
/* 8-bit RGB of any size -> size x size x 3 values for vard_clip_encode_pictures () */
void vard_clip_prepare (VardClip *self,
                        const guint8 *rgb,
                        guint width,
                        guint height,
                        VardClipCrop crop,
                        float *pixels);
/* @features: [n, n_features], each of length one. From any thread; one call at a time computes. */
gboolean vard_clip_encode_pictures (VardClip *self,
                                    const float *pixels,
                                    guint n,
                                    float *features,
                                    GCancellable *cancellable,
                                    GError **error);
/* Text that is too long is cut. What was asked lately is remembered. */
gboolean vard_clip_encode_text (VardClip *self,
                                const char *text,
                                float *features,
                                GCancellable *cancellable,
                                GError **error);

G_END_DECLS
