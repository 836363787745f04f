/* vard-trainer-evaluate.c - evaluates the trained model on fixed prompts and held-out seeds
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

#include <math.h>

/* Training seeds are 64 random bits, so small numbers never occur among them; `vard sample --seed`
 * draws the same pictures */
#define FIRST_SEED 1

/* The exact KL costs as much as two more rollouts: it is measured on every fourth picture, and on
 * the base model, where it is zero by construction, on a few */
#define KL_STRIDE 4
#define KL_STRIDE_BASE 32

/* Sample pictures per prompt between evaluations */
#define N_SAMPLE_SEEDS 2

typedef struct
{
  VardTrainer *trainer;
  VardEvaluation *evaluation;
  guint n;        /* pictures */
  guint *prompts; /* [n] */
  guint64 *seeds; /* [n] */
  gboolean measures_kl;
  guint n_done;
  double kl, kl_capped;
  guint n_measured;
} Work;

static void
work_progress (double fraction, gpointer data)
{
  Work *work = data;
  guint n = MIN (work->trainer->training->settings->batch_size, work->n - work->n_done);

  vard_training_emit_progress (work->trainer->training, "evaluation",
                               (work->n_done + fraction * n) / work->n, NULL);
}

/* Which pictures of a batch have their KL measured; the pictures before it count too */
static guint
vard_trainer_evaluate_list_measured (const Work *work, guint n, guint *measured)
{
  guint stride = work->trainer->training->step == 0 ? KL_STRIDE_BASE : KL_STRIDE;
  guint n_measured = 0;

  for (guint i = 0; i < n && work->measures_kl; i++)
    if ((work->n_done + i) % stride == 0)
      measured[n_measured++] = i;

  return n_measured;
}

/* Adds the KL of some trajectories of a rollout, each measured by one rank. Steps are added one by
 * one, in the same order whatever the number of ranks. */
static gboolean
vard_trainer_evaluate_measure_kl (Work *work,
                                  const VardTrajectory *rollout,
                                  GCancellable *cancellable,
                                  GError **error)
{
  VardTraining *training = work->trainer->training;
  guint n_steps = training->sampler->n_steps, first;
  g_autofree guint *measured = g_new (guint, rollout->n);
  guint n = vard_trainer_evaluate_list_measured (work, rollout->n, measured);
  guint n_own = vard_training_get_share (training, n, 1, &first);
  g_autofree double *kl = g_new0 (double, 2 * n_steps * n);

  for (guint i = first; i < first + n_own; i++)
    {
      double *row = kl + 2 * n_steps * i;

      if (!vard_algorithm_measure_kl (work->trainer->algorithm, rollout, measured[i], row,
                                      row + n_steps, cancellable, error))
        return FALSE;
    }
  if (!vard_training_gather (training, kl, n, 1, 2 * n_steps * sizeof (double), error))
    return FALSE;

  for (guint i = 0; i < n; i++)
    for (guint k = 0; k < n_steps; k++)
      {
        work->kl += kl[2 * n_steps * i + k];
        work->kl_capped += kl[2 * n_steps * i + n_steps + k];
      }
  work->n_measured += n;

  return TRUE;
}

static gboolean
vard_trainer_evaluate_run_batch (Work *work, GCancellable *cancellable, GError **error)
{
  VardTrainer *self = work->trainer;
  guint n = MIN (self->training->settings->batch_size, work->n - work->n_done);
  g_autoptr (VardTrajectory) rollout =
    vard_training_rollout_seeds (self->training, work->prompts + work->n_done,
                                 work->seeds + work->n_done, n, work_progress, work, cancellable,
                                 error);
  if (rollout == NULL)
    return FALSE;

  g_autoptr (GPtrArray) images = vard_training_decode (self->training, rollout, cancellable, error);
  if (images == NULL || !vard_trainer_evaluate_measure_kl (work, rollout, cancellable, error))
    return FALSE;
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (work->evaluation->images, g_object_ref (images->pdata[i]));
  work->n_done += n;

  return TRUE;
}

