/* vard-trainer-ranks.h - a trainer that is one rank of a run; not installed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "comm/vard-communicator.h"
#include "train/vard-trainer.h"

G_BEGIN_DECLS

/* What rank 0 tells the others to do, each on its share */
typedef enum
{
  VARD_TRAINER_ORDER_END,
  VARD_TRAINER_ORDER_ADVANCE,
  VARD_TRAINER_ORDER_SAMPLE,
  VARD_TRAINER_ORDER_EVALUATE,
  VARD_TRAINER_ORDER_STEPS, /* with the new goal */
  VARD_TRAINER_ORDER_LOAD,  /* a state; vard_trainer_tell_load() */
  VARD_TRAINER_ORDER_AVERAGE,
} VardTrainerOrder;

/* Every rank makes a trainer of the same model, rewards, prompts and settings. Batch sizes are
 * those of the run: each rank takes its share. All ranks have the same weights, numbers and state
 * at any time. If a rank fails or is cancelled, the others get an error with its reason.
 *
 * Then either all ranks call the same functions in the same order, as vard_trainer_run(), or rank 0
 * alone decides: it calls vard_trainer_tell() before each of them, and the others follow. */
VardTrainer *vard_trainer_new_on_rank (VardPipeline *pipeline,
                                       VardRewardMix *rewards,
                                       VardPromptSource *prompts,
                                       VardTrainerSettings *settings,
                                       VardCommunicator *communicator,
                                       GError **error);

/* On rank 0: the others do what this rank does next. Nothing happens in a run on its own. */
gboolean vard_trainer_tell (VardTrainer *self,
                            VardTrainerOrder order,
                            guint64 value,
                            GError **error);
/* They load a state from the same path, which all ranks must be able to read */
gboolean vard_trainer_tell_load (VardTrainer *self, const char *directory, GError **error);
/* Once, after the last order: the others return, with the problem as an error if there is one.
 * Later calls do nothing. */
void vard_trainer_part (VardTrainer *self, const GError *problem);

/* On the other ranks: does what rank 0 says until it parts. Does not look at @cancellable while it
 * waits for rank 0, which may be as long as the run is paused. */
gboolean vard_trainer_follow (VardTrainer *self, GCancellable *cancellable, GError **error);

G_END_DECLS
