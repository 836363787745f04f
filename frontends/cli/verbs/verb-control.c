/* verb-control.c - vard control: asks the process that trains a run to pause, continue, stop, ...
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-options.h"

#include <stdio.h>

#define CLI_TYPE_CONTROL_SETTINGS (cli_control_settings_get_type ())
G_DECLARE_FINAL_TYPE (CliControlSettings, cli_control_settings, CLI, CONTROL_SETTINGS, GObject)

struct _CliControlSettings
{
  GObject parent_instance;
  gboolean wait;
  gboolean quiet;
};

G_DEFINE_FINAL_TYPE (CliControlSettings, cli_control_settings, G_TYPE_OBJECT)

static const VardField fields[] = {
  VARD_FIELD_BOOLEAN (CliControlSettings,
                      wait,
                      "Wait until the run has acted on each request, which can take as long as a "
                      "step, instead of only until it has taken it",
                      FALSE),
  VARD_FIELD_BOOLEAN (CliControlSettings,
                      quiet,
                      "Print nothing; answer only by the exit status",
                      FALSE),
};

static void
cli_control_settings_class_init (CliControlSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
cli_control_settings_init (CliControlSettings *self)
{
}

static gboolean
cli_control_ask (CliControlSettings *settings, VardRun *run, const char *word, GError **error)
{
  g_autofree char *id = vard_run_request (run, word, NULL, error);

  if (id == NULL || (settings->wait && !vard_run_wait_for_request (run, id, NULL, error)))
    return FALSE;
  if (!settings->quiet)
    printf ("%s: %s\n", word, settings->wait ? "done" : "taken");
  fflush (stdout);

  return TRUE;
}

static CliExit
cli_control_fail (VardRun *run, GError *error)
{
  gboolean is_dead = g_error_matches (error, VARD_ERROR, VARD_ERROR_NOT_LIVE);
  CliExit code = cli_fail ("control", error);

  if (is_dead)
    fprintf (stderr, "To continue it: vard resume %s\n", vard_run_get_path (run));

  return code;
}

static CliExit
cli_control_run (CliOptions *options, CliControlSettings *settings)
{
  char **words = (char **) cli_options_get_words (options);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardRun) run = NULL;

  if (words[0] == NULL || words[1] == NULL)
    g_set_error (&error, VARD_ERROR, VARD_ERROR_USAGE,
                 words[0] == NULL ? "no run is given: name its folder, then the request"
                                  : "no request is given: name one, for example pause");
  else
    run = vard_run_open (words[0], &error);
  if (run == NULL)
    return cli_fail ("control", g_steal_pointer (&error));
  for (guint i = 1; words[i] != NULL; i++)
    if (!cli_control_ask (settings, run, words[i], &error))
      return cli_control_fail (run, g_steal_pointer (&error));

  return CLI_DONE;
}

static CliExit
cli_control (int argc, char **argv)
{
  g_autoptr (CliControlSettings) settings = g_object_new (CLI_TYPE_CONTROL_SETTINGS, NULL);
  g_autoptr (CliOptions) options =
    cli_options_new ("control RUN WORD... [OPTION...]",
                     "Asks the process that trains a run for something, and waits until it has "
                     "taken the request. It acts at the end of the current batch, value update or "
                     "step. The requests are pause and continue; sample (pictures of the current "
                     "step); checkpoint; stop (with a checkpoint) and stop-now (without one); and "
                     "steps=N (the run ends after step N, with the same schedule of the learning "
                     "rate).");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Control", G_OBJECT (settings));
  cli_options_set_notes (options, "Exit status: 0 taken (with --wait: done), 1 refused, or not "
                                  "answered within ten seconds, 2 wrong usage, 3 the run is not "
                                  "live, or its folder cannot be written.");
  if (!cli_options_parse (options, argc, argv, &error) || !cli_options_apply (options, &error))
    return error != NULL ? cli_fail ("control", g_steal_pointer (&error)) : CLI_DONE;

  return cli_control_run (options, settings);
}

const CliVerb cli_verb_control = { "control",
                                   "pauses, continues or stops a run, or asks it for pictures",
                                   cli_control };
