/* vard-process.h - what a noisy state is: how much of it is picture, how much noise, at each time
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "process/vard-noise-schedule.h"

G_BEGIN_DECLS

/* A state at this level is sqrt (signal2) x_0 + sqrt (noise2) noise. Squares, since steps are made
 * of variances; in a variance preserving process they add up to 1 and signal2 is alpha_bar. */
typedef struct
{
  double
    /* what the model is told: 0 to n_train_timesteps, not always whole; -1 at the clean end */
    time;
  double signal2;
  double noise2;
} VardNoiseLevel;

typedef struct
{
  const char *name;    /* in messages */
  guint predictions;   /* what its models may predict: 1 << VardPrediction of each */
  VardPrediction unit; /* what a change of the model is measured in, whatever the model predicts */
} VardProcessClass;

typedef struct
{
  const VardProcessClass *klass;
  VardScheduleConfig config;
  VardNoiseSchedule
    *schedule; /* of the training timesteps; NULL in a flow, where time says it all */
} VardProcess;

VardProcess *vard_process_new (const VardScheduleConfig *config, GError **error);
void vard_process_free (VardProcess *self);
/* of a time from 0 to n_train_timesteps; between training timesteps noise / signal is
 * interpolated */
VardNoiseLevel vard_process_get_level (const VardProcess *self, double time);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardProcess, vard_process_free)

G_END_DECLS
