/* vard-image-text.c - the text chunks of a PNG file: tEXt, zTXt and iTXt
 *
 * Texts are told apart from pixels by their place in the file alone, so a file that is damaged
 * behind its pixels still has the texts before.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-image-private.h"

#include <gio/gio.h>

#include <string.h>

/* A few bytes can be packed gigabytes: what is longer is no prompt. */
#define MAX_TEXT (1 << 20)

/* Bytes that are still to be looked at */
typedef struct
{
  const guint8 *data;
  gsize size;
} VardImageSpan;

static VardImageSpan
vard_image_span_take (VardImageSpan *self, gsize size)
{
  VardImageSpan taken = { self->data, MIN (size, self->size) };

  self->data += taken.size;
  self->size -= taken.size;
  return taken;
}

/* What is before the next 0, which is dropped; FALSE when there is none */
static gboolean
vard_image_span_take_string (VardImageSpan *self, VardImageSpan *string)
{
  const guint8 *end = memchr (self->data, 0, self->size);

  if (end == NULL)
    return FALSE;
  *string = vard_image_span_take (self, end - self->data);
  vard_image_span_take (self, 1);

  return TRUE;
}

/* What a zlib stream holds, or NULL when it is damaged or too long */
static char *
vard_image_span_unpack (VardImageSpan self, gsize *length)
{
  g_autoptr (GZlibDecompressor) unpacker = g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_ZLIB);
  g_autoptr (GInputStream) packed =
    g_memory_input_stream_new_from_data (self.data, self.size, NULL);
  g_autoptr (GInputStream) stream = g_converter_input_stream_new (packed, G_CONVERTER (unpacker));
  g_autofree char *text = g_malloc (MAX_TEXT + 1);

  if (!g_input_stream_read_all (stream, text, MAX_TEXT + 1, length, NULL, NULL)
      || *length > MAX_TEXT)
    return NULL;

  return g_steal_pointer (&text);
}

static void
vard_image_add_text (VardImage *self,
                     VardImageSpan key,
                     VardImageSpan value,
                     gboolean is_packed,
                     gboolean is_latin1)
{
  g_autofree char *name = g_strndup ((const char *) key.data, key.size);
  gsize length = value.size;
  g_autofree char *bytes = NULL;
  g_autofree char *text = NULL;

  if (is_packed)
    bytes = vard_image_span_unpack (value, &length);
  else if (length <= MAX_TEXT)
    bytes = g_memdup2 (value.data, length);
  if (length > 0 && bytes != NULL && memchr (bytes, 0, length) == NULL)
    text = is_latin1 ? g_convert (bytes, length, "UTF-8", "ISO-8859-1", NULL, NULL, NULL)
                     : g_utf8_make_valid (bytes, length);
  if (text != NULL && vard_image_is_text_key (name))
    vard_image_set_text (self, name, text);
}

/* A keyword, then by type what says how the text is kept, then the text */
static void
vard_image_read_chunk (VardImage *self, const guint8 *type, VardImageSpan chunk)
{
  gboolean is_plain = memcmp (type, "tEXt", 4) == 0, is_packed = memcmp (type, "zTXt", 4) == 0;
  gboolean is_latin1 = is_plain || is_packed;
  VardImageSpan key, ignored;

  if ((!is_latin1 && memcmp (type, "iTXt", 4) != 0) || !vard_image_span_take_string (&chunk, &key))
    return;
  if (!is_plain)
    {
      /* iTXt: is it packed; then for both: how */
      VardImageSpan head = vard_image_span_take (&chunk, is_packed ? 1 : 2);

      is_packed = is_packed || (head.size > 0 && head.data[0] == 1);
    }
  /* the language, and the keyword in it */
  if (!is_latin1
      && !(vard_image_span_take_string (&chunk, &ignored)
           && vard_image_span_take_string (&chunk, &ignored)))
    return;
  vard_image_add_text (self, key, chunk, is_packed, is_latin1);
}

void
vard_image_read_texts (VardImage *self, const guint8 *data, gsize size)
{
  VardImageSpan rest = { data, size };

  if (size < 8 || memcmp (vard_image_span_take (&rest, 8).data, "\x89PNG\r\n\x1a\n", 8) != 0)
    return;
  while (rest.size >= 12)
    {
      VardImageSpan head = vard_image_span_take (&rest, 8);
      gsize length = (gsize) head.data[0] << 24 | head.data[1] << 16 | head.data[2] << 8
                     | head.data[3];
      VardImageSpan chunk = vard_image_span_take (&rest, length);

      if (chunk.size < length || rest.size < 4)
        return;                        /* cut off */
      vard_image_span_take (&rest, 4); /* its checksum */
      vard_image_read_chunk (self, head.data + 4, chunk);
    }
}
