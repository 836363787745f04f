/* vard-kl-controller.c - adjusts the price of KL so that a run reaches a target KL
 *
 * It waits until the KL has once exceeded half the target. If it acted from the start, when there
 * is no KL yet, it would lower the weight to nothing before the model has moved. From then on it
 * changes the weight by at most a tenth a step, between a third and ten times the initial value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-kl-controller.h"

#define LARGEST_CHANGE 1.1

void
vard_kl_controller_init (VardKlController *self, double weight, double target)
{
  *self = (VardKlController) { .start = weight, .target = target, .weight = weight };
}

double
vard_kl_controller_update (VardKlController *self, double kl_capped)
{
  if (self->target <= 0)
    return self->weight;

  if (kl_capped > self->target / 2)
    self->is_awake = TRUE;
  if (self->is_awake)
    {
      double factor = CLAMP (kl_capped / self->target, 1 / LARGEST_CHANGE, LARGEST_CHANGE);

      self->weight = CLAMP (self->weight * factor, self->start / 3, self->start * 10);
    }

  return self->weight;
}
