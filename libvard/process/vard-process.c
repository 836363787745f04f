/* vard-process.c - what a noisy state is: how much of it is picture, how much noise, at each time
 *
 * Variance preserving (arXiv 2006.11239): x = sqrt (alpha_bar) x_0 + sqrt (1 - alpha_bar) noise,
 * with a table of alpha_bar by training timestep. Flow (arXiv 2210.02747, 2209.03003): x = (1 - t)
 * x_0 + t noise, and the model is told n_train_timesteps times t.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-process.h"

#include "base/vard-error.h"

#include <math.h>

static const VardProcessClass process_classes[] = {
  [VARD_PROCESS_VARIANCE_PRESERVING] = {
    .name = "variance preserving",
    .predictions = 1 << VARD_PREDICTION_EPSILON | 1 << VARD_PREDICTION_V
                   | 1 << VARD_PREDICTION_CLEAN,
    .unit = VARD_PREDICTION_EPSILON,
  },
  [VARD_PROCESS_FLOW] = {
    .name = "flow",
    .predictions = 1 << VARD_PREDICTION_VELOCITY | 1 << VARD_PREDICTION_CLEAN,
    .unit = VARD_PREDICTION_VELOCITY,
  },
};

static const char *const prediction_names[] = {
  [VARD_PREDICTION_EPSILON] = "epsilon",
  [VARD_PREDICTION_V] = "v",
  [VARD_PREDICTION_CLEAN] = "x_0",
  [VARD_PREDICTION_VELOCITY] = "the flow's velocity",
};

static gboolean
vard_process_process_check (const VardProcessClass *klass,
                            const VardScheduleConfig *config,
                            GError **error)
{
  if (!(klass->predictions & 1 << config->prediction))
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                 "the model predicts %s, which a %s process cannot use",
                 prediction_names[config->prediction], klass->name);
  else if (config->process == VARD_PROCESS_FLOW && config->n_train_timesteps == 0)
    g_set_error_literal (error, VARD_ERROR, VARD_ERROR_CONFIG,
                         "the flow has no training timesteps");
  else if (config->process == VARD_PROCESS_FLOW && !(config->shift > 0 && config->shift <= 1000))
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                 "the flow's shift is %g, but must be above 0 and at most 1000", config->shift);
  else
    return TRUE;

  return FALSE;
}

VardProcess *
vard_process_new (const VardScheduleConfig *config, GError **error)
{
  const VardProcessClass *klass = &process_classes[config->process];
  VardNoiseSchedule *schedule = NULL;

  if (!vard_process_process_check (klass, config, error))
    return NULL;
  if (config->process == VARD_PROCESS_VARIANCE_PRESERVING)
    {
      schedule = vard_noise_schedule_new (config, error);
      if (schedule == NULL)
        return NULL;
    }

  VardProcess *self = g_new0 (VardProcess, 1);

  self->klass = klass;
  self->config = *config;
  self->schedule = schedule;

  return self;
}

void
vard_process_free (VardProcess *self)
{
  if (self == NULL)
    return;
  vard_noise_schedule_free (self->schedule);
  g_free (self);
}

VardNoiseLevel
vard_process_get_level (const VardProcess *self, double time)
{
  if (self->schedule == NULL)
    {
      double t = CLAMP (time / self->config.n_train_timesteps, 0, 1);

      return (VardNoiseLevel) { time, (1 - t) * (1 - t), t * t };
    }

  double ratio = vard_noise_schedule_interpolate_sigma (self->schedule, time);
  double alpha_bar = 1 / (1 + ratio * ratio);

  return (VardNoiseLevel) { time, alpha_bar, 1 - alpha_bar };
}
