/* vard-trainer-settings-private.h - the members behind the properties, for the trainer and its
 * parts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "process/vard-sampler-kind.h"
#include "train/vard-trainer-settings.h"

G_BEGIN_DECLS

struct _VardTrainerSettings
{
  GObject parent_instance;

  /* the run */
  guint steps;
  guint64 seed;
  char *engine;
  guint threads;

  /* the sampler, the same for rollouts, policy, KL, reference and evaluation */
  VardSamplerKind sampler;
  guint sampler_steps;
  double sampler_eta;
  double guidance_scale;

  /* the pool and the value network */
  guint pool_size;
  guint value_fit_updates;
  guint value_batch;
  guint value_channels;
  double value_learning_rate;
  double value_learning_rate_end;
  gboolean value_noisy;
  gboolean value_refresh;
  guint value_updates;
  double value_refresh_learning_rate;
  guint ring_size;
  double ring_share;
  VardWhitening whitening;

  /* the policy */
  guint batch_size;
  guint states_per_update;
  guint micro_batch;
  gboolean segments;
  guint policy_updates;
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

  /* the objective */
  double kl_weight;
  double kl_target;
  double gamma;
  double q_min;
  double w_max;
  double value_gradient_quantile;

  /* what is looked at, and when */
  guint evaluation_interval;
  guint evaluation_prompts;
  guint evaluation_seeds;
  guint score_interval;
  guint sample_interval;
  guint checkpoint_interval;
};

G_END_DECLS