static gboolean
vard_trainer_evaluate_score (Work *work, GCancellable *cancellable, GError **error)
{
  VardTrainer *self = work->trainer;
  VardEvaluation *evaluation = work->evaluation;
  g_autoptr (VardRewardScores) scores = vard_training_score (self->training, evaluation->images,
                                                             work->prompts, FALSE, cancellable,
                                                             error);

  if (scores == NULL)
    return FALSE;
  for (guint i = 0; i < work->n; i++)
    {
      evaluation->rewards[i] = vard_training_get_total (self->training, scores, i);
      for (guint k = 0; k < vard_reward_scores_get_n_components (scores); k++)
        {
          double raw = NAN;

          vard_reward_scores_get_raw (scores, k, i, &raw);
          evaluation->scores[k * work->n + i] = raw;
        }
    }
  vard_training_add_reward_metrics (self->training, scores, evaluation->metrics);

  return TRUE;
}

static void
vard_trainer_evaluate_add_metrics (Work *work)
{
  VardTrainer *self = work->trainer;
  VardEvaluation *evaluation = work->evaluation;
  VardMetrics *metrics = evaluation->metrics;
  double diversity = vard_evaluation_measure_diversity (evaluation);
  double across = vard_evaluation_measure_across (evaluation);

  vard_metrics_set (metrics, "diversity/pairwise", diversity);
  if (isfinite (across))
    vard_metrics_set (metrics, "diversity/across", across);
  if (work->n_measured > 0)
    {
      vard_metrics_set (metrics, "kl/trajectory", work->kl / work->n_measured);
      vard_metrics_set (metrics, "kl/capped", work->kl_capped / work->n_measured);
    }

  if (self->base_rewards->len != work->n)
    return;
  double gain = vard_evaluation_measure_gain (evaluation, (const float *) self->base_rewards->data);
  if (isfinite (gain))
    vard_metrics_set (metrics, "reward/gain-sd", gain);
  if (self->base_diversity > 0)
    vard_metrics_set (metrics, "diversity/kept", diversity / self->base_diversity);
}

static char **
vard_trainer_evaluate_dup_labels (VardTrainer *self)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint k = 0; k < vard_reward_mix_get_n_components (self->training->rewards); k++)
    g_strv_builder_add (builder, vard_reward_mix_get_label (self->training->rewards, k));

  return g_strv_builder_end (builder);
}

static VardEvaluation *
vard_trainer_evaluate_evaluate (VardTrainer *self,
                                guint n_seeds,
                                gboolean measures_kl,
                                GCancellable *cancellable,
                                GError **error)
{
  guint n_prompts = vard_training_count_evaluation_prompts (self->training);
  guint first = vard_training_get_first_evaluation_prompt (self->training);
  g_autofree guint *prompts = g_new (guint, n_prompts * n_seeds);
  g_autofree guint64 *seeds = g_new (guint64, n_prompts * n_seeds);
  g_auto (GStrv) labels = vard_trainer_evaluate_dup_labels (self);
  Work work = { .trainer = self,
                .n = n_prompts * n_seeds,
                .prompts = prompts,
                .seeds = seeds,
                .measures_kl = measures_kl && vard_algorithm_can_measure_kl (self->algorithm) };

  for (guint i = 0; i < work.n; i++)
    {
      prompts[i] = first + i / n_seeds;
      seeds[i] = FIRST_SEED + i % n_seeds;
    }

  g_autoptr (VardEvaluation) evaluation =
    vard_evaluation_new ((const char *const *) self->training->texts + first, n_prompts, seeds,
                         n_seeds, labels);
  work.evaluation = evaluation;
  evaluation->metrics =
    vard_metrics_new (self->training->step, vard_training_get_seconds (self->training));

  while (work.n_done < work.n)
    if (!vard_trainer_evaluate_run_batch (&work, cancellable, error))
      return NULL;
  if (!vard_trainer_evaluate_score (&work, cancellable, error))
    return NULL;
  vard_trainer_evaluate_add_metrics (&work);

  return g_steal_pointer (&evaluation);
}

