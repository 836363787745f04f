/* vard-trainer-private.h - the trainer's members, shared by the files of its phases
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "diffusion/vard-pipeline-private.h"
#include "train/vard-evaluation-private.h"
#include "algorithms/vard/vard-kl-controller.h"
#include "algorithms/vard/vard-policy-step.h"
#include "train/vard-trainer-settings-private.h"
#include "train/vard-trainer.h"
#include "learn/vard-trajectory-store.h"
#include "algorithms/vard/vard-value-fit.h"

G_BEGIN_DECLS

typedef enum
{
  VARD_TRAINER_PHASE_POOL,
  VARD_TRAINER_PHASE_VALUE_FIT,
  VARD_TRAINER_PHASE_BASE, /* the evaluation that all others are compared with */
  VARD_TRAINER_PHASE_STEPS,
} VardTrainerPhase;

/* Norms of the value's gradient at one step of the sampler, the newest ones */
#define VARD_TRAINER_N_NORMS 64

typedef struct
{
  guint count; /* ever */
  float norms[VARD_TRAINER_N_NORMS];
} VardNormHistory;

struct _VardTrainer
{
  GObject parent_instance;

  VardPipeline *pipeline;
  VardEngine *engine; /* the pipeline's */
  VardModel *model;   /* the pipeline's */
  VardRewardMix *rewards;
  VardPromptSource *prompts;
  VardPromptSource *evaluation_prompts; /* NULL: the first ones of prompts */
  VardTrainerSettings *settings;        /* a copy: fixed for the run */
  GStrv texts;                          /* of the prompts, then of the evaluation's own */

  VardSampler *sampler;
  VardParameterSet *set;
  VardOptimizer *optimizer;
  VardFrozenWeights *frozen;
  VardPolicyStep *policy;
  VardKlMeter *meter;
  VardModule *value_net;
  VardValueFit *value;

  /* everything below is what a checkpoint keeps */
  VardTrainerPhase phase;
  guint64 step;
  guint64 pool_next; /* trajectories asked for so far */
  guint64 fit_updates;
  guint64 reward_calls;
  double seconds; /* of training, across resumes */
  VardTrajectoryStore *pool;
  GArray *pool_scores;       /* double [n][n_components] raw, NaN where there is none */
  GArray *pool_valid;        /* guint: pool trajectories that have a total */
  VardTrajectoryStore *ring; /* NULL without value refresh */
  /* [ring-size][n_components] raw; NULL unless whitening is running */
  double *ring_scores;
  double reward_mean, reward_sd; /* of the pool's totals: the unit of the value */
  double *r2;                    /* [n_states] held-out, per state */
  double fit_loss;
  VardKlController kl;
  VardNormHistory *histories; /* [n_steps] */
  GArray *base_rewards;       /* float: the base evaluation's totals, picture by picture */
  double base_diversity;
  guint64 evaluated_step; /* the last one; G_MAXUINT64 for none */

  VardMetrics *metrics;   /* of the last step */
  gint64 advance_began;   /* monotonic microseconds */
  gsize n_dropped;        /* bytes of the text encoder that were given back */
  gint is_stopping;       /* atomic */
  gboolean is_averaged;   /* the average lies in the weights' place for good */
  gboolean is_broken;     /* an error came in the middle of an update */
  gint64 last_checkpoint; /* monotonic microseconds */
};

/* vard-trainer-pool.c */
gboolean vard_trainer_advance_pool (VardTrainer *self, GCancellable *cancellable, GError **error);
gboolean vard_trainer_advance_value_fit (VardTrainer *self,
                                         GCancellable *cancellable,
                                         GError **error);
/* With running whitening: new scores count, and the targets of pool and ring are in the new
 * units */
gboolean vard_trainer_rewhiten (VardTrainer *self, GError **error);
/* What the value network is told of a state of a trajectory */
double vard_trainer_get_value_time (VardTrainer *self, guint state);
/* One update of the value network, from the ring too when there is one */
gboolean vard_trainer_update_value (VardTrainer *self,
                                    double learning_rate,
                                    double ring_share,
                                    double *loss,
                                    GCancellable *cancellable,
                                    GError **error);

/* vard-trainer-step.c */
gboolean vard_trainer_advance_step (VardTrainer *self, GCancellable *cancellable, GError **error);

/* vard-trainer-evaluate.c */
/* The evaluation that the others are compared with: keeps its rewards */
gboolean vard_trainer_advance_base (VardTrainer *self, GCancellable *cancellable, GError **error);

/* A few pictures of every evaluation prompt, without KL */
VardEvaluation *vard_trainer_sample (VardTrainer *self, GCancellable *cancellable, GError **error);

/* vard-trainer-rewards.c */
/* that every reward finds what it needs beside these prompts */
gboolean vard_trainer_check_rewards (VardTrainer *self, VardPromptSource *prompts, GError **error);
/* calls every reward; counts as @n calls when @is_training */
VardRewardScores *vard_trainer_score (VardTrainer *self,
                                      GPtrArray *images,
                                      const guint *prompts,
                                      gboolean is_training,
                                      GCancellable *cancellable,
                                      GError **error);
/* of one item: the total, or NaN */
double vard_trainer_get_total (VardTrainer *self, VardRewardScores *scores, guint item);
/* reward/mean and its kin, when there is a score */
void vard_trainer_add_reward_metrics (VardTrainer *self,
                                      VardRewardScores *scores,
                                      VardMetrics *metrics);
/* Whitens the pool: fits the mix's statistics and gives every pool trajectory its total (NaN: left
 * out) */
/* the average in the weights' place, and back: call it in pairs */
gboolean vard_trainer_swap_average (VardTrainer *self, GError **error);
gboolean vard_trainer_settle_pool (VardTrainer *self, GError **error);

/* vard-trainer.c: for the phases */
VardTrajectory *vard_trainer_rollout (VardTrainer *self,
                                      const char *stream,
                                      guint64 first,
                                      guint n,
                                      VardSampleProgress progress,
                                      GCancellable *cancellable,
                                      GError **error);
/* the evaluation's i-th prompt, as an index into the texts */
guint vard_trainer_get_evaluation_prompt (VardTrainer *self, guint i);
guint vard_trainer_count_evaluation_prompts (VardTrainer *self);
JsonObject *vard_trainer_peek_metadata (VardTrainer *self, guint prompt);
const VardCondition *vard_trainer_peek_condition (VardTrainer *self, guint prompt);
void vard_trainer_emit_progress (VardTrainer *self,
                                 const char *phase,
                                 double fraction,
                                 VardMetrics *metrics);
void vard_trainer_warn (VardTrainer *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
double vard_trainer_get_seconds (VardTrainer *self);
/* reward/mean, value/r2 and so on of phase 0, as the metrics of step 0 */
void vard_trainer_emit_step (VardTrainer *self);

G_END_DECLS
