/* vard-sampler-euler-ancestral.c - Euler's method with fresh noise in every step: DDIM at eta 1 on
 * levels of its own
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler-class.h"

static void
vard_sampler_euler_ancestral_sampler_euler_ancestral_fill_step (VardSampler *self,
                                                                const VardProcess *process,
                                                                guint i)
{
  vard_sampler_step_set_ddim (&self->steps[i], process, 1);
  vard_sampler_set_euler_ends (self, process, i);
}

const VardSamplerClass vard_sampler_euler_ancestral = {
  .name = "euler-ancestral",
  .flags = VARD_SAMPLER_FLAGS_STOCHASTIC | VARD_SAMPLER_FLAGS_TRAINABLE,
  .process = VARD_PROCESS_VARIANCE_PRESERVING,
  .spacing = VARD_SPACING_LINSPACE,
  .find_levels = vard_noise_levels_ancestral,
  .fill_step = vard_sampler_euler_ancestral_sampler_euler_ancestral_fill_step,
};
