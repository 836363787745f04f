/* verb-resume.c - vard resume: continues a run from its newest complete checkpoint
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-options.h"
#include "cli-signals.h"
#include "cli-training.h"

#include <stdio.h>

#define CLI_TYPE_RESUME_SETTINGS (cli_resume_settings_get_type ())
G_DECLARE_FINAL_TYPE (CliResumeSettings, cli_resume_settings, CLI, RESUME_SETTINGS, GObject)

struct _CliResumeSettings
{
  GObject parent_instance;
  gboolean quiet;
};

G_DEFINE_FINAL_TYPE (CliResumeSettings, cli_resume_settings, G_TYPE_OBJECT)

static const VardField fields[] = {
  VARD_FIELD_BOOLEAN (CliResumeSettings, quiet, "Print no progress", FALSE),
};

static void
cli_resume_settings_class_init (CliResumeSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
cli_resume_settings_init (CliResumeSettings *self)
{
}

/* What the command line changes must be what a resume may change */
static gboolean
cli_apply_changes (CliOptions *options, VardRunSettings *settings, GError **error)
{
  g_auto (GStrv) names = cli_training_dup_names (options, settings);

  for (guint i = 0; names[i] != NULL; i++)
    if (!vard_run_settings_check_change (settings, names[i], error))
      return FALSE;

  return cli_options_apply (options, error);
}

static CliExit
verb_resume_resume (CliOptions *options, CliResumeSettings *settings, VardRunSettings *run_settings)
{
  const char *path = cli_options_get_words (options)[0];
  GCancellable *cancellable = cli_signals_catch ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VardRun) run = NULL;
  g_autoptr (VardRunSettings) known = NULL;
  g_autoptr (VardRunner) runner = NULL;

  if (path == NULL)
    g_set_error (&error, VARD_ERROR, VARD_ERROR_USAGE, "no run is given: name its folder");
  else if ((run = vard_run_open (path, &error)) != NULL
           && (known = vard_run_dup_settings (run, &error)) != NULL)
    {
      g_autoptr (JsonObject) json = vard_run_settings_to_json (known);

      if (vard_run_settings_apply_json (run_settings, json, &error)
          && cli_apply_changes (options, run_settings, &error))
        {
          runner = vard_runner_new (run_settings, &error);
          /* Rewards cannot be changed: what is wrong with one is the run's */
          error = error != NULL ? cli_blame_file (g_steal_pointer (&error), path) : NULL;
        }
    }
  if (runner == NULL)
    return cli_fail ("resume", g_steal_pointer (&error));
  cli_signals_serve (runner);
  if (!vard_runner_resume (runner, run, &error))
    {
      cli_print_messages (vard_runner_get_rewards (runner));
      return cli_fail ("resume", cli_blame_file (g_steal_pointer (&error), path));
    }
  if (vard_trainer_is_finished (vard_runner_get_trainer (runner)) && !settings->quiet)
    fprintf (stderr, "all steps are done; raise --steps to train more\n");

  return cli_training_run ("resume", runner, settings->quiet, cancellable);
}

static CliExit
cli_resume (int argc, char **argv)
{
  g_autoptr (CliResumeSettings) settings = g_object_new (CLI_TYPE_RESUME_SETTINGS, NULL);
  g_autoptr (VardRunSettings) run_settings = vard_run_settings_new ();
  g_autoptr (CliOptions) options =
    cli_options_new ("resume RUN [OPTION...]",
                     "Continues a run that was cancelled, interrupted, failed, or finished (with "
                     "more --steps) exactly from its newest complete checkpoint. Options may "
                     "change how the run trains and for how long, but not what it trains.");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Resume", G_OBJECT (settings));
  cli_training_add_settings (options, run_settings);
  if (!cli_options_parse (options, argc, argv, &error))
    return error != NULL ? cli_fail ("resume", g_steal_pointer (&error)) : CLI_DONE;

  return verb_resume_resume (options, settings, run_settings);
}

const CliVerb cli_verb_resume = { "resume", "continues a run", cli_resume };
