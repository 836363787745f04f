/* vard-sampler.c - the steps from noise to picture, each a linear map with its own noise
 *
 * With abar_t before and abar_s after the step:
 *   sigma^2 = eta^2 (1 - abar_s) / (1 - abar_t) (1 - abar_t / abar_s)
 *   x_s     = sqrt (abar_s / abar_t) x_t + c epsilon + sigma z
 *   c       = sqrt (1 - abar_s - sigma^2) - sqrt (1 - abar_t) sqrt (abar_s / abar_t)
 * and for a model that predicts v: epsilon = sqrt (abar_t) v + sqrt (1 - abar_t) x_t.
 *
 * Euler's method in x / sqrt (abar), with respect to sqrt ((1 - abar) / abar), is the same map with
 * eta 0, and its ancestral form that with eta 1: both differ from DDIM in the levels they visit.
 * DPM-Solver++ is a step in the predicted x_0, extrapolated from the last two.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler.h"

#include "base/vard-error.h"
#include "process/vard-noise-levels.h"

#include <math.h>

/* x_s = x_scale x_t + c epsilon + sigma z, in terms of what the model says */
static void
set_linear (VardSamplerStep *step,
            double x_scale,
            double c,
            double sigma,
            VardPrediction prediction)
{
  double t = step->alpha_bar_t;
  gboolean is_v = prediction == VARD_PREDICTION_V;

  step->sigma = sigma;
  step->epsilon_per_out = is_v ? sqrt (t) : 1.0;
  step->x_scale = x_scale + (is_v ? c * sqrt (1 - t) : 0);
  step->out_scale = c * step->epsilon_per_out;
  step->kl_weight = sigma > 0 ? c * c / (2 * sigma * sigma) : INFINITY;
}

static void
set_ddim (VardSamplerStep *step, double eta, VardPrediction prediction)
{
  double t = step->alpha_bar_t, s = step->alpha_bar_s;
  double variance = MAX (0.0, (1 - s) / (1 - t) * (1 - t / s));
  double scale = sqrt (s / t), sigma = eta * sqrt (variance);

  set_linear (step, scale, sqrt (MAX (0.0, 1 - s - sigma * sigma)) - sqrt (1 - t) * scale, sigma,
              prediction);
}

/* With lambda = log (sqrt (abar) / sqrt (1 - abar)) and h its change in this step, h_0 in the one
 * before:
 *   x_s = sqrt ((1 - abar_s) / (1 - abar_t)) x_t + k (clean_t + h / (2 h_0) (clean_t - clean))
 *   k   = sqrt (abar_s) (1 - exp (-h)) */
static void
set_solver (VardSamplerStep *step, const VardSamplerStep *before, VardPrediction prediction)
{
  double t = step->alpha_bar_t, s = step->alpha_bar_s;
  double x_scale = sqrt ((1 - s) / (1 - t)), k = sqrt (s) - sqrt (t) * x_scale, ahead = 0;
  gboolean is_v = prediction == VARD_PREDICTION_V;

  step->clean_per_x = is_v ? sqrt (t) : 1 / sqrt (t);
  step->clean_per_out = is_v ? -sqrt (1 - t) : -sqrt ((1 - t) / t);
  if (before != NULL)
    {
      double h = log (s / (1 - s) * (1 - t) / t);
      double h_0 = log (t / (1 - t) * (1 - before->alpha_bar_t) / before->alpha_bar_t);

      ahead = h / (2 * h_0);
    }
  step->x_scale = x_scale + k * (1 + ahead) * step->clean_per_x;
  step->out_scale = k * (1 + ahead) * step->clean_per_out;
  step->clean_scale = -k * ahead;
  step->epsilon_per_out = is_v ? sqrt (t) : 1.0;
  step->kl_weight = INFINITY;
}

