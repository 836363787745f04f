/* vard-sampler-dpmpp-2m.c - DPM-Solver++ of second order, multistep (arXiv 2211.01095)
 *
 * A step in the predicted x_0, extrapolated from the last two. With lambda = log (sqrt (abar) /
 * sqrt (1 - abar)) and h its change in this step, h_0 in the one before:
 *   x_s = sqrt ((1 - abar_s) / (1 - abar_t)) x_t + k (clean_t + h / (2 h_0) (clean_t - clean))
 *   k   = sqrt (abar_s) (1 - exp (-h))
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler-class.h"

#include <math.h>

static void
vard_sampler_dpmpp_2m_sampler_dpmpp_2m_fill_step (VardSampler *self,
                                                  const VardProcess *process,
                                                  guint i)
{
  VardSamplerStep *step = &self->steps[i];
  double x_scale = sqrt (step->to.noise2 / step->from.noise2);
  double k = sqrt (step->to.signal2) - sqrt (step->from.signal2) * x_scale;

  vard_sampler_step_set_multistep (step, process, x_scale, k, vard_sampler_get_lead (self, i), 0);
}

const VardSamplerClass vard_sampler_dpmpp_2m = {
  .name = "dpmpp-2m",
  .flags = VARD_SAMPLER_FLAGS_MULTISTEP,
  .process = VARD_PROCESS_VARIANCE_PRESERVING,
  .spacing = VARD_SPACING_LINSPACE,
  .find_levels = vard_noise_levels_for_solver,
  .fill_step = vard_sampler_dpmpp_2m_sampler_dpmpp_2m_fill_step,
};
