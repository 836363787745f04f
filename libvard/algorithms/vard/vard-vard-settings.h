/* vard-vard-settings.h - the settings of the algorithm vard: pool, value network and objective
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "learn/vard-training-settings.h"

G_BEGIN_DECLS

#define VARD_TYPE_VARD_SETTINGS (vard_vard_settings_get_type ())
G_DECLARE_FINAL_TYPE (VardVardSettings, vard_vard_settings, VARD, VARD_SETTINGS, GObject)

struct _VardVardSettings
{
  GObject parent_instance;

  /* the pool and the value network */
  guint pool_size;
  guint value_fit_updates;
  gboolean value_noisy;
  guint value_batch;
  guint value_channels;
  double value_learning_rate;
  double value_learning_rate_end;
  gboolean value_refresh;
  guint value_updates;
  double value_refresh_learning_rate;
  guint ring_size;
  double ring_share;

  /* scores */
  VardWhitening whitening;
  guint score_interval;

  /* the objective */
  double kl_weight;
  double kl_target;
  double gamma;
  double q_min;
  double w_max;
  double value_gradient_quantile;
};

G_END_DECLS
