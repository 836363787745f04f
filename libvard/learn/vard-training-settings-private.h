/* vard-training-settings-private.h - the members behind the settings' properties
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "learn/vard-training-settings.h"
#include "process/vard-sampler-kind.h"

G_BEGIN_DECLS

/* VardTrainerSettings derives from it */
struct _VardTrainingSettings
{
  GObject parent_instance;

  /* the run */
  guint steps;
  guint64 seed;
  char *algorithm;
  char *engine;
  guint threads;

  /* the sampler, the same for rollouts, policy, KL, reference and evaluation */
  VardSamplerKind sampler;
  guint sampler_steps;
  double sampler_eta;
  double guidance_scale;

  /* a step */
  guint batch_size;
  guint states_per_update;
  guint micro_batch;
  gboolean segments;
  guint policy_updates;

  /* what is trained, and how fast */
  VardTrainedWeights weights;
  guint lora_rank;
  double lora_alpha;
  char **lora_targets;
  double learning_rate;
  double learning_rate_end;
  guint decay_steps;
  guint warm_up;
  double adam_beta1, adam_beta2, adam_epsilon;
  double weight_decay;
  double clip_norm;
  double ema;

  /* what is looked at, and when */
  guint evaluation_interval;
  guint evaluation_prompts;
  guint evaluation_seeds;
  guint sample_interval;
  guint checkpoint_interval;
};

/* Changes the number of steps of a run that has begun. The learning rate keeps the length of its
 * decay: if decay-steps is 0, the number of steps that the run began with. */
void vard_training_settings_move_goal (VardTrainingSettings *self, guint steps);

G_END_DECLS
