/* vard-sampler-dpmpp-2m-sde.c - DPM-Solver++ of second order with fresh noise (arXiv 2211.01095)
 *
 * The solver of the stochastic equation, multistep and by the midpoint, with one evaluation a step.
 * With lambda = log (sqrt (abar) / sqrt (1 - abar)), and h its change in this step, h_0 in the one
 * before:
 *   x_s   = sqrt ((1 - abar_s) / (1 - abar_t)) exp (-h) x_t
 *           + k (clean_t + h / (2 h_0) (clean_t - clean)) + sigma z
 *   k     = sqrt (abar_s) (1 - exp (-2 h))
 *   sigma = sqrt (1 - abar_s) sqrt (1 - exp (-2 h))
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler-class.h"

#include <math.h>

static void
vard_sampler_dpmpp_2m_sde_sampler_dpmpp_2m_sde_fill_step (VardSampler *self,
                                                          const VardProcess *process,
                                                          guint i)
{
  VardSamplerStep *step = &self->steps[i];
  const VardNoiseLevel *t = &step->from, *s = &step->to;
  double kept = t->signal2 / t->noise2 * (s->noise2 / s->signal2); /* exp (-2 h) */
  double x_scale = sqrt (s->noise2 / t->noise2 * kept), k = sqrt (s->signal2) * (1 - kept);

  vard_sampler_step_set_multistep (step, process, x_scale, k, vard_sampler_get_lead (self, i),
                                   sqrt (s->noise2 * (1 - kept)));
}

const VardSamplerClass vard_sampler_dpmpp_2m_sde = {
  .name = "dpmpp-2m-sde",
  .flags = VARD_SAMPLER_FLAGS_STOCHASTIC | VARD_SAMPLER_FLAGS_MULTISTEP,
  .process = VARD_PROCESS_VARIANCE_PRESERVING,
  .spacing = VARD_SPACING_LINSPACE,
  .find_levels = vard_noise_levels_for_solver,
  .fill_step = vard_sampler_dpmpp_2m_sde_sampler_dpmpp_2m_sde_fill_step,
};
