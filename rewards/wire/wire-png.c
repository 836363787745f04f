/* wire-png.c - a picture as a PNG file for one transfer
 *
 * The differences between rows, coded by Huffman's method alone. For 512 x 512 pixels, one thread,
 * smooth and noisy: 5 and 6 ms, 171 and 442 kB. libpng's defaults, which the library writes files
 * with: 43 and 42 ms, 107 and 426 kB. Its fast setting, without differences: 14 and 17 ms, 579 and
 * 740 kB.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire.h"

#include <png.h>
#include <zlib.h>

typedef struct
{
  GByteArray *bytes;
  char message[128];
} WirePng;

/* libpng has no other way out of a failure than a jump. */
static void
wire_png_leave (png_structp png, png_const_charp message)
{
  WirePng *self = png_get_error_ptr (png);

  g_strlcpy (self->message, message, sizeof self->message);
  png_longjmp (png, 1);
}

static void
wire_png_ignore (png_structp png, png_const_charp message)
{
}

static void
wire_png_take (png_structp png, png_bytep bytes, png_size_t n_bytes)
{
  WirePng *self = png_get_io_ptr (png);

  g_byte_array_append (self->bytes, bytes, n_bytes);
}

static void
wire_png_flush (png_structp png)
{
}

static gboolean
wire_png_write (WirePng *self, png_structp png, png_infop info, VardRewardBatch *batch, guint index)
{
  const guint8 *pixels = vard_reward_batch_peek_pixels (batch, index, NULL);
  guint width = vard_reward_batch_get_width (batch, index),
        height = vard_reward_batch_get_height (batch, index);

  if (setjmp (png_jmpbuf (png)) != 0)
    return FALSE;
  png_set_write_fn (png, self, wire_png_take, wire_png_flush);
  png_set_IHDR (png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_set_filter (png, PNG_FILTER_TYPE_BASE, PNG_FILTER_UP);
  png_set_compression_level (png, 1);
  png_set_compression_strategy (png, Z_HUFFMAN_ONLY);
  png_write_info (png, info);
  for (gsize y = 0; y < height; y++)
    png_write_row (png, pixels + y * width * 3);
  png_write_end (png, info);

  return TRUE;
}

/* A picture as the base64 of a PNG file, without quotes; not when the batch was cancelled, so that
 * a request of many large ones is given up in the middle */
gboolean
wire_append_png (GString *out, VardRewardBatch *batch, guint index, GError **error)
{
  if (g_cancellable_set_error_if_cancelled (vard_reward_batch_get_cancellable (batch), error))
    return FALSE;

  WirePng self = { .bytes = g_byte_array_new (), .message = "there is no memory" };
  png_structp png =
    png_create_write_struct (PNG_LIBPNG_VER_STRING, &self, wire_png_leave, wire_png_ignore);
  png_infop info = png != NULL ? png_create_info_struct (png) : NULL;
  gboolean is_written = info != NULL && wire_png_write (&self, png, info, batch, index);

  png_destroy_write_struct (&png, &info);
  if (is_written)
    wire_append_base64 (out, self.bytes->data, self.bytes->len);
  else
    g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                 "picture %u, %u x %u, cannot be a PNG file: %s", index,
                 vard_reward_batch_get_width (batch, index),
                 vard_reward_batch_get_height (batch, index), self.message);
  g_byte_array_unref (self.bytes);

  return is_written;
}
