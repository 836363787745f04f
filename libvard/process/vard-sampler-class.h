/* vard-sampler-class.h - what a sampler's file provides, and what it is built from
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "process/vard-noise-levels.h"
#include "process/vard-sampler.h"

G_BEGIN_DECLS

/* A const of each sampler's file, called vard_sampler_NAME */
struct _VardSamplerClass
{
  const char *name; /* on the command line */
  VardSamplerFlags flags;
  VardProcessKind process; /* what its states are */
  VardSpacing spacing;     /* where the model's configuration names none */
  /* the n_steps + 1 levels that it visits, from the noisiest on */
  gboolean (*find_levels) (const VardProcess *process,
                           VardSpacing spacing,
                           guint n_steps,
                           VardNoiseLevel *levels,
                           GError **error);
  /* the numbers of step i, of which times and levels are set, as all numbers of the steps before it
   * are. It may set the sampler's initial_scale, and the level that its step arrives at. */
  void (*fill_step) (VardSampler *self, const VardProcess *process, guint i);
};

#define VARD_SAMPLER(NAME, name, nick) extern const VardSamplerClass vard_sampler_##name;
#include "process/vard-samplers.def"
#undef VARD_SAMPLER

/* NULL for a value that is no sampler */
const VardSamplerClass *vard_sampler_class_lookup (VardSamplerKind kind);
/* the names of the samplers of a process, for a message; (transfer full) */
char *vard_sampler_class_list_process (VardProcessKind process);
/* what the model's configuration says, or the class where it says nothing */
VardSpacing vard_sampler_class_get_spacing (const VardSamplerClass *klass,
                                            const VardProcess *process);

/* ---- steps ---- */

/* x_s = x_scale x_t + epsilon_scale epsilon + sigma z, where states are variance preserving */
void vard_sampler_step_set_epsilon (VardSamplerStep *self,
                                    const VardProcess *process,
                                    double x_scale,
                                    double epsilon_scale,
                                    double sigma);
/* The step of DDIM between the step's levels, with eta times the noise of DDPM's posterior */
void vard_sampler_step_set_ddim (VardSamplerStep *self, const VardProcess *process, double eta);
/* x_s = clean_scale x_0 + epsilon_scale epsilon + sigma z, both as the model predicts them; this is
 * also defined at pure noise */
void vard_sampler_step_set_mix (VardSamplerStep *self,
                                const VardProcess *process,
                                double clean_scale,
                                double epsilon_scale,
                                double sigma);
/* x_s = x_scale x_t + clean_scale (x_0 + lead (x_0 - x_0 of the step before)) + sigma z */
void vard_sampler_step_set_multistep (VardSamplerStep *self,
                                      const VardProcess *process,
                                      double x_scale,
                                      double clean_scale,
                                      double lead,
                                      double sigma);
/* Of a second order step i of DPM-Solver++: h / (2 h_0), with h the change of log (signal / noise)
 * in this step and h_0 in the one before. 0 where diffusers takes a step of first order: where
 * there is none before it, and at the end, when that is clean or the steps are few. */
double vard_sampler_get_lead (const VardSampler *self, guint i);
/* What Euler's methods do at the first and the last step: the first state has the noise level's
 * variance only where diffusers does it so, and what is arrived at is sqrt (abar) times what
 * diffusers hands over */
void vard_sampler_set_euler_ends (VardSampler *self, const VardProcess *process, guint i);

G_END_DECLS
