/* verb-check-reward.c - vard check-reward: tests whether a reward behaves as a run expects
 *
 * The reward runs in a child process that writes a line before and after each check, so a crash or
 * a hang is one more finding.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-options.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLI_TYPE_CHECK_SETTINGS (cli_check_settings_get_type ())
G_DECLARE_FINAL_TYPE (CliCheckSettings, cli_check_settings, CLI, CHECK_SETTINGS, GObject)

struct _CliCheckSettings
{
  GObject parent_instance;
  gboolean json;
  guint seconds;
};

G_DEFINE_FINAL_TYPE (CliCheckSettings, cli_check_settings, G_TYPE_OBJECT)

static const VardField fields[] = {
  VARD_FIELD_BOOLEAN (CliCheckSettings, json, "Print JSON", FALSE),
  VARD_FIELD_UINT (CliCheckSettings, seconds, "Seconds that one check may take", 1, 86400, 120),
};

/* words of the verdicts, as they are printed */
static const char *const verdicts[] = { "passed", "failed", "skipped" };

static void
cli_check_settings_class_init (CliCheckSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
cli_check_settings_init (CliCheckSettings *self)
{
}

/* ---- the child ---- */

static VardReward *
cli_create (const char *spec, GError **error)
{
  g_autoptr (VardPluginSpec) parts = NULL;
  GObject *object = vard_plugin_manager_create_from_spec (vard_plugin_manager_get_default (),
                                                          "reward", spec, &parts, error);

  if (object == NULL)
    return NULL;

  VardReward *reward = VARD_REWARD (object);
  const char *label = vard_plugin_spec_get_value (parts, "label");

  vard_reward_set_label (reward, label != NULL ? label : vard_plugin_spec_get_name (parts));
  vard_reward_set_thread_bound (reward, FALSE);

  return reward;
}

static void
verb_check_reward_print_messages (VardReward *reward)
{
  g_auto (GStrv) messages = vard_reward_take_messages (reward);

  for (guint i = 0; messages[i] != NULL; i++)
    fprintf (stderr, "vard: %s: %s\n", vard_reward_get_label (reward), messages[i]);
}

/* A line "NAME\n" before a check; "NAME\tVERDICT\tDETAIL\n" after it */
static void
cli_check_all (VardReward *reward, VardReward *other, FILE *out)
{
  for (guint i = 0; i < vard_reward_check_get_count (); i++)
    {
      fprintf (out, "%s\n", vard_reward_check_get_name (i));
      fflush (out);

      g_autoptr (VardRewardFinding) finding = vard_reward_check_run (reward, other, i);
      const char *detail = vard_reward_finding_get_detail (finding);
      g_autofree char *line = g_strdelimit (g_strdup (detail != NULL ? detail : ""), "\n\t", ' ');
      VardRewardVerdict verdict = vard_reward_finding_get_verdict (finding);

      verb_check_reward_print_messages (reward);
      verb_check_reward_print_messages (other);
      fprintf (out, "%s\t%s\t%s\n", vard_reward_finding_get_name (finding), verdicts[verdict],
               line);
      fflush (out);
      if (i == 0 && verdict == VARD_REWARD_VERDICT_FAILED)
        break;
    }
}

G_GNUC_NORETURN static void
run_child (const char *spec, int fd)
{
  FILE *out = fdopen (fd, "w");
  g_autoptr (GError) error = NULL;
  g_autoptr (VardReward) reward = NULL, other = NULL;

  signal (SIGINT, SIG_DFL);
  signal (SIGTERM, SIG_DFL);
  dup2 (STDERR_FILENO, STDOUT_FILENO); /* what the reward prints is no finding */
  reward = cli_create (spec, &error);
  other = reward != NULL ? cli_create (spec, &error) : NULL;
  if (other == NULL)
    _exit (cli_fail ("check-reward", g_steal_pointer (&error)));
  cli_check_all (reward, other, out);
  _exit (CLI_DONE);
}

/* ---- the parent ---- */

typedef struct
{
  CliCheckSettings *settings;
  JsonArray *array;
  char *current; /* the check that was begun and has not ended; NULL for none */
  guint n_failed, n;
} Report;

static void
cli_add_finding (Report *report, const char *name, const char *verdict, const char *detail)
{
  report->n++;
  report->n_failed += g_str_equal (verdict, "failed");
  if (!report->settings->json)
    {
      printf ("%-8s %s%s%s\n", name, verdict, *detail ? ": " : "", detail);
      fflush (stdout);
      return;
    }

  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "check", name);
  json_object_set_string_member (object, "verdict", verdict);
  if (*detail)
    json_object_set_string_member (object, "detail", detail);
  json_array_add_object_element (report->array, object);
}

