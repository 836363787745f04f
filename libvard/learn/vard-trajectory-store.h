/* vard-trajectory-store.h - stores trajectories with their rewards: pool and ring
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "diffusion/vard-trajectory.h"

G_BEGIN_DECLS

typedef struct
{
  guint capacity;
  guint n_states;
  gsize state_size;
  guint64 n_pushed; /* ever; the newest min (n_pushed, capacity) are kept */
  float *states;    /* [capacity][n_states][state_size] */
  guint32 *prompts; /* [capacity] */
  guint64 *seeds;   /* [capacity] */
  float *rewards;   /* [capacity] as scored; whitened by whoever reads them */
} VardTrajectoryStore;

VardTrajectoryStore *vard_trajectory_store_new (guint capacity, guint n_states, gsize state_size);
void vard_trajectory_store_free (VardTrajectoryStore *self);
/* trajectory @i of a rollout; the oldest makes room */
void vard_trajectory_store_push (VardTrajectoryStore *self,
                                 const VardTrajectory *trajectory,
                                 guint i,
                                 double reward);
guint vard_trajectory_store_get_count (const VardTrajectoryStore *self);
const float *vard_trajectory_store_peek_state (const VardTrajectoryStore *self,
                                               guint i,
                                               guint state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardTrajectoryStore, vard_trajectory_store_free)

G_END_DECLS
