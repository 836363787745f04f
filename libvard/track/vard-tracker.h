/* vard-tracker.h - the seam between a run and what records its numbers and pictures
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "track/vard-metrics.h"
#include <gio/gio.h>

G_BEGIN_DECLS

#define VARD_TYPE_TRACKER (vard_tracker_get_type ())
G_DECLARE_DERIVABLE_TYPE (VardTracker, vard_tracker, VARD, TRACKER, GObject)

/**
 * VardTrackerClass:
 * @write: records the numbers of a step, whole or not at all
 * @write_picture: records a picture, given as the bytes of a PNG; may be left out
 * @close: flushes; nothing is written after it; may be left out
 * @flush: brings to the disk all that was written; may be left out
 */
struct _VardTrackerClass
{
  GObjectClass parent_class;

  gboolean (*write) (VardTracker *self, VardMetrics *metrics, GError **error);
  gboolean (*write_picture) (VardTracker *self,
                             guint64 step,
                             const char *name,
                             GBytes *png,
                             GError **error);
  gboolean (*close) (VardTracker *self, GError **error);
  gboolean (*flush) (VardTracker *self, GError **error);

  /*< private >*/
  gpointer padding[7];
};

gboolean vard_tracker_write (VardTracker *self, VardMetrics *metrics, GError **error);
gboolean vard_tracker_write_picture (VardTracker *self,
                                     guint64 step,
                                     const char *name,
                                     GBytes *png,
                                     GError **error);
gboolean vard_tracker_flush (VardTracker *self, GError **error);
gboolean vard_tracker_close (VardTracker *self, GError **error);

G_END_DECLS
