/* vard-trajectory.h - a batch of denoising trajectories with every state
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "process/vard-sampler.h"

G_BEGIN_DECLS

typedef struct
{
  guint n;          /* trajectories */
  guint n_states;   /* sampler steps + 1; 1 when only the end was kept */
  gsize state_size; /* floats of one state: height x width x channels */
  float *states;    /* [n_states][n][state_size], the finished latents last */
  guint *prompts;   /* [n] index into the caller's prompts */
  guint64 *seeds;   /* [n] */
} VardTrajectory;

VardTrajectory *vard_trajectory_new (guint n, guint n_states, gsize state_size);
void vard_trajectory_free (VardTrajectory *self);
float *vard_trajectory_peek_state (const VardTrajectory *self, guint state, guint i);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardTrajectory, vard_trajectory_free)

G_END_DECLS
