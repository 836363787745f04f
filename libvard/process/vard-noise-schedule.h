/* vard-noise-schedule.h - the share of signal and noise at each training timestep
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "process/vard-schedule.h"

G_BEGIN_DECLS

/* A noisy state is sqrt(abar) x_0 + sqrt(1 - abar) noise. All in double: products of a thousand
 * factors. */
typedef struct
{
  VardScheduleConfig config;
  double *alpha_bar;      /* [config.n_train_timesteps] */
  double final_alpha_bar; /* of what the last sampler step arrives at */
} VardNoiseSchedule;

VardNoiseSchedule *vard_noise_schedule_new (const VardScheduleConfig *config, GError **error);
void vard_noise_schedule_free (VardNoiseSchedule *self);
/* timesteps before 0 mean the clean end */
double vard_noise_schedule_get_alpha_bar (const VardNoiseSchedule *self, gint timestep);
/* noise / signal = sqrt ((1 - alpha_bar) / alpha_bar) at a training timestep */
double vard_noise_schedule_get_sigma (const VardNoiseSchedule *self, guint timestep);
/* the same between timesteps, linear in sigma */
double vard_noise_schedule_interpolate_sigma (const VardNoiseSchedule *self, double time);
/* the time of a sigma, linear in its logarithm */
double vard_noise_schedule_find_time (const VardNoiseSchedule *self, double sigma);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardNoiseSchedule, vard_noise_schedule_free)

G_END_DECLS
