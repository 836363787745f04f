/* cli-forecast.c - prints what a run will cost: memory, disk, time and reward calls
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-forecast.h"

#include <stdio.h>

#define DAY 86400.0

static double
cli_forecast_get (VardForecast *forecast, const char *name)
{
  double value = 0;

  vard_forecast_lookup (forecast, name, &value);

  return value;
}

/* "weights=lora" as an option of the command line; a switch that is on has no value */
static void
cli_forecast_append_option (GString *text, const char *setting)
{
  g_auto (GStrv) parts = g_strsplit (setting, "=", 2);

  g_string_append_printf (text, "--%s", parts[0]);
  if (parts[1] != NULL && !g_str_equal (parts[1], "true"))
    g_string_append_printf (text, " %s", parts[1]);
}

/* "--a, --b and --c", with the conjunction that is given */
static char *
cli_forecast_join_options (const char *const *settings, const char *conjunction)
{
  GString *text = g_string_new (NULL);
  guint n = g_strv_length ((char **) settings);

  for (guint i = 0; i < n; i++)
    {
      g_string_append (text, i == 0 ? "" : i + 1 < n ? ", " : conjunction);
      cli_forecast_append_option (text, settings[i]);
    }

  return g_string_free (text, FALSE);
}

/* "--a, --b and --c lower it" */
static char *
cli_forecast_dup_remedies (const char *const *settings)
{
  g_autofree char *options = cli_forecast_join_options (settings, " and ");
  guint n = g_strv_length ((char **) settings);

  return n == 0 ? g_strdup ("") : g_strconcat (options, n > 1 ? " lower it" : " lowers it", NULL);
}

static const char *const *
cli_forecast_peek_remedies (VardForecast *forecast, const char *name)
{
  static const char *const none[] = { NULL };

  for (guint i = 0; i < vard_forecast_get_count (forecast); i++)
    if (g_str_equal (vard_forecast_get_name (forecast, i), name))
      return vard_forecast_get_remedies (forecast, i);

  return none;
}

/* The rows of a group that are not zero, as sizes */
static void
cli_forecast_print_sizes (VardForecast *forecast, const char *title, const char *group)
{
  gboolean has_title = FALSE;

  for (guint i = 0; i < vard_forecast_get_count (forecast); i++)
    {
      g_autofree char *size = g_format_size (vard_forecast_get_value (forecast, i));
      g_autofree char *remedies =
        cli_forecast_dup_remedies (vard_forecast_get_remedies (forecast, i));

      if (!g_str_has_prefix (vard_forecast_get_name (forecast, i), group)
          || vard_forecast_get_value (forecast, i) <= 0)
        continue;
      if (!has_title)
        printf ("%s\n", title);
      has_title = TRUE;
      printf ("  %-34s %10s%s%s\n", vard_forecast_get_label (forecast, i), size,
              *remedies ? "   " : "", remedies);
    }
}

static void
cli_forecast_print_work (VardForecast *f)
{
  printf ("Work\n");
  printf ("  %.0f steps, each of %.0f trajectories of %.0f denoising steps",
          cli_forecast_get (f, "work/steps"), cli_forecast_get (f, "work/trajectories"),
          cli_forecast_get (f, "work/denoising-steps"));
  if (vard_forecast_lookup (f, "work/policy-updates", NULL))
    printf (" and %.0f policy updates of %.0f states", cli_forecast_get (f, "work/policy-updates"),
            cli_forecast_get (f, "work/states"));
  printf ("\n  first %.0f pictures of the base model", cli_forecast_get (f, "work/pool"));
  if (vard_forecast_lookup (f, "work/value-updates", NULL))
    printf (" and %.0f value updates of %.0f states", cli_forecast_get (f, "work/value-updates"),
            cli_forecast_get (f, "work/value-states"));
  printf ("\n");
  printf ("  %.0f evaluations of %.0f prompts x %.0f seeds\n",
          cli_forecast_get (f, "work/evaluations"), cli_forecast_get (f, "work/evaluation-prompts"),
          cli_forecast_get (f, "work/evaluation-seeds"));
  printf ("  %.0f reward calls: %.0f for the pool, %.0f in training, %.0f in evaluations\n",
          cli_forecast_get (f, "calls/total"), cli_forecast_get (f, "calls/pool"),
          cli_forecast_get (f, "calls/training"), cli_forecast_get (f, "calls/evaluation"));
  printf ("  trains %.0f of %.0f weights of the denoiser\n",
          cli_forecast_get (f, "weights/trained"), cli_forecast_get (f, "weights/all"));
}

CliExit
cli_forecast_print (VardRunner *runner, const char *path)
{
  g_autoptr (VardForecast) forecast = vard_forecast_new (runner);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *disk = g_strdup_printf ("Disk, at %s", path);
  g_autofree char *time = NULL;
  g_autoptr (GError) error = NULL;

  if (!vard_forecast_measure (forecast, path, NULL, &error))
    return cli_fail ("train", g_steal_pointer (&error));
  json_node_take_object (node, vard_run_settings_to_json (vard_runner_get_settings (runner)));
  printf ("Settings\n");
  cli_print_json (node);
  cli_forecast_print_work (forecast);
  cli_forecast_print_sizes (forecast, "Memory", "memory/");
  cli_forecast_print_sizes (forecast, "Memory of the device", "device/");
  cli_forecast_print_sizes (forecast, disk, "disk/");
  time = cli_format_time (cli_forecast_get (forecast, "time/total"));
  printf ("Time\n"
          "  training would take about %s on this machine: %.0f denoiser evaluations of %.3g ms, "
          "and the rewards\n",
          time, cli_forecast_get (forecast, "time/evaluations"),
          1000 * cli_forecast_get (forecast, "time/evaluation"));

  return CLI_DONE;
}

gboolean
cli_forecast_warn (VardRunner *runner, GCancellable *cancellable, GError **error)
{
  g_autoptr (VardForecast) forecast = vard_forecast_new (runner);
  g_autoptr (GError) problem = NULL;
  g_autofree char *time = NULL;

  if (!vard_forecast_measure_time (forecast, cancellable, &problem))
    {
      /* other errors are left to the training, which reports them better */
      if (!g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (cli_forecast_get (forecast, "time/total") < DAY)
    return TRUE;

  g_autofree char *options =
    cli_forecast_join_options (cli_forecast_peek_remedies (forecast, "time/total"), " or ");

  time = cli_format_time (cli_forecast_get (forecast, "time/total"));
  fprintf (stderr,
           "training would take about %s on this machine: %.0f denoiser evaluations of %.3g s; "
           "lower %s to save time\n",
           time, cli_forecast_get (forecast, "time/evaluations"),
           cli_forecast_get (forecast, "time/evaluation"), options);

  return TRUE;
}
