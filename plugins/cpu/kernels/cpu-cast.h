/* cpu-cast.h - conversions between element types, and random numbers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-pool.h"

#include <vard-engine-sdk.h>

G_BEGIN_DECLS

void cpu_cast_run (CpuPool *pool,
                   VardDType from,
                   VardDType to,
                   gint64 n,
                   gconstpointer x,
                   gpointer y);
/* on one thread: floats of any floating type */
void cpu_widen (VardDType from, gconstpointer x, gint64 n, float *y);
/* counters [n_rows][2], y [n_rows][n / n_rows] */
void cpu_random_normal_run (CpuPool *pool,
                            const gint64 *counters,
                            gint64 n_rows,
                            gint64 n,
                            float *y);

G_END_DECLS
