/* vard-sampler-step.c - shared by the samplers: steps in terms of the model's output
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-prediction.h"
#include "process/vard-sampler-class.h"

#include <math.h>

#define FEW_STEPS 15

static double
vard_sampler_step_sampler_step_get_kl (double mean_per_change, double sigma)
{
  return sigma > 0 ? mean_per_change * mean_per_change / (2 * sigma * sigma) : INFINITY;
}

static double
vard_sampler_step_sampler_step_get_change (const VardSamplerStep *self, const VardProcess *process)
{
  return vard_prediction_get_change (process->config.prediction, process->klass->unit, &self->from);
}

void
vard_sampler_step_set_epsilon (VardSamplerStep *self,
                               const VardProcess *process,
                               double x_scale,
                               double epsilon_scale,
                               double sigma)
{
  VardLinear epsilon = vard_prediction_get_epsilon (process->config.prediction, &self->from);

  self->sigma = sigma;
  self->x_scale = x_scale + epsilon_scale * epsilon.per_x;
  self->out_scale = epsilon_scale * epsilon.per_out;
  self->change_per_out = epsilon.per_out;
  self->kl_per_change = vard_sampler_step_sampler_step_get_kl (epsilon_scale, sigma);
}

/* With abar_t before and abar_s after the step:
 *   sigma^2 = eta^2 (1 - abar_s) / (1 - abar_t) (1 - abar_t / abar_s)
 *   x_s     = sqrt (abar_s / abar_t) x_t + c epsilon + sigma z
 *   c       = sqrt (1 - abar_s - sigma^2) - sqrt (1 - abar_t) sqrt (abar_s / abar_t) */
void
vard_sampler_step_set_ddim (VardSamplerStep *self, const VardProcess *process, double eta)
{
  const VardNoiseLevel *t = &self->from, *s = &self->to;
  double variance = MAX (0.0, s->noise2 / t->noise2 * (1 - t->signal2 / s->signal2));
  double scale = sqrt (s->signal2 / t->signal2), sigma = eta * sqrt (variance);
  double c = sqrt (MAX (0.0, s->noise2 - sigma * sigma)) - sqrt (t->noise2) * scale;

  vard_sampler_step_set_epsilon (self, process, scale, c, sigma);
}

void
vard_sampler_step_set_mix (VardSamplerStep *self,
                           const VardProcess *process,
                           double clean_scale,
                           double epsilon_scale,
                           double sigma)
{
  VardLinear clean = vard_prediction_get_clean (process->config.prediction, &self->from);
  VardLinear epsilon = vard_prediction_get_epsilon (process->config.prediction, &self->from);

  self->sigma = sigma;
  self->x_scale = clean_scale * clean.per_x + epsilon_scale * epsilon.per_x;
  self->out_scale = clean_scale * clean.per_out + epsilon_scale * epsilon.per_out;
  self->change_per_out = vard_sampler_step_sampler_step_get_change (self, process);
  self->kl_per_change =
    vard_sampler_step_sampler_step_get_kl (self->out_scale / self->change_per_out, sigma);
}

void
vard_sampler_step_set_multistep (VardSamplerStep *self,
                                 const VardProcess *process,
                                 double x_scale,
                                 double clean_scale,
                                 double lead,
                                 double sigma)
{
  VardLinear clean = vard_prediction_get_clean (process->config.prediction, &self->from);

  self->sigma = sigma;
  self->clean_per_x = clean.per_x;
  self->clean_per_out = clean.per_out;
  self->x_scale = x_scale + clean_scale * (1 + lead) * clean.per_x;
  self->out_scale = clean_scale * (1 + lead) * clean.per_out;
  self->clean_scale = -clean_scale * lead;
  self->change_per_out = vard_sampler_step_sampler_step_get_change (self, process);
  self->kl_per_change = INFINITY; /* the density given the state alone is not known */
}

void
vard_sampler_set_euler_ends (VardSampler *self, const VardProcess *process, guint i)
{
  VardSamplerStep *step = &self->steps[i];

  if (i == 0 && vard_sampler_class_get_spacing (self->klass, process) != VARD_SPACING_LEADING)
    self->initial_scale = sqrt (step->from.noise2);
  if (i == self->n_steps - 1)
    {
      double unscale = 1 / sqrt (step->to.signal2);

      step->x_scale *= unscale;
      step->out_scale *= unscale;
    }
}

double
vard_sampler_get_lead (const VardSampler *self, guint i)
{
  const VardSamplerStep *step = &self->steps[i];
  gboolean is_last = i == self->n_steps - 1;

  if (i == 0 || (is_last && (self->n_steps < FEW_STEPS || step->to.signal2 >= 1)))
    return 0;

  double t = step->from.signal2, s = step->to.signal2, before = step[-1].from.signal2;
  double h = log (s / (1 - s) * (1 - t) / t), h_0 = log (t / (1 - t) * (1 - before) / before);

  return h / (2 * h_0);
}
