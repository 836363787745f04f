/* vard-noise-levels.c - computes the noise levels that a sampler visits
 *
 * DDIM and DDPM go by timesteps. Euler's methods and DPM-Solver++ go by
 *   sigma = sqrt ((1 - alpha_bar) / alpha_bar),
 * interpolated between timesteps, which may also be spread as arXiv 2206.00364 does (Karras). A
 * flow goes by its time. The samplers' classes in diffusers differ in small ways, and pictures with
 * them; each is followed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-noise-levels.h"

#include "base/vard-error.h"

#include <math.h>

#define KARRAS_RHO 7.0

typedef enum
{
  SIGMA_RULE_CONFIGURED, /* use_karras_sigmas and final_sigmas_type count */
  SIGMA_RULE_PLAIN,
  /* CONFIGURED, at whole timesteps, of one step more than it takes: it never visits 0 */
  SIGMA_RULE_SOLVER,
} SigmaRule;

static void
vard_noise_levels_noise_levels_set (VardNoiseLevel *self, double time, double alpha_bar)
{
  *self = (VardNoiseLevel) { time, alpha_bar, 1 - alpha_bar };
}

/* k of numpy.linspace (from, to, n): the last is exact, the others count in steps that are rounded
 * first */
static double
vard_noise_levels_noise_levels_interpolate (double from, double to, guint n, guint k)
{
  if (n > 1 && k == n - 1)
    return to;

  return k * ((to - from) / MAX (n - 1.0, 1.0)) + from;
}

/* The timestep of step i; NumPy and Python round halves to even, and so do the timesteps of
 * published models */
static double
vard_noise_levels_noise_levels_space (const VardScheduleConfig *config,
                                      VardSpacing spacing,
                                      guint n_steps,
                                      guint n_extra,
                                      guint i)
{
  guint n = config->n_train_timesteps, n_left = n_steps - 1 - i + n_extra;

  if (spacing == VARD_SPACING_TRAILING)
    return nearbyint (n - i * ((double) n / n_steps)) - 1;
  if (spacing == VARD_SPACING_LEADING)
    return (double) n_left * (n / (n_steps + n_extra)) + config->steps_offset;

  return vard_noise_levels_noise_levels_interpolate (0, n - 1.0, n_steps + n_extra, n_left);
}

static gboolean
vard_noise_levels_noise_levels_check_time (const VardScheduleConfig *config,
                                           guint n_steps,
                                           double time,
                                           GError **error)
{
  if (time >= 0 && time <= config->n_train_timesteps - 1.0)
    return TRUE;

  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "with %u steps and steps_offset %d the sampler starts at timestep %g of %u", n_steps,
               config->steps_offset, time, config->n_train_timesteps);

  return FALSE;
}

gboolean
vard_noise_levels_by_timestep (const VardProcess *process,
                               VardSpacing spacing,
                               guint n_steps,
                               VardNoiseLevel *levels,
                               GError **error)
{
  const VardScheduleConfig *config = &process->config;

  for (guint i = 0; i < n_steps; i++)
    {
      double time =
        nearbyint (vard_noise_levels_noise_levels_space (config, spacing, n_steps, 0, i));

      if (!vard_noise_levels_noise_levels_check_time (config, n_steps, time, error))
        return FALSE;
      vard_noise_levels_noise_levels_set (&levels[i], time,
                                          process->schedule->alpha_bar[(guint) time]);
    }
  vard_noise_levels_noise_levels_set (&levels[n_steps], -1, 1);

  return TRUE;
}

/* ---- by sigma ---- */

static void
vard_noise_levels_noise_levels_spread_karras (const VardNoiseSchedule *schedule,
                                              SigmaRule rule,
                                              guint n_steps,
                                              VardNoiseLevel *levels,
                                              double *sigmas)
{
  gboolean is_solver = rule == SIGMA_RULE_SOLVER;
  guint last = schedule->config.n_train_timesteps - 1;
  double most = is_solver ? vard_noise_schedule_get_sigma (schedule, last) : sigmas[0];
  double least = is_solver ? vard_noise_schedule_get_sigma (schedule, 0) : sigmas[n_steps - 1];
  double from = pow (most, 1 / KARRAS_RHO), to = pow (least, 1 / KARRAS_RHO);

  for (guint i = 0; i < n_steps; i++)
    {
      double at = n_steps > 1 ? i / (n_steps - 1.0) : 0;

      sigmas[i] = pow (from + at * (to - from), KARRAS_RHO);
      levels[i].time = vard_noise_schedule_find_time (schedule, sigmas[i]);
      if (is_solver)
        levels[i].time = nearbyint (levels[i].time);
    }
}

