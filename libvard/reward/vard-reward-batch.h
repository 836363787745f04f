/* vard-reward-batch.h - pictures to score, with the score and status of each
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/**
 * VardRewardStatus:
 * @VARD_REWARD_STATUS_UNSET: nothing was said of the picture yet
 * @VARD_REWARD_STATUS_SCORED: it has a score
 * @VARD_REWARD_STATUS_FAILED: it has none, and a message says why
 */
typedef enum
{
  VARD_REWARD_STATUS_UNSET,
  VARD_REWARD_STATUS_SCORED,
  VARD_REWARD_STATUS_FAILED,
} VardRewardStatus;

#define VARD_TYPE_REWARD_BATCH (vard_reward_batch_get_type ())
G_DECLARE_FINAL_TYPE (VardRewardBatch, vard_reward_batch, VARD, REWARD_BATCH, GObject)

VardRewardBatch *vard_reward_batch_new (void);
gboolean vard_reward_batch_append (VardRewardBatch *self,
                                   GBytes *pixels,
                                   guint width,
                                   guint height,
                                   const char *prompt,
                                   JsonObject *metadata,
                                   guint group,
                                   GError **error);
guint vard_reward_batch_get_count (VardRewardBatch *self);
guint vard_reward_batch_get_width (VardRewardBatch *self, guint index);
guint vard_reward_batch_get_height (VardRewardBatch *self, guint index);
const guint8 *vard_reward_batch_peek_pixels (VardRewardBatch *self, guint index, gsize *n_bytes);
GBytes *vard_reward_batch_get_pixels (VardRewardBatch *self, guint index);
const char *vard_reward_batch_get_prompt (VardRewardBatch *self, guint index);
JsonObject *vard_reward_batch_get_metadata (VardRewardBatch *self, guint index);
guint vard_reward_batch_get_group (VardRewardBatch *self, guint index);
GCancellable *vard_reward_batch_get_cancellable (VardRewardBatch *self);
void vard_reward_batch_set_cancellable (VardRewardBatch *self, GCancellable *cancellable);
void vard_reward_batch_set_score (VardRewardBatch *self, guint index, double score);
void vard_reward_batch_set_failed (VardRewardBatch *self, guint index, const char *message);
gboolean vard_reward_batch_get_score (VardRewardBatch *self, guint index, double *score);
VardRewardStatus vard_reward_batch_get_status (VardRewardBatch *self, guint index);
const char *vard_reward_batch_get_message (VardRewardBatch *self, guint index);
void vard_reward_batch_reset (VardRewardBatch *self);

G_END_DECLS
