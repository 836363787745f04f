/* cli-dry-run.h - what a training would take, found out without training
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli.h"

/* runner: made, so that every file was opened and every plugin loaded; nothing is written */
CliExit cli_dry_run (VardRunner *runner, const char *path);
