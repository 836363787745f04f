/* vard-tracker.c - the interface of trackers, which record a run's numbers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "track/vard-tracker.h"

/**
 * VardTracker:
 *
 * Records the numbers and pictures of a run as they come.
 */
G_DEFINE_ABSTRACT_TYPE (VardTracker, vard_tracker, G_TYPE_OBJECT)

/**
 * vard_tracker_write:
 * @self: a tracker
 * @metrics: the numbers of a step
 * @error: return location for an error
 *
 * Returns: whether they were recorded; where not, nothing of them was
 */
gboolean
vard_tracker_write (VardTracker *self, VardMetrics *metrics, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRACKER (self), FALSE);
  g_return_val_if_fail (metrics != NULL, FALSE);

  return VARD_TRACKER_GET_CLASS (self)->write (self, metrics, error);
}

/**
 * vard_tracker_write_picture:
 * @self: a tracker
 * @step: the training step
 * @name: what the picture shows; pictures of one name make a series
 * @png: the bytes of a PNG file
 * @error: return location for an error
 *
 * Returns: whether it was recorded, or the tracker records no pictures
 */
gboolean
vard_tracker_write_picture (VardTracker *self,
                            guint64 step,
                            const char *name,
                            GBytes *png,
                            GError **error)
{
  g_return_val_if_fail (VARD_IS_TRACKER (self), FALSE);
  g_return_val_if_fail (name != NULL && png != NULL, FALSE);

  VardTrackerClass *klass = VARD_TRACKER_GET_CLASS (self);

  return klass->write_picture == NULL || klass->write_picture (self, step, name, png, error);
}

/**
 * vard_tracker_flush:
 * @self: a tracker
 * @error: return location for an error
 *
 * Brings to the disk, or to wherever the tracker records, all that was written so far. vard does so
 * before every checkpoint, so that a checkpoint never knows more than its record.
 *
 * Returns: whether everything was recorded
 */
gboolean
vard_tracker_flush (VardTracker *self, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRACKER (self), FALSE);

  VardTrackerClass *klass = VARD_TRACKER_GET_CLASS (self);

  return klass->flush == NULL || klass->flush (self, error);
}

/**
 * vard_tracker_close:
 * @self: a tracker
 * @error: return location for an error
 *
 * Returns: whether everything reached the disk
 */
gboolean
vard_tracker_close (VardTracker *self, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRACKER (self), FALSE);

  VardTrackerClass *klass = VARD_TRACKER_GET_CLASS (self);

  return klass->close == NULL || klass->close (self, error);
}

static void
vard_tracker_class_init (VardTrackerClass *klass)
{
}

static void
vard_tracker_init (VardTracker *self)
{
}
