/* vard-sampler.h - the steps from noise to picture, each a linear map with its own noise
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "process/vard-noise-schedule.h"
#include "process/vard-sampler-kind.h"

G_BEGIN_DECLS

/* One step from x_t to x_s, in what the model predicts (epsilon or v):
 *   x_s = x_scale x_t + out_scale out + clean_scale clean + sigma z,   z ~ N(0, 1)
 * States are sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise for every sampler, so that one model
 * and one graph serve them all. Only DPM-Solver++ looks at clean, the x_0 that the step before
 * predicted:
 *   clean = clean_per_x x + clean_per_out out */
typedef struct
{
  gint timestep;       /* of x_t */
  gint value_timestep; /* of x_s, what the value network is told */
  double model_time;   /* what the model is told: timestep, or between two of them */
  double alpha_bar_t, alpha_bar_s;
  double x_scale, out_scale, sigma;
  double clean_scale, clean_per_x, clean_per_out;
  double epsilon_per_out; /* change of epsilon for one unit of the model's output */
  /* KL in nats of two models' steps = kl_weight |epsilon - epsilon'|^2; infinite where sigma is 0
   */
  double kl_weight;
} VardSamplerStep;

typedef struct
{
  VardSamplerKind kind;
  guint n_steps;
  double eta;
  double initial_scale; /* of the noise that the first state is */
  gboolean needs_clean;
  VardSamplerStep *steps; /* from the noisiest on */
} VardSampler;

/* @eta is DDIM's; the others have their own */
VardSampler *vard_sampler_new (const VardNoiseSchedule *schedule,
                               VardSamplerKind kind,
                               guint n_steps,
                               double eta,
                               GError **error);
VardSampler *vard_sampler_new_ddim (const VardNoiseSchedule *schedule,
                                    guint n_steps,
                                    double eta,
                                    GError **error);
void vard_sampler_free (VardSampler *self);
/* state 0 is pure noise, state n_steps the finished latent */
gint vard_sampler_get_state_timestep (const VardSampler *self, guint state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardSampler, vard_sampler_free)

G_END_DECLS
