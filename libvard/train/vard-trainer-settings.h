/* vard-trainer-settings.h - every number that decides how a model is fine-tuned
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "learn/vard-training-settings.h"

G_BEGIN_DECLS

#define VARD_TYPE_TRAINER_SETTINGS (vard_trainer_settings_get_type ())
G_DECLARE_FINAL_TYPE (VardTrainerSettings,
                      vard_trainer_settings,
                      VARD,
                      TRAINER_SETTINGS,
                      VardTrainingSettings)

VardTrainerSettings *vard_trainer_settings_new (void);
VardTrainerSettings *vard_trainer_settings_copy (VardTrainerSettings *self);
double vard_trainer_settings_find_learning_rate (VardTrainerSettings *self);
const char *vard_trainer_settings_get_algorithm (VardTrainerSettings *self);
char **vard_trainer_settings_dup_algorithms (VardTrainerSettings *self);
GObject *vard_trainer_settings_get_algorithm_settings (VardTrainerSettings *self,
                                                       const char *algorithm);

G_END_DECLS
