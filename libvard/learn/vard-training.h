/* vard-training.h - the training context: what a run offers to the algorithm that trains it
 *
 * It has the pipeline, the rewards, the prompts, the trained weights, the metrics and the other
 * ranks of the run. A trainer owns it. Algorithms roll out, score, encode and report through it,
 * and never see the trainer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "comm/vard-communicator.h"
#include "diffusion/vard-pipeline-private.h"
#include "learn/vard-frozen-weights.h"
#include "learn/vard-optimizer.h"
#include "learn/vard-prompt-source.h"
#include "learn/vard-training-settings-private.h"
#include "reward/vard-reward-mix.h"
#include "track/vard-metrics.h"

G_BEGIN_DECLS

/* Where news goes; either function may be NULL */
typedef struct
{
  void (*progress) (const char *phase, double fraction, VardMetrics *metrics, gpointer data);
  void (*warning) (const char *message, gpointer data);
  gpointer data;
} VardTrainingSink;

typedef struct
{
  VardPipeline *pipeline;
  VardEngine *engine; /* the pipeline's */
  VardModel *model;   /* the pipeline's */
  VardRewardMix *rewards;
  VardPromptSource *prompts;
  VardPromptSource *evaluation_prompts; /* NULL: the first ones of prompts */
  VardTrainingSettings *settings;       /* fixed for the run */
  VardCommunicator *communicator;       /* between the ranks of the run */
  VardMetrics *metrics;                 /* of the last step */
  VardTrainingSink sink;

  GStrv texts;                         /* of the prompts, then of the evaluation's own */
  const VardCondition *null_condition; /* what guidance leads away from; NULL without guidance */
  gsize n_dropped;                     /* bytes of the text encoder that were given back */
  VardSampler *sampler;
  guint group_size; /* trajectories in a row that show one prompt */

  /* what is trained, and the pretrained model beside it */
  VardParameterSet *set;
  VardOptimizer *optimizer;
  VardFrozenWeights *frozen;
  gboolean is_averaged; /* the average has replaced the weights for good */

  /* counters that a checkpoint keeps */
  guint64 step;         /* done */
  guint64 reward_calls; /* in training, not in evaluations */
  double seconds;       /* of training up to advance_began, over all resumes */
  gint64 advance_began; /* monotonic microseconds */
} VardTraining;

/* Checks that the rewards find what they need beside the prompts, encodes these, and attaches
 * adapters to the model or makes its denoiser trainable. @settings belong to the training from now
 * on. @group_size: trajectories in a row that show one prompt */
VardTraining *vard_training_new (VardPipeline *pipeline,
                                 VardRewardMix *rewards,
                                 VardPromptSource *prompts,
                                 VardTrainingSettings *settings,
                                 guint group_size,
                                 VardCommunicator *communicator,
                                 GError **error);
void vard_training_free (VardTraining *self);

/* ---- ranks ---- */

/* Everything below takes and returns the whole batch on every rank, and does only this rank's share
 * of the work in between. So all ranks have the same numbers, and an algorithm need not know of
 * ranks unless it divides work of its own, with these: */

/* This rank's share of @n items in units of @unit: how many, from @first on */
guint vard_training_get_share (const VardTraining *self, guint n, guint unit, guint *first);
/* @items: [n] of @item_size bytes, of which this rank filled in its share; afterwards all are */
gboolean vard_training_gather (VardTraining *self,
                               gpointer items,
                               guint n,
                               guint unit,
                               gsize item_size,
                               GError **error);
/* @flag: whether it is set on any rank */
gboolean vard_training_agree (VardTraining *self, gboolean *flag, GError **error);

/* ---- prompts ---- */

/* Evaluates with prompts of their own; call it at most once */
gboolean vard_training_set_evaluation_prompts (VardTraining *self,
                                               VardPromptSource *prompts,
                                               GError **error);
/* Every prompt is encoded when it is added: what this returns is valid as long as the pipeline.
 * @prompt: an index into texts */