static void
cli_read_line (Report *report, char *line)
{
  g_auto (GStrv) words = g_strsplit (line, "\t", 3);

  g_clear_pointer (&report->current, g_free);
  if (g_strv_length (words) == 3)
    cli_add_finding (report, words[0], words[1], words[2]);
  else
    report->current = g_strdup (line);
}

/* FALSE when a check took too long */
static gboolean
cli_read_lines (Report *report, int fd)
{
  g_autoptr (GString) text = g_string_new (NULL);
  struct pollfd poller = { .fd = fd, .events = POLLIN };
  char bytes[4096];
  gssize n = 1;

  while (n > 0)
    {
      if (poll (&poller, 1, (int) MIN (report->settings->seconds, G_MAXINT / 1000) * 1000) == 0)
        return FALSE;
      n = read (fd, bytes, sizeof bytes);
      g_string_append_len (text, bytes, MAX (n, 0));
      for (char *end; (end = strchr (text->str, '\n')) != NULL;)
        {
          g_autofree char *line = g_strndup (text->str, end - text->str);

          g_string_erase (text, 0, end + 1 - text->str);
          cli_read_line (report, line);
        }
    }

  return TRUE;
}

/* The exit code of the child, with what ended it as a finding */
static CliExit
cli_wait_for_child (Report *report, pid_t pid, int fd)
{
  gboolean in_time = cli_read_lines (report, fd);
  const char *name = report->current != NULL ? report->current : "create";
  int status = 0;

  if (!in_time)
    kill (pid, SIGKILL);
  waitpid (pid, &status, 0);
  if (!in_time)
    {
      g_autofree char *text = g_strdup_printf ("no end within %u s", report->settings->seconds);

      cli_add_finding (report, name, "failed", text);
    }
  else if (WIFSIGNALED (status))
    {
      g_autofree char *text = g_strdup_printf ("it crashed: %s", g_strsignal (WTERMSIG (status)));

      cli_add_finding (report, name, "failed", text);
    }
  else if (WEXITSTATUS (status) == CLI_DONE && report->current != NULL)
    cli_add_finding (report, name, "failed", "it ended the process");
  else if (report->current != NULL)
    {
      g_autofree char *text =
        g_strdup_printf ("it ended the process with status %d", WEXITSTATUS (status));

      cli_add_finding (report, name, "failed", text);
    }
  else
    return WEXITSTATUS (status);

  return CLI_DONE;
}

static CliExit
cli_check (CliCheckSettings *settings, const char *spec)
{
  g_autoptr (JsonArray) array = json_array_new ();
  Report report = { .settings = settings, .array = array };
  int fds[2];
  pid_t pid;

  fflush (NULL);
  if (pipe (fds) != 0 || (pid = fork ()) < 0)
    return cli_fail ("check-reward",
                     g_error_new (VARD_ERROR, VARD_ERROR_FAILED, "cannot start a process"));
  if (pid == 0)
    {
      close (fds[0]);
      run_child (spec, fds[1]);
    }
  close (fds[1]);

  CliExit code = cli_wait_for_child (&report, pid, fds[0]);

  close (fds[0]);
  g_free (report.current);
  if (code != CLI_DONE)
    return code;
  if (settings->json)
    {
      g_autoptr (JsonNode) node = json_node_new (JSON_NODE_ARRAY);

      json_node_set_array (node, array);
      cli_print_json (node);
    }

  return report.n_failed > 0 ? CLI_REWARD : CLI_DONE;
}

static CliExit
cli_check_reward (int argc, char **argv)
{
  g_autoptr (CliCheckSettings) settings = g_object_new (CLI_TYPE_CHECK_SETTINGS, NULL);
  g_autoptr (CliOptions) options =
    cli_options_new ("check-reward NAME[:key=value,...] [OPTION...]",
                     "Tests whether a reward behaves as a run expects: equal pictures get equal "
                     "scores, alone or in a batch and in any order; odd sizes and plain pictures "
                     "get a score or an error; the reward stops when cancelled, works in several "
                     "threads and leaks no memory. Prints one line per check and exits with status "
                     "4 if one failed.");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Checking", G_OBJECT (settings));
  if (!cli_options_parse (options, argc, argv, &error) || !cli_options_apply (options, &error))
    return error != NULL ? cli_fail ("check-reward", g_steal_pointer (&error)) : CLI_DONE;

  const char *const *words = cli_options_get_words (options);

  if (words[0] == NULL || words[1] != NULL)
    return cli_fail ("check-reward", g_error_new (VARD_ERROR, VARD_ERROR_USAGE, "name one reward"));

  return cli_check (settings, words[0]);
}

const CliVerb cli_verb_check_reward = { "check-reward",
                                        "tests whether a reward behaves as a run expects",
                                        cli_check_reward };
