/* vard-noise-schedule.c - the share of signal and noise at each training timestep
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-noise-schedule.h"

#include "base/vard-error.h"

#include <math.h>

static double
vard_noise_schedule_get_beta (const VardScheduleConfig *config, guint i)
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
vard_noise_schedule_check_config (const VardScheduleConfig *config, GError **error)
{
  if (config->n_train_timesteps == 0)
    g_set_error_literal (error, VARD_ERROR, VARD_ERROR_CONFIG,
                         "the noise schedule has no training timesteps");
  else if (!(config->beta_start > 0 && config->beta_start <= config->beta_end
             && config->beta_end < 1))
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                 "the noise schedule goes from beta %g to %g, but betas must rise and lie between "
                 "0 and 1",
                 config->beta_start, config->beta_end);
  else
    return TRUE;

  return FALSE;
}

VardNoiseSchedule *
vard_noise_schedule_new (const VardScheduleConfig *config, GError **error)
{
  if (!vard_noise_schedule_check_config (config, error))
    return NULL;

  VardNoiseSchedule *self = g_new0 (VardNoiseSchedule, 1);

  self->config = *config;
  self->alpha_bar = g_new (double, config->n_train_timesteps);

  double product = 1.0;
  for (guint i = 0; i < config->n_train_timesteps; i++)
    {
      product *= 1.0 - vard_noise_schedule_get_beta (config, i);
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

double
vard_noise_schedule_get_sigma (const VardNoiseSchedule *self, guint timestep)
{
  double bar = self->alpha_bar[timestep];

  return sqrt ((1 - bar) / bar);
}

double
vard_noise_schedule_interpolate_sigma (const VardNoiseSchedule *self, double time)
{
  guint last = self->config.n_train_timesteps - 1;
  guint low = (guint) CLAMP (floor (time), 0, last), high = MIN (low + 1, last);
  double part = CLAMP (time - low, 0, 1);

  return (1 - part) * vard_noise_schedule_get_sigma (self, low)
         + part * vard_noise_schedule_get_sigma (self, high);
}

double
vard_noise_schedule_find_time (const VardNoiseSchedule *self, double sigma)
{
  guint low = 0, last = self->config.n_train_timesteps - 1;

  while (low + 1 < last && vard_noise_schedule_get_sigma (self, low + 1) <= sigma)
    low++;

  double from = log (vard_noise_schedule_get_sigma (self, low));
  double to = log (vard_noise_schedule_get_sigma (self, low + 1));

  return low + CLAMP ((log (sigma) - from) / (to - from), 0, 1);
}