const VardCondition *vard_training_peek_condition (VardTraining *self, guint prompt);
JsonObject *vard_training_peek_metadata (VardTraining *self, guint prompt);
guint vard_training_count_evaluation_prompts (VardTraining *self);
/* The index into texts of the evaluation's first prompt; the others follow */
guint vard_training_get_first_evaluation_prompt (VardTraining *self);
/* Until another prompt is asked for, the text encoder need not be in memory */
void vard_training_release_encoder (VardTraining *self);

/* ---- pictures and scores ---- */

/* Trajectories first to first + n - 1 of a stream: prompts and noise are functions of the seed, the
 * stream's name and the number alone. All states are kept. */
VardTrajectory *vard_training_rollout (VardTraining *self,
                                       const char *stream,
                                       guint64 first,
                                       guint n,
                                       VardSampleProgress progress,
                                       gpointer data,
                                       GCancellable *cancellable,
                                       GError **error);
/* Trajectories of these prompts, as indices into texts, and seeds; both [n] */
VardTrajectory *vard_training_rollout_seeds (VardTraining *self,
                                             const guint *prompts,
                                             const guint64 *seeds,
                                             guint n,
                                             VardSampleProgress progress,
                                             gpointer data,
                                             GCancellable *cancellable,
                                             GError **error);
/* The pictures that a rollout ends with; (element-type VardImage) */
GPtrArray *vard_training_decode (VardTraining *self,
                                 const VardTrajectory *rollout,
                                 GCancellable *cancellable,
                                 GError **error);
/* Asks every reward about pictures; with @is_training the calls count. @prompts: index into texts
 * for each picture */
VardRewardScores *vard_training_score (VardTraining *self,
                                       GPtrArray *images,
                                       const guint *prompts,
                                       gboolean is_training,
                                       GCancellable *cancellable,
                                       GError **error);
/* Decodes and scores a rollout, in training */
VardRewardScores *vard_training_score_rollout (VardTraining *self,
                                               const VardTrajectory *rollout,
                                               GCancellable *cancellable,
                                               GError **error);
/* The total of one picture in the units of the mix; NaN where it has none */
double vard_training_get_total (VardTraining *self, VardRewardScores *scores, guint item);
/* A picture's raw scores, [n components], NaN where there is none: what an algorithm keeps */
void vard_training_copy_raw (VardTraining *self, VardRewardScores *scores, guint item, double *raw);
/* reward/mean, reward/NAME/mean and so on */
void vard_training_add_reward_metrics (VardTraining *self,
                                       VardRewardScores *scores,
                                       VardMetrics *metrics);

/* ---- raw scores that were kept, [n][n components] ---- */

/* Fits the statistics of the rewards unless they are known, then gives every picture its total: NaN
 * where it has none, else its index goes into @valid. @mean and @sd: of these totals. An error when
 * there is too little to learn from. */
gboolean vard_training_settle (VardTraining *self,
                               const double *raw,
                               guint n,
                               float *totals,
                               GArray *valid,
                               double *mean,
                               double *sd,
                               GError **error);
/* With running whitening: every picture's total in the newest units */
void vard_training_rewhiten (VardTraining *self, const double *raw, guint n, float *totals);

/* ---- what is trained ---- */

/* The optimizer's numbers for its next update, which is one of @n_updates in each step */
VardOptimizerNumbers vard_training_get_numbers (VardTraining *self, guint n_updates);
/* Exchanges the averaged weights for the weights: call it in pairs. Nothing happens without an
 * average. */
gboolean vard_training_swap_average (VardTraining *self, GError **error);
/* Final files for other programs: an adapter for both kinds of readers, or the whole model */
gboolean vard_training_export (VardTraining *self, const char *directory, GError **error);

/* ---- news ---- */

void vard_training_emit_progress (VardTraining *self,
                                  const char *phase,
                                  double fraction,
                                  VardMetrics *metrics);
void vard_training_warn (VardTraining *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* Of training, over all resumes, up to now */
double vard_training_get_seconds (VardTraining *self);
/* Empty numbers of the step that is being done */
VardMetrics *vard_training_new_metrics (VardTraining *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardTraining, vard_training_free)

G_END_DECLS
