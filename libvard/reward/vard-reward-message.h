/* vard-reward-message.h - queues the log messages of rewards
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "reward/vard-reward.h"

G_BEGIN_DECLS

void vard_reward_add_message (VardReward *self, const char *text);
char **vard_reward_take_messages (VardReward *self);
GLogWriterOutput vard_reward_log_writer (GLogLevelFlags level,
                                         const GLogField *log_fields,
                                         gsize n_fields,
                                         gpointer data);
VardReward *vard_reward_swap_speaker (VardReward *self);

G_END_DECLS
