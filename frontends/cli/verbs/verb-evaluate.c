/* verb-evaluate.c - vard evaluate: evaluates a run on fixed prompts and seeds
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-options.h"
#include "cli-signals.h"

#include <stdio.h>

#define CLI_TYPE_EVALUATE_SETTINGS (cli_evaluate_settings_get_type ())
G_DECLARE_FINAL_TYPE (CliEvaluateSettings, cli_evaluate_settings, CLI, EVALUATE_SETTINGS, GObject)

struct _CliEvaluateSettings
{
  GObject parent_instance;
  guint64 checkpoint;
  char *prompts;
  guint seeds;
  gboolean json;
};

G_DEFINE_FINAL_TYPE (CliEvaluateSettings, cli_evaluate_settings, G_TYPE_OBJECT)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_UINT64 (CliEvaluateSettings, checkpoint,
                     "Step of the checkpoint; the default is the newest", 0, G_MAXUINT64,
                     G_MAXUINT64),
  VARD_FIELD_STRING (CliEvaluateSettings, prompts, "File of prompts; the default is the run's",
                     NULL),
  VARD_FIELD_UINT (CliEvaluateSettings, seeds,
                   "Pictures per prompt; 0 takes the run's setting", 0, 4096,
                   0),
  VARD_FIELD_BOOLEAN (CliEvaluateSettings, json, "Print JSON", FALSE),
};
/* clang-format on */

static void
cli_evaluate_settings_class_init (CliEvaluateSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
cli_evaluate_settings_init (CliEvaluateSettings *self)
{
}

static VardRunner *
cli_load_runner (CliEvaluateSettings *settings, const char *path, GError **error)
{
  g_autoptr (VardRun) run = vard_run_open (path, error);
  g_autoptr (VardRunSettings) known = run != NULL ? vard_run_dup_settings (run, error) : NULL;

  if (known == NULL)
    return NULL;
  if (settings->prompts != NULL && *settings->prompts)
    {
      g_object_set (known, "evaluation-set", settings->prompts, NULL);
      g_object_set (vard_run_settings_get_trainer (known), "evaluation-prompts", 4096, NULL);
    }
  if (settings->seeds > 0)
    g_object_set (vard_run_settings_get_trainer (known), "evaluation-seeds",
                  MAX (settings->seeds, 2), NULL);

  g_autoptr (VardRunner) runner = vard_runner_new (known, error);

  return runner != NULL && vard_runner_load_checkpoint (runner, run, settings->checkpoint, error)
           ? g_steal_pointer (&runner)
           : NULL;
}

static void
verb_evaluate_print_metrics (VardMetrics *metrics, gboolean is_json)
{
  if (is_json)
    {
      g_autofree char *text = vard_metrics_to_json (metrics);

      puts (text);
      return;
    }
  for (guint i = 0; i < vard_metrics_get_count (metrics); i++)
    printf ("%-32s %.6g\n", vard_metrics_get_name (metrics, i),
            vard_metrics_get_value (metrics, i));
}

static void
verb_evaluate_evaluate (CliEvaluateSettings *settings, const char *path, GError **error)
{
  GCancellable *cancellable = cli_signals_catch ();

  if (path == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "no run is given: name its folder");
      return;
    }

  g_autoptr (VardRunner) runner = cli_load_runner (settings, path, error);

  if (runner == NULL)
    return;
  cli_signals_serve (NULL);

  g_autoptr (VardEvaluation) evaluation = vard_runner_evaluate (runner, cancellable, error);

  cli_print_messages (vard_runner_get_rewards (runner));
  if (evaluation != NULL)
    verb_evaluate_print_metrics (vard_evaluation_peek_metrics (evaluation), settings->json);
}

static CliExit
cli_evaluate (int argc, char **argv)
{
  g_autoptr (CliEvaluateSettings) settings = g_object_new (CLI_TYPE_EVALUATE_SETTINGS, NULL);
  g_autoptr (CliOptions) options =
    cli_options_new ("evaluate RUN [OPTION...]",
                     "Samples prompts with held-out seeds from the model that a run trained, and "
                     "prints the reward, each score, the diversity and the KL to the base model. "
                     "It neither locks nor changes the run.");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Evaluation", G_OBJECT (settings));
  if (cli_options_parse (options, argc, argv, &error) && cli_options_apply (options, &error))
    verb_evaluate_evaluate (settings, cli_options_get_words (options)[0], &error);

  return error != NULL ? cli_fail ("evaluate", g_steal_pointer (&error)) : CLI_DONE;
}

const CliVerb cli_verb_evaluate = { "evaluate", "evaluates a run on fixed prompts and seeds",
                                    cli_evaluate };
