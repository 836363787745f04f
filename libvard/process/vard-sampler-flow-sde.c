/* vard-sampler-flow-sde.c - the stochastic sampler of flow matching
 *
 * For every g, the reverse-time equation
 *   dx = (velocity + g^2 / (2 t) (x + (1 - t) velocity)) dt + g dw
 * has the same marginals as the flow's ODE: x + (1 - t) velocity is the predicted noise, and the
 * score is the predicted noise divided by - t (arXiv 2209.15571). Flow-GRPO (arXiv 2505.05470)
 * trains with g = a sqrt (t / (1 - t)), which is infinite at pure noise, and patches the first step
 * of its Euler-Maruyama scheme.
 *
 * This sampler needs no patch. It draws x_s from its posterior given x_t and the predicted x_0
 * (arXiv 2107.00630), with eta times the posterior's noise:
 *   sigma = eta s sqrt (1 - ((1 - t) s / ((1 - s) t))^2)
 *   x_s   = (1 - s) x_0 + sqrt (s^2 - sigma^2) epsilon + sigma z
 * The limit for small steps is the equation above with a = eta sqrt (2). The first step's noise is
 * all fresh at eta 1, and the last step arrives at the predicted x_0. Eta 0 is Euler's method.
 *
 * Eta 1 is the memoryless schedule: x_0 is independent of the noise that the sampler began with.
 * Only then does training converge to the tilted distribution (arXiv 2409.08861).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler-class.h"

#include <math.h>

static void
vard_sampler_flow_sde_sampler_flow_sde_fill_step (VardSampler *self,
                                                  const VardProcess *process,
                                                  guint i)
{
  VardSamplerStep *step = &self->steps[i];
  const VardNoiseLevel *t = &step->from, *s = &step->to;
  double kept = t->signal2 / s->signal2 * (s->noise2 / t->noise2);
  double sigma2 = self->eta * self->eta * s->noise2 * MAX (0, 1 - kept);

  vard_sampler_step_set_mix (step, process, sqrt (s->signal2), sqrt (MAX (0, s->noise2 - sigma2)),
                             sqrt (sigma2));
}

const VardSamplerClass vard_sampler_flow_sde = {
  .name = "flow-sde",
  .flags = VARD_SAMPLER_FLAGS_STOCHASTIC | VARD_SAMPLER_FLAGS_HAS_ETA
           | VARD_SAMPLER_FLAGS_TRAINABLE,
  .process = VARD_PROCESS_FLOW,
  .spacing = VARD_SPACING_TRAILING,
  .find_levels = vard_noise_levels_of_flow,
  .fill_step = vard_sampler_flow_sde_sampler_flow_sde_fill_step,
};
