/* toy-reward.h - likes pictures of one grey level
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "reward/vard-reward.h"

G_BEGIN_DECLS

#define TOY_TYPE_REWARD (toy_reward_get_type ())
G_DECLARE_FINAL_TYPE (ToyReward, toy_reward, TOY, REWARD, VardReward)

/* the mean grey level m of 0..1 scores m up to @peak and falls as steeply beyond; the smallest unit
 * is a 255th over the number of pixels */
VardReward *toy_reward_new (double peak);
/* scores nothing but NaN from now on */
void toy_reward_break (ToyReward *self);
/* needs metadata of this name from now on */
void toy_reward_demand (ToyReward *self, const char *key);

G_END_DECLS
