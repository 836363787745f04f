/* vard-noise-schedule.c - how much of the picture is left at each training timestep
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-noise-schedule.h"

#include "base/vard-error.h"

#include <math.h>

static double
get_beta (const VardScheduleConfig *config, guint i)
{
  double at = config->n_train_timesteps > 1 ? i / (config->n_train_timesteps - 1.0) : 0.0;

  if (config->betas == VARD_BETAS_LINEAR)
    return config->beta_start + at * (config->beta_end - config->beta_start);

  /* linear in the square root: latent diffusion's choice */
  double root = sqrt (config->beta_start)
                + at * (sqrt (config->beta_end) - sqrt (config->beta_start));
  return root * root;
}

static gboolean
check_config (const VardScheduleConfig *config, GError **error)
{
  if (config->n_train_timesteps == 0)
    g_set_error_literal (error, VARD_ERROR, VARD_ERROR_CONFIG,
                         "The noise schedule has no training timesteps");
  else if (!(config->beta_start > 0 && config->beta_start <= config->beta_end
             && config->beta_end < 1))
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                 "The noise schedule goes from beta %g to %g: they must rise, above 0 and below 1",
                 config->beta_start, config->beta_end);
  else if (config->clip_sample)
    g_set_error_literal (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                         "The scheduler clips its samples (clip_sample): with clipping a step is "
                         "no Gaussian and has no KL in closed form");
  else
    return TRUE;

  return FALSE;
}

VardNoiseSchedule *
vard_noise_schedule_new (const VardScheduleConfig *config, GError **error)
{
  if (!check_config (config, error))
    return NULL;

  VardNoiseSchedule *self = g_new0 (VardNoiseSchedule, 1);

  self->config = *config;
  self->alpha_bar = g_new (double, config->n_train_timesteps);

  double product = 1.0;
  for (guint i = 0; i < config->n_train_timesteps; i++)
    {
      product *= 1.0 - get_beta (config, i);
      self->alpha_bar[i] = product;
    }
  self->final_alpha_bar = config->set_alpha_to_one ? 1.0 : self->alpha_bar[0];

  return self;
}

void
vard_noise_schedule_free (VardNoiseSchedule *self)
{
  if (self == NULL)
    return;
  g_free (self->alpha_bar);
  g_free (self);
}

double
vard_noise_schedule_get_alpha_bar (const VardNoiseSchedule *self, gint timestep)
{
  g_assert (timestep < (gint) self->config.n_train_timesteps);

  return timestep < 0 ? self->final_alpha_bar : self->alpha_bar[timestep];
}

/* NumPy and Python round halves to even, and so do the timesteps of published models */
static gint
round_even (double x)
{
  return (gint) nearbyint (x);
}

static gint
space_one (const VardScheduleConfig *config, guint n_steps, guint i)
{
  double n = config->n_train_timesteps;

  switch (config->spacing)
    {
    case VARD_SPACING_TRAILING: return round_even (n - i * (n / n_steps)) - 1;
    case VARD_SPACING_LINSPACE:
      return round_even ((n - 1) * (n_steps - 1 - i) / MAX (n_steps - 1.0, 1.0));
    case VARD_SPACING_LEADING:
    default:
      return (gint) (n_steps - 1 - i) * (gint) (config->n_train_timesteps / n_steps)
             + config->steps_offset;
    }
}

gint *
vard_noise_schedule_space (const VardNoiseSchedule *self, guint n_steps, GError **error)
{
  guint n = self->config.n_train_timesteps;

  if (n_steps == 0 || n_steps > n)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "%u sampler steps, but the model knows %u timesteps", n_steps, n);
      return NULL;
    }

  g_autofree gint *timesteps = g_new (gint, n_steps);
  for (guint i = 0; i < n_steps; i++)
    {
      timesteps[i] = space_one (&self->config, n_steps, i);
      if (timesteps[i] >= 0 && timesteps[i] < (gint) n)
        continue;
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "With %u steps and steps_offset %d the sampler starts at timestep %d of %u",
                   n_steps, self->config.steps_offset, timesteps[i], n);
      return NULL;
    }

  return g_steal_pointer (&timesteps);
}
