/* test-algorithm.c - an algorithm that the library does not know goes through the same trainer: it
 * learns, resumes exactly from every phase, and its checkpoints are no other's
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "random-search.h"
#include "toy-run.h"

#include "base/vard-error.h"
#include "learn/vard-state-parts.h"

#include <glib/gstdio.h>

static VardTrainerSettings *
make_settings (void)
{
  VardTrainerSettings *settings = toy_run_settings ();

  g_object_set (settings, "algorithm", "random-search", "steps", 6, "batch-size", 8, NULL);
  g_object_set (vard_trainer_settings_get_algorithm_settings (settings, "random-search"),
                "pool-size", 24, "radius", 0.3, NULL);

  return settings;
}

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);

  for (const char *name = g_dir_read_name (dir); name != NULL; name = g_dir_read_name (dir))
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      g_unlink (file);
    }
  g_rmdir (path);
}

/* ---- it learns, and what it does is told ---- */

static void
note_phase (VardTrainer *trainer,
            const char *phase,
            double fraction,
            VardMetrics *metrics,
            GString *phases)
{
  if (!g_str_has_suffix (phases->str, phase))
    g_string_append_printf (phases, " %s", phase);
}

static void
keep_gain (VardTrainer *trainer, guint64 step, VardEvaluation *evaluation, double *gain)
{
  double kl;

  vard_metrics_lookup (vard_evaluation_peek_metrics (evaluation), "reward/gain-sd", gain);
  g_assert_false (
    vard_metrics_lookup (vard_evaluation_peek_metrics (evaluation), "kl/trajectory", &kl));
}

static void
test_algorithm_learns (void)
{
  g_autoptr (VardTrainerSettings) settings = make_settings ();
  g_autoptr (GString) phases = g_string_new ("");
  double gain = 0;
  ToyRun run;

  g_object_set (settings, "steps", 20, NULL);
  toy_run_init (&run, settings, 2);
  g_signal_connect (run.trainer, "progress", G_CALLBACK (note_phase), phases);
  g_signal_connect (run.trainer, "evaluation", G_CALLBACK (keep_gain), &gain);
  toy_run_go (&run);
  g_assert_cmpstr (phases->str, ==, " survey evaluation step evaluation");
  g_assert_cmpfloat (gain, >, 0.2);
  g_assert_cmpfloat (toy_run_lookup (vard_trainer_peek_metrics (run.trainer), "search/place"), !=,
                     0);
  toy_run_clear (&run);
}

/* ---- resume ---- */

static void
check_same (ToyRun *a, ToyRun *b)
{
  VardParameterSet *set = a->trainer->training->set;

  g_assert_cmpint (memcmp (vard_tensor_peek_f32 (set->weights),
                           vard_tensor_peek_f32 (b->trainer->training->set->weights),
                           set->count * sizeof (float)),
                   ==, 0);
  g_assert_cmpfloat (toy_run_lookup (vard_trainer_peek_metrics (a->trainer), "reward/mean"), ==,
                     toy_run_lookup (vard_trainer_peek_metrics (b->trainer), "reward/mean"));
}

/* 1 unit of work is in the survey, 3 end it, the 4th is the evaluation of the base model */
static void
test_algorithm_resume (gconstpointer data)
{
  g_autoptr (VardTrainerSettings) settings = make_settings ();
  g_autofree char *folder = g_dir_make_tmp ("vard-state-XXXXXX", NULL);
  g_autoptr (GError) error = NULL;
  ToyRun whole, first, second;

  toy_run_init (&whole, settings, 2);
  toy_run_go (&whole);
  toy_run_init (&first, settings, 2);
  for (guint i = 0; i < GPOINTER_TO_UINT (data); i++)
    g_assert_true (vard_trainer_advance (first.trainer, NULL, NULL));
  g_assert_true (vard_trainer_save_state (first.trainer, folder, &error));
  g_assert_no_error (error);

  toy_run_init (&second, settings, 2);
  vard_trainer_load_state (second.trainer, folder, &error);
  g_assert_no_error (error);
  toy_run_go (&second);
  check_same (&whole, &second);

  toy_run_clear (&whole);
  toy_run_clear (&first);
  toy_run_clear (&second);
  remove_folder (folder);
}

/* ---- a state of somebody else is refused by name ---- */

static void
save_start (VardTrainerSettings *settings, const char *folder)
{
  g_autoptr (GError) error = NULL;
  ToyRun run;

  toy_run_init (&run, settings, 2);
  vard_trainer_save_state (run.trainer, folder, &error);
  g_assert_no_error (error);
  toy_run_clear (&run);
}

