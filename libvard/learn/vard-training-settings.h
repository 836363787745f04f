/* vard-training-settings.h - the settings of a training that do not depend on its algorithm
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/**
 * VardTrainedWeights:
 * @VARD_TRAINED_WEIGHTS_LORA: low-rank adapters beside the frozen weights
 * @VARD_TRAINED_WEIGHTS_FULL: every weight of the denoiser; the reference is a second, frozen copy
 *
 * What a run trains.
 */
typedef enum
{
  VARD_TRAINED_WEIGHTS_LORA,
  VARD_TRAINED_WEIGHTS_FULL,
} VardTrainedWeights;

#define VARD_TYPE_TRAINED_WEIGHTS (vard_trained_weights_get_type ())
GType vard_trained_weights_get_type (void) G_GNUC_CONST;

/**
 * VardWhitening:
 * @VARD_WHITENING_BASE: the mean and spread of the base model's pool, fixed for the run
 * @VARD_WHITENING_RUNNING: those of the newest pictures, about as many as the pool has
 *
 * The units that rewards are learned in.
 */
typedef enum
{
  VARD_WHITENING_BASE,
  VARD_WHITENING_RUNNING,
} VardWhitening;

#define VARD_TYPE_WHITENING (vard_whitening_get_type ())
GType vard_whitening_get_type (void) G_GNUC_CONST;

#define VARD_TYPE_TRAINING_SETTINGS (vard_training_settings_get_type ())
G_DECLARE_FINAL_TYPE (VardTrainingSettings,
                      vard_training_settings,
                      VARD,
                      TRAINING_SETTINGS,
                      GObject)

double vard_training_settings_find_learning_rate (VardTrainingSettings *self);

G_END_DECLS
