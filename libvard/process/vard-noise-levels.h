/* vard-noise-levels.h - which noise levels a sampler visits
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "process/vard-noise-schedule.h"
#include "process/vard-sampler-kind.h"

G_BEGIN_DECLS

/* A state at this level is sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise */
typedef struct
{
  double time; /* what the model is told: not always whole; -1 at the clean end */
  double alpha_bar;
} VardNoiseLevel;

/* [n_steps + 1] from the noisiest on, as the diffusers class of that sampler has them; (transfer
 * full) */
VardNoiseLevel *vard_noise_levels_new (const VardNoiseSchedule *schedule,
                                       VardSamplerKind kind,
                                       guint n_steps,
                                       GError **error);
/* what the configuration says, or what the sampler's class in diffusers does where it says
 * nothing */
VardSpacing vard_noise_levels_get_spacing (const VardNoiseSchedule *schedule, VardSamplerKind kind);

G_END_DECLS