static char *
refuse (VardTrainerSettings *settings, const char *folder)
{
  g_autoptr (GError) error = NULL;
  ToyRun run;

  toy_run_init (&run, settings, 2);
  g_assert_false (vard_trainer_load_state (run.trainer, folder, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  toy_run_clear (&run);

  return g_strdup (error->message);
}

static void
test_algorithm_other (void)
{
  g_autoptr (VardTrainerSettings) settings = make_settings ();
  g_autoptr (VardTrainerSettings) vard = toy_run_settings ();
  g_autofree char *folder = g_dir_make_tmp ("vard-state-XXXXXX", NULL);
  g_autofree char *message = NULL, *again = NULL;

  save_start (settings, folder);
  message = refuse (vard, folder);
  g_assert_nonnull (strstr (message, "the algorithm random-search, and this run uses vard"));
  save_start (vard, folder);
  again = refuse (settings, folder);
  g_assert_nonnull (strstr (again, "the algorithm vard, and this run uses random-search"));
  remove_folder (folder);
}

/* As a later vard, or a later algorithm, may write them */
static void
test_algorithm_unknown_phase (void)
{
  g_autoptr (VardTrainerSettings) settings = make_settings ();
  g_autofree char *folder = g_dir_make_tmp ("vard-state-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "trainer.safetensors", NULL);
  g_autoptr (VardStateWriter) writer = vard_state_writer_new ();
  g_autofree char *message = NULL, *newer = NULL;

  json_object_set_string_member (writer->numbers, "algorithm", "random-search");
  json_object_set_string_member (writer->numbers, "phase", "distil");
  g_assert_true (vard_state_writer_write (writer, path, NULL));
  message = refuse (settings, folder);
  g_assert_nonnull (strstr (message, "random-search has no phase \"distil\""));

  json_object_set_int_member (writer->numbers, "format", VARD_STATE_FORMAT + 1);
  g_assert_true (vard_state_writer_write (writer, path, NULL));
  newer = refuse (settings, folder);
  g_assert_nonnull (strstr (newer, "written by a newer vard"));
  remove_folder (folder);
}

/* ---- what it offers to others ---- */

static void
test_algorithm_export (void)
{
  g_autoptr (VardTrainerSettings) settings = make_settings ();
  g_autofree char *folder = g_dir_make_tmp ("vard-export-XXXXXX", NULL);
  g_autofree char *place = g_build_filename (folder, "place.txt", NULL);
  g_autofree char *value = g_build_filename (folder, "value-net.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  ToyRun run;

  g_object_set (settings, "steps", 0, "weights", VARD_TRAINED_WEIGHTS_LORA, "lora-rank", 2,
                "lora-targets", (const char *[]) { "to_q", NULL }, NULL);
  toy_run_init (&run, settings, 2);
  toy_run_go (&run);
  vard_trainer_export (run.trainer, folder, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_test (place, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (value, G_FILE_TEST_EXISTS));
  toy_run_clear (&run);
  remove_folder (folder);
}

static void
test_algorithm_costs (void)
{
  g_autoptr (VardTrainerSettings) settings = make_settings ();
  VardAlgorithmCosts costs;
  ToyRun run;

  toy_run_init (&run, settings, 2);
  vard_algorithm_forecast (run.trainer->algorithm, &costs);
  g_assert_cmpfloat (costs.pictures, ==, 24);
  g_assert_cmpfloat (costs.calls, ==, 48);
  g_assert_cmpfloat (costs.updates, ==, 0);
  g_assert_null (vard_algorithm_peek_remedies (run.trainer->algorithm, "memory/pool")[0]);
  toy_run_clear (&run);
}

/* A group's trajectories show one prompt with noise of their own */
static void
test_algorithm_groups (void)
{
  g_autoptr (VardTrainerSettings) settings = make_settings ();
  ToyRun run;

  toy_run_init (&run, settings, 2);
  run.trainer->training->group_size = 4;

  g_autoptr (VardTrajectory) rollout =
    vard_training_rollout (run.trainer->training, "groups", 0, 8, NULL, NULL, NULL, NULL);

  for (guint i = 1; i < 8; i++)
    {
      g_assert_true ((rollout->prompts[i] == rollout->prompts[i - 1]) == (i % 4 != 0));
      g_assert_cmpuint (rollout->seeds[i], !=, rollout->seeds[i - 1]);
    }
  toy_run_clear (&run);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_type_ensure (RANDOM_SEARCH_TYPE_ALGORITHM);
  g_test_add_func ("/algorithm/learns", test_algorithm_learns);
  g_test_add_data_func ("/algorithm/resume/survey", GUINT_TO_POINTER (1), test_algorithm_resume);
  g_test_add_data_func ("/algorithm/resume/base", GUINT_TO_POINTER (3), test_algorithm_resume);
  g_test_add_data_func ("/algorithm/resume/step", GUINT_TO_POINTER (6), test_algorithm_resume);
  g_test_add_func ("/algorithm/other", test_algorithm_other);
  g_test_add_func ("/algorithm/unknown-phase", test_algorithm_unknown_phase);
  g_test_add_func ("/algorithm/export", test_algorithm_export);
  g_test_add_func ("/algorithm/costs", test_algorithm_costs);
  g_test_add_func ("/algorithm/groups", test_algorithm_groups);
  return g_test_run ();
}
