/* vard-autoencoder.h - encodes pictures as latents and decodes them (AutoencoderKL)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "files/vard-config-reader.h"
#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_AUTOENCODER (vard_autoencoder_get_type ())
G_DECLARE_FINAL_TYPE (VardAutoencoder, vard_autoencoder, VARD, AUTOENCODER, VardModule)

VardAutoencoder *vard_autoencoder_new (VardConfigReader *config, GError **error);
gint64 vard_autoencoder_get_n_latent (VardAutoencoder *self);
/* picture side / latent side */
gint64 vard_autoencoder_get_scale (VardAutoencoder *self);
/* of the sampler's latents: raw x factor */
double vard_autoencoder_get_factor (VardAutoencoder *self);
/* picture side of the config, or 0 */
gint64 vard_autoencoder_get_sample_size (VardAutoencoder *self);
/* pictures [n, H, W, 3] in -1..1 -> mean and log variance of raw latents, [n, h, w, 2 n_latent] */
VardNode *vard_autoencoder_record_encode (VardAutoencoder *self, VardNode *pictures);
/* raw latents [n, h, w, n_latent] -> pictures */
VardNode *vard_autoencoder_record_decode (VardAutoencoder *self, VardNode *latents);

G_END_DECLS
