/* vard-metrics.h - the named numbers of one training step
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

#define VARD_TYPE_METRICS (vard_metrics_get_type ())

typedef struct _VardMetrics VardMetrics;

GType vard_metrics_get_type (void) G_GNUC_CONST;
VardMetrics *vard_metrics_new (guint64 step, double time);
VardMetrics *vard_metrics_ref (VardMetrics *self);
void vard_metrics_unref (VardMetrics *self);
guint64 vard_metrics_get_step (VardMetrics *self);
double vard_metrics_get_time (VardMetrics *self);
void vard_metrics_set (VardMetrics *self, const char *name, double value);
gboolean vard_metrics_lookup (VardMetrics *self, const char *name, double *value);
guint vard_metrics_get_count (VardMetrics *self);
const char *vard_metrics_get_name (VardMetrics *self, guint i);
double vard_metrics_get_value (VardMetrics *self, guint i);
VardMetrics *vard_metrics_dup_prefixed (VardMetrics *self, const char *prefix);
char *vard_metrics_to_json (VardMetrics *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardMetrics, vard_metrics_unref)

G_END_DECLS
