/* vard-noise-schedule.h - how much of the picture is left at each training timestep
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
/* [n_steps] training timesteps from the noisiest on, as diffusers spaces them; (transfer full) */
gint *vard_noise_schedule_space (const VardNoiseSchedule *self, guint n_steps, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardNoiseSchedule, vard_noise_schedule_free)

G_END_DECLS
