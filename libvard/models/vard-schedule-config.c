/* vard-schedule-config.c - scheduler/scheduler_config.json
 *
 * The file may name any of the samplers that share these noise levels: which one a run uses is its
 * own choice. Defaults are DDIMScheduler's, but clip_sample is off and steps_offset is 1 whatever
 * the file says: the Stable Diffusion pipeline of diffusers sets them so.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-schedule-config.h"

static const VardConfigFixed fixed[] = {
  { "trained_betas", "null" },
  { "thresholding", "false" },
  { "rescale_betas_zero_snr", "false" },
  /* how sigmas are spread, of samplers that go by them: Karras alone is known */
  { "use_exponential_sigmas", "false" },
  { "use_beta_sigmas", "false" },
  { "use_lu_lambdas", "false" },
  { "use_flow_sigmas", "false" },
  { "interpolation_type", "\"linear\"" },
  { "timestep_type", "\"discrete\"" },
};

static guint
vard_schedule_config_get_choice (VardConfigReader *reader,
                                 const char *key,
                                 guint fallback,
                                 const char *const *choices)
{
  g_autofree char *supported = g_strjoinv (" or ", (char **) choices);
  const char *value = vard_config_reader_get_string (reader, key, choices[fallback]);

  for (guint i = 0; choices[i] != NULL; i++)
    if (g_str_equal (value, choices[i]))
      return i;
  vard_config_reader_refuse (reader, key, supported);

  return fallback;
}

static void
vard_schedule_config_check_class (VardConfigReader *reader)
{
  static const char *const classes[] = {
    "DDIMScheduler",
    "DDPMScheduler",
    "PNDMScheduler",
    "LMSDiscreteScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "DEISMultistepScheduler",
    "UniPCMultistepScheduler",
    "LCMScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    NULL,
  };
  const char *name = vard_config_reader_get_string (reader, "_class_name", classes[0]);

  if (!g_strv_contains (classes, name))
    vard_config_reader_refuse (reader, "_class_name",
                               "a sampler of the DDPM family (DDIMScheduler, PNDMScheduler, "
                               "EulerDiscreteScheduler, ...)");
}

gboolean
vard_schedule_config_read (VardScheduleConfig *self, VardConfigReader *reader, GError **error)
{
  static const char *const betas[] = { "linear", "scaled_linear", NULL };
  static const char *const spacings[] = { "leading", "trailing", "linspace", NULL };
  static const char *const ends[] = { "zero", "sigma_min", NULL };
  static const char *const predictions[] = { "epsilon", "v_prediction", "sample", NULL };

  vard_schedule_config_check_class (reader);
  vard_config_reader_check_fixed (reader, fixed, G_N_ELEMENTS (fixed));
  self->n_train_timesteps =
    vard_config_reader_get_int (reader, "num_train_timesteps", 1000, 2, 100000);
  self->beta_start = vard_config_reader_get_double (reader, "beta_start", 0.0001);
  self->beta_end = vard_config_reader_get_double (reader, "beta_end", 0.02);
  if (!(self->beta_start > 0 && self->beta_start < 1))
    vard_config_reader_refuse (reader, "beta_start", "a number between 0 and 1");
  if (!(self->beta_end >= self->beta_start && self->beta_end < 1))
    vard_config_reader_refuse (reader, "beta_end", "a number from beta_start to below 1");
  self->betas = vard_schedule_config_get_choice (reader, "beta_schedule", VARD_BETAS_LINEAR, betas);
  self->spacing =
    vard_schedule_config_get_choice (reader, "timestep_spacing", VARD_SPACING_LEADING, spacings);
  self->has_spacing = vard_config_reader_peek (reader, "timestep_spacing") != NULL;
  self->use_karras_sigmas = vard_config_reader_get_bool (reader, "use_karras_sigmas", FALSE);
  self->ends_at_sigma_min = vard_schedule_config_get_choice (reader, "final_sigmas_type", 0, ends)
                            == 1;
  self->prediction = vard_schedule_config_get_choice (reader, "prediction_type",
                                                      VARD_PREDICTION_EPSILON, predictions);
  self->steps_offset = 1;
  self->set_alpha_to_one = vard_config_reader_get_bool (reader, "set_alpha_to_one", TRUE);

  return vard_config_reader_finish (reader, error);
}
