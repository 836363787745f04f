/* vard-prediction.h - what a model's output says of the picture and of the noise in a state
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "process/vard-process.h"

G_BEGIN_DECLS

/* per_x x + per_out out */
typedef struct
{
  double per_x, per_out;
} VardLinear;

/* x_0, from a state x at that level and the model's output; infinite where the output says nothing
 * of it */
VardLinear vard_prediction_get_clean (VardPrediction self, const VardNoiseLevel *level);
/* the noise, likewise */
VardLinear vard_prediction_get_epsilon (VardPrediction self, const VardNoiseLevel *level);
/* the change of @unit for one unit of the model's output, at a fixed x */
double vard_prediction_get_change (VardPrediction self,
                                   VardPrediction unit,
                                   const VardNoiseLevel *level);

G_END_DECLS
