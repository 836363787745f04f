/* cpu-rows.h - sums, products and exponentials of runs of floats
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

float cpu_row_largest (const float *x, gint64 n);
float cpu_row_sum (const float *x, gint64 n);
float cpu_row_dot (const float *x, const float *y, gint64 n);
/* sum of (x - mean)^2 */
float cpu_row_spread (const float *x, gint64 n, float mean);
/* x = exp (scale x - shift), which is at most 1; returns their sum */
float cpu_row_exp (float *x, gint64 n, float scale, float shift);
void cpu_row_scale (float *x, gint64 n, float factor);
/* y += x */
void cpu_row_add (float *y, const float *x, gint64 n);

G_END_DECLS
