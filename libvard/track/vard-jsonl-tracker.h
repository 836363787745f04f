/* vard-jsonl-tracker.h - writes metrics as lines of JSON to an append-only file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "track/vard-tracker.h"

G_BEGIN_DECLS

#define VARD_TYPE_JSONL_TRACKER (vard_jsonl_tracker_get_type ())
G_DECLARE_FINAL_TYPE (VardJsonlTracker, vard_jsonl_tracker, VARD, JSONL_TRACKER, VardTracker)

VardTracker *vard_jsonl_tracker_new (const char *path, GError **error);

G_END_DECLS
