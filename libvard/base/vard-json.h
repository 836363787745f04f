/* vard-json.h - writes JSON with numbers that read back bit for bit
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

char *vard_json_to_text (JsonNode *node, gboolean is_pretty);

/* Parts of it, for who writes without a tree of nodes */
void vard_json_append_string (GString *out, const char *text);
void vard_json_append_number (GString *out, double value);

G_END_DECLS
