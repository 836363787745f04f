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
  char *phase;
  double fraction;
  gint64 heartbeat; /* seconds since 1970 */
  gint64 beat_time; /* monotonic microseconds of the last beat that was written */
  int pid;
  char *failure;
};

G_END_DECLS
