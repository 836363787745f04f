/* vard-sampler.h - the steps from noise to picture, each a linear map with its own noise
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "process/vard-process.h"
#include "process/vard-sampler-kind.h"

G_BEGIN_DECLS

typedef struct _VardSamplerClass VardSamplerClass;

/* One step from x_t to x_s, in what the model predicts:
 *   x_s = x_scale x_t + out_scale out + clean_scale clean + sigma z,   z ~ N(0, 1)
 * States are those of the process for every sampler, so that one model and one graph serve them
 * all. Only multistep samplers look at clean, the x_0 that the step before predicted:
 *   clean = clean_per_x x + clean_per_out out */
typedef struct
{
  double
    model_time; /* of x_t, what the model is told: a training timestep, or between two of them */
  double value_time;       /* of x_s, what a value network is told */
  VardNoiseLevel from, to; /* of x_t and x_s */
  double x_scale, out_scale, sigma;
  double clean_scale, clean_per_x, clean_per_out;
  /* change of the process's unit (epsilon, or a flow's velocity) for one unit of the model's
   * output */
  double change_per_out;
  /* KL in nats of two models' steps = kl_per_change |change|^2; infinite where sigma is 0 */
  double kl_per_change;
} VardSamplerStep;

typedef struct
{
  const VardSamplerClass *klass;
  guint n_steps;
  double eta;             /* of samplers with VARD_SAMPLER_FLAGS_HAS_ETA */
  double initial_scale;   /* of the noise that the first state is */
  VardSamplerStep *steps; /* from the noisiest on */
} VardSampler;

/* An error where the sampler is for another process, or eta is not 0 to 1 */
VardSampler *vard_sampler_new (const VardProcess *process,
                               VardSamplerKind kind,
                               guint n_steps,
                               double eta,
                               GError **error);
/* The process's sampler with an eta: ddim, or flow-sde */
VardSampler *vard_sampler_new_with_eta (const VardProcess *process,
                                        guint n_steps,
                                        double eta,
                                        GError **error);
void vard_sampler_free (VardSampler *self);
const char *vard_sampler_get_name (const VardSampler *self);
VardSamplerFlags vard_sampler_get_flags (const VardSampler *self);
/* What a value network is told of a state: 0 is pure noise, n_steps the finished latent */
double vard_sampler_get_state_time (const VardSampler *self, guint state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardSampler, vard_sampler_free)

G_END_DECLS
