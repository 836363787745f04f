/* vard-trainer-private.h - the trainer's members, shared by its files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "algorithms/vard-algorithm.h"
#include "learn/vard-training.h"
#include "train/vard-evaluation-private.h"
#include "train/vard-trainer.h"

G_BEGIN_DECLS

struct _VardTrainer
{
  GObject parent_instance;

  VardTraining *training;   /* what it trains, and with what */
  VardAlgorithm *algorithm; /* how */

  /* kept in checkpoints, with the counters of the training */
  guint phase;          /* the algorithm's phases by number, then the base evaluation, then steps */
  GArray *base_rewards; /* float: the base evaluation's totals, picture by picture */
  double base_diversity;
  guint64 evaluated_step; /* the last one; G_MAXUINT64 for none */

  gint is_stopping;       /* atomic */
  gboolean is_broken;     /* an error came in the middle of an update */
  gint64 last_checkpoint; /* monotonic microseconds */
};

/* ---- vard-trainer-new.c ---- */

/* A trainer that is one rank of a run. Every rank makes one of the same model, rewards, prompts and
 * settings, and calls the same functions of it. Batch sizes are those of the run: each rank takes
 * its share. All ranks have the same weights, numbers and state at any time. If a rank fails or is
 * cancelled, the others get an error with its reason. */
VardTrainer *vard_trainer_new_on_rank (VardPipeline *pipeline,
                                       VardRewardMix *rewards,
                                       VardPromptSource *prompts,
                                       VardTrainerSettings *settings,
                                       VardCommunicator *communicator,
                                       GError **error);

/* ---- vard-trainer.c ---- */

/* The two phases after the algorithm's own: the evaluation that all others are compared with, and
 * steps */
guint vard_trainer_get_base_phase (VardTrainer *self);
guint vard_trainer_get_step_phase (VardTrainer *self);
/* The name of a phase, as progress and checkpoints spell it */
const char *vard_trainer_get_phase_name (VardTrainer *self, guint phase);
/* Tells the other ranks why this one does not go on */
void vard_trainer_abort (VardTrainer *self, const GError *problem);
/* The numbers of the last step, to whoever listens */
void vard_trainer_emit_step (VardTrainer *self);

/* ---- vard-trainer-evaluate.c ---- */

/* The evaluation that the others are compared with: keeps its rewards */
gboolean vard_trainer_advance_base (VardTrainer *self, GCancellable *cancellable, GError **error);

G_END_DECLS
