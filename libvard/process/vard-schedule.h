/* vard-schedule.h - the noise schedule that a model was trained with
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  VARD_PREDICTION_EPSILON,
  VARD_PREDICTION_V
} VardPrediction;
typedef enum
{
  VARD_BETAS_LINEAR,
  VARD_BETAS_SCALED_LINEAR
} VardBetas;
typedef enum
{
  VARD_SPACING_LEADING,
  VARD_SPACING_TRAILING,
  VARD_SPACING_LINSPACE
} VardSpacing;

/* What scheduler_config.json says */
typedef struct
{
  guint n_train_timesteps;
  double beta_start, beta_end;
  VardBetas betas;
  VardSpacing spacing;
  gboolean has_spacing; /* FALSE: spacing is DDIM's, and other samplers have their own */
  gint steps_offset;
  gboolean set_alpha_to_one;
  gboolean clip_sample;
  gboolean use_karras_sigmas, ends_at_sigma_min; /* of samplers that go by sigma */
  VardPrediction prediction;
} VardScheduleConfig;

G_END_DECLS
