/* vard-unet.h - the conditional denoiser (UNet2DConditionModel)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-unet-config.h"
#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_UNET (vard_unet_get_type ())
G_DECLARE_FINAL_TYPE (VardUnet, vard_unet, VARD, UNET, VardModule)

VardUnet *vard_unet_new (const VardUnetConfig *config);
const VardUnetConfig *vard_unet_peek_config (VardUnet *self);
/* latents [n, h, w, n_in], timesteps f32 [n], context [n, tokens, width] -> [n, h, w, n_out] */
VardNode *vard_unet_record (VardUnet *self,
                            VardNode *latents,
                            VardNode *timesteps,
                            VardNode *context);

G_END_DECLS
