/* vard-noise-levels.c - which noise levels a sampler visits
 *
 * DDIM and DDPM go by timesteps. Euler's methods and DPM-Solver++ go by
 *   sigma = sqrt ((1 - alpha_bar) / alpha_bar),
 * interpolated between timesteps, which may also be spread as arXiv 2206.00364 does (Karras). The
 * samplers' classes in diffusers differ in small ways, and pictures with them; each is followed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-noise-levels.h"

#include "base/vard-error.h"

#include <math.h>

#define KARRAS_RHO 7.0

static double
get_sigma (const VardNoiseSchedule *schedule, guint t)
{
  double bar = schedule->alpha_bar[t];

  return sqrt ((1 - bar) / bar);
}

static double
get_alpha_bar (double sigma)
{
  return 1 / (1 + sigma * sigma);
}

/* linear between whole timesteps */
static double
interpolate_sigma (const VardNoiseSchedule *schedule, double time)
{
  guint last = schedule->config.n_train_timesteps - 1;
  guint low = (guint) CLAMP (floor (time), 0, last), high = MIN (low + 1, last);
  double part = CLAMP (time - low, 0, 1);

  return (1 - part) * get_sigma (schedule, low) + part * get_sigma (schedule, high);
}

/* linear in the logarithm */
static double
find_time (const VardNoiseSchedule *schedule, double sigma)
{
  guint low = 0, last = schedule->config.n_train_timesteps - 1;

  while (low + 1 < last && get_sigma (schedule, low + 1) <= sigma)
    low++;

  double from = log (get_sigma (schedule, low)), to = log (get_sigma (schedule, low + 1));

  return low + CLAMP ((log (sigma) - from) / (to - from), 0, 1);
}

VardSpacing
vard_noise_levels_get_spacing (const VardNoiseSchedule *schedule, VardSamplerKind kind)
{
  gboolean is_by_time = kind == VARD_SAMPLER_KIND_DDIM || kind == VARD_SAMPLER_KIND_DDPM;

  if (schedule->config.has_spacing)
    return schedule->config.spacing;
  return is_by_time ? VARD_SPACING_LEADING : VARD_SPACING_LINSPACE;
}

/* ---- DDIM and DDPM ---- */

static VardNoiseLevel *
new_by_time (const VardNoiseSchedule *schedule, guint n_steps, GError **error)
{
  g_autofree gint *timesteps = vard_noise_schedule_space (schedule, n_steps, error);

  if (timesteps == NULL)
    return NULL;

  VardNoiseLevel *levels = g_new0 (VardNoiseLevel, n_steps + 1);

  for (guint i = 0; i < n_steps; i++)
    levels[i] = (VardNoiseLevel) { timesteps[i], schedule->alpha_bar[timesteps[i]] };
  levels[n_steps] = (VardNoiseLevel) { -1, 1 };

  return levels;
}

/* ---- by sigma ---- */

/* DPM-Solver++ divides into one more than it uses, so that it never ends at timestep 0 */
static double
space_time (const VardNoiseSchedule *schedule,
            VardSamplerKind kind,
            VardSpacing spacing,
            guint n_steps,
            guint i)
{
  const VardScheduleConfig *config = &schedule->config;
  gboolean is_solver = kind == VARD_SAMPLER_KIND_DPMPP_2M;
  guint n = config->n_train_timesteps, extra = is_solver ? 1 : 0, n_left = n_steps - 1 - i + extra;

  if (spacing == VARD_SPACING_TRAILING)
    return nearbyint (n - i * ((double) n / n_steps)) - 1;
  if (spacing == VARD_SPACING_LEADING)
    return (double) n_left * (n / (n_steps + extra)) + config->steps_offset;

  double time = (n - 1.0) * n_left / MAX (n_steps - 1.0 + extra, 1.0);

  return is_solver ? nearbyint (time) : time;
}

static void
spread_karras (const VardNoiseSchedule *schedule,
               VardSamplerKind kind,
               VardNoiseLevel *levels,
               double *sigmas,
               guint n_steps)
{
  gboolean is_solver = kind == VARD_SAMPLER_KIND_DPMPP_2M;
  double most = is_solver ? get_sigma (schedule, schedule->config.n_train_timesteps - 1)
                          : sigmas[0];
  double least = is_solver ? get_sigma (schedule, 0) : sigmas[n_steps - 1];
  double from = pow (most, 1 / KARRAS_RHO), to = pow (least, 1 / KARRAS_RHO);

  for (guint i = 0; i < n_steps; i++)
    {
      double at = n_steps > 1 ? i / (n_steps - 1.0) : 0;

      sigmas[i] = pow (from + at * (to - from), KARRAS_RHO);
      levels[i].time = find_time (schedule, sigmas[i]);
      if (is_solver)
        levels[i].time = nearbyint (levels[i].time);
    }
}

static gboolean
check_time (const VardNoiseSchedule *schedule, guint n_steps, double time, GError **error)
{
  if (time >= 0 && time <= schedule->config.n_train_timesteps - 1.0)
    return TRUE;

  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "With %u steps and steps_offset %d the sampler starts at timestep %g of %u", n_steps,
               schedule->config.steps_offset, time, schedule->config.n_train_timesteps);
  return FALSE;
}

static VardNoiseLevel *
new_by_sigma (const VardNoiseSchedule *schedule,
              VardSamplerKind kind,
              guint n_steps,
              GError **error)
{
  const VardScheduleConfig *config = &schedule->config;
  VardSpacing spacing = vard_noise_levels_get_spacing (schedule, kind);
  gboolean is_ancestral = kind == VARD_SAMPLER_KIND_EULER_ANCESTRAL;
  g_autofree VardNoiseLevel *levels = g_new0 (VardNoiseLevel, n_steps + 1);
  g_autofree double *sigmas = g_new0 (double, n_steps + 1);

  for (guint i = 0; i < n_steps; i++)
    {
      levels[i].time = space_time (schedule, kind, spacing, n_steps, i);
      if (!check_time (schedule, n_steps, levels[i].time, error))
        return NULL;
      sigmas[i] = interpolate_sigma (schedule, levels[i].time);
    }

  if (config->use_karras_sigmas && !is_ancestral)
    spread_karras (schedule, kind, levels, sigmas, n_steps);
  if (config->ends_at_sigma_min && !is_ancestral)
    sigmas[n_steps] = get_sigma (schedule, 0);
  levels[n_steps].time = -1;
  for (guint i = 0; i <= n_steps; i++)
    levels[i].alpha_bar = get_alpha_bar (sigmas[i]);

  return g_steal_pointer (&levels);
}

VardNoiseLevel *
vard_noise_levels_new (const VardNoiseSchedule *schedule,
                       VardSamplerKind kind,
                       guint n_steps,
                       GError **error)
{
  guint n = schedule->config.n_train_timesteps;

  if (n_steps == 0 || n_steps > n)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "%u sampler steps, but the model knows %u timesteps", n_steps, n);
      return NULL;
    }
  if (kind == VARD_SAMPLER_KIND_DDIM || kind == VARD_SAMPLER_KIND_DDPM)
    return new_by_time (schedule, n_steps, error);

  return new_by_sigma (schedule, kind, n_steps, error);
}
