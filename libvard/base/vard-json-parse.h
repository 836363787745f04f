/* vard-json-parse.h - JSON of unknown origin, checked before json-glib sees it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Brackets within brackets. Configurations need about six; json-glib's parser calls itself once for
 * each. */
#define VARD_JSON_MAX_DEPTH 100

JsonNode *vard_json_parse (const char *text, gssize length, GError **error);
JsonNode *vard_json_parse_file (const char *path, GError **error);
JsonObject *vard_json_parse_object (const char *text, gssize length, GError **error);
JsonObject *vard_json_parse_object_file (const char *path, GError **error);

G_END_DECLS
