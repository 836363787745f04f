/* cli-training.h - trains a run in sight of a person: progress, Ctrl-C, what came of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli.h"

/* Runs a runner that was started or resumed; takes the error to stderr and returns the exit code */
CliExit cli_training_run (const char *verb,
                          VardRunner *runner,
                          gboolean is_quiet,
                          GCancellable *cancellable);
