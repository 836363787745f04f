/* vard-runner-private.h - what the parts of a runner share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "run/vard-runner.h"
#include "track/vard-tracker.h"

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
  VardTracker *tracker;
  GError *failure;   /* of a signal handler: the first one */
  gboolean is_saved; /* nothing was trained since the newest checkpoint */
  gint is_stopping;  /* atomic */
};

G_END_DECLS
