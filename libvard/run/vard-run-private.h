/* vard-run-private.h - what the parts of a run's folder share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "run/vard-run.h"

G_BEGIN_DECLS

struct _VardRun
{
  GObject parent_instance;

  char *path;
  char *name;
  JsonObject *record; /* run.json */
  int lock;           /* a descriptor while this object holds the run, else -1 */

  VardRunState state; /* as written; what is shown may be interrupted */
  guint64 step;
  const char *phase; /* interned, since the trainer's thread changes what another one may read */
  double fraction;
  gint64 heartbeat; /* seconds since 1970 */
  gint64 beat_time; /* monotonic microseconds of the last beat that was written */
  int pid;
  char *failure;
};

/* ---- requests: vard-run-request.c asks, vard-run-control.c takes ---- */

#define VARD_RUN_CONTROL_FOLDER "control"
#define VARD_RUN_REQUEST_ENDING ".request"
#define VARD_RUN_TAKEN_ENDING ".taken"
#define VARD_RUN_REFUSED_ENDING ".refused"

typedef enum
{
  VARD_RUN_REQUEST_PAUSE,
  VARD_RUN_REQUEST_CONTINUE,
  VARD_RUN_REQUEST_SAMPLE,
  VARD_RUN_REQUEST_CHECKPOINT,
  VARD_RUN_REQUEST_STOP,
  VARD_RUN_REQUEST_STOP_NOW,
  VARD_RUN_REQUEST_STEPS,
} VardRunRequestKind;

/* FALSE with VARD_ERROR_USAGE where there is no such request; n_steps is 0 unless it is of steps */
gboolean vard_run_request_parse (const char *text,
                                 VardRunRequestKind *kind,
                                 guint *n_steps,
                                 GError **error);
char *vard_run_request_build_path (VardRun *self, const char *id, const char *ending);

/* A request that was taken */
typedef struct
{
  VardRunRequestKind kind;
  guint n_steps;
  char *id;
  char *text; /* the word */
} VardRunOrder;

void vard_run_order_free (VardRunOrder *self);

typedef struct _VardRunControl VardRunControl;

/* For a run that is held, until it is freed. Makes the folder, discards what stands in it, and
 * takes what comes; stop-now cancels. */
VardRunControl *vard_run_control_new (VardRun *run, GCancellable *cancellable, GError **error);
/* Refuses what was taken and not answered */
void vard_run_control_free (VardRunControl *self);
/* (transfer full) (nullable): the oldest request that was taken, to be finished or refused */
VardRunOrder *vard_run_control_pop (VardRunControl *self);
/* Says what came of it, in log.txt; both take the order */
void vard_run_control_finish (VardRunControl *self, VardRunOrder *order, const char *note);
void vard_run_control_refuse (VardRunControl *self, VardRunOrder *order, const char *reason);
/* The steps that are done: a goal below is refused */
void vard_run_control_set_step (VardRunControl *self, guint64 step);
/* Until there is a request, somebody wakes it, or the time is over */
void vard_run_control_wait (VardRunControl *self, gint64 n_microseconds);
void vard_run_control_wake (VardRunControl *self);

G_END_DECLS
