/* vard-training-private.h - functions that the files of the training context share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "learn/vard-training.h"

G_BEGIN_DECLS

/* Checks that these prompts have the metadata that each reward needs */
gboolean vard_training_check_rewards (VardTraining *self,
                                      VardPromptSource *prompts,
                                      GError **error);
/* The adapters or the whole denoiser, flat, with the pretrained model beside them and an
 * optimizer */
gboolean vard_training_prepare_weights (VardTraining *self, GError **error);

gboolean vard_training_is_alone (const VardTraining *self);
/* Pictures @first and the next @n that a rollout ends with, on this rank alone */
GPtrArray *vard_training_decode_share (VardTraining *self,
                                       const VardTrajectory *rollout,
                                       guint first,
                                       guint n,
                                       GCancellable *cancellable,
                                       GError **error);

G_END_DECLS
