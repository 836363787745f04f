/* vard-reward-host.h - a reward in a process of its own
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "plugin/vard-plugin-manager.h"
#include "reward/vard-reward.h"

G_BEGIN_DECLS

#define VARD_TYPE_REWARD_HOST (vard_reward_host_get_type ())
G_DECLARE_FINAL_TYPE (VardRewardHost, vard_reward_host, VARD, REWARD_HOST, VardReward)

VardReward *vard_reward_host_new            (VardPluginManager *manager,
                                             const char        *spec,
                                             GError           **error);
guint       vard_reward_host_get_n_restarts (VardRewardHost    *self);

G_END_DECLS
