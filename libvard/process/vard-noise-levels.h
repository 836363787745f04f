/* vard-noise-levels.h - computes the noise levels that a sampler visits
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "process/vard-process.h"

G_BEGIN_DECLS

/* Each writes n_steps + 1 levels from the noisiest on, as the diffusers classes that the comment
 * names have them, and fails with VARD_ERROR_CONFIG where the spacing leads out of the training
 * timesteps. n_steps is 1 to n_train_timesteps. */

/* whole training timesteps: DDIM and DDPM */
gboolean vard_noise_levels_by_timestep (const VardProcess *process,
                                        VardSpacing spacing,
                                        guint n_steps,
                                        VardNoiseLevel *levels,
                                        GError **error);
/* by sigma = noise / signal, as the configuration spreads and ends it: EulerDiscrete */
gboolean vard_noise_levels_by_sigma (const VardProcess *process,
                                     VardSpacing spacing,
                                     guint n_steps,
                                     VardNoiseLevel *levels,
                                     GError **error);
/* by sigma and nothing else: EulerAncestralDiscrete */
gboolean vard_noise_levels_ancestral (const VardProcess *process,
                                      VardSpacing spacing,
                                      guint n_steps,
                                      VardNoiseLevel *levels,
                                      GError **error);
/* by sigma, at whole training timesteps: DPMSolverMultistep */
gboolean vard_noise_levels_for_solver (const VardProcess *process,
                                       VardSpacing spacing,
                                       guint n_steps,
                                       VardNoiseLevel *levels,
                                       GError **error);
/* from pure noise down to clean, then bent by the flow's shift: FlowMatchEulerDiscrete */
gboolean vard_noise_levels_of_flow (const VardProcess *process,
                                    VardSpacing spacing,
                                    guint n_steps,
                                    VardNoiseLevel *levels,
                                    GError **error);

G_END_DECLS
