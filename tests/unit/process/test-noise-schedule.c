/* test-noise-schedule.c - the amounts of noise of published schedules, and bad ones
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-error.h"
#include "process/vard-noise-schedule.h"

typedef struct
{
  VardBetas betas;
  double beta_start, beta_end;
  double first, middle, last; /* abar at 0, 500, 999 */
} Row;

/* From numpy.cumprod in double precision */
static const Row rows[] = {
  { VARD_BETAS_SCALED_LINEAR, 0.00085, 0.012, 0.99915, 0.27633268, 0.00466010 },
  { VARD_BETAS_LINEAR, 0.0001, 0.02, 0.9999, 0.07779666, 0.00004036 },
};

static void
test_noise_schedule_values (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      VardScheduleConfig config = { .n_train_timesteps = 1000,
                                    .beta_start = rows[i].beta_start,
                                    .beta_end = rows[i].beta_end,
                                    .betas = rows[i].betas };
      g_autoptr (VardNoiseSchedule) schedule = vard_noise_schedule_new (&config, NULL);

      g_assert_cmpfloat_with_epsilon (vard_noise_schedule_get_alpha_bar (schedule, 0),
                                      rows[i].first, 1e-7);
      g_assert_cmpfloat_with_epsilon (vard_noise_schedule_get_alpha_bar (schedule, 500),
                                      rows[i].middle, 1e-7);
      g_assert_cmpfloat_with_epsilon (vard_noise_schedule_get_alpha_bar (schedule, 999),
                                      rows[i].last, 1e-7);
      g_assert_cmpfloat (vard_noise_schedule_get_alpha_bar (schedule, -1), ==,
                         schedule->alpha_bar[0]);
    }
}

static void
check_refused (VardScheduleConfig config, VardError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vard_noise_schedule_new (&config, &error));
  g_assert_error (error, VARD_ERROR, code);
}

static void
test_noise_schedule_refused (void)
{
  VardScheduleConfig good = { .n_train_timesteps = 1000, .beta_start = 0.001, .beta_end = 0.01 };
  VardScheduleConfig none = good, falling = good, whole = good;

  none.n_train_timesteps = 0;
  falling.beta_start = 0.1;
  whole.beta_end = 1;
  check_refused (none, VARD_ERROR_CONFIG);
  check_refused (falling, VARD_ERROR_CONFIG);
  check_refused (whole, VARD_ERROR_CONFIG);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/noise-schedule/values", test_noise_schedule_values);
  g_test_add_func ("/noise-schedule/refused", test_noise_schedule_refused);
  return g_test_run ();
}
