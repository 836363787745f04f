/* vard-sampler-flow-euler.c - Euler's method on a flow-matching model (arXiv 2210.02747)
 *
 *   x_s = x_t + (s - t) velocity = (1 - s) x_0 + s epsilon, as the model predicts them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler-class.h"

#include <math.h>

static void
vard_sampler_flow_euler_sampler_flow_euler_fill_step (VardSampler *self,
                                                      const VardProcess *process,
                                                      guint i)
{
  VardSamplerStep *step = &self->steps[i];

  vard_sampler_step_set_mix (step, process, sqrt (step->to.signal2), sqrt (step->to.noise2), 0);
}

const VardSamplerClass vard_sampler_flow_euler = {
  .name = "flow-euler",
  .process = VARD_PROCESS_FLOW,
  .spacing = VARD_SPACING_TRAILING,
  .find_levels = vard_noise_levels_of_flow,
  .fill_step = vard_sampler_flow_euler_sampler_flow_euler_fill_step,
};
