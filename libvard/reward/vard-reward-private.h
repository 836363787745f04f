/* vard-reward-private.h - how both sides of a call treat an answer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "reward/vard-reward.h"

G_BEGIN_DECLS

/* Of a score function's result and error; what it returns, and what is left in *inner, is the
 * reward's as a whole */
gboolean vard_reward_settle_batch (VardRewardBatch *batch, gboolean result, GError **inner);

/* Of the failure to prepare: what a property or a file lacks is the user's to put right, all else
 * the reward's failure */
int vard_reward_get_code (const GError *error);

G_END_DECLS
