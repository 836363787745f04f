/* vard-reward.h - the seam: how good is a picture?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "reward/vard-reward-batch.h"

G_BEGIN_DECLS

/**
 * VardRewardNeeds:
 * @VARD_REWARD_NEEDS_NOTHING: pictures are enough
 * @VARD_REWARD_NEEDS_PROMPT: each picture has a prompt
 * @VARD_REWARD_NEEDS_GROUPS: pictures of one prompt come together, at least two
 *
 * What a reward cannot do without.
 */
typedef enum
{
  VARD_REWARD_NEEDS_NOTHING = 0,
  VARD_REWARD_NEEDS_PROMPT = 1 << 0,
  VARD_REWARD_NEEDS_GROUPS = 1 << 1,
} VardRewardNeeds;

#define VARD_TYPE_REWARD (vard_reward_get_type ())
G_DECLARE_DERIVABLE_TYPE (VardReward, vard_reward, VARD, REWARD, GObject)

/**
 * VardRewardClass:
 * @parent_class: the parent class
 * @prepare: loads what scoring needs, once
 * @score: gives each picture a score, or says why it has none
 * @get_needs: what it cannot do without; nothing by default
 * @dup_metadata_keys: names of metadata that each picture must have; none by default
 *
 * A subclass implements @score; the rest is optional.
 */
struct _VardRewardClass
{
  GObjectClass parent_class;

  gboolean (*prepare) (VardReward *self, GCancellable *cancellable, GError **error);
  gboolean (*score) (VardReward *self, VardRewardBatch *batch, GError **error);
  VardRewardNeeds (*get_needs) (VardReward *self);
  char **(*dup_metadata_keys) (VardReward *self);

  /*< private >*/
  gpointer padding[12];
};

const char *vard_reward_get_label (VardReward *self);
void vard_reward_set_label (VardReward *self, const char *label);
VardRewardNeeds vard_reward_get_needs (VardReward *self);
char **vard_reward_dup_metadata_keys (VardReward *self);
gboolean vard_reward_check_needs (VardReward *self,
                                  gboolean has_prompts,
                                  const char *const *metadata_keys,
                                  guint group_size,
                                  GError **error);
gboolean vard_reward_prepare (VardReward *self, GCancellable *cancellable, GError **error);
gboolean vard_reward_score_batch (VardReward *self,
                                  VardRewardBatch *batch,
                                  GCancellable *cancellable,
                                  GError **error);
gboolean vard_reward_is_thread_bound (VardReward *self);
void vard_reward_set_thread_bound (VardReward *self, gboolean thread_bound);

G_END_DECLS
