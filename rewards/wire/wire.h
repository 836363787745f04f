/* wire.h - pictures and numbers as JSON, shared by the rewards outside the process
 *
 * Plain functions, no types: two plugin files may not both register one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard.h>

G_BEGIN_DECLS

void wire_append_text (GString *out, const char *text);
void wire_append_object (GString *out, JsonObject *object);
void wire_append_base64 (GString *out, const guint8 *bytes, gsize n_bytes);
gboolean wire_append_png (GString *out, VardRewardBatch *batch, guint index, GError **error);
void wire_append_rgb (GString *out, VardRewardBatch *batch, guint index);
JsonNode *wire_parse (const char *text, gsize length, GError **error);
JsonNode *wire_parse_object (const char *text, gsize length, GError **error);
gboolean wire_get_number (JsonNode *node, double *number);
char *wire_excerpt (const char *text, gsize length);

G_END_DECLS
