/* cli.h - what the verbs of the command line share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard.h>

/* The exit codes, as the manual page documents them */
typedef enum
{
  CLI_DONE = 0,
  CLI_FAILED = 1,
  CLI_USAGE = 2,
  CLI_CONFIG = 3,
  CLI_REWARD = 4,
  CLI_DIVERGED = 5,
  CLI_CANCELLED = 130,
} CliExit;

typedef struct
{
  const char *name;
  const char *summary;
  CliExit (*run) (int argc, char **argv); /* argv[0] is the verb */
} CliVerb;

extern const CliVerb cli_verb_evaluate;
extern const CliVerb cli_verb_export;
extern const CliVerb cli_verb_check_reward;
extern const CliVerb cli_verb_control;
extern const CliVerb cli_verb_inspect;
extern const CliVerb cli_verb_new_reward;
extern const CliVerb cli_verb_runs;
extern const CliVerb cli_verb_score;
extern const CliVerb cli_verb_resume;
extern const CliVerb cli_verb_sample;
extern const CliVerb cli_verb_train;

/* Says on stderr what went wrong and returns the exit code for it; takes the error */
CliExit cli_fail (const char *verb, GError *error);
CliExit cli_exit_of (const GError *error);
/* A name that nobody has is wrong usage on the command line, and a bad file when a file says it;
 * path may be NULL */
GError *cli_blame_file (GError *error, const char *path);
/* Words for people: "3 min 20 s" */
char *cli_format_time (double seconds);
/* Columns of the terminal behind a descriptor; 100 where it is none */
int cli_get_width (int fd);
void cli_print_json (JsonNode *node);
/* What rewards said beside their scores, on stderr */
void cli_print_messages (VardRewardMix *rewards);
