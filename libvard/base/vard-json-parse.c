/* vard-json-parse.c - JSON of unknown origin, checked before json-glib sees it
 *
 * json-glib's parser recurses at each bracket, so that a small file of nested brackets overflows
 * the stack. It also cuts a string at \u0000, ignores what follows a complete value, and accepts
 * comments. One pass over the text refuses all of these. Every reader of the library parses here;
 * tests/lint checks that.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-json-parse.h"

#include "base/vard-error.h"

#include <string.h>

typedef struct
{
  const char *text, *end, *at;
  guint depth;
  gboolean is_complete; /* the outermost value has ended */
} VardJsonScan;

G_GNUC_PRINTF (3, 4)
static gboolean
vard_json_scan_fail (const VardJsonScan *self, GError **error, const char *format, ...)
{
  va_list args;
  guint line = 1;

  for (const char *p = self->text; p < self->at; p++)
    line += *p == '\n';
  va_start (args, format);

  g_autofree char *message = g_strdup_vprintf (format, args);

  va_end (args);
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "line %u: %s", line, message);

  return FALSE;
}

/* From an opening quote to behind the closing one */
static gboolean
vard_json_scan_string (VardJsonScan *self, GError **error)
{
  for (self->at++; self->at < self->end && *self->at != '"'; self->at++)
    if (*self->at == '\\')
      {
        if (self->end - self->at > 5 && strncmp (self->at, "\\u0000", 6) == 0)
          return vard_json_scan_fail (self, error, "a string contains a NUL character (\\u0000)");
        self->at++;
      }
  if (self->at >= self->end)
    {
      self->at = self->end;
      return vard_json_scan_fail (self, error, "a string does not end");
    }
  self->at++;
  self->is_complete = self->depth == 0;

  return TRUE;
}

static gboolean
vard_json_scan_bracket (VardJsonScan *self, GError **error)
{
  if (*self->at == '{' || *self->at == '[')
    {
      if (++self->depth > VARD_JSON_MAX_DEPTH)
        return vard_json_scan_fail (self, error, "more than %d brackets within brackets",
                                    VARD_JSON_MAX_DEPTH);
    }
  else if (self->depth == 0)
    return vard_json_scan_fail (self, error, "a closing '%c' without an opening one", *self->at);
  else
    self->depth--;
  self->at++;
  self->is_complete = self->depth == 0;

  return TRUE;
}

/* Numbers and the words true, false and null, and what stands between values */
static gboolean
vard_json_scan_plain (VardJsonScan *self, GError **error)
{
  char c = *self->at;

  if (!g_ascii_isalnum (c) && strchr (" \t\r\n,:+-.", c) == NULL)
    return vard_json_scan_fail (self, error,
                                g_ascii_isprint (c) ? "'%c' is not JSON" : "byte %d is not JSON",
                                g_ascii_isprint (c) ? c : (guchar) c);
  self->at++;

  return TRUE;
}

static gboolean
vard_json_scan (VardJsonScan *self, GError **error)
{
  const char *where;

  if (memchr (self->text, '\0', self->end - self->text) != NULL)
    {
      self->at = memchr (self->text, '\0', self->end - self->text);
      return vard_json_scan_fail (self, error, "the text contains a NUL byte");
    }
  if (!g_utf8_validate_len (self->text, self->end - self->text, &where))
    {
      self->at = where;
      return vard_json_scan_fail (self, error, "the text is not UTF-8");
    }
  while (self->at < self->end)
    {
      gboolean ok;

      if (self->is_complete && !g_ascii_isspace (*self->at))
        return vard_json_scan_fail (self, error, "text follows the end of the value");
      if (*self->at == '"')
        ok = vard_json_scan_string (self, error);
      else if (strchr ("{}[]", *self->at) != NULL)
        ok = vard_json_scan_bracket (self, error);
      else
        ok = vard_json_scan_plain (self, error);
      if (!ok)
        return FALSE;
    }

  return TRUE;
}

/**
 * vard_json_parse: (skip)
 * @text: JSON in UTF-8; a byte order mark may stand before it
 * @length: its length in bytes, or -1 if it ends with NUL
 * @error: return location for an error
 *
 * Parses one JSON value. Brackets nested deeper than %VARD_JSON_MAX_DEPTH, NUL characters, comments
 * and anything behind the value are errors with the number of the line.
 *
 * Returns: (transfer full): the value, or %NULL with %VARD_ERROR_CONFIG
 */
JsonNode *
vard_json_parse (const char *text, gssize length, GError **error)
{
  VardJsonScan scan = { .text = text,
                        .at = text,
                        .end = text + (length < 0 ? (gssize) strlen (text) : length) };
  g_autoptr (GError) reason = NULL;

  if (scan.end - scan.text >= 3 && memcmp (scan.text, "\xef\xbb\xbf", 3) == 0)
    scan.text = scan.at = scan.text + 3;
  if (!vard_json_scan (&scan, error))
    return NULL;

  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonNode *root = NULL;

  if (json_parser_load_from_data (parser, scan.text, scan.end - scan.text, &reason))
    root = json_parser_get_root (parser);
  if (root == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s",
                   reason != NULL ? reason->message : "it is empty");
      return NULL;
    }

  return json_node_ref (root);
}

/**
 * vard_json_parse_file: (skip)
 * @path: (type filename): a file with one JSON value
 * @error: return location for an error
 *
 * Reads and parses a file as vard_json_parse() does.
 *
 * Returns: (transfer full): the value, or %NULL with an error that does not name the file
 */
JsonNode *
vard_json_parse_file (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, error))
    return NULL;

  return vard_json_parse (text, length, error);
}

static JsonObject *
vard_json_take_object (JsonNode *node, GError **error)
{
  g_autoptr (JsonNode) owned = node;

  if (owned != NULL && !JSON_NODE_HOLDS_OBJECT (owned))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "it is not a JSON object");
      return NULL;
    }

  return owned != NULL ? json_node_dup_object (owned) : NULL;
}

/**
 * vard_json_parse_object: (skip)
 * @text: a JSON object in UTF-8
 * @length: its length in bytes, or -1 if it ends with NUL
 * @error: return location for an error
 *
 * Parses as vard_json_parse() does, and refuses any value but an object.
 *
 * Returns: (transfer full): the object, or %NULL with %VARD_ERROR_CONFIG
 */
JsonObject *
vard_json_parse_object (const char *text, gssize length, GError **error)
{
  return vard_json_take_object (vard_json_parse (text, length, error), error);
}

/**
 * vard_json_parse_object_file: (skip)
 * @path: (type filename): a file with one JSON object
 * @error: return location for an error
 *
 * Reads and parses a file as vard_json_parse_object() does.
 *
 * Returns: (transfer full): the object, or %NULL with an error that does not name the file
 */
JsonObject *
vard_json_parse_object_file (const char *path, GError **error)
{
  return vard_json_take_object (vard_json_parse_file (path, error), error);
}
