/* toy-model.h - a diffusion model whose every distribution is known
 *
 * Data are independent normals of mean mu (prompt) and variance 1, so the exact noise prediction is
 * sqrt (1 - abar) (x - sqrt (abar) mu), or in a flow, with D = (1 - t)^2 + t^2, t / D (x - (1 - t)
 * mu). Added to it are two trainable parts that begin as nothing: a shift for each training
 * timestep and channel, and a linear layer "to_q" that adapters can be attached to. Prompts are
 * numbers: "0.5" is mu 0.5. A picture's grey level is 0.5 + 0.25 x, the mean over channels.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-model-class.h"

G_BEGIN_DECLS

#define TOY_TYPE_MODEL (toy_model_get_type ())
G_DECLARE_FINAL_TYPE (ToyModel, toy_model, TOY, MODEL, VardModel)

/* prediction: epsilon, or v or x_0 of the same distribution, or the velocity of a flow */
VardModel *toy_model_new (gint64 height, gint64 width, gint64 channels, VardPrediction prediction);
/* [n_train, channels] */
VardParameter *toy_model_peek_shift (ToyModel *self);
/* random numbers into both trainable parts: a model that is no longer the exact one */
void toy_model_disturb (ToyModel *self, guint64 key, double size);
/* d E[x_0 | x] / dx at the timesteps f32 [n], as [n, 1, 1, 1] */
VardNode *toy_model_record_slope (ToyModel *self, VardNode *timesteps);

G_END_DECLS