static gboolean
vard_noise_levels_noise_levels_fill (const VardProcess *process,
                                     SigmaRule rule,
                                     VardSpacing spacing,
                                     guint n_steps,
                                     VardNoiseLevel *levels,
                                     GError **error)
{
  const VardScheduleConfig *config = &process->config;
  const VardNoiseSchedule *schedule = process->schedule;
  gboolean is_solver = rule == SIGMA_RULE_SOLVER, is_plain = rule == SIGMA_RULE_PLAIN;
  g_autofree double *sigmas = g_new0 (double, n_steps + 1);

  for (guint i = 0; i < n_steps; i++)
    {
      double time =
        vard_noise_levels_noise_levels_space (config, spacing, n_steps, is_solver ? 1 : 0, i);

      levels[i].time = is_solver ? nearbyint (time) : time;
      if (!vard_noise_levels_noise_levels_check_time (config, n_steps, levels[i].time, error))
        return FALSE;
      sigmas[i] = vard_noise_schedule_interpolate_sigma (schedule, levels[i].time);
    }

  if (config->use_karras_sigmas && !is_plain)
    vard_noise_levels_noise_levels_spread_karras (schedule, rule, n_steps, levels, sigmas);
  if (config->ends_at_sigma_min && !is_plain)
    sigmas[n_steps] = vard_noise_schedule_get_sigma (schedule, 0);
  levels[n_steps].time = -1;
  for (guint i = 0; i <= n_steps; i++)
    vard_noise_levels_noise_levels_set (&levels[i], levels[i].time,
                                        1 / (1 + sigmas[i] * sigmas[i]));

  return TRUE;
}

gboolean
vard_noise_levels_by_sigma (const VardProcess *process,
                            VardSpacing spacing,
                            guint n_steps,
                            VardNoiseLevel *levels,
                            GError **error)
{
  return vard_noise_levels_noise_levels_fill (process, SIGMA_RULE_CONFIGURED, spacing, n_steps,
                                              levels, error);
}

gboolean
vard_noise_levels_ancestral (const VardProcess *process,
                             VardSpacing spacing,
                             guint n_steps,
                             VardNoiseLevel *levels,
                             GError **error)
{
  return vard_noise_levels_noise_levels_fill (process, SIGMA_RULE_PLAIN, spacing, n_steps, levels,
                                              error);
}

gboolean
vard_noise_levels_for_solver (const VardProcess *process,
                              VardSpacing spacing,
                              guint n_steps,
                              VardNoiseLevel *levels,
                              GError **error)
{
  return vard_noise_levels_noise_levels_fill (process, SIGMA_RULE_SOLVER, spacing, n_steps, levels,
                                              error);
}

/* ---- flow ---- */

static double
vard_noise_levels_noise_levels_shift (const VardScheduleConfig *config, double t)
{
  return config->shift * t / (1 + (config->shift - 1) * t);
}

/* Trailing: equal parts of the way from noise to picture. Linspace: as diffusers spaces by itself,
 * from pure noise to the cleanest time of training, which it bends twice. */
gboolean
vard_noise_levels_of_flow (const VardProcess *process,
                           VardSpacing spacing,
                           guint n_steps,
                           VardNoiseLevel *levels,
                           GError **error)
{
  const VardScheduleConfig *config = &process->config;
  double cleanest = vard_noise_levels_noise_levels_shift (config, 1.0 / config->n_train_timesteps);

  if (spacing == VARD_SPACING_LEADING)
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_CONFIG,
                           "a flow begins at pure noise, which timestep_spacing “leading” leaves "
                           "out: use trailing or linspace");
      return FALSE;
    }
  for (guint i = 0; i < n_steps; i++)
    {
      double t = spacing == VARD_SPACING_TRAILING
                   ? (double) (n_steps - i) / n_steps
                   : vard_noise_levels_noise_levels_interpolate (1, cleanest, n_steps, i);

      levels[i] =
        vard_process_get_level (process, config->n_train_timesteps
                                           * vard_noise_levels_noise_levels_shift (config, t));
    }
  levels[n_steps] = (VardNoiseLevel) { -1, 1, 0 };

  return TRUE;
}
