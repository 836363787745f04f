/* verb-train.c - vard train: starts a run and trains it to its end
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-forecast.h"
#include "cli-options.h"
#include "cli-prompts.h"
#include "cli-signals.h"
#include "cli-training.h"

#define CLI_TYPE_TRAIN_SETTINGS (cli_train_settings_get_type ())
G_DECLARE_FINAL_TYPE (CliTrainSettings, cli_train_settings, CLI, TRAIN_SETTINGS, GObject)

struct _CliTrainSettings
{
  GObject parent_instance;
  char *run;
  gboolean dry_run;
  gboolean quiet;
};

G_DEFINE_FINAL_TYPE (CliTrainSettings, cli_train_settings, G_TYPE_OBJECT)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_STRING (CliTrainSettings, run,
                     "New folder for the run; the default is runs/ and the time",
                     NULL),
  VARD_FIELD_BOOLEAN (CliTrainSettings, dry_run,
                      "Check everything, forecast memory, disk and time, and stop", FALSE),
  VARD_FIELD_BOOLEAN (CliTrainSettings, quiet, "Print no progress", FALSE),
};
/* clang-format on */

static void
cli_train_settings_class_init (CliTrainSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
cli_train_settings_init (CliTrainSettings *self)
{
}

static char *
cli_dup_run_path (CliTrainSettings *settings)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *name = g_date_time_format (now, "%Y-%m-%d-%H%M%S");

  return settings->run != NULL && *settings->run ? g_strdup (settings->run)
                                                 : g_build_filename ("runs", name, NULL);
}

/* An existing folder is found before minutes are spent on loading */
static gboolean
cli_check_run_path (const char *path, GError **error)
{
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_EXISTS,
               "%s exists, and vard never overwrites a run: name another folder, or resume it",
               path);

  return FALSE;
}

/* The settings file that names the rewards; NULL when the command line does */
static const char *
cli_file_of_rewards (CliOptions *options, VardRunSettings *run_settings)
{
  return vard_run_settings_get_rewards (run_settings) != NULL
             && !cli_options_has (options, "rewards")
           ? cli_options_get_words (options)[0]
           : NULL;
}

static VardRunner *
cli_make_runner (CliOptions *options, VardRunSettings *run_settings, GError **error)
{
  GError *problem = NULL;
  VardRunner *runner = vard_runner_new (run_settings, &problem);

  if (problem != NULL)
    g_propagate_error (error,
                       cli_blame_file (problem, cli_file_of_rewards (options, run_settings)));

  return runner;
}

static void
cli_say_cuts (VardRunner *runner)
{
  VardRunSettings *settings = vard_runner_get_settings (runner);
  g_autofree char *path = vard_run_settings_dup_prompts (settings);
  g_auto (GStrv) prompts = cli_prompts_load (NULL, path, NULL);

  if (prompts != NULL)
    cli_prompts_say_cuts (vard_runner_get_model (runner), (const char *const *) prompts);
}

/* What a dry run does not start is tried as far as it goes without pictures: weights are loaded,
 * servers greeted. */
static gboolean
cli_begin (VardRunner *runner,
           CliTrainSettings *settings,
           const char *path,
           GCancellable *cancellable,
           GError **error)
{
  if (settings->dry_run)
    return vard_reward_mix_prepare (vard_runner_get_rewards (runner), NULL, error);
  cli_signals_serve (runner);
  return cli_forecast_warn (runner, cancellable, error) && vard_runner_start (runner, path, error);
}

static CliExit
verb_train_train (CliOptions *options, CliTrainSettings *settings, VardRunSettings *run_settings)
{
  const char *config = cli_options_get_words (options)[0];
  g_autofree char *path = NULL;
  g_autoptr (VardRunner) runner = NULL;
  GCancellable *cancellable = cli_signals_catch ();
  g_autoptr (GError) error = NULL;

  if ((config != NULL && !vard_run_settings_load_file (run_settings, config, &error))
      || !cli_options_apply (options, &error))
    return cli_fail ("train", g_steal_pointer (&error));
  path = cli_dup_run_path (settings);
  if (!cli_check_run_path (path, &error))
    return cli_fail ("train", g_steal_pointer (&error));
  runner = cli_make_runner (options, run_settings, &error);
  if (runner == NULL)
    return cli_fail ("train", g_steal_pointer (&error));
  cli_say_cuts (runner);

  gboolean is_begun = cli_begin (runner, settings, path, cancellable, &error);

  if (settings->dry_run || !is_begun)
    cli_print_messages (vard_runner_get_rewards (runner));
  if (!is_begun)
    return cli_fail ("train", cli_blame_file (g_steal_pointer (&error),
                                              cli_file_of_rewards (options, run_settings)));
  if (settings->dry_run)
    return cli_forecast_print (runner, path);

  return cli_training_run ("train", runner, settings->quiet, cancellable);
}

static CliExit
cli_train (int argc, char **argv)
{
  g_autoptr (CliTrainSettings) settings = g_object_new (CLI_TYPE_TRAIN_SETTINGS, NULL);
  g_autoptr (VardRunSettings) run_settings = vard_run_settings_new ();
  g_autoptr (CliOptions) options =
    cli_options_new ("train [CONFIG.json] --model FOLDER --reward NAME[:key=value,...] [OPTION...]",
                     "Starts a run in a new folder and trains it to the end. Settings come from a "
                     "JSON file, if you name one, and from options, which override it.");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Run", G_OBJECT (settings));
  cli_training_add_settings (options, run_settings);
  cli_options_set_notes (options, "Press Ctrl-C once to finish the step, write a checkpoint and "
                                  "stop; twice to stop at once.");
  if (!cli_options_parse (options, argc, argv, &error))
    return error != NULL ? cli_fail ("train", g_steal_pointer (&error)) : CLI_DONE;

  return verb_train_train (options, settings, run_settings);
}

const CliVerb cli_verb_train = { "train", "fine-tunes a model on rewards, in a new run folder",
                                 cli_train };
