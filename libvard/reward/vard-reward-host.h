/* vard-reward-host.h - an isolated reward: the side of the run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "plugin/vard-plugin-manager.h"
#include "reward/vard-reward.h"
#include "tensor/vard-image-pool.h"

G_BEGIN_DECLS

/* Before the keys of a spec that are properties of this class */
#define VARD_REWARD_HOST_PREFIX "isolate-"

#define VARD_TYPE_REWARD_HOST (vard_reward_host_get_type ())
G_DECLARE_FINAL_TYPE (VardRewardHost, vard_reward_host, VARD, REWARD_HOST, VardReward)

VardReward *vard_reward_host_new (VardPluginManager *manager,
                                  const char *spec,
                                  VardImagePool *pool,
                                  GError **error);
guint vard_reward_host_get_n_restarts (VardRewardHost *self);

G_END_DECLS
