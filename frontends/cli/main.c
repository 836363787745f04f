/* main.c - the program vard: finds the verb and runs it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-signals.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const CliVerb *const verbs[] = {
  &cli_verb_train, &cli_verb_resume,     &cli_verb_control,      &cli_verb_sample,
  &cli_verb_score, &cli_verb_evaluate,   &cli_verb_export,       &cli_verb_inspect,
  &cli_verb_runs,  &cli_verb_new_reward, &cli_verb_check_reward,
};

static void
main_print_help (void)
{
  printf ("Usage: vard VERB [OPTION...]\n"
          "\n"
          "Fine-tunes diffusion models on any reward that you can compute from a picture.\n"
          "\n");
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    printf ("  %-12s %s\n", verbs[i]->name, verbs[i]->summary);
  printf (
    "\n"
    "  vard VERB --help lists the options of a verb; vard --version prints the version.\n"
    "  vard --no-plugins VERB uses no plugin files; vard --system-plugins VERB only the system's.\n"
    "\n"
    "Exit status: 0 success, 1 failure, 2 wrong usage, 3 bad configuration or input file,\n"
    "4 a reward failed, 5 training diverged, 130 cancelled.\n");
}

static CliExit
main_fail_unknown (const char *word)
{
  g_autofree const char **names = g_new0 (const char *, G_N_ELEMENTS (verbs) + 1);

  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    names[i] = verbs[i]->name;

  const char *near = vard_suggest (word, names);

  if (near != NULL)
    fprintf (stderr, "vard: there is no verb '%s'; did you mean '%s'?\n", word, near);
  else
    fprintf (stderr, "vard: there is no verb '%s'; 'vard --help' lists them\n", word);

  return CLI_USAGE;
}

int
main (int argc, char **argv)
{
  /* Numbers keep a decimal point, because programs read the files and options */
  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");

  /* Options before the verb, for problems with a plugin */
  for (; argc > 1
         && (g_str_equal (argv[1], "--no-plugins") || g_str_equal (argv[1], "--system-plugins"));
       argc--, argv++)
    g_setenv ("VARD_PLUGINS", g_str_equal (argv[1], "--no-plugins") ? "none" : "system", TRUE);

  cli_signals_begin ();
  g_log_set_writer_func (vard_reward_log_writer, NULL, NULL);
  if (argc < 2)
    {
      fprintf (stderr, "vard: no verb is given; 'vard --help' lists them\n");
      return CLI_USAGE;
    }
  if (g_str_equal (argv[1], "--version"))
    {
      printf ("vard %s\n", VARD_VERSION);
      return CLI_DONE;
    }
  if (g_str_equal (argv[1], "--help") || g_str_equal (argv[1], "-h")
      || g_str_equal (argv[1], "help"))
    {
      main_print_help ();
      return CLI_DONE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (argv[1], verbs[i]->name))
      return verbs[i]->run (argc - 1, argv + 1);

  return main_fail_unknown (argv[1]);
}
