/* test-process.c - what a state is at each time, and processes that make no sense
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-error.h"
#include "process/vard-sampler.h"

#include <math.h>
#include <string.h>

static const VardScheduleConfig latent = {
  .n_train_timesteps = 1000,
  .beta_start = 0.00085,
  .beta_end = 0.012,
  .betas = VARD_BETAS_SCALED_LINEAR,
  .spacing = VARD_SPACING_LEADING,
  .steps_offset = 1,
};

static const VardScheduleConfig flow = {
  .process = VARD_PROCESS_FLOW,
  .n_train_timesteps = 1000,
  .shift = 1,
  .prediction = VARD_PREDICTION_VELOCITY,
};

static void
test_process_levels (void)
{
  g_autoptr (VardProcess) preserving = vard_process_new (&latent, NULL);
  g_autoptr (VardProcess) straight = vard_process_new (&flow, NULL);
  VardNoiseLevel whole = vard_process_get_level (preserving, 500);
  VardNoiseLevel between = vard_process_get_level (preserving, 500.5);
  VardNoiseLevel half = vard_process_get_level (straight, 250);

  g_assert_cmpfloat_with_epsilon (whole.signal2, 0.27633268, 1e-7);
  g_assert_cmpfloat_with_epsilon (whole.signal2 + whole.noise2, 1, 1e-12);
  g_assert_cmpfloat (between.signal2, <, whole.signal2);
  g_assert_cmpfloat (between.signal2, >, preserving->schedule->alpha_bar[501]);
  g_assert_cmpfloat_with_epsilon (sqrt (half.signal2), 0.75, 1e-12);
  g_assert_cmpfloat_with_epsilon (sqrt (half.noise2), 0.25, 1e-12);
  g_assert_cmpfloat (half.time, ==, 250);
}

static void
check_refused (VardScheduleConfig config, const char *word)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vard_process_new (&config, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, word));
}

static void
test_process_refused (void)
{
  VardScheduleConfig wrong = latent, noisy = flow, bent = flow, timeless = flow, broken = latent;

  wrong.prediction = VARD_PREDICTION_VELOCITY;
  noisy.prediction = VARD_PREDICTION_EPSILON;
  bent.shift = 0;
  timeless.n_train_timesteps = 0;
  broken.beta_end = 1;
  check_refused (wrong, "velocity");
  check_refused (noisy, "epsilon");
  check_refused (bent, "shift");
  check_refused (timeless, "timesteps");
  check_refused (broken, "beta");
}

/* A sampler of the other process is refused, and the message names those that fit */
static void
test_process_samplers (void)
{
  g_autoptr (VardProcess) preserving = vard_process_new (&latent, NULL);
  g_autoptr (VardProcess) straight = vard_process_new (&flow, NULL);
  g_autoptr (GError) one = NULL, other = NULL;
  g_autoptr (VardSampler) plain = vard_sampler_new_with_eta (preserving, 5, 1, NULL);
  g_autoptr (VardSampler) flowing = vard_sampler_new_with_eta (straight, 5, 1, NULL);

  g_assert_null (vard_sampler_new (straight, VARD_SAMPLER_KIND_DDIM, 20, 1, &one));
  g_assert_error (one, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_nonnull (strstr (one->message, "flow-euler or flow-sde"));
  g_assert_null (vard_sampler_new (preserving, VARD_SAMPLER_KIND_FLOW_SDE, 20, 1, &other));
  g_assert_nonnull (strstr (other->message, "variance preserving"));
  g_assert_cmpstr (vard_sampler_get_name (plain), ==, "ddim");
  g_assert_cmpstr (vard_sampler_get_name (flowing), ==, "flow-sde");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/process/levels", test_process_levels);
  g_test_add_func ("/process/refused", test_process_refused);
  g_test_add_func ("/process/samplers", test_process_samplers);
  return g_test_run ();
}
