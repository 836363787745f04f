/* vard-runner-private.h - members that the files of the runner share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "comm/vard-communicator.h"
#include "run/vard-run-private.h"
#include "run/runner/vard-runner.h"
#include "track/vard-tracker-group.h"

G_BEGIN_DECLS

/* Beside the trainer's files in a checkpoint: the bytes of metrics.jsonl at that time */
#define VARD_RUNNER_METRICS_SIZE "metrics-size"

enum
{
  VARD_RUNNER_SIGNAL_PROGRESS,
  VARD_RUNNER_SIGNAL_STEP,
  VARD_RUNNER_SIGNAL_EVALUATION,
  VARD_RUNNER_SIGNAL_CHECKPOINT,
  VARD_RUNNER_SIGNAL_WARNING,
  VARD_RUNNER_SIGNAL_STATE,
  VARD_RUNNER_SIGNAL_REQUEST,
  VARD_RUNNER_N_SIGNALS
};

extern guint vard_runner_signals[VARD_RUNNER_N_SIGNALS];

typedef enum
{
  VARD_RUNNER_STAGE_LOADED,
  VARD_RUNNER_STAGE_READY, /* started or resumed */
  VARD_RUNNER_STAGE_RUNNING,
  VARD_RUNNER_STAGE_ENDED,
} VardRunnerStage;

struct _VardRunner
{
  GObject parent_instance;

  VardRunSettings *settings;
  VardPipeline *pipeline;
  VardRewardMix *rewards;
  VardPromptSource *prompts;
  VardCommunicator *communicator; /* the ranks of the run; solo for a run on its own */
  VardTrainer *trainer;
  VardRun *run;
  VardTrackerGroup *trackers; /* metrics.jsonl, and those that were added */
  char *notice;               /* a warning to begin with: before that nobody listens */
  VardRunControl *control;    /* while the run is held */
  GCancellable *cancellable;  /* what the trainer looks at: the caller's and stop-now cancel it */
  GQueue endings;             /* of VardRunOrder: those who asked it to stop */
  GError *failure;            /* of a signal handler: the first one */
  gboolean is_saved;          /* nothing was trained since the newest checkpoint */
  gboolean is_stopped;        /* it ended before its goal, because it was asked to */
  gboolean has_new_goal;
  guint64 evaluated_step; /* G_MAXUINT64 for none */

  /* atomic */
  gint stage; /* VardRunnerStage */
  gint state; /* VardRunState */
  gint n_steps;
  gint is_stopping, is_paused;

  /* of a run in a thread of its own */
  GMainContext *context; /* where signals go; NULL for at once */
  GMutex mutex;          /* of what follows, and of control coming and going */
  GQueue events;
  gboolean is_delivering;
};

/* vard-runner.c */
/* Pipeline, prompts and trainer, from settings, rewards and communicator */
gboolean vard_runner_load (VardRunner *self, GError **error);
/* Writes a warning to the log and tells whoever listens */
void vard_runner_warn (VardRunner *self, const char *message);
/* Those of the rewards become lines of log.txt */
void vard_runner_take_messages (VardRunner *self, gboolean is_first);

/* vard-runner-run.c */
/* Only a runner that was started or resumed begins, and only once */
gboolean vard_runner_begin (VardRunner *self, GError **error);
gboolean vard_runner_train (VardRunner *self, GCancellable *cancellable, GError **error);
void vard_runner_end (VardRunner *self);
/* A checkpoint of the present step */
gboolean vard_runner_save (VardRunner *self, GError **error);

/* vard-runner-ranks.c */
/* A runner on each rank of a run, made from the same settings. Rank 0 starts or resumes the run and
 * writes its folder; on the other ranks vard_runner_follow() does its share of the work. If one of
 * them cannot be made, the others are told why. */
VardRunner *vard_runner_new_on_rank (VardRunSettings *settings,
                                     VardRewardMix *rewards,
                                     VardCommunicator *communicator,
                                     GError **error);
/* On the ranks that are not 0: returns when the run ends, with an error where it failed */
gboolean vard_runner_follow (VardRunner *self, GCancellable *cancellable, GError **error);
/* Only rank 0 has a folder */
gboolean vard_runner_check_leader (VardRunner *self, GError **error);
/* Nobody waits for a runner that is gone */
void vard_runner_leave (VardRunner *self);

/* vard-runner-events.c */
/* Emits one of vard_runner_signals where signals belong */
void vard_runner_emit (VardRunner *self, guint signal, ...);

/* vard-runner-trackers.c */
gboolean vard_runner_open_tracker (VardRunner *self, GError **error);
/* A line of metrics for an evaluation, and its grid for whoever takes pictures */
gboolean vard_runner_track_evaluation (VardRunner *self,
                                       guint64 step,
                                       VardEvaluation *evaluation,
                                       GError **error);

G_END_DECLS
