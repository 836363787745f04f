/* toy-run.h - a trainer on a toy, ready to go
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "toy-model.h"
#include "toy-reward.h"

#include "algorithms/vard/vard-vard-algorithm-private.h"
#include "train/vard-trainer-private.h"

G_BEGIN_DECLS

typedef struct
{
  VardEngine *engine;
  VardModel *model;
  VardPipeline *pipeline;
  VardReward *reward;
  VardRewardMix *mix;
  VardPromptSource *prompts;
  VardTrainer *trainer;
} ToyRun;

/* small numbers of everything; take them as a start */
VardTrainerSettings *toy_run_settings (void);
/* 4 x 4 latents of one channel, of the process that the sampler is for; the reward peaks at a grey
 * level */
void toy_run_init (ToyRun *self, VardTrainerSettings *settings, double peak);
/* one of the ranks of a run */
void toy_run_init_on_rank (ToyRun *self,
                           VardTrainerSettings *settings,
                           double peak,
                           VardCommunicator *communicator);
/* the same with the small model of tests/data and the engine for processors, on one thread */
void toy_run_init_tiny (ToyRun *self,
                        VardTrainerSettings *settings,
                        double peak,
                        VardCommunicator *communicator);
/* takes the model */
void toy_run_init_model (ToyRun *self,
                         VardModel *model,
                         const char *const *prompts,
                         VardTrainerSettings *settings,
                         double peak);
/* Members of the algorithm vard */
VardVardAlgorithm *toy_run_peek_vard (ToyRun *self);
void toy_run_clear (ToyRun *self);
void toy_run_go (ToyRun *self);
double toy_run_lookup (VardMetrics *metrics, const char *name);

G_END_DECLS
