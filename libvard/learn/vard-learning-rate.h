/* vard-learning-rate.h - learning rates as functions of a run's progress
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Rises over @warm_up updates, then falls in a line from 1 at the start of the run to @end at its
 * last update */
double vard_learning_rate_linear (guint64 update, guint64 n_updates, guint warm_up, double end);
/* Half a cosine from @first to @last */
double vard_learning_rate_cosine (guint64 update, guint64 n_updates, double first, double last);

G_END_DECLS
