/* cli-training.h - trains a run and shows progress, Ctrl-C and results
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli-options.h"

/* Runs a runner that was started or resumed; takes the error to stderr and returns the exit code */
CliExit cli_training_run (const char *verb,
                          VardRunner *runner,
                          gboolean is_quiet,
                          GCancellable *cancellable);

/* Options for every setting of a run, its trainer's and its algorithms' too */
void cli_training_add_settings (CliOptions *options, VardRunSettings *settings);
/* Those of them that the command line names; (transfer full) */
char **cli_training_dup_names (CliOptions *options, VardRunSettings *settings);
