/* vard-sampler-euler.c - Euler's method on the probability flow (arXiv 2206.00364)
 *
 * In x / sqrt (abar), with respect to sqrt ((1 - abar) / abar), it is the map of DDIM with eta 0:
 * the levels that it visits make the difference.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler-class.h"

static void
vard_sampler_euler_sampler_euler_fill_step (VardSampler *self, const VardProcess *process, guint i)
{
  vard_sampler_step_set_ddim (&self->steps[i], process, 0);
  vard_sampler_set_euler_ends (self, process, i);
}

const VardSamplerClass vard_sampler_euler = {
  .name = "euler",
  .process = VARD_PROCESS_VARIANCE_PRESERVING,
  .spacing = VARD_SPACING_LINSPACE,
  .find_levels = vard_noise_levels_by_sigma,
  .fill_step = vard_sampler_euler_sampler_euler_fill_step,
};
