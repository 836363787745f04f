/* cli-forecast.h - what a run would take, for people
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli.h"

/* On stdout, for --dry-run. The runner is made, so that every file was opened and every plugin
 * loaded; nothing is written. */
CliExit cli_forecast_print (VardRunner *runner, const char *path);
/* On stderr, where it is days. FALSE when it was cancelled. */
gboolean cli_forecast_warn (VardRunner *runner, GCancellable *cancellable, GError **error);
