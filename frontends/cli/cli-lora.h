/* cli-lora.h - the option --lora FILE[:STRENGTH]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli.h"

/* Adds each of the list (NULL for none) to the model; says on stdout how many layers it fits */
gboolean cli_lora_add (VardModel *model, char **specs, GError **error);
/* Says on stdout how many layers of the model a file changes */
void cli_lora_tell (const char *spec, guint n_layers);
