/* cli-options.h - turns the properties of objects into a verb's options
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli.h"

typedef struct _CliOptions CliOptions;

/* usage: what stands after "vard" ("train [CONFIG.json] [OPTION...]") */
CliOptions *cli_options_new (const char *usage, const char *description);
void cli_options_free (CliOptions *self);
/* Every setting of the object becomes an option: --name VALUE; a truth value is --name and
 * --no-name; a list's option has the singular name and adds one item each time. */
void cli_options_add_object (CliOptions *self, const char *title, GObject *object);
void cli_options_add_short (CliOptions *self, char letter, const char *name);
/* Shown at the end of the help */
void cli_options_set_notes (CliOptions *self, const char *notes);

/* Reads the arguments; nothing is set yet. FALSE with an error, or without one when help was asked
 * for and given */
gboolean cli_options_parse (CliOptions *self, int argc, char **argv, GError **error);
const char *const *cli_options_get_words (CliOptions *self);
/* Whether the command line sets this property */
gboolean cli_options_has (CliOptions *self, const char *name);
/* Names of the properties of an object that the command line sets; (transfer full) */
char **cli_options_dup_names (CliOptions *self, GObject *object);
/* Sets the objects' properties */
gboolean cli_options_apply (CliOptions *self, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliOptions, cli_options_free)
