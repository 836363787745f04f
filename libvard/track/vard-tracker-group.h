/* vard-tracker-group.h - several trackers as one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "track/vard-tracker.h"

G_BEGIN_DECLS

#define VARD_TYPE_TRACKER_GROUP (vard_tracker_group_get_type ())
G_DECLARE_FINAL_TYPE (VardTrackerGroup, vard_tracker_group, VARD, TRACKER_GROUP, VardTracker)

VardTrackerGroup *vard_tracker_group_new (void);
void vard_tracker_group_add (VardTrackerGroup *self, VardTracker *tracker);
void vard_tracker_group_add_required (VardTrackerGroup *self, VardTracker *tracker);
guint vard_tracker_group_get_count (VardTrackerGroup *self);
gboolean vard_tracker_group_takes_pictures (VardTrackerGroup *self);

G_END_DECLS
