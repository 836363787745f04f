/* vard-trainer-memory.h - forecasts the peak memory of a training by component
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "train/vard-trainer.h"

#include "algorithms/vard-algorithm.h"
#include "engine/vard-engine-buffers.h"

G_BEGIN_DECLS

/* Bytes of host memory. What is loaded is measured; what is filled later is counted. */
typedef struct
{
  gsize denoiser;     /* weights as they are kept; adapters too */
  gsize text_encoder; /* what is not given back once all prompts are encoded */
  gsize frozen;       /* the pretrained copy beside weights that are trained in full */
  gsize loaded;       /* all else that is resident: decoder, program, rewards, compiled graphs */
  gsize optimizer;    /* gradients, moments and averages, of the value network too */
  gsize pool, ring;   /* trajectories */
  gsize activations;  /* the arena that all programs share: what the largest needs */
  gsize batch;        /* inputs, outputs, trajectories and pictures of a batch */
  gsize before;       /* the peak so far, while loading */
  gsize peak;
  gboolean has_device; /* the engine has memory of its own: */
  VardDeviceMemory device;
  gboolean is_policy; /* the largest program is the policy's, and not sampling */
} VardMemoryEstimate;

/* Compiles what training will run, and runs nothing. Call it before the first advance. */
gboolean vard_trainer_estimate_memory (VardTrainer *self,
                                       VardMemoryEstimate *estimate,
                                       GError **error);

/* What the algorithm of a run costs, and which of its own settings lower a row of a forecast */
void vard_trainer_forecast_algorithm (VardTrainer *self, VardAlgorithmCosts *costs);
const char *const *vard_trainer_peek_remedies (VardTrainer *self, const char *row);

/* FALSE with an error that names what lowers it when the engine's device has less room than what is
 * compiled will take; TRUE where the engine has no memory of its own. Nothing of a training is
 * allocated before. */
gboolean vard_trainer_check_device (VardTrainer *self, GError **error);

/* Scalars of the denoiser, adapters too: all, and those that are trained */
void vard_trainer_count_weights (VardTrainer *self, gsize *all, gsize *trained);

/* Runs the denoiser a few times: seconds of one evaluation for one picture and one branch of
 * guidance */
gboolean vard_trainer_measure_forward (VardTrainer *self,
                                       double *seconds,
                                       GCancellable *cancellable,
                                       GError **error);

G_END_DECLS
