/* test-noise-levels.c - whole trajectories of every sampler against those of diffusers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-error.h"
#include "process/vard-noise-levels.h"
#include "process/vard-sampler.h"

#include <json-glib/json-glib.h>
#include <math.h>

#define SIZE 3
#define TOLERANCE 1e-5

static VardPrediction
read_prediction (JsonObject *row)
{
  static const char *const names[] = {
    [VARD_PREDICTION_EPSILON] = "epsilon",
    [VARD_PREDICTION_V] = "v_prediction",
    [VARD_PREDICTION_CLEAN] = "sample",
    [VARD_PREDICTION_VELOCITY] = "velocity",
  };
  const char *name = json_object_get_string_member (row, "prediction");

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (names[i], name))
      return i;
  g_assert_not_reached ();
}

static VardScheduleConfig
read_config (JsonObject *row)
{
  const char *spacing = json_object_get_string_member_with_default (row, "spacing", NULL);
  VardPrediction prediction = read_prediction (row);
  gboolean is_flow = prediction == VARD_PREDICTION_VELOCITY;

  return (VardScheduleConfig) {
    .process = is_flow ? VARD_PROCESS_FLOW : VARD_PROCESS_VARIANCE_PRESERVING,
    .shift = json_object_get_double_member_with_default (row, "shift", 1),
    .n_train_timesteps = 1000,
    .beta_start = 0.00085,
    .beta_end = 0.012,
    .betas = VARD_BETAS_SCALED_LINEAR,
    .steps_offset = 1,
    .has_spacing = spacing != NULL,
    .spacing = g_strcmp0 (spacing, "trailing") == 0   ? VARD_SPACING_TRAILING
               : g_strcmp0 (spacing, "linspace") == 0 ? VARD_SPACING_LINSPACE
                                                      : VARD_SPACING_LEADING,
    .prediction = prediction,
    .use_karras_sigmas = json_object_get_boolean_member (row, "karras"),
    .ends_at_sigma_min = json_object_get_boolean_member (row, "sigma_min"),
  };
}

static VardSamplerKind
read_kind (JsonObject *row)
{
  g_autoptr (GEnumClass) kinds = g_type_class_ref (VARD_TYPE_SAMPLER_KIND);
  const GEnumValue *value =
    g_enum_get_value_by_nick (kinds, json_object_get_string_member (row, "sampler"));

  g_assert_nonnull (value);

  return value->value;
}

/* the same formulas as in tests/golden/make-trajectories-golden.py */
static double
make_noise (guint k, guint i)
{
  return 1.5 * sin (12.9898 * (k + 1) + 78.233 * (i + 1));
}

static double
denoise (double x, double t)
{
  return 0.9 * sin (1.1 * x + 0.003 * t) + 0.2 * x;
}

/* the largest difference, relative to the largest value that was expected */
static double
compare (JsonArray *expected, const double *x, double *largest)
{
  double error = 0;

  for (guint i = 0; i < SIZE; i++)
    {
      double value = json_array_get_double_element (expected, i + 1);

      error = MAX (error, fabs (value - x[i]));
      *largest = MAX (*largest, fabs (value));
    }

  return error;
}

static void
take_step (const VardSamplerStep *step, guint k, double *x, double *clean)
{
  for (guint i = 0; i < SIZE; i++)
    {
      double out = denoise (x[i], step->model_time), before = x[i];

      x[i] = step->x_scale * x[i] + step->out_scale * out + step->clean_scale * clean[i]
             + step->sigma * make_noise (k + 1, i);
      clean[i] = step->clean_per_x * before + step->clean_per_out * out;
    }
}

static void
check_row (JsonObject *row)
{
  VardScheduleConfig config = read_config (row);
  JsonArray *states = json_object_get_array_member (row, "rows");
  g_autoptr (VardProcess) schedule = vard_process_new (&config, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardSampler) sampler =
    vard_sampler_new (schedule, read_kind (row), json_object_get_int_member (row, "n_steps"),
                      json_object_get_double_member (row, "eta"), &error);
  double x[SIZE], clean[SIZE] = { 0 }, worst = 0, largest = 0;

  g_assert_no_error (error);
  g_assert_cmpuint (json_array_get_length (states), ==, sampler->n_steps + 1);
  for (guint i = 0; i < SIZE; i++)
    x[i] = sampler->initial_scale * make_noise (0, i);
  for (guint k = 0; k <= sampler->n_steps; k++)
    {
      JsonArray *state = json_array_get_array_element (states, k);

      worst = MAX (worst, compare (state, x, &largest));
      if (k == sampler->n_steps)
        break;
      g_assert_cmpfloat_with_epsilon (sampler->steps[k].model_time,
                                      json_array_get_double_element (state, 0), 1e-2);
      take_step (&sampler->steps[k], k, x, clean);
    }

  g_test_message ("%s, %u steps, %s: %.2g", vard_sampler_get_name (sampler), sampler->n_steps,
                  json_object_get_string_member_with_default (row, "spacing", "default"),
                  worst / largest);
  g_assert_cmpfloat (worst / largest, <, TOLERANCE);
}

static JsonNode *
load_golden (const char *name)
{
  g_autofree char *path = g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", name, NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (json_parser_load_from_file (parser, path, &error));
  g_assert_no_error (error);

  return json_parser_steal_root (parser);
}

