/* vard-evaluation-private.h - how an evaluation is filled in
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "train/vard-evaluation.h"

G_BEGIN_DECLS

struct _VardEvaluation
{
  GObject parent_instance;

  char **prompts; /* NULL-terminated */
  guint n_prompts;
  GArray *seeds;     /* guint64 */
  GPtrArray *images; /* VardImage [n_prompts * n_seeds], a prompt's together */
  char **names;      /* of the rewards, NULL-terminated */
  double *rewards;   /* [n_prompts * n_seeds] totals */
  double *scores;    /* [n rewards][n_prompts * n_seeds] raw */
  VardMetrics *metrics;
};

VardEvaluation *vard_evaluation_new (const char *const *prompts,
                                     guint n_prompts,
                                     const guint64 *seeds,
                                     guint n_seeds,
                                     char **names);
/* mean pixel RMSE (0..255) of pairs of one prompt, averaged over prompts */
double vard_evaluation_measure_diversity (VardEvaluation *self);
/* the same of pairs of different prompts and equal seeds; NaN with one prompt */
double vard_evaluation_measure_across (VardEvaluation *self);
/* mean over prompts of the mean over seeds of reward - base, in sd of the base: [n] each */
double vard_evaluation_measure_gain (VardEvaluation *self, const float *base);

G_END_DECLS
