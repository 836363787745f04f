/* vard-stable-diffusion-private.h - what loading and saving a Stable Diffusion model share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-stable-diffusion.h"

#include "files/vard-model-source.h"

G_BEGIN_DECLS

struct _VardStableDiffusion
{
  VardModel parent_instance;

  VardModelSource *source;
  VardClipTokenizer *tokenizer;
  VardClipText *text;
  VardUnet *unet;
  VardAutoencoder *autoencoder;
  VardUnetConfig config;
  guint n_tokens;     /* of a prompt, padded */
  gboolean is_second; /* 2.x, whose text encoder is OpenCLIP's */
};

/* which of the names in single files the text encoder has */
VardOriginalPart vard_stable_diffusion_get_text_part (VardStableDiffusion *self);
/* a part's names in single files */
VardOriginalNames vard_stable_diffusion_make_names (VardStableDiffusion *self,
                                                    VardOriginalPart part);
/* the class's save () */
gboolean vard_stable_diffusion_save (VardModel *model,
                                     const char *path,
                                     VardModelForm form,
                                     VardDType dtype,
                                     GHashTable *metadata,
                                     GError **error);

G_END_DECLS
