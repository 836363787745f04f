/* bench-model.h - a model that is its denoiser alone
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-model-class.h"
#include "models/vard-unet.h"

G_BEGIN_DECLS

#define BENCH_TYPE_MODEL (bench_model_get_type ())
G_DECLARE_FINAL_TYPE (BenchModel, bench_model, BENCH, MODEL, VardModel)

/* latents [latent, latent]; takes the denoiser */
VardModel *bench_model_new (VardUnet *denoiser, gint64 latent, guint n_tokens);

G_END_DECLS
