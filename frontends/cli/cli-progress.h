/* cli-progress.h - how far training is: a bar on a terminal, lines elsewhere
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli.h"

typedef struct _CliProgress CliProgress;

CliProgress *cli_progress_new (guint64 first_step, guint64 n_steps, gboolean is_quiet);
void cli_progress_free (CliProgress *self);
/* A phase of the trainer, how much of it is done */
void cli_progress_update (CliProgress *self, const char *phase, double fraction);
void cli_progress_step (CliProgress *self, guint64 step, VardMetrics *metrics);
/* Another goal */
void cli_progress_set_steps (CliProgress *self, guint64 n_steps);
/* A line that stays, above the bar */
void cli_progress_say (CliProgress *self, const char *text);
/* Takes the bar away */
void cli_progress_clear (CliProgress *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliProgress, cli_progress_free)
