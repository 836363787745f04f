/* vard-prompt-source.h - the prompts of a run with their metadata
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define VARD_TYPE_PROMPT_SOURCE (vard_prompt_source_get_type ())
G_DECLARE_FINAL_TYPE (VardPromptSource, vard_prompt_source, VARD, PROMPT_SOURCE, GObject)

/* Text: one prompt a line, empty lines and lines that begin with '#' are skipped.
 * JSON lines (a name that ends in .jsonl): objects with "prompt" and whatever else a reward reads.
 */
VardPromptSource *vard_prompt_source_new_from_file (const char *path, GError **error);
VardPromptSource *vard_prompt_source_new (const char *const *prompts);
guint vard_prompt_source_get_count (VardPromptSource *self);
const char *vard_prompt_source_get_text (VardPromptSource *self, guint i);
JsonObject *vard_prompt_source_get_metadata (VardPromptSource *self, guint i);
char **vard_prompt_source_dup_common_keys (VardPromptSource *self);

G_END_DECLS
