/* vard-training-private.h - what the files of the training context share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "learn/vard-training.h"

G_BEGIN_DECLS

/* That every reward finds what it needs beside these prompts */
gboolean vard_training_check_rewards (VardTraining *self,
                                      VardPromptSource *prompts,
                                      GError **error);
/* The adapters or the whole denoiser, flat, with the pretrained model beside them and an
 * optimizer */
gboolean vard_training_prepare_weights (VardTraining *self, GError **error);

G_END_DECLS