static void
check_trajectories (const char *name, guint n_rows)
{
  g_autoptr (JsonNode) root = load_golden (name);
  JsonArray *rows = json_node_get_array (root);

  g_assert_cmpuint (json_array_get_length (rows), ==, n_rows);
  for (guint i = 0; i < n_rows; i++)
    check_row (json_array_get_object_element (rows, i));
}

static void
test_noise_levels_trajectories (void)
{
  check_trajectories ("trajectories.json", 52);
}

static void
test_noise_levels_dpmpp_2m_sde (void)
{
  check_trajectories ("trajectories-dpmpp-2m-sde.json", 16);
}

static void
test_noise_levels_flow (void)
{
  check_trajectories ("trajectories-flow.json", 6);
}

static const VardScheduleConfig latent = {
  .n_train_timesteps = 1000,
  .beta_start = 0.00085,
  .beta_end = 0.012,
  .betas = VARD_BETAS_SCALED_LINEAR,
  .spacing = VARD_SPACING_LEADING,
  .steps_offset = 1,
};

/* Euler's method is DDIM without noise, its ancestral form DDPM, on the same levels */
static void
test_noise_levels_kinship (void)
{
  VardScheduleConfig config = latent;

  config.has_spacing = TRUE;
  g_autoptr (VardProcess) schedule = vard_process_new (&config, NULL);
  g_autoptr (VardSampler) ddpm = vard_sampler_new (schedule, VARD_SAMPLER_KIND_DDPM, 20, 0, NULL);
  g_autoptr (VardSampler) ancestral =
    vard_sampler_new (schedule, VARD_SAMPLER_KIND_EULER_ANCESTRAL, 20, 0, NULL);

  g_assert_cmpfloat (ancestral->initial_scale, ==, 1);
  for (guint i = 0; i < 20; i++)
    {
      g_assert_cmpfloat_with_epsilon (ddpm->steps[i].x_scale, ancestral->steps[i].x_scale, 1e-9);
      g_assert_cmpfloat_with_epsilon (ddpm->steps[i].out_scale, ancestral->steps[i].out_scale,
                                      1e-9);
      g_assert_cmpfloat_with_epsilon (ddpm->steps[i].sigma, ancestral->steps[i].sigma, 1e-9);
    }
}

/* As NumPy rounds them, at every number of steps */
static void
check_spacing (VardSamplerKind kind, const char *name)
{
  g_autoptr (JsonNode) root = load_golden ("spacings.json");
  JsonArray *sums = json_object_get_array_member (json_node_get_object (root), name);
  VardScheduleConfig config = latent;

  config.has_spacing = TRUE;
  config.spacing = VARD_SPACING_LINSPACE;

  g_autoptr (VardProcess) process = vard_process_new (&config, NULL);

  g_assert_cmpuint (json_array_get_length (sums), ==, 1000);
  for (guint n_steps = 1; n_steps <= 1000; n_steps++)
    {
      g_autoptr (VardSampler) sampler = vard_sampler_new (process, kind, n_steps, 1, NULL);
      double sum = 0;

      for (guint i = 0; i < n_steps; i++)
        sum += (i + 1) * sampler->steps[i].model_time;
      g_assert_cmpfloat (sum, ==, json_array_get_double_element (sums, n_steps - 1));
    }
}

static void
test_noise_levels_linspace (void)
{
  check_spacing (VARD_SAMPLER_KIND_DDIM, "linspace");
  check_spacing (VARD_SAMPLER_KIND_DPMPP_2M, "solver");
}

static void
test_noise_levels_bad_values (void)
{
  VardScheduleConfig config = latent;

  config.steps_offset = 60;
  config.has_spacing = TRUE;

  g_autoptr (VardProcess) process = vard_process_new (&config, NULL);
  g_autoptr (GError) none = NULL, many = NULL, late = NULL, early = NULL;

  g_assert_null (vard_sampler_new (process, VARD_SAMPLER_KIND_EULER, 0, 0, &none));
  g_assert_error (none, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_null (vard_sampler_new (process, VARD_SAMPLER_KIND_DPMPP_2M, 1001, 0, &many));
  g_assert_error (many, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_null (vard_sampler_new (process, VARD_SAMPLER_KIND_EULER, 20, 0, &late));
  g_assert_error (late, VARD_ERROR, VARD_ERROR_CONFIG);

  VardScheduleConfig flow = { .process = VARD_PROCESS_FLOW,
                              .n_train_timesteps = 1000,
                              .shift = 1,
                              .has_spacing = TRUE,
                              .prediction = VARD_PREDICTION_VELOCITY };
  g_autoptr (VardProcess) leading = vard_process_new (&flow, NULL);

  g_assert_null (vard_sampler_new (leading, VARD_SAMPLER_KIND_FLOW_SDE, 20, 1, &early));
  g_assert_error (early, VARD_ERROR, VARD_ERROR_CONFIG);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/noise-levels/trajectories", test_noise_levels_trajectories);
  g_test_add_func ("/noise-levels/dpmpp-2m-sde", test_noise_levels_dpmpp_2m_sde);
  g_test_add_func ("/noise-levels/flow", test_noise_levels_flow);
  g_test_add_func ("/noise-levels/kinship", test_noise_levels_kinship);
  g_test_add_func ("/noise-levels/linspace", test_noise_levels_linspace);
  g_test_add_func ("/noise-levels/bad-values", test_noise_levels_bad_values);
  return g_test_run ();
}
