/* vard-sampler-flow-sde.c - a flow-matching model with as much noise as eta says
 *
 * For every g the reverse-time equation
 *   dx = (velocity + g^2 / (2 t) (x + (1 - t) velocity)) dt + g dw
 * has the marginals of the flow's ordinary one, since x + (1 - t) velocity is the predicted noise
 * and the score is that over - t (arXiv 2209.15571; arXiv 2505.05470 trains on it). With g = a sqrt
 * (t / (1 - t)), the latter's choice, g is infinite at pure noise, where the step by Euler and
 * Maruyama must be patched. So the step taken here is that of the posterior of x_s given x_t and
 * the predicted x_0 (arXiv 2107.00630), with eta times its noise:
 *   sigma = eta s sqrt (1 - ((1 - t) s / ((1 - s) t))^2)
 *   x_s   = (1 - s) x_0 + sqrt (s^2 - sigma^2) epsilon + sigma z
 * Its limit for small steps is that equation with a = eta sqrt (2). It is finite at both ends: the
 * first step's noise is all fresh at eta 1, and the last step arrives at the predicted x_0. Eta 0
 * is Euler's method. Eta 1 is the schedule without memory, x_0 independent of the noise that it
 * began with; only then the best policy for a price of KL is the tilted distribution (arXiv
 * 2409.08861).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler-class.h"

#include <math.h>

static void
sampler_flow_sde_fill_step (VardSampler *self, const VardProcess *process, guint i)
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
  .fill_step = sampler_flow_sde_fill_step,
};
