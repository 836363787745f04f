/* vard-learning-rate.c - learning rates as functions of a run's progress
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-learning-rate.h"

#include <math.h>

static double
vard_learning_rate_get_progress (guint64 update, guint64 n_updates)
{
  return n_updates > 1 ? MIN (1.0, update / (n_updates - 1.0)) : 0.0;
}

double
vard_learning_rate_linear (guint64 update, guint64 n_updates, guint warm_up, double end)
{
  double rise = MIN (1.0, (update + 1.0) / (warm_up + 1.0));

  return rise * (1 + vard_learning_rate_get_progress (update, n_updates) * (end - 1));
}

double
vard_learning_rate_cosine (guint64 update, guint64 n_updates, double first, double last)
{
  return last
         + (first - last) * (1 + cos (G_PI * vard_learning_rate_get_progress (update, n_updates)))
             / 2;
}
