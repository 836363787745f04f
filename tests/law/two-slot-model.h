/* two-slot-model.h - a diffusion model whose prompts become two named inputs
 *
 * A prompt is two numbers, "0.2 -0.1"; the empty prompt is "0 0". The first goes into the slot
 * "context" [2, 3], the second into the slot "pooled" [4], each times fixed factors. Data are
 * independent normals whose mean is the sum of both and whose variance is 1, and the prediction of
 * the noise, which is exact, reads each number from its own slot. The last number of "pooled" is
 * the height of the pictures, which the prediction does not read. Added to the prediction are a
 * shift and a linear layer on each slot, "to_context" and "to_pooled", all of which begin as
 * nothing and can be trained. The summary is the two numbers of the prompt: no slot has its width.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-model-class.h"

G_BEGIN_DECLS

#define TWO_SLOT_TYPE_MODEL (two_slot_model_get_type ())
G_DECLARE_FINAL_TYPE (TwoSlotModel, two_slot_model, TWO_SLOT, MODEL, VardModel)

/* 4 x 4 latents of one channel; pictures as those of the toy model */
VardModel *two_slot_model_new (void);
/* the weight of the layer that reads a slot, [1, width] */
VardParameter *two_slot_model_peek_weight (TwoSlotModel *self, guint slot);

G_END_DECLS
