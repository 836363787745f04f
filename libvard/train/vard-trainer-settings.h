/* vard-trainer-settings.h - every number that decides how a model is fine-tuned
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

#define VARD_TYPE_TRAINER_SETTINGS (vard_trainer_settings_get_type ())
G_DECLARE_FINAL_TYPE (VardTrainerSettings, vard_trainer_settings, VARD, TRAINER_SETTINGS, GObject)

VardTrainerSettings *vard_trainer_settings_new  (void);
VardTrainerSettings *vard_trainer_settings_copy (VardTrainerSettings *self);

G_END_DECLS
