/* vard-trajectory.c - a batch of denoising trajectories with every state
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "diffusion/vard-trajectory.h"

VardTrajectory *
vard_trajectory_new (guint n, guint n_states, gsize state_size)
{
  VardTrajectory *self = g_new0 (VardTrajectory, 1);

  self->n = n;
  self->n_states = n_states;
  self->state_size = state_size;
  self->states = g_new0 (float, (gsize) n *n_states *state_size);
  self->prompts = g_new0 (guint, n);
  self->seeds = g_new0 (guint64, n);

  return self;
}

void
vard_trajectory_free (VardTrajectory *self)
{
  if (self == NULL)
    return;
  g_free (self->states);
  g_free (self->prompts);
  g_free (self->seeds);
  g_free (self);
}

float *
vard_trajectory_peek_state (const VardTrajectory *self, guint state, guint i)
{
  g_assert (state < self->n_states && i < self->n);

  return self->states + ((gsize) state * self->n + i) * self->state_size;
}
