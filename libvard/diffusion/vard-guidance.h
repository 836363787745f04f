/* vard-guidance.h - classifier-free guidance (arXiv 2207.12598), both branches in one batch
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-model-class.h"

G_BEGIN_DECLS

/* What one prediction reads: latents [n, h, w, c], timesteps f32 [n] and a node [n, shape] for each
 * of the model's slots. For guidance also scale [1, 1, 1, 1], which is NULL otherwise, and a node
 * [1, shape] for each slot, of the prompt that guidance leads away from. */
typedef struct
{
  VardNode *latents;
  VardNode *timesteps;
  VardNode *condition[VARD_CONDITION_MAX_SLOTS];
  VardNode *null_condition[VARD_CONDITION_MAX_SLOTS];
  VardNode *scale;
} VardGuidanceInputs;

/* null + scale (prompted - null), of the latents' shape; gradients flow through both branches */
VardNode *vard_guidance_record (VardModel *model, const VardGuidanceInputs *inputs);

G_END_DECLS
