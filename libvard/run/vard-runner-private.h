/* vard-runner-private.h - what the parts of a runner share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "run/vard-runner.h"
#include "track/vard-tracker-group.h"

G_BEGIN_DECLS

/* Beside the trainer's files in a checkpoint: the bytes of metrics.jsonl at that time */
#define VARD_RUNNER_METRICS_SIZE "metrics-size"

struct _VardRunner
{
  GObject parent_instance;

  VardRunSettings *settings;
  VardPipeline *pipeline;
  VardRewardMix *rewards;
  VardTrainer *trainer;
  VardRun *run;
  VardTrackerGroup *trackers; /* metrics.jsonl, and those that were added */
  char *notice;               /* a warning to begin with: before that nobody listens */
  GError *failure;            /* of a signal handler: the first one */
  gboolean is_saved;          /* nothing was trained since the newest checkpoint */
  gint is_stopping;           /* atomic */
};

/* Writes a warning to the log and tells whoever listens */
void vard_runner_warn (VardRunner *self, const char *message);

/* vard-runner-trackers.c */
gboolean vard_runner_open_tracker (VardRunner *self, GError **error);
/* A line of metrics for an evaluation, and its grid for whoever takes pictures */
gboolean vard_runner_track_evaluation (VardRunner *self,
                                       guint64 step,
                                       VardEvaluation *evaluation,
                                       GError **error);

G_END_DECLS
