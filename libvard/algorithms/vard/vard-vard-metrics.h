/* vard-vard-metrics.h - the metrics that VARD adds to the core's
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "track/vard-metric-table.h"

G_BEGIN_DECLS

extern const VardMetricInfo vard_vard_metrics[];
extern const guint vard_n_vard_metrics;

G_END_DECLS
