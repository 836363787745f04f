/* cli-prompts.h - reads the prompts of a command, and reports the words that a model cuts off
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli.h"

/* Those named and those of a file, which may be NULL or empty; at least one */
char **cli_prompts_load (char **named, const char *path, GError **error);
/* Tells which words of a prompt are cut because it is too long, on stderr; a few prompts, then how
 * many more */
void cli_prompts_say_cuts (VardModel *model, const char *const *prompts);
