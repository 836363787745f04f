/* test-image.c - pictures: PNG round trip, texts, grids, damaged files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#define _GNU_SOURCE
#include <vard-internal.h>

#include <glib/gstdio.h>
#include <string.h>

static VardImage *
make_image (guint width, guint height, guint8 first)
{
  gsize n = (gsize) width * height * 3;
  guint8 *rgb = g_malloc (n);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < n; i++)
    rgb[i] = first + 31 * i;
  bytes = g_bytes_new_take (rgb, n);

  VardImage *image = vard_image_new (width, height, bytes, &error);

  g_assert_no_error (error);
  return image;
}

static char *
make_path (char **folder)
{
  *folder = g_dir_make_tmp (NULL, NULL);
  return g_build_filename (*folder, "a.png", NULL);
}

static void
test_round_trip (void)
{
  g_autoptr (VardImage) image = make_image (7, 5, 3);
  g_autofree char *folder = NULL;
  g_autofree char *path = make_path (&folder);
  g_autoptr (GError) error = NULL;

  vard_image_set_text (image, "prompt", "red apple");
  vard_image_set_text (image, "comment", "caf\u00e9 \U0001f34e");
  vard_image_set_text (image, "gone", "x");
  vard_image_set_text (image, "gone", NULL);
  g_assert_true (vard_image_save (image, path, &error));
  g_assert_no_error (error);

  g_autoptr (VardImage) read = vard_image_new_from_file (path, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (vard_image_get_width (read), ==, 7);
  g_assert_cmpuint (vard_image_get_height (read), ==, 5);
  g_assert_true (g_bytes_equal (vard_image_get_rgb (read), vard_image_get_rgb (image)));
  g_assert_cmpstr (vard_image_get_text (read, "prompt"), ==, "red apple");
  g_assert_cmpstr (vard_image_get_text (read, "comment"), ==, "caf\u00e9 \U0001f34e");
  g_assert_null (vard_image_get_text (read, "gone"));
  g_unlink (path);
  g_rmdir (folder);
}

/* tEXt holds ASCII, iTXt UTF-8, as readers expect */
static void
test_chunks (void)
{
  g_autoptr (VardImage) image = make_image (2, 2, 0);
  g_autoptr (GError) error = NULL;
  gsize size;

  vard_image_set_text (image, "prompt", "red apple");
  vard_image_set_text (image, "comment", "caf\u00e9");

  g_autoptr (GBytes) png = vard_image_encode_png (image, &error);
  const char *data = g_bytes_get_data (png, &size);

  g_assert_nonnull (memmem (data, size, "tEXtprompt\0red apple", 20));
  g_assert_nonnull (memmem (data, size, "iTXtcomment\0\0\0\0\0caf\xc3\xa9", 21));
}

/* A chunk with its checksum left out, which no reader of texts looks at */
static void
append_chunk (GByteArray *png,
              const char *head,
              gsize n_head,
              const char *text,
              gsize n_text,
              gboolean is_packed)
{
  g_autoptr (GZlibCompressor) packer = g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_ZLIB, 9);
  g_autofree char *packed = g_malloc (n_text + 100);
  gsize n_read, n_packed;

  g_assert_cmpint (g_converter_convert (G_CONVERTER (packer), text, n_text, packed, n_text + 100,
                                        G_CONVERTER_INPUT_AT_END, &n_read, &n_packed, NULL),
                   ==, G_CONVERTER_FINISHED);

  guint32 length = GUINT32_TO_BE (n_head - 4 + (is_packed ? n_packed : n_text));

  g_byte_array_append (png, (const guint8 *) &length, 4);
  g_byte_array_append (png, (const guint8 *) head, n_head);
  g_byte_array_append (png, (const guint8 *) (is_packed ? packed : text),
                       is_packed ? n_packed : n_text);
  g_byte_array_append (png, (const guint8 *) "\0\0\0\0", 4);
}

