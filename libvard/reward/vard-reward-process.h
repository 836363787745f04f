/* vard-reward-process.h - the process of an isolated reward
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "reward/vard-reward.h"
#include "tensor/vard-image-pool.h"

G_BEGIN_DECLS

typedef struct _VardRewardProcess VardRewardProcess;

typedef enum
{
  VARD_REWARD_DEATH_NONE,
  VARD_REWARD_DEATH_ENDED,   /* by itself: a crash, an exit */
  VARD_REWARD_DEATH_SILENT,  /* no answer in time */
  VARD_REWARD_DEATH_STOPPED, /* it did not listen to a request to stop: no fault of it */
} VardRewardDeath;

/* What it writes to its standard error become messages of the reward */
VardRewardProcess *vard_reward_process_new (VardReward *reward, GError **error);
void vard_reward_process_free (VardRewardProcess *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardRewardProcess, vard_reward_process_free)

/* NULL with an error; after a death, all that is left is to free it */
JsonObject *vard_reward_process_ask (VardRewardProcess *self,
                                     JsonObject *message,
                                     guint seconds,
                                     GCancellable *cancellable,
                                     GError **error);
VardRewardDeath vard_reward_process_get_death (VardRewardProcess *self);
/* What became of it, a sentence after "the reward's process"; NULL while it lives */
const char *vard_reward_process_get_epitaph (VardRewardProcess *self);
/* So that the process can read pictures there; it keeps what it has mapped until the slab is gone
 * from the pool */
gboolean vard_reward_process_share (VardRewardProcess *self,
                                    VardImagePool *pool,
                                    const VardImagePlace *places,
                                    guint n_places,
                                    GError **error);

G_END_DECLS
