/* vard-image-write.c - encodes PNG with libpng: 8-bit RGB and text chunks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-image.h"

#include "base/vard-error.h"

#include <png.h>
#include <setjmp.h>

typedef struct
{
  GByteArray *bytes;
  char message[128];
} Writer;

static void
writer_append (png_structp png, png_bytep data, png_size_t size)
{
  Writer *writer = png_get_io_ptr (png);

  g_byte_array_append (writer->bytes, data, size);
}

static void
writer_flush (png_structp png)
{
}

/* libpng reports errors by a long jump; nothing here that owns memory is live across it */
static void
writer_error (png_structp png, png_const_charp message)
{
  Writer *writer = png_get_error_ptr (png);

  g_strlcpy (writer->message, message, sizeof writer->message);
  longjmp (png_jmpbuf (png), 1);
}

static void
writer_warning (png_structp png, png_const_charp message)
{
}

/* ASCII goes into tEXt, which every reader knows; other text into iTXt, which is UTF-8 */
static png_text *
vard_image_write_make_texts (VardImage *image, char **keys)
{
  guint n = g_strv_length (keys);
  png_text *texts = g_new0 (png_text, MAX (n, 1));

  for (guint i = 0; i < n; i++)
    {
      const char *value = vard_image_get_text (image, keys[i]);
      gboolean is_plain = g_str_is_ascii (value);

      texts[i].compression = is_plain ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
      texts[i].key = keys[i];
      texts[i].text = (char *) value;
    }

  return texts;
}

static gboolean
vard_image_write_write_png (png_structp png,
                            png_infop info,
                            VardImage *image,
                            png_text *texts,
                            guint n_texts)
{
  const guint8 *pixels = vard_image_peek_pixels (image);
  guint width = vard_image_get_width (image), height = vard_image_get_height (image);

  if (setjmp (png_jmpbuf (png)))
    return FALSE;
  png_set_IHDR (png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (n_texts)
    png_set_text (png, info, texts, n_texts);
  png_write_info (png, info);
  for (guint row = 0; row < height; row++)
    png_write_row (png, (png_const_bytep) pixels + (gsize) row * width * 3);
  png_write_end (png, info);

  return TRUE;
}

/**
 * vard_image_encode_png:
 * @self: a picture
 * @error: return location
 *
 * Returns: (transfer full): the picture as a PNG file's bytes
 */
GBytes *
vard_image_encode_png (VardImage *self, GError **error)
{
  g_return_val_if_fail (VARD_IS_IMAGE (self), NULL);

  g_auto (GStrv) keys = vard_image_list_text_keys (self);
  g_autofree png_text *texts = vard_image_write_make_texts (self, keys);
  Writer writer = { .bytes = g_byte_array_new (), .message = "out of memory" };
  png_structp png =
    png_create_write_struct (PNG_LIBPNG_VER_STRING, &writer, writer_error, writer_warning);
  png_infop info = png != NULL ? png_create_info_struct (png) : NULL;
  gboolean ok = FALSE;

  if (info != NULL)
    {
      png_set_write_fn (png, &writer, writer_append, writer_flush);
      ok = vard_image_write_write_png (png, info, self, texts, g_strv_length (keys));
    }
  png_destroy_write_struct (&png, &info);
  if (ok)
    return g_byte_array_free_to_bytes (writer.bytes);
  g_byte_array_unref (writer.bytes);
  g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "cannot encode the picture: %s",
               writer.message);

  return NULL;
}