/* What other programs write, and what nobody should */
static void
test_foreign_texts (void)
{
#define HEAD(text) text, sizeof (text) - 1
  static const struct
  {
    const char *head;
    gsize n;
    const char *text;
    gboolean is_packed;
    const char *key, *value;
  } rows[] = {
    { HEAD ("tEXtplain\0"), "caf\xe9", FALSE, "plain", "caf\u00e9" },
    { HEAD ("tEXtempty\0"), "", FALSE, "empty", NULL },
    { HEAD ("tEXtno end"), "", FALSE, "no end", NULL },
    { HEAD ("tEXt\0"), "no key", FALSE, "", NULL },
    { HEAD ("tEXtcaf\xe9\0"), "a key that is not ASCII", FALSE, "caf\u00e9", NULL },
    { HEAD (
        "tEXt0123456789012345678901234567890123456789012345678901234567890123456789012345678901\0"),
      "", FALSE, "0", NULL },
    { HEAD ("zTXtpacked\0\0"), "red apple red apple", TRUE, "packed", "red apple red apple" },
    { HEAD ("zTXtdamaged\0\0"), "red apple", FALSE, "damaged", NULL },
    { HEAD ("iTXtopen\0\0\0en\0\0"), "caf\u00e9", FALSE, "open", "caf\u00e9" },
    { HEAD ("iTXtshut\0\1\0\0\0"), "caf\u00e9", TRUE, "shut", "caf\u00e9" },
    { HEAD ("iTXtcut\0\0\0en"), "", FALSE, "cut", NULL },
    { HEAD ("iTXtbytes\0\0\0\0\0"), "\xff", FALSE, "bytes", "\ufffd" },
  };
  g_autoptr (VardImage) image = make_image (2, 2, 0);
  g_autoptr (GBytes) bytes = vard_image_encode_png (image, NULL);
  g_autoptr (GByteArray) png = g_byte_array_new ();
  g_autofree char *bomb = g_malloc0 (2 << 20);
  g_autofree char *folder = NULL;
  g_autofree char *path = make_path (&folder);
  g_autoptr (GError) error = NULL;

  g_byte_array_append (png, g_bytes_get_data (bytes, NULL), 33); /* behind IHDR */
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    append_chunk (png, rows[i].head, rows[i].n, rows[i].text, strlen (rows[i].text),
                  rows[i].is_packed);
  memset (bomb, 'a', 2 << 20);
  append_chunk (png, HEAD ("zTXtbomb\0\0"), bomb, 2 << 20, TRUE);
  append_chunk (png, HEAD ("tEXtlong\0"), bomb, 2 << 20, FALSE);
  g_byte_array_append (png, (const guint8 *) g_bytes_get_data (bytes, NULL) + 33,
                       g_bytes_get_size (bytes) - 33);
  g_assert_true (g_file_set_contents (path, (const char *) png->data, png->len, NULL));

  g_autoptr (VardImage) read = vard_image_new_from_file (path, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpstr (vard_image_get_text (read, rows[i].key), ==, rows[i].value);
  g_assert_null (vard_image_get_text (read, "bomb"));
  g_assert_null (vard_image_get_text (read, "long"));
  g_unlink (path);
  g_rmdir (folder);
}

static void
test_grid (void)
{
  g_autoptr (VardImage) a = make_image (2, 3, 0), b = make_image (2, 3, 100),
                        odd = make_image (3, 3, 0);
  VardImage *three[] = { a, b, a }, *mixed[] = { a, odd };
  g_autoptr (GError) error = NULL;
  g_autoptr (VardImage) grid = vard_image_new_grid (three, 3, 2, 1, &error);
  const guint8 *pixels;

  g_assert_no_error (error);
  g_assert_cmpuint (vard_image_get_width (grid), ==, 5);
  g_assert_cmpuint (vard_image_get_height (grid), ==, 7);
  pixels = vard_image_peek_pixels (grid);
  g_assert_cmpmem (pixels, 6, vard_image_peek_pixels (a), 6);
  g_assert_cmpuint (pixels[6], ==, 255);
  g_assert_cmpmem (pixels + 9, 6, vard_image_peek_pixels (b), 6);
  g_assert_cmpuint (pixels[3 * 15], ==, 255);
  g_assert_cmpmem (pixels + 4 * 15, 6, vard_image_peek_pixels (a), 6);
  g_assert_null (vard_image_new_grid (mixed, 2, 2, 0, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
}

static void
test_wrong_size (void)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("123456", 6);
  g_autoptr (GError) error = NULL;

  g_assert_null (vard_image_new (2, 2, bytes, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_clear_error (&error);
  g_assert_null (vard_image_new (0, 2, bytes, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
}

/* Damaged files give an error or a picture, never a crash. The first 24 bytes, which say how large
 * it is, are left to the fuzzer: pictures that are large in truth only take time. */
static void
test_damaged (void)
{
  g_autoptr (VardImage) image = make_image (9, 9, 1);
  g_autoptr (GBytes) png = vard_image_encode_png (image, NULL);
  g_autofree char *folder = NULL;
  g_autofree char *path = make_path (&folder);
  g_autoptr (GError) error = NULL;
  gsize size = g_bytes_get_size (png);

  for (guint round = 0; round < 20; round++)
    {
      g_autofree char *bytes = g_memdup2 (g_bytes_get_data (png, NULL), size);

      bytes[g_test_rand_int_range (24, size)] = g_test_rand_int ();
      g_unlink (path); /* without flags the file is not cut */
      g_file_set_contents_full (path, bytes, g_test_rand_int_range (0, size + 1),
                                G_FILE_SET_CONTENTS_NONE, 0600, NULL);

      g_autoptr (VardImage) read = vard_image_new_from_file (path, NULL);
    }
  g_file_set_contents (path, "not a picture", -1, NULL);
  g_assert_null (vard_image_new_from_file (path, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  g_unlink (path);
  g_clear_error (&error);
  g_assert_null (vard_image_new_from_file (path, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image/round-trip", test_round_trip);
  g_test_add_func ("/image/chunks", test_chunks);
  g_test_add_func ("/image/foreign-texts", test_foreign_texts);
  g_test_add_func ("/image/grid", test_grid);
  g_test_add_func ("/image/wrong-size", test_wrong_size);
  g_test_add_func ("/image/damaged", test_damaged);
  return g_test_run ();
}
