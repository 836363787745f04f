/* vard-trajectory-store.c - stores trajectories with their rewards: pool and ring
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-trajectory-store.h"

VardTrajectoryStore *
vard_trajectory_store_new (guint capacity, guint n_states, gsize state_size)
{
  VardTrajectoryStore *self = g_new0 (VardTrajectoryStore, 1);

  self->capacity = capacity;
  self->n_states = n_states;
  self->state_size = state_size;
  self->states = g_new0 (float, (gsize) capacity *n_states *state_size);
  self->prompts = g_new0 (guint32, capacity);
  self->seeds = g_new0 (guint64, capacity);
  self->rewards = g_new0 (float, capacity);

  return self;
}

void
vard_trajectory_store_free (VardTrajectoryStore *self)
{
  if (self == NULL)
    return;
  g_free (self->states);
  g_free (self->prompts);
  g_free (self->seeds);
  g_free (self->rewards);
  g_free (self);
}

void
vard_trajectory_store_push (VardTrajectoryStore *self,
                            const VardTrajectory *trajectory,
                            guint i,
                            double reward)
{
  guint slot = self->n_pushed % self->capacity;
  float *to = self->states + (gsize) slot * self->n_states * self->state_size;

  g_assert (trajectory->n_states == self->n_states && trajectory->state_size == self->state_size);

  for (guint state = 0; state < self->n_states; state++)
    memcpy (to + state * self->state_size, vard_trajectory_peek_state (trajectory, state, i),
            self->state_size * sizeof (float));
  self->prompts[slot] = trajectory->prompts[i];
  self->seeds[slot] = trajectory->seeds[i];
  self->rewards[slot] = (float) reward;
  self->n_pushed++;
}

guint
vard_trajectory_store_get_count (const VardTrajectoryStore *self)
{
  return (guint) MIN (self->n_pushed, self->capacity);
}

const float *
vard_trajectory_store_peek_state (const VardTrajectoryStore *self, guint i, guint state)
{
  g_assert (i < vard_trajectory_store_get_count (self) && state < self->n_states);

  return self->states + ((gsize) i * self->n_states + state) * self->state_size;
}