/**
 * vard_trainer_use_average:
 * @self: a trainer
 * @error: where to put an error
 *
 * Puts the averaged weights (setting ema) in the model for good: to sample what evaluations show
 * and vard_trainer_export() writes. Nothing happens without an average. Training does not go on
 * from here.
 *
 * Returns: %FALSE on error
 */
gboolean
vard_trainer_use_average (VardTrainer *self, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), FALSE);

  if (!vard_training_swap_average (self->training, error))
    return FALSE;
  self->training->is_averaged = TRUE;

  return TRUE;
}

static VardEvaluation *
vard_trainer_evaluate_evaluate_average (VardTrainer *self,
                                        guint n_seeds,
                                        gboolean measures_kl,
                                        GCancellable *cancellable,
                                        GError **error)
{
  g_autoptr (VardEvaluation) evaluation = NULL;
  g_autoptr (GError) problem = NULL;
  gboolean is_done = vard_training_swap_average (self->training, &problem);

  if (is_done)
    {
      evaluation =
        vard_trainer_evaluate_evaluate (self, n_seeds, measures_kl, cancellable, &problem);
      is_done = vard_training_swap_average (self->training, evaluation != NULL ? &problem : NULL)
                && evaluation != NULL;
    }
  if (is_done)
    return g_steal_pointer (&evaluation);
  /* other ranks may wait for this one's share */
  vard_trainer_abort (self, problem);
  g_propagate_error (error, g_steal_pointer (&problem));

  return NULL;
}

/**
 * vard_trainer_sample:
 * @self: a trainer, between two units of work
 * @cancellable: (nullable): stops at any moment
 * @error: where to put an error
 *
 * Samples two pictures of every evaluation prompt, to look at, and scores them; there is no KL.
 * While the pool is not full there is no total of the rewards either. The training is not touched.
 *
 * Returns: (transfer full): pictures, scores and metrics
 */
VardEvaluation *
vard_trainer_sample (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), NULL);

  return vard_trainer_evaluate_evaluate_average (self,
                                                 MIN (N_SAMPLE_SEEDS,
                                                      self->training->settings->evaluation_seeds),
                                                 FALSE, cancellable, error);
}

/**
 * vard_trainer_evaluate:
 * @self: a trainer whose pool is full
 * @cancellable: (nullable): stops at any moment
 * @error: where to put an error
 *
 * Samples the evaluation's prompts with its seeds from the present weights, or their average when
 * there is one, and scores the pictures. The training is not touched.
 *
 * Returns: (transfer full): pictures, scores and metrics
 */
VardEvaluation *
vard_trainer_evaluate (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), NULL);

  return vard_trainer_evaluate_evaluate_average (self, self->training->settings->evaluation_seeds,
                                                 TRUE, cancellable, error);
}

gboolean
vard_trainer_advance_base (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (VardEvaluation) evaluation = vard_trainer_evaluate (self, cancellable, error);

  if (evaluation == NULL)
    return FALSE;

  g_array_set_size (self->base_rewards, 0);
  for (guint i = 0; i < evaluation->images->len; i++)
    {
      float reward = (float) evaluation->rewards[i];

      g_array_append_val (self->base_rewards, reward);
    }
  vard_metrics_lookup (evaluation->metrics, "diversity/pairwise", &self->base_diversity);
  self->phase = vard_trainer_get_step_phase (self);
  self->evaluated_step = 0;
  vard_trainer_emit_step (self);
  g_signal_emit_by_name (self, "evaluation", (guint64) 0, evaluation);

  return TRUE;
}
