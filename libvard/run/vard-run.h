/* vard-run.h - the folder of a run, which trainers write and viewers read
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/**
 * VardRunState:
 * @VARD_RUN_STATE_STARTING: made, nothing trained yet
 * @VARD_RUN_STATE_RUNNING: a live process trains it
 * @VARD_RUN_STATE_PAUSED: a live process holds it and waits
 * @VARD_RUN_STATE_FINISHED: all steps are done
 * @VARD_RUN_STATE_FAILED: stopped by an error, which the run names
 * @VARD_RUN_STATE_CANCELLED: stopped on request, with a checkpoint
 * @VARD_RUN_STATE_INTERRUPTED: its process is gone without having said so; never written, always
 * derived
 *
 * What a run is doing.
 */
typedef enum
{
  VARD_RUN_STATE_STARTING,
  VARD_RUN_STATE_RUNNING,
  VARD_RUN_STATE_PAUSED,
  VARD_RUN_STATE_FINISHED,
  VARD_RUN_STATE_FAILED,
  VARD_RUN_STATE_CANCELLED,
  VARD_RUN_STATE_INTERRUPTED,
} VardRunState;

/**
 * VARD_CHECKPOINT_NEWEST: (value 18446744073709551615) (type guint64)
 *
 * In place of a checkpoint's step: the newest complete checkpoint.
 */
#define VARD_CHECKPOINT_NEWEST ((guint64) -1)

/**
 * VARD_CHECKPOINT_FINAL: (value 18446744073709551614) (type guint64)
 *
 * In place of a checkpoint's step, when loading a model: the weights that the run ended with, or
 * its newest checkpoint if it has not ended.
 */
#define VARD_CHECKPOINT_FINAL ((guint64) -2)

#define VARD_TYPE_RUN_STATE (vard_run_state_get_type ())
GType vard_run_state_get_type (void) G_GNUC_CONST;
const char *vard_run_state_to_text (VardRunState state);

#define VARD_TYPE_RUN (vard_run_get_type ())
G_DECLARE_FINAL_TYPE (VardRun, vard_run, VARD, RUN, GObject)

VardRun *vard_run_create (const char *path, JsonObject *record, GError **error);
VardRun *vard_run_open (const char *path, GError **error);
gboolean vard_run_hold (VardRun *self, GError **error);
void vard_run_release (VardRun *self);
gboolean vard_run_is_live (VardRun *self);

const char *vard_run_get_path (VardRun *self);
const char *vard_run_get_name (VardRun *self);
char *vard_run_build_path (VardRun *self, const char *name);
JsonObject *vard_run_get_record (VardRun *self);

gboolean vard_run_refresh (VardRun *self, GError **error);
VardRunState vard_run_get_state (VardRun *self);
guint64 vard_run_get_step (VardRun *self);
const char *vard_run_get_phase (VardRun *self);
double vard_run_get_fraction (VardRun *self);
gint64 vard_run_get_heartbeat (VardRun *self);
int vard_run_get_pid (VardRun *self);
const char *vard_run_get_failure (VardRun *self);
gboolean vard_run_set_state (VardRun *self,
                             VardRunState state,
                             guint64 step,
                             const char *failure,
                             GError **error);
gboolean vard_run_beat (VardRun *self, const char *phase, double fraction, GError **error);

gboolean vard_run_append (VardRun *self, const char *name, const char *text, GError **error);
gboolean vard_run_log (VardRun *self, const char *text, GError **error);
guint64 vard_run_get_metrics_size (VardRun *self);
gboolean vard_run_cut_metrics (VardRun *self, guint64 size, GError **error);

guint64 *vard_run_list_checkpoints (VardRun *self, guint *n_checkpoints);
char *vard_run_find_checkpoint (VardRun *self, guint64 step, guint64 *found, GError **error);
char *vard_run_begin_checkpoint (VardRun *self, guint64 step, GError **error);
gboolean vard_run_commit_checkpoint (VardRun *self, guint64 step, guint n_kept, GError **error);
void vard_run_abandon_checkpoint (VardRun *self, guint64 step);

char *vard_run_request (VardRun *self,
                        const char *request,
                        GCancellable *cancellable,
                        GError **error);
void vard_run_request_async (VardRun *self,
                             const char *request,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data);
char *vard_run_request_finish (VardRun *self, GAsyncResult *result, GError **error);
gboolean vard_run_wait_for_request (VardRun *self,
                                    const char *id,
                                    GCancellable *cancellable,
                                    GError **error);
void vard_run_wait_for_request_async (VardRun *self,
                                      const char *id,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);
gboolean vard_run_wait_for_request_finish (VardRun *self, GAsyncResult *result, GError **error);

G_END_DECLS
