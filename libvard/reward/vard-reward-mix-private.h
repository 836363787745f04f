/* vard-reward-mix-private.h - the components of a mix
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "reward/vard-reward-mix.h"

G_BEGIN_DECLS

typedef struct
{
  VardReward *reward;
  char *label;
  double weight;
  VardRewardPolicy policy;
  double mean, sd; /* of the base pool; sd is 0 before it is known */
  guint n_pool;    /* scored pictures of the pool */
  /* of the newest pictures, about as many as the pool has; at first the pool's */
  double running_mean, running_sd;
} VardRewardComponent;

struct _VardRewardMix
{
  GObject parent_instance;
  GArray *components; /* of VardRewardComponent */
  /* for pictures that rewards in other processes read; NULL when there is no such reward */
  VardImagePool *pool;
};

static inline VardRewardComponent *
vard_reward_mix_peek (VardRewardMix *self, guint component)
{
  return &g_array_index (self->components, VardRewardComponent, component);
}

G_END_DECLS
