/* vard-sampler.h - the steps from noise to picture, each a linear map with its own noise
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "diffusion/vard-noise-schedule.h"

G_BEGIN_DECLS

/* One step from x_t to x_s, in what the model predicts (epsilon or v):
 *   x_s = x_scale x_t + out_scale out + sigma z,   z ~ N(0, 1)
 * A first-order sampler (DDIM, DDPM, Euler with or without ancestral noise) is another table of
 * these. */
typedef struct
{
  gint timestep;           /* of x_t, what the model is told */
  gint value_timestep;     /* of x_s, what the value network is told */
  double alpha_bar_t, alpha_bar_s;
  double x_scale, out_scale, sigma;
  double epsilon_per_out;  /* change of epsilon for one unit of the model's output */
  /* KL in nats of two models' steps = kl_weight |epsilon - epsilon'|^2; infinite where sigma is 0
   */
  double kl_weight;
} VardSamplerStep;

typedef struct
{
  guint n_steps;
  double eta;
  VardSamplerStep *steps;  /* from the noisiest on */
} VardSampler;

/* DDIM (arXiv 2010.02502); eta 1 is the DDPM posterior on the subsequence (arXiv 2006.11239) */
VardSampler *vard_sampler_new_ddim           (const VardNoiseSchedule *schedule,
                                              guint                    n_steps,
                                              double                   eta,
                                              GError                 **error);
void         vard_sampler_free               (VardSampler             *self);
/* state 0 is pure noise, state n_steps the finished latent */
gint         vard_sampler_get_state_timestep (const VardSampler       *self,
                                              guint                    state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardSampler, vard_sampler_free)

G_END_DECLS
