/* vard-reward-mix.h - several rewards, weighted, as one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "reward/vard-reward.h"
#include "reward/vard-reward-scores.h"
#include "tensor/vard-image-pool.h"
#include "track/vard-metric-table.h"

G_BEGIN_DECLS

/**
 * VardRewardPolicy:
 * @VARD_REWARD_POLICY_REQUIRED: a picture without a score ends the run
 * @VARD_REWARD_POLICY_SKIP_SAMPLE: a picture without a score is left out
 * @VARD_REWARD_POLICY_MONITOR_ONLY: scored and shown, never learned from; may fail
 */
typedef enum
{
  VARD_REWARD_POLICY_REQUIRED,
  VARD_REWARD_POLICY_SKIP_SAMPLE,
  VARD_REWARD_POLICY_MONITOR_ONLY,
} VardRewardPolicy;

#define VARD_TYPE_REWARD_POLICY (vard_reward_policy_get_type ())
GType vard_reward_policy_get_type (void);

#define VARD_TYPE_REWARD_MIX (vard_reward_mix_get_type ())
G_DECLARE_FINAL_TYPE (VardRewardMix, vard_reward_mix, VARD, REWARD_MIX, GObject)

VardRewardMix *vard_reward_mix_new (void);
gboolean vard_reward_mix_add (VardRewardMix *self,
                              VardReward *reward,
                              const char *label,
                              double weight,
                              VardRewardPolicy policy,
                              GError **error);
gboolean vard_reward_mix_add_spec (VardRewardMix *self, const char *spec, GError **error);
GPtrArray *vard_reward_mix_list_keys (void);
guint vard_reward_mix_get_n_components (VardRewardMix *self);
VardReward *vard_reward_mix_get_reward (VardRewardMix *self, guint component);
const char *vard_reward_mix_get_label (VardRewardMix *self, guint component);
double vard_reward_mix_get_weight (VardRewardMix *self, guint component);
VardRewardPolicy vard_reward_mix_get_policy (VardRewardMix *self, guint component);
VardImagePool *vard_reward_mix_get_image_pool (VardRewardMix *self);
char **vard_reward_mix_take_messages (VardRewardMix *self);
gboolean vard_reward_mix_check_needs (VardRewardMix *self,
                                      gboolean has_prompts,
                                      const char *const *metadata_keys,
                                      guint group_size,
                                      GError **error);
gboolean vard_reward_mix_prepare (VardRewardMix *self, GCancellable *cancellable, GError **error);
VardRewardScores *vard_reward_mix_score (VardRewardMix *self,
                                         VardRewardBatch *batch,
                                         GCancellable *cancellable,
                                         GError **error);
void vard_reward_mix_add_metrics (VardRewardMix *self, VardMetricTable *table);

gboolean vard_reward_mix_fit_statistics (VardRewardMix *self,
                                         VardRewardScores **pool,
                                         guint n_pool,
                                         GError **error);
gboolean vard_reward_mix_has_statistics (VardRewardMix *self);
JsonObject *vard_reward_mix_get_statistics (VardRewardMix *self);
gboolean vard_reward_mix_set_statistics (VardRewardMix *self,
                                         JsonObject *statistics,
                                         GError **error);
gboolean vard_reward_mix_get_whitened (VardRewardMix *self,
                                       VardRewardScores *scores,
                                       guint component,
                                       guint item,
                                       double *score);
gboolean vard_reward_mix_get_total (VardRewardMix *self,
                                    VardRewardScores *scores,
                                    guint item,
                                    double *total);
void vard_reward_mix_update_running (VardRewardMix *self, VardRewardScores *scores);
gboolean vard_reward_mix_get_running_total (VardRewardMix *self,
                                            VardRewardScores *scores,
                                            guint item,
                                            double *total);

G_END_DECLS
