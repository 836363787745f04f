/* vard-reward-scores.h - the scores of several rewards for one batch
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "reward/vard-reward-batch.h"

G_BEGIN_DECLS

#define VARD_TYPE_REWARD_SCORES (vard_reward_scores_get_type ())
G_DECLARE_FINAL_TYPE (VardRewardScores, vard_reward_scores, VARD, REWARD_SCORES, GObject)

guint vard_reward_scores_get_n_items (VardRewardScores *self);
guint vard_reward_scores_get_n_components (VardRewardScores *self);
gboolean vard_reward_scores_get_raw (VardRewardScores *self,
                                     guint component,
                                     guint item,
                                     double *score);
const char *vard_reward_scores_get_message (VardRewardScores *self, guint component, guint item);
void vard_reward_scores_set_seconds (VardRewardScores *self, guint component, double seconds);
double vard_reward_scores_get_seconds (VardRewardScores *self, guint component);
const char *const *vard_reward_scores_get_warnings (VardRewardScores *self);

/* For who fills it in */
VardRewardScores *vard_reward_scores_new (guint n_components, guint n_items);
VardRewardScores *vard_reward_scores_new_from_raw (guint n_components,
                                                   guint n_items,
                                                   const double *raw);
void vard_reward_scores_read_batch (VardRewardScores *self,
                                    guint component,
                                    VardRewardBatch *batch,
                                    double seconds);
void vard_reward_scores_fail_all (VardRewardScores *self,
                                  guint component,
                                  const char *message,
                                  double seconds);
void vard_reward_scores_warn (VardRewardScores *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

G_END_DECLS
