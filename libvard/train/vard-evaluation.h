/* vard-evaluation.h - pictures of fixed prompts and seeds with their scores, and what they say
 * together
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "tensor/vard-image.h"
#include "track/vard-metrics.h"

G_BEGIN_DECLS

#define VARD_TYPE_EVALUATION (vard_evaluation_get_type ())
G_DECLARE_FINAL_TYPE (VardEvaluation, vard_evaluation, VARD, EVALUATION, GObject)

/* Picture i shows prompt i / n_seeds with seed i % n_seeds. Scores are NaN where a reward had none.
 */
guint vard_evaluation_get_n_prompts (VardEvaluation *self);
guint vard_evaluation_get_n_seeds (VardEvaluation *self);
const char *vard_evaluation_get_prompt (VardEvaluation *self, guint prompt);
guint64 vard_evaluation_get_seed (VardEvaluation *self, guint seed);
VardImage *vard_evaluation_get_image (VardEvaluation *self, guint prompt, guint seed);
/* the sum of weight x whitened score, and one reward's raw score */
double vard_evaluation_get_reward (VardEvaluation *self, guint prompt, guint seed);
char **vard_evaluation_dup_score_names (VardEvaluation *self);
double vard_evaluation_get_score (VardEvaluation *self, const char *name, guint prompt, guint seed);
/* reward/mean, reward/std, reward/<name>/mean, diversity/pairwise, diversity/across, kl/trajectory,
 * kl/capped; after the first evaluation also reward/gain-sd, paired by prompt and seed, and
 * diversity/kept */
VardMetrics *vard_evaluation_peek_metrics (VardEvaluation *self);

G_END_DECLS
