/* test-sampler.c - steps against those of diffusers, and the KL of two of them against its
 * definition
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-error.h"
#include "process/vard-sampler.h"

#include <json-glib/json-glib.h>
#include <math.h>

static VardScheduleConfig
read_config (JsonObject *row)
{
  const char *spacing = json_object_get_string_member (row, "spacing");
  const char *betas = json_object_get_string_member (row, "beta_schedule");
  const char *prediction = json_object_get_string_member (row, "prediction");

  return (VardScheduleConfig) {
    .n_train_timesteps = 1000,
    .has_spacing = TRUE,
    .beta_start = json_object_get_double_member (row, "beta_start"),
    .beta_end = json_object_get_double_member (row, "beta_end"),
    .betas = g_str_equal (betas, "linear") ? VARD_BETAS_LINEAR : VARD_BETAS_SCALED_LINEAR,
    .spacing = g_str_equal (spacing, "leading")    ? VARD_SPACING_LEADING
               : g_str_equal (spacing, "trailing") ? VARD_SPACING_TRAILING
                                                   : VARD_SPACING_LINSPACE,
    .steps_offset = json_object_get_int_member (row, "steps_offset"),
    .set_alpha_to_one = json_object_get_boolean_member (row, "set_alpha_to_one"),
    .prediction = g_str_equal (prediction, "epsilon") ? VARD_PREDICTION_EPSILON : VARD_PREDICTION_V,
  };
}

static void
check_row (JsonObject *row)
{
  VardScheduleConfig config = read_config (row);
  g_autoptr (VardProcess) schedule = vard_process_new (&config, NULL);
  g_autoptr (VardSampler) sampler =
    vard_sampler_new_with_eta (schedule, json_object_get_int_member (row, "n_steps"),
                               json_object_get_double_member (row, "eta"), NULL);
  JsonArray *steps = json_object_get_array_member (row, "steps");

  g_assert_cmpuint (json_array_get_length (steps), ==, sampler->n_steps);
  for (guint i = 0; i < sampler->n_steps; i++)
    {
      JsonArray *step = json_array_get_array_element (steps, i);
      const VardSamplerStep *own = &sampler->steps[i];

      /* the oracle's cumulative product is in single precision */
      g_assert_cmpfloat (own->model_time, ==, json_array_get_int_element (step, 0));
      g_assert_cmpfloat_with_epsilon (own->x_scale, json_array_get_double_element (step, 1), 3e-5);
      g_assert_cmpfloat_with_epsilon (own->out_scale, json_array_get_double_element (step, 2),
                                      3e-5);
      g_assert_cmpfloat_with_epsilon (own->sigma, json_array_get_double_element (step, 3), 1e-3);
    }
}

static void
test_sampler_diffusers (void)
{
  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "sampler.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (json_parser_load_from_file (parser, path, &error));
  g_assert_no_error (error);

  JsonArray *rows = json_node_get_array (json_parser_get_root (parser));

  g_assert_cmpuint (json_array_get_length (rows), ==, 6);
  for (guint i = 0; i < json_array_get_length (rows); i++)
    check_row (json_array_get_object_element (rows, i));
}

static const VardScheduleConfig latent = {
  .n_train_timesteps = 1000,
  .beta_start = 0.00085,
  .beta_end = 0.012,
  .betas = VARD_BETAS_SCALED_LINEAR,
  .spacing = VARD_SPACING_LEADING,
  .steps_offset = 1,
};

/* Known of Stable Diffusion 1.x with 50 leading steps with offset 1, sum 11.0, half of it in one
 * step */
static void
test_sampler_kl_weights (void)
{
  g_autoptr (VardProcess) schedule = vard_process_new (&latent, NULL);
  g_autoptr (VardSampler) sampler = vard_sampler_new_with_eta (schedule, 50, 1, NULL);
  double sum = 0;

  for (guint i = 0; i < 50; i++)
    sum += sampler->steps[i].kl_per_change;

  g_assert_cmpfloat (sampler->steps[48].model_time, ==, 21);
  g_assert_cmpfloat_with_epsilon (sampler->steps[0].kl_per_change, 0.13, 0.01);
  g_assert_cmpfloat_with_epsilon (sampler->steps[48].kl_per_change, 5.36, 0.01);
  g_assert_cmpfloat_with_epsilon (sampler->steps[49].kl_per_change, 0.50, 0.01);
  g_assert_cmpfloat_with_epsilon (sum, 11.0, 0.1);
}

/* KL = |mean - mean'|^2 / (2 sigma^2), whichever way the model predicts */
static void
test_sampler_kl_definition (void)
{
  for (guint v = 0; v < 2; v++)
    {
      VardScheduleConfig config = latent;

      config.prediction = v ? VARD_PREDICTION_V : VARD_PREDICTION_EPSILON;
      g_autoptr (VardProcess) schedule = vard_process_new (&config, NULL);
      g_autoptr (VardSampler) sampler = vard_sampler_new_with_eta (schedule, 20, 0.7, NULL);

      for (guint i = 0; i < 20; i++)
        {
          const VardSamplerStep *step = &sampler->steps[i];
          double change = 0.3;
          double kl = pow (step->out_scale * change, 2) / (2 * step->sigma * step->sigma);
          double epsilon = step->change_per_out * change;

          g_assert_cmpfloat_with_epsilon (step->kl_per_change * epsilon * epsilon / kl, 1, 1e-9);
        }
    }
}

static void
test_sampler_bad_values (void)
{
  g_autoptr (VardProcess) schedule = vard_process_new (&latent, NULL);
  g_autoptr (GError) steps = NULL, eta = NULL, offset = NULL;

  g_assert_null (vard_sampler_new_with_eta (schedule, 1001, 1, &steps));
  g_assert_error (steps, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_null (vard_sampler_new_with_eta (schedule, 20, 1.5, &eta));
  g_assert_error (eta, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_null (vard_sampler_new_with_eta (schedule, 1000, 1, &offset));
  g_assert_error (offset, VARD_ERROR, VARD_ERROR_CONFIG);
}

static void
test_sampler_clean_timestep (void)
{
  VardScheduleConfig config = latent;

  config.steps_offset = 0;
  g_autoptr (VardProcess) with_zero = vard_process_new (&config, NULL);
  g_autoptr (VardSampler) taken = vard_sampler_new_with_eta (with_zero, 10, 1, NULL);
  g_autoptr (VardProcess) without = vard_process_new (&latent, NULL);
  g_autoptr (VardSampler) open = vard_sampler_new_with_eta (without, 10, 1, NULL);

  g_assert_cmpfloat (vard_sampler_get_state_time (taken, 10), ==, -1);
  g_assert_cmpfloat (vard_sampler_get_state_time (open, 10), ==, 0);
  g_assert_cmpfloat (open->steps[3].value_time, ==, open->steps[4].model_time);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sampler/diffusers", test_sampler_diffusers);
  g_test_add_func ("/sampler/kl-weights", test_sampler_kl_weights);
  g_test_add_func ("/sampler/kl-definition", test_sampler_kl_definition);
  g_test_add_func ("/sampler/bad-values", test_sampler_bad_values);
  g_test_add_func ("/sampler/clean-timestep", test_sampler_clean_timestep);
  return g_test_run ();
}
