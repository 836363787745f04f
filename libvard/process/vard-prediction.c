/* vard-prediction.c - what a model's output says of the picture and of the noise in a state
 *
 * With x = a x_0 + b epsilon:
 *   epsilon    the noise itself
 *   v          a epsilon - b x_0, where a^2 + b^2 = 1 (arXiv 2202.00512)
 *   velocity   epsilon - x_0, where a + b = 1: dx / dt of flow matching (arXiv 2210.02747)
 *   clean      x_0 itself; diffusers calls it sample
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-prediction.h"

#include <math.h>

VardLinear
vard_prediction_get_clean (VardPrediction self, const VardNoiseLevel *level)
{
  double a2 = level->signal2, b2 = level->noise2;

  switch (self)
    {
    case VARD_PREDICTION_V: return (VardLinear) { sqrt (a2), -sqrt (b2) };
    case VARD_PREDICTION_VELOCITY: return (VardLinear) { 1, -sqrt (b2) };
    case VARD_PREDICTION_CLEAN: return (VardLinear) { 0, 1 };
    case VARD_PREDICTION_EPSILON:
    default: return (VardLinear) { 1 / sqrt (a2), -sqrt (b2 / a2) };
    }
}

VardLinear
vard_prediction_get_epsilon (VardPrediction self, const VardNoiseLevel *level)
{
  double a2 = level->signal2, b2 = level->noise2;

  switch (self)
    {
    case VARD_PREDICTION_V: return (VardLinear) { sqrt (b2), sqrt (a2) };
    case VARD_PREDICTION_VELOCITY: return (VardLinear) { 1, sqrt (a2) };
    case VARD_PREDICTION_CLEAN: return (VardLinear) { 1 / sqrt (b2), -sqrt (a2 / b2) };
    case VARD_PREDICTION_EPSILON:
    default: return (VardLinear) { 0, 1 };
    }
}

double
vard_prediction_get_change (VardPrediction self, VardPrediction unit, const VardNoiseLevel *level)
{
  double clean = vard_prediction_get_clean (self, level).per_out;
  double epsilon = vard_prediction_get_epsilon (self, level).per_out;

  switch (unit)
    {
    case VARD_PREDICTION_V: return sqrt (level->signal2) * epsilon - sqrt (level->noise2) * clean;
    case VARD_PREDICTION_VELOCITY: return epsilon - clean;
    case VARD_PREDICTION_CLEAN: return clean;
    case VARD_PREDICTION_EPSILON:
    default: return epsilon;
    }
}
