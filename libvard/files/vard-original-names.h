/* vard-original-names.h - the tensor names of single-file models
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  VARD_ORIGINAL_UNET,
  VARD_ORIGINAL_VAE,
  VARD_ORIGINAL_CLIP,      /* Stable Diffusion 1.x */
  VARD_ORIGINAL_OPEN_CLIP, /* Stable Diffusion 2.x */
} VardOriginalPart;

#define VARD_ORIGINAL_MAX_BLOCKS 8

/* What names depend on: there, blocks are counted through */
typedef struct
{
  VardOriginalPart part;
  guint n_blocks;
  guint n_layers; /* residual blocks of a down block */
  gboolean up_has_attention[VARD_ORIGINAL_MAX_BLOCKS];
} VardOriginalNames;

/* what a part's names begin with: "model.diffusion_model." */
const char *vard_original_names_get_prefix (VardOriginalPart part);
/* The name in a single file of what diffusers calls @path; @piece of @n_pieces equal pieces of its
 * rows, where files keep several of ours in one. (transfer full) */
char *vard_original_names_translate (const VardOriginalNames *self,
                                     const char *path,
                                     guint *piece,
                                     guint *n_pieces);
/* whether the file keeps the matrix as a 1x1 convolution although diffusers does not */
gboolean vard_original_names_is_conv (const VardOriginalNames *self, const char *path);

G_END_DECLS
