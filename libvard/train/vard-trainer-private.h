/* vard-trainer-private.h - the trainer's members, shared by its files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "algorithms/vard-algorithm.h"
#include "learn/vard-training.h"
#include "train/vard-evaluation-private.h"
#include "train/vard-trainer-ranks.h"
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
  gboolean has_parted;    /* from the other ranks of the run */
  gint64 last_checkpoint; /* monotonic microseconds */
};

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
