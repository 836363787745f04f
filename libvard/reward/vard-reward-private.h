/* vard-reward-private.h - what both sides of a call do with an answer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "reward/vard-reward.h"

G_BEGIN_DECLS

/* Of a score function's result and error; what it returns, and what is left in *inner, is the reward's as a whole */
gboolean vard_reward_settle_batch (VardRewardBatch  *batch,
                                   gboolean          result,
                                   GError          **inner);

G_END_DECLS
