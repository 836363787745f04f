/* vard-trained-model.h - a model with what a run trains in it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "learn/vard-training-settings.h"
#include "models/vard-model-class.h"

G_BEGIN_DECLS

/* Puts adapters on the model's denoiser and makes them trainable, or makes all of it trainable.
 * @may_merge: the engine's products round no operand, so adapters may be recorded as changes of the
 * weights beside them. */
gboolean vard_trained_model_prepare (VardModel *model,
                                     VardTrainingSettings *settings,
                                     gboolean may_merge,
                                     GError **error);
/* The same, with the weights of the checkpoint in @directory: the average where it has one */
gboolean vard_trained_model_load (VardModel *model,
                                  VardTrainingSettings *settings,
                                  gboolean may_merge,
                                  const char *directory,
                                  GError **error);

G_END_DECLS
