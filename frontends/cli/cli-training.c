/* cli-training.c - trains a run and shows progress, Ctrl-C and results
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-training.h"

#include "cli-progress.h"

#include <math.h>
#include <stdio.h>

static void
cli_on_progress (VardRunner *runner,
                 const char *phase,
                 double fraction,
                 VardMetrics *metrics,
                 CliProgress *progress)
{
  cli_progress_update (progress, phase, fraction);
}

static void
cli_on_step (VardRunner *runner, guint64 step, VardMetrics *metrics, CliProgress *progress)
{
  cli_progress_step (progress, step, metrics);
}

static void
cli_on_warning (VardRunner *runner, const char *message, CliProgress *progress)
{
  cli_progress_say (progress, message);
}

/* A request may have changed the number of steps: show the new one from here on */
static void
cli_on_request (VardRunner *runner, const char *request, const char *outcome, CliProgress *progress)
{
  g_autofree char *line = g_strdup_printf ("request %s: %s", request, outcome);

  cli_progress_set_steps (progress, vard_runner_get_steps (runner));
  cli_progress_say (progress, line);
}

/* ---- results ---- */

static double
cli_get_number (JsonObject *object, const char *name)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, name) : NULL;

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_double (node) : NAN;
}

static void
cli_print_comparison (JsonObject *base, JsonObject *tuned, VardMetrics *last)
{
  double kept = 100 * cli_get_number (tuned, "diversity/pairwise")
                / cli_get_number (base, "diversity/pairwise");
  double gain = cli_get_number (tuned, "reward/gain-sd"),
         kl = cli_get_number (tuned, "kl/trajectory"), calls = NAN;
  const char *charset, *arrow = g_get_charset (&charset) ? "\342\206\222" : "->";

  if (last != NULL)
    vard_metrics_lookup (last, "reward-calls", &calls);
  printf ("reward %.3f %s %.3f", cli_get_number (base, "reward/mean"), arrow,
          cli_get_number (tuned, "reward/mean"));
  if (isfinite (gain))
    printf (" (%+.2f sd)", gain);
  if (isfinite (kl))
    printf (", KL %.2f nats per trajectory", kl);
  if (isfinite (kept))
    printf (", %.0f %% of the diversity kept", kept);
  if (isfinite (calls))
    printf (", %.0f reward calls", calls);
  if (last != NULL)
    {
      g_autofree char *time = cli_format_time (vard_metrics_get_time (last));

      printf (", %s", time);
    }
  printf ("\n");
}

static void
cli_print_summary (VardRunner *runner)
{
  VardRun *run = vard_runner_get_run (runner);
  guint64 step = vard_trainer_get_step (vard_runner_get_trainer (runner));
  g_autoptr (JsonObject) base = vard_run_read_evaluation (run, 0, NULL);
  g_autoptr (JsonObject) tuned = vard_run_read_evaluation (run, step, NULL);
  g_autofree char *before = vard_run_build_samples_path (run, 0);
  g_autofree char *after = vard_run_build_samples_path (run, step);

  printf ("run         %s\n", vard_run_get_path (run));
  if (base != NULL)
    printf ("base        %s/grid.png\n", before);
  if (tuned != NULL)
    printf ("fine-tuned  %s/grid.png\n", after);
  if (base != NULL && tuned != NULL)
    cli_print_comparison (base, tuned,
                          vard_trainer_peek_metrics (vard_runner_get_trainer (runner)));
}

/* Prints how to continue, if there is a checkpoint */
static void
cli_print_resume (VardRunner *runner)
{
  VardRun *run = vard_runner_get_run (runner);
  guint n = 0;
  g_autofree guint64 *steps = vard_run_list_checkpoints (run, &n);

  if (n > 0)
    fprintf (stderr, "To continue: vard resume %s\n", vard_run_get_path (run));
}

/* A stop on request is not a failure */
static CliExit
cli_tell_stop (const char *verb, VardRunner *runner)
{
  fprintf (stderr, "vard %s: stopped after step %" G_GUINT64_FORMAT "\n", verb,
           vard_trainer_get_step (vard_runner_get_trainer (runner)));
  cli_print_resume (runner);

  return CLI_CANCELLED;
}

static CliExit
cli_training_fail (const char *verb, VardRunner *runner, GError *error)
{
  gboolean is_cancelled = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  CliExit code = cli_fail (verb, error);

  if (is_cancelled)
    cli_print_resume (runner);

  return code;
}

CliExit
cli_training_run (const char *verb,
                  VardRunner *runner,
                  gboolean is_quiet,
                  GCancellable *cancellable)
{
  guint64 step = vard_trainer_get_step (vard_runner_get_trainer (runner));
  g_autoptr (CliProgress) progress =
    cli_progress_new (step, vard_runner_get_steps (runner), is_quiet);
  g_autoptr (GError) error = NULL;

  g_signal_connect (runner, "progress", G_CALLBACK (cli_on_progress), progress);
  g_signal_connect (runner, "step", G_CALLBACK (cli_on_step), progress);
  g_signal_connect (runner, "warning", G_CALLBACK (cli_on_warning), progress);
  g_signal_connect (runner, "request", G_CALLBACK (cli_on_request), progress);

  gboolean is_done = vard_runner_run (runner, cancellable, &error);

  g_signal_handlers_disconnect_by_data (runner, progress);
  cli_progress_clear (progress);
  if (!is_done)
    return cli_training_fail (verb, runner, g_steal_pointer (&error));
  if (vard_runner_get_state (runner) == VARD_RUN_STATE_CANCELLED)
    return cli_tell_stop (verb, runner);
  cli_print_summary (runner);

  return CLI_DONE;
}

/* The objects that have a run's settings, with the titles of their sections */
static GPtrArray *
cli_list_sections (VardRunSettings *settings, GPtrArray *titles)
{
  VardTrainerSettings *trainer = vard_run_settings_get_trainer (settings);
  GPtrArray *objects = g_ptr_array_new ();
  g_auto (GStrv) algorithms = vard_trainer_settings_dup_algorithms (trainer);

  g_ptr_array_add (objects, settings);
  g_ptr_array_add (titles, g_strdup ("Training"));
  g_ptr_array_add (objects, trainer);
  g_ptr_array_add (titles, g_strdup ("Training"));
  for (guint i = 0; algorithms[i] != NULL; i++)
    {
      g_ptr_array_add (objects,
                       vard_trainer_settings_get_algorithm_settings (trainer, algorithms[i]));
      g_ptr_array_add (titles, g_strdup_printf ("The algorithm %s", algorithms[i]));
    }

  return objects;
}

void
cli_training_add_settings (CliOptions *options, VardRunSettings *settings)
{
  g_autoptr (GPtrArray) titles = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) objects = cli_list_sections (settings, titles);

  for (guint i = 0; i < objects->len; i++)
    cli_options_add_object (options, titles->pdata[i], objects->pdata[i]);
}

char **
cli_training_dup_names (CliOptions *options, VardRunSettings *settings)
{
  g_autoptr (GPtrArray) titles = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) objects = cli_list_sections (settings, titles);
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  for (guint i = 0; i < objects->len; i++)
    {
      g_auto (GStrv) own = cli_options_dup_names (options, objects->pdata[i]);

      g_strv_builder_addv (names, (const char **) own);
    }

  return g_strv_builder_end (names);
}
