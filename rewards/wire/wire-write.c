/* wire-write.c - writes pictures and texts as JSON
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire.h"

/* A JSON string, quoted; what is not UTF-8 is replaced */
void
wire_append_text (GString *out, const char *text)
{
  g_autoptr (JsonNode) node = json_node_alloc ();
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  json_node_init_string (node, valid);
  g_autofree char *quoted = json_to_string (node, FALSE);
  g_string_append (out, quoted);
}

/* A JSON object on one line, or null */
void
wire_append_object (GString *out, JsonObject *object)
{
  if (object == NULL)
    {
      g_string_append (out, "null");
      return;
    }
  g_autoptr (JsonNode) node = json_node_alloc ();

  json_node_init_object (node, object);
  g_autofree char *text = json_to_string (node, FALSE);
  g_string_append (out, text);
}

void
wire_append_base64 (GString *out, const guint8 *bytes, gsize n_bytes)
{
  gsize at = out->len;
  int state = 0, save = 0;

  /* As large as the encoder asks for, then cut to what it wrote */
  g_string_set_size (out, at + (n_bytes / 3 + 1) * 4 + 4);
  gsize n = g_base64_encode_step (bytes, n_bytes, FALSE, out->str + at, &state, &save);
  n += g_base64_encode_close (FALSE, out->str + at + n, &state, &save);
  g_string_set_size (out, at + n);
}

/* A picture as the base64 of its pixels, without quotes */
void
wire_append_rgb (GString *out, VardRewardBatch *batch, guint index)
{
  gsize n_bytes;
  const guint8 *pixels = vard_reward_batch_peek_pixels (batch, index, &n_bytes);

  wire_append_base64 (out, pixels, n_bytes);
}

/* The start of a text on one line, for a message */
char *
wire_excerpt (const char *text, gsize length)
{
  enum
  {
    LIMIT = 240
  };
  g_autofree char *valid = g_utf8_make_valid (text, MIN (length, 4 * LIMIT));
  g_autoptr (GString) line = g_string_new (NULL);

  for (const char *at = valid; *at != 0 && line->len < LIMIT; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);
      gboolean is_blank = g_unichar_isspace (c) || !g_unichar_isprint (c);

      if (!is_blank)
        g_string_append_unichar (line, c);
      else if (line->len > 0 && line->str[line->len - 1] != ' ')
        g_string_append_c (line, ' ');
    }
  if (line->len >= LIMIT)
    g_string_append (line, "...");

  return g_strchomp (g_string_free (g_steal_pointer (&line), FALSE));
}
