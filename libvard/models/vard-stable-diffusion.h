/* vard-stable-diffusion.h - Stable Diffusion 1.x and 2.x folders, and small models of the same form
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-autoencoder.h"
#include "clip/vard-clip-text.h"
#include "clip/vard-clip-tokenizer.h"
#include "models/vard-model-class.h"
#include "models/vard-unet.h"

G_BEGIN_DECLS

#define VARD_TYPE_STABLE_DIFFUSION (vard_stable_diffusion_get_type ())
G_DECLARE_FINAL_TYPE (VardStableDiffusion, vard_stable_diffusion, VARD, STABLE_DIFFUSION, VardModel)

/* @index: the folder's model_index.json */
VardModel *vard_stable_diffusion_load (const char *path, VardConfigReader *index, GError **error);
/* a single file; @options (nullable) */
VardModel *vard_stable_diffusion_load_file (const char *path,
                                            const VardModelOptions *options,
                                            GError **error);
VardClipTokenizer *vard_stable_diffusion_peek_tokenizer (VardStableDiffusion *self);
VardClipText *vard_stable_diffusion_peek_text (VardStableDiffusion *self);
VardAutoencoder *vard_stable_diffusion_peek_autoencoder (VardStableDiffusion *self);

G_END_DECLS
