/* vard-sampler.c - the steps from noise to picture, each a linear map with its own noise
 *
 * With abar_t before and abar_s after the step:
 *   sigma^2 = eta^2 (1 - abar_s) / (1 - abar_t) (1 - abar_t / abar_s)
 *   x_s     = sqrt (abar_s / abar_t) x_t + c epsilon + sigma z
 *   c       = sqrt (1 - abar_s - sigma^2) - sqrt (1 - abar_t) sqrt (abar_s / abar_t)
 * and for a model that predicts v: epsilon = sqrt (abar_t) v + sqrt (1 - abar_t) x_t.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "diffusion/vard-sampler.h"

#include "base/vard-error.h"

#include <math.h>

static void
set_coefficients (VardSamplerStep *step, double eta, VardPrediction prediction)
{
  double t = step->alpha_bar_t, s = step->alpha_bar_s;
  double variance = MAX (0.0, (1 - s) / (1 - t) * (1 - t / s));
  double scale = sqrt (s / t);

  step->sigma = eta * sqrt (variance);
  double c = sqrt (MAX (0.0, 1 - s - step->sigma * step->sigma)) - sqrt (1 - t) * scale;

  if (prediction == VARD_PREDICTION_V)
    {
      step->x_scale = scale + c * sqrt (1 - t);
      step->out_scale = c * sqrt (t);
      step->epsilon_per_out = sqrt (t);
    }
  else
    {
      step->x_scale = scale;
      step->out_scale = c;
      step->epsilon_per_out = 1.0;
    }
  step->kl_weight = step->sigma > 0 ? c * c / (2 * step->sigma * step->sigma) : INFINITY;
}

VardSampler *
vard_sampler_new_ddim (const VardNoiseSchedule *schedule, guint n_steps, double eta, GError **error)
{
  g_autofree gint *timesteps = vard_noise_schedule_space (schedule, n_steps, error);

  if (timesteps == NULL)
    return NULL;
  if (!(eta >= 0 && eta <= 1))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "The sampler's eta is %g, not 0 to 1", eta);
      return NULL;
    }

  VardSampler *self = g_new0 (VardSampler, 1);
  gint stride = schedule->config.n_train_timesteps / n_steps;

  self->n_steps = n_steps;
  self->eta = eta;
  self->steps = g_new0 (VardSamplerStep, n_steps);

  for (guint i = 0; i < n_steps; i++)
    {
      VardSamplerStep *step = &self->steps[i];
      gint arrival = timesteps[i] - stride;  /* as diffusers has it, also where spacing is uneven */

      step->timestep = timesteps[i];
      step->alpha_bar_t = vard_noise_schedule_get_alpha_bar (schedule, timesteps[i]);
      step->alpha_bar_s = vard_noise_schedule_get_alpha_bar (schedule, arrival);
      set_coefficients (step, eta, schedule->config.prediction);
    }

  for (guint i = 0; i < n_steps; i++)
    self->steps[i].value_timestep = vard_sampler_get_state_timestep (self, i + 1);

  return self;
}

void
vard_sampler_free (VardSampler *self)
{
  if (self == NULL)
    return;
  g_free (self->steps);
  g_free (self);
}

/* The clean end is 0, or -1 where a noisy state has that timestep already */
gint
vard_sampler_get_state_timestep (const VardSampler *self, guint state)
{
  g_assert (state <= self->n_steps);

  if (state < self->n_steps)
    return self->steps[state].timestep;
  return self->steps[self->n_steps - 1].timestep > 0 ? 0 : -1;
}
