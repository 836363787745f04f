/* vard-core-metrics.h - the metrics that every run writes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "track/vard-metric-table.h"

G_BEGIN_DECLS

extern const VardMetricInfo vard_core_metrics[];
extern const guint vard_n_core_metrics;

G_END_DECLS
