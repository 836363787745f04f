/* vard-sampler-ddim.c - DDIM, with as much noise as eta says (arXiv 2010.02502)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler-class.h"

/* diffusers arrives a stride lower than it was, also where the spacing is uneven */
static void
vard_sampler_ddim_sampler_ddim_fill_step (VardSampler *self, const VardProcess *process, guint i)
{
  VardSamplerStep *step = &self->steps[i];
  gint stride = process->config.n_train_timesteps / self->n_steps;
  double alpha_bar =
    vard_noise_schedule_get_alpha_bar (process->schedule, (gint) step->model_time - stride);

  step->to = (VardNoiseLevel) { step->model_time - stride, alpha_bar, 1 - alpha_bar };
  vard_sampler_step_set_ddim (step, process, self->eta);
}

const VardSamplerClass vard_sampler_ddim = {
  .name = "ddim",
  .flags = VARD_SAMPLER_FLAGS_STOCHASTIC | VARD_SAMPLER_FLAGS_HAS_ETA
           | VARD_SAMPLER_FLAGS_TRAINABLE,
  .process = VARD_PROCESS_VARIANCE_PRESERVING,
  .spacing = VARD_SPACING_LEADING,
  .find_levels = vard_noise_levels_by_timestep,
  .fill_step = vard_sampler_ddim_sampler_ddim_fill_step,
};
