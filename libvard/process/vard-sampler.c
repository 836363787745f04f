/* vard-sampler.c - the steps from noise to picture, each a linear map with its own noise
 *
 * What the steps are is said by the samplers' own files, vard-sampler-NAME.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler.h"

#include "base/vard-error.h"
#include "process/vard-sampler-class.h"

static gboolean
vard_sampler_sampler_check (const VardProcess *process,
                            const VardSamplerClass *klass,
                            guint n_steps,
                            double eta,
                            GError **error)
{
  guint n = process->config.n_train_timesteps;

  if (klass->process != process->config.process)
    {
      g_autofree char *others = vard_sampler_class_list_process (process->config.process);

      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "the sampler %s does not fit this model, whose process is %s: use %s",
                   klass->name, process->klass->name, others);
    }
  else if (klass->flags & VARD_SAMPLER_FLAGS_HAS_ETA && !(eta >= 0 && eta <= 1))
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 "the sampler's eta is %g, but must be from 0 to 1", eta);
  else if (n_steps == 0 || n_steps > n)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 "%u sampler steps are too many: the model has %u timesteps", n_steps, n);
  else
    return TRUE;

  return FALSE;
}

VardSampler *
vard_sampler_new (const VardProcess *process,
                  VardSamplerKind kind,
                  guint n_steps,
                  double eta,
                  GError **error)
{
  const VardSamplerClass *klass = vard_sampler_class_lookup (kind);

  g_assert (klass != NULL);
  if (!vard_sampler_sampler_check (process, klass, n_steps, eta, error))
    return NULL;

  g_autofree VardNoiseLevel *levels = g_new0 (VardNoiseLevel, n_steps + 1);
  VardSpacing spacing = vard_sampler_class_get_spacing (klass, process);

  if (!klass->find_levels (process, spacing, n_steps, levels, error))
    return NULL;

  VardSampler *self = g_new0 (VardSampler, 1);

  self->klass = klass;
  self->n_steps = n_steps;
  self->eta = eta;
  self->initial_scale = 1;
  self->steps = g_new0 (VardSamplerStep, n_steps);
  for (guint i = 0; i < n_steps; i++)
    {
      self->steps[i].model_time = levels[i].time;
      self->steps[i].from = levels[i];
      self->steps[i].to = levels[i + 1];
    }
  for (guint i = 0; i < n_steps; i++)
    {
      self->steps[i].value_time = vard_sampler_get_state_time (self, i + 1);
      klass->fill_step (self, process, i);
    }

  return self;
}

VardSampler *
vard_sampler_new_with_eta (const VardProcess *process, guint n_steps, double eta, GError **error)
{
  gboolean is_flow = process->config.process == VARD_PROCESS_FLOW;

  return vard_sampler_new (process, is_flow ? VARD_SAMPLER_KIND_FLOW_SDE : VARD_SAMPLER_KIND_DDIM,
                           n_steps, eta, error);
}

void
vard_sampler_free (VardSampler *self)
{
  if (self == NULL)
    return;
  g_free (self->steps);
  g_free (self);
}

const char *
vard_sampler_get_name (const VardSampler *self)
{
  return self->klass->name;
}

VardSamplerFlags
vard_sampler_get_flags (const VardSampler *self)
{
  return self->klass->flags;
}

/* The clean end is 0, or -1 where a noisy state has that time already */
double
vard_sampler_get_state_time (const VardSampler *self, guint state)
{
  g_assert (state <= self->n_steps);

  if (state < self->n_steps)
    return self->steps[state].model_time;

  return self->steps[self->n_steps - 1].model_time > 0 ? 0 : -1;
}
