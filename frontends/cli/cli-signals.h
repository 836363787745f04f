/* cli-signals.h - handles Ctrl-C
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli.h"

/* Before anything is written: SIGINT and SIGTERM end the process with the exit code for it. A file
 * that grows over the limit of its size is an error like a full disk, and no signal. */
void cli_signals_begin (void);
/* To be called before threads are made, since they inherit what is blocked. Until
 * cli_signals_serve() a signal still ends the process. Returns what a later signal cancels,
 * (transfer none). */
GCancellable *cli_signals_catch (void);
/* From here on the first SIGINT or SIGTERM asks the runner to finish its step (where there is none:
 * cancels), the next cancels; the third, or ten seconds, end the process. A crash says how to go
 * on. */
void cli_signals_serve (VardRunner *runner);
