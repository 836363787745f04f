/* vard-runner.h - drives a run: connects the trainer to the run's folder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-model.h"
#include "run/vard-run-settings.h"
#include "run/vard-run.h"
#include "track/vard-metric-table.h"
#include "track/vard-tracker.h"
#include "train/vard-trainer.h"

G_BEGIN_DECLS

#define VARD_TYPE_RUNNER (vard_runner_get_type ())
G_DECLARE_FINAL_TYPE (VardRunner, vard_runner, VARD, RUNNER, GObject)

VardRunner *vard_runner_new (VardRunSettings *settings, GError **error);
VardRunner *vard_runner_new_with_rewards (VardRunSettings *settings,
                                          VardRewardMix *rewards,
                                          GError **error);
void vard_runner_load_async (VardRunSettings *settings,
                             VardRewardMix *rewards,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data);
VardRunner *vard_runner_load_finish (GAsyncResult *result, GError **error);

gboolean vard_runner_start (VardRunner *self, const char *path, GError **error);
gboolean vard_runner_resume (VardRunner *self, VardRun *run, GError **error);
gboolean vard_runner_load_checkpoint (VardRunner *self, VardRun *run, guint64 step, GError **error);
VardEvaluation *vard_runner_evaluate (VardRunner *self, GCancellable *cancellable, GError **error);
gboolean vard_runner_run (VardRunner *self, GCancellable *cancellable, GError **error);
void vard_runner_run_async (VardRunner *self,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data);
gboolean vard_runner_run_finish (VardRunner *self, GAsyncResult *result, GError **error);
void vard_runner_pause (VardRunner *self);
void vard_runner_continue (VardRunner *self);
void vard_runner_stop (VardRunner *self);
VardRunState vard_runner_get_state (VardRunner *self);
guint vard_runner_get_steps (VardRunner *self);

void vard_runner_add_tracker (VardRunner *self, VardTracker *tracker);
VardMetricTable *vard_runner_dup_metric_table (VardRunner *self);
VardMetricTable *vard_list_metrics (void);

VardRunSettings *vard_runner_get_settings (VardRunner *self);
VardTrainer *vard_runner_get_trainer (VardRunner *self);
VardPipeline *vard_runner_get_pipeline (VardRunner *self);
VardModel *vard_runner_get_model (VardRunner *self);
VardRewardMix *vard_runner_get_rewards (VardRunner *self);
VardRun *vard_runner_get_run (VardRunner *self);

VardRunSettings *vard_run_dup_settings (VardRun *run, GError **error);

G_END_DECLS
