/* vard-reward-check.h - tests whether a reward behaves as a run expects
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "reward/vard-reward.h"

G_BEGIN_DECLS

/**
 * VardRewardVerdict:
 * @VARD_REWARD_VERDICT_PASSED: it does what it should
 * @VARD_REWARD_VERDICT_FAILED: it does not
 * @VARD_REWARD_VERDICT_SKIPPED: this cannot be tried with it
 */
typedef enum
{
  VARD_REWARD_VERDICT_PASSED,
  VARD_REWARD_VERDICT_FAILED,
  VARD_REWARD_VERDICT_SKIPPED,
} VardRewardVerdict;

#define VARD_TYPE_REWARD_FINDING (vard_reward_finding_get_type ())
G_DECLARE_FINAL_TYPE (VardRewardFinding, vard_reward_finding, VARD, REWARD_FINDING, GObject)

const char *vard_reward_finding_get_name (VardRewardFinding *self);
VardRewardVerdict vard_reward_finding_get_verdict (VardRewardFinding *self);
const char *vard_reward_finding_get_detail (VardRewardFinding *self);

guint vard_reward_check_get_count (void);
const char *vard_reward_check_get_name (guint check);
VardRewardFinding *vard_reward_check_run (VardReward *reward, VardReward *other, guint check);
GPtrArray *vard_reward_check (VardReward *reward, VardReward *other);

G_END_DECLS
