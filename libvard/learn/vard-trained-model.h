/* vard-trained-model.h - a model with what a run trains in it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-model.h"

G_BEGIN_DECLS

/* What of a model is trained: adapters, or with @is_full all of the denoiser */
typedef struct
{
  gboolean is_full;
  char **targets; /* NULL or empty: attention */
  guint rank;
  double alpha;
  guint64 seed;       /* of the adapters' first numbers */
  gboolean may_merge; /* the engine's products round no operand: adapters may be recorded as
                            changes of the weights beside them */
} VardTrainedModelConfig;

/* Puts adapters on the model's denoiser and makes them trainable, or makes all of it trainable */
gboolean vard_trained_model_prepare (VardModel *model,
                                     const VardTrainedModelConfig *config,
                                     GError **error);
/* The same, with the weights of the checkpoint in @directory: the average where it has one */
gboolean vard_trained_model_load (VardModel *model,
                                  const VardTrainedModelConfig *config,
                                  const char *directory,
                                  GError **error);

G_END_DECLS