static VardSampler *
sampler_new (const VardNoiseSchedule *schedule,
             VardSamplerKind kind,
             guint n_steps,
             double eta,
             const VardNoiseLevel *levels)
{
  VardSampler *self = g_new0 (VardSampler, 1);

  self->kind = kind;
  self->n_steps = n_steps;
  self->eta = eta;
  self->initial_scale = 1;
  self->steps = g_new0 (VardSamplerStep, n_steps);
  for (guint i = 0; i < n_steps; i++)
    {
      self->steps[i].model_time = levels[i].time;
      self->steps[i].timestep = (gint) nearbyint (levels[i].time);
      self->steps[i].alpha_bar_t = levels[i].alpha_bar;
      self->steps[i].alpha_bar_s = levels[i + 1].alpha_bar;
    }
  for (guint i = 0; i < n_steps; i++)
    self->steps[i].value_timestep = vard_sampler_get_state_timestep (self, i + 1);

  return self;
}

/* DDIM of diffusers arrives a stride lower than it was, also where the spacing is uneven */
static void
set_ddim_arrivals (VardSampler *self, const VardNoiseSchedule *schedule)
{
  gint stride = schedule->config.n_train_timesteps / self->n_steps;

  for (guint i = 0; i < self->n_steps; i++)
    self->steps[i].alpha_bar_s =
      vard_noise_schedule_get_alpha_bar (schedule, self->steps[i].timestep - stride);
}

/* The first state has the noise level's variance only where diffusers does it so, and what is
 * arrived at is sqrt (abar) times what diffusers hands over */
static void
set_euler_ends (VardSampler *self, const VardNoiseSchedule *schedule)
{
  VardSamplerStep *last = &self->steps[self->n_steps - 1];
  double unscale = 1 / sqrt (last->alpha_bar_s);

  if (vard_noise_levels_get_spacing (schedule, self->kind) != VARD_SPACING_LEADING)
    self->initial_scale = sqrt (1 - self->steps[0].alpha_bar_t);
  last->x_scale *= unscale;
  last->out_scale *= unscale;
}

/* A first order step where there is no step before, and where diffusers takes one: at the end, when
 * it is clean or the steps are few */
static void
set_solver_steps (VardSampler *self, VardPrediction prediction)
{
  self->needs_clean = TRUE;
  for (guint i = 0; i < self->n_steps; i++)
    {
      gboolean is_last = i == self->n_steps - 1;
      gboolean is_first_order =
        i == 0 || (is_last && (self->n_steps < 15 || self->steps[i].alpha_bar_s >= 1));

      set_solver (&self->steps[i], is_first_order ? NULL : &self->steps[i - 1], prediction);
    }
}

VardSampler *
vard_sampler_new (const VardNoiseSchedule *schedule,
                  VardSamplerKind kind,
                  guint n_steps,
                  double eta,
                  GError **error)
{
  VardPrediction prediction = schedule->config.prediction;

  if (kind != VARD_SAMPLER_KIND_DDIM)
    eta = kind == VARD_SAMPLER_KIND_DDPM || kind == VARD_SAMPLER_KIND_EULER_ANCESTRAL;
  if (!(eta >= 0 && eta <= 1))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "The sampler's eta is %g, not 0 to 1", eta);
      return NULL;
    }

  g_autofree VardNoiseLevel *levels = vard_noise_levels_new (schedule, kind, n_steps, error);
  if (levels == NULL)
    return NULL;

  VardSampler *self = sampler_new (schedule, kind, n_steps, eta, levels);

  if (kind == VARD_SAMPLER_KIND_DDIM)
    set_ddim_arrivals (self, schedule);
  if (kind == VARD_SAMPLER_KIND_DPMPP_2M)
    {
      set_solver_steps (self, prediction);
      return self;
    }
  for (guint i = 0; i < n_steps; i++)
    set_ddim (&self->steps[i], eta, prediction);
  if (kind == VARD_SAMPLER_KIND_EULER || kind == VARD_SAMPLER_KIND_EULER_ANCESTRAL)
    set_euler_ends (self, schedule);

  return self;
}

VardSampler *
vard_sampler_new_ddim (const VardNoiseSchedule *schedule, guint n_steps, double eta, GError **error)
{
  return vard_sampler_new (schedule, VARD_SAMPLER_KIND_DDIM, n_steps, eta, error);
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
