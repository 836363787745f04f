/* vard-sampler-ddpm.c - the posterior of DDPM on the chosen timesteps (arXiv 2006.11239)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler-class.h"

static void
vard_sampler_ddpm_sampler_ddpm_fill_step (VardSampler *self, const VardProcess *process, guint i)
{
  vard_sampler_step_set_ddim (&self->steps[i], process, 1);
}

const VardSamplerClass vard_sampler_ddpm = {
  .name = "ddpm",
  .flags = VARD_SAMPLER_FLAGS_STOCHASTIC | VARD_SAMPLER_FLAGS_TRAINABLE,
  .process = VARD_PROCESS_VARIANCE_PRESERVING,
  .spacing = VARD_SPACING_LEADING,
  .find_levels = vard_noise_levels_by_timestep,
  .fill_step = vard_sampler_ddpm_sampler_ddpm_fill_step,
};
