/* vard-kl-controller.h - adjusts the price of KL so that a run reaches a target KL
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  double start;      /* the weight that was set */
  double target;     /* nats; 0 leaves the weight alone */
  double weight;     /* in force */
  gboolean is_awake; /* the KL has been above half the target */
} VardKlController;

void vard_kl_controller_init (VardKlController *self, double weight, double target);
/* after each step; returns the weight for the next */
double vard_kl_controller_update (VardKlController *self, double kl_capped);

G_END_DECLS
