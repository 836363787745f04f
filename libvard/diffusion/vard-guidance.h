/* vard-guidance.h - classifier-free guidance (arXiv 2207.12598), both branches in one batch
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-model.h"

G_BEGIN_DECLS

/* What one prediction reads: latents [n, h, w, c], timesteps f32 [n], context [n, tokens, width].
 * For guidance also null_context [1, tokens, width], of the empty prompt, and scale [1, 1, 1, 1];
 * else both are NULL. */
typedef struct
{
  VardNode *latents;
  VardNode *timesteps;
  VardNode *context;
  VardNode *null_context;
  VardNode *scale;
} VardGuidanceInputs;

/* null + scale (prompted - null), of the latents' shape; gradients flow through both branches */
VardNode *vard_guidance_record (VardModel *model, const VardGuidanceInputs *inputs);

G_END_DECLS
