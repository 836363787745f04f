/* wire-read.c - parses JSON from an untrusted source
 *
 * json-glib alone is not enough for that: it takes 0x10 and 010 for numbers, turns an integer of 30
 * digits into -1 without a word, and its recursion has no limit. So a text is looked at first: its
 * tokens are those of RFC 8259, its depth is bounded, and nothing follows its end. Two rewrites are
 * made on the way. NaN and Infinity, which Python writes, and 1e999 become null, so that they fail
 * one picture and not its neighbours. Integers beyond 18 digits become doubles.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire.h"

#include <math.h>
#include <string.h>

#define MAX_DEPTH 32

typedef struct
{
  const char *at, *end;
  GString *out;
  guint depth;
  gboolean is_ended; /* the outermost value is complete */
} WireScan;

static gboolean
wire_scan_fail (WireScan *self, const char *what, GError **error)
{
  g_autofree char *rest = wire_excerpt (self->at, MIN (self->end - self->at, 40));

  if (self->at < self->end)
    g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "%s at \"%s\"", what, rest);
  else
    g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "it is truncated");

  return FALSE;
}

static gboolean
wire_scan_string (WireScan *self, GError **error)
{
  const char *at = self->at + 1;

  while (at < self->end && *at != '"' && (guchar) *at >= ' ')
    at += *at == '\\' && at + 1 < self->end ? 2 : 1;
  if (at >= self->end)
    {
      self->at = self->end;
      return wire_scan_fail (self, "", error);
    }
  if (*at != '"')
    return wire_scan_fail (self, "there is a control character in the string", error);
  g_string_append_len (self->out, self->at, at + 1 - self->at);
  self->at = at + 1;

  return TRUE;
}

static const char *
wire_skip_digits (const char *at, const char *end)
{
  while (at < end && g_ascii_isdigit (*at))
    at++;
  return at;
}

/* What follows the digits before the point; NULL when it is no number */
static const char *
wire_skip_fraction (const char *at, const char *end)
{
  if (at < end && *at == '.')
    {
      const char *digits = at + 1;
      at = wire_skip_digits (digits, end);
      if (at == digits)
        return NULL;
    }
  if (at < end && (*at == 'e' || *at == 'E'))
    {
      const char *digits = at + 1;
      if (digits < end && (*digits == '+' || *digits == '-'))
        digits++;
      at = wire_skip_digits (digits, end);
      if (at == digits)
        return NULL;
    }

  return at;
}

static gboolean
wire_scan_number (WireScan *self, GError **error)
{
  const char *digits = self->at + (*self->at == '-');
  const char *point = wire_skip_digits (digits, self->end);
  const char *after = wire_skip_fraction (point, self->end);

  if (point == digits || after == NULL || (digits[0] == '0' && point > digits + 1)
      || (after < self->end && (g_ascii_isalnum (*after) || *after == '.')))
    return wire_scan_fail (self, "there is an invalid number", error);

  gsize begin = self->out->len;
  g_string_append_len (self->out, self->at, after - self->at);
  if (!isfinite (g_ascii_strtod (self->out->str + begin, NULL)))
    {
      g_string_truncate (self->out, begin);
      g_string_append (self->out, "null");
    }
  else if (after == point && point - digits > 18)
    g_string_append (self->out, ".0");
  self->at = after;

  return TRUE;
}

static gboolean
wire_scan_word (WireScan *self, GError **error)
{
  static const struct
  {
    const char *word, *instead;
  } words[] = {
    { "true", "true" }, { "false", "false" },   { "null", "null" },      { "NaN", "null" },
    { "-NaN", "null" }, { "Infinity", "null" }, { "-Infinity", "null" },
  };
  const char *after = self->at + 1;

  while (after < self->end && g_ascii_isalnum (*after))
    after++;
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strlen (words[i].word) == (gsize) (after - self->at)
        && memcmp (words[i].word, self->at, after - self->at) == 0)
      {
        g_string_append (self->out, words[i].instead);
        self->at = after;
        return TRUE;
      }

  return wire_scan_fail (self, "there is something other than JSON", error);
}

static gboolean
wire_scan_bracket (WireScan *self, GError **error)
{
  gboolean is_open = *self->at == '{' || *self->at == '[';

  if (is_open && ++self->depth > MAX_DEPTH)
    return wire_scan_fail (self, "it is nested too deeply", error);
  if (!is_open && self->depth-- == 0)
    return wire_scan_fail (self, "a bracket closes that was not open", error);
  g_string_append_c (self->out, *self->at++);

  return TRUE;
}

static gboolean
wire_scan_token (WireScan *self, GError **error)
{
  char c = *self->at;
  gboolean is_fine = TRUE;

  if (self->is_ended)
    return wire_scan_fail (self, "there is something after the end", error);
  if (c == '"')
    is_fine = wire_scan_string (self, error);
  else if (g_ascii_isdigit (c)
           || (c == '-' && self->at + 1 < self->end && !g_ascii_isalpha (self->at[1])))
    is_fine = wire_scan_number (self, error);
  else if (c == '{' || c == '}' || c == '[' || c == ']')
    is_fine = wire_scan_bracket (self, error);
  else if ((c == ':' || c == ',') && self->depth > 0)
    g_string_append_c (self->out, *self->at++);
  else
    is_fine = wire_scan_word (self, error);
  self->is_ended = self->depth == 0;

  return is_fine;
}

static gboolean
wire_scan (WireScan *self, GError **error)
{
  while (self->at < self->end)
    {
      if (g_ascii_isspace (*self->at))
        g_string_append_c (self->out, *self->at++);
      else if (!wire_scan_token (self, error))
        return FALSE;
    }
  if (!self->is_ended)
    return wire_scan_fail (self, "", error);

  return TRUE;
}

/* Any JSON value */
JsonNode *
wire_parse (const char *text, gsize length, GError **error)
{
  if (!g_utf8_validate_len (text, length, NULL))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "it is not UTF-8");
      return NULL;
    }
  g_autoptr (GString) clean = g_string_sized_new (length + 1);
  WireScan scan = { .at = text, .end = text + length, .out = clean };
  if (!wire_scan (&scan, error))
    return NULL;

  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) inner = NULL;
  if (!json_parser_load_from_data (parser, clean->str, clean->len, &inner)
      || json_parser_get_root (parser) == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "%s",
                   inner != NULL ? inner->message : "it is empty");
      return NULL;
    }

  return json_node_ref (json_parser_get_root (parser));
}

JsonNode *
wire_parse_object (const char *text, gsize length, GError **error)
{
  g_autoptr (JsonNode) node = wire_parse (text, length, error);

  if (node != NULL && !JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "it is not an object");
      return NULL;
    }

  return g_steal_pointer (&node);
}

/* FALSE for null, strings and truth values */
gboolean
wire_get_number (JsonNode *node, double *number)
{
  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node)
      || (json_node_get_value_type (node) != G_TYPE_INT64
          && json_node_get_value_type (node) != G_TYPE_DOUBLE))
    return FALSE;

  *number = json_node_get_double (node);

  return TRUE;
}
