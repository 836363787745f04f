/* vard-schedule.h - the noise schedule that a model was trained with
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What a state is: sqrt (alpha_bar) x_0 + sqrt (1 - alpha_bar) noise, or (1 - t) x_0 + t noise */
typedef enum
{
  VARD_PROCESS_VARIANCE_PRESERVING,
  VARD_PROCESS_FLOW,
} VardProcessKind;

/* What a model's output is; vard-prediction.c has the formulas */
typedef enum
{
  VARD_PREDICTION_EPSILON,
  VARD_PREDICTION_V,
  VARD_PREDICTION_CLEAN,    /* x_0 */
  VARD_PREDICTION_VELOCITY, /* of a flow */
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
  VardProcessKind process;
  guint n_train_timesteps;
  double beta_start, beta_end;
  VardBetas betas;
  VardSpacing spacing;
  gboolean has_spacing; /* FALSE: each sampler has its own */
  gint steps_offset;
  gboolean set_alpha_to_one;
  gboolean use_karras_sigmas, ends_at_sigma_min; /* of samplers that go by sigma */
  double shift; /* of a flow: t becomes shift t / (1 + (shift - 1) t) */
  VardPrediction prediction;
} VardScheduleConfig;

G_END_DECLS
