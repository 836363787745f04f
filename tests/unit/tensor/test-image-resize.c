/* test-image-resize.c - bicubic resampling against Pillow, and a window against the whole
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "tensor/vard-image-resize.h"

#include <string.h>

/* The same formula is in tests/golden/make-resize-golden.py. */
static VardImage *
draw (guint width, guint height, guint seed)
{
  gsize n = (gsize) 3 * width * height;
  guint8 *rgb = g_malloc (n);
  g_autoptr (GBytes) bytes = g_bytes_new_take (rgb, n);

  for (gsize i = 0; i < n; i++)
    {
      guint32 x = i / 3 % width, y = i / 3 / width;
      guint32 block = (x / 6 * 7919u + y / 5 * 104729u + i % 3 * 31 + seed) * 2654435761u >> 24;
      guint32 noise = ((guint32) i + seed) * 2246822519u >> 26;

      rgb[i] = block + noise;
    }
  return vard_image_new (width, height, bytes, NULL);
}

static JsonNode *
load_golden (void)
{
  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "resize.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  return json_parser_steal_root (parser);
}

static VardImage *
open_source (JsonObject *row)
{
  if (!json_object_has_member (row, "file"))
    {
      JsonArray *from = json_object_get_array_member (row, "from");

      return draw (json_array_get_int_element (from, 0), json_array_get_int_element (from, 1),
                   json_object_get_int_member (row, "seed"));
    }

  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_DATA"), json_object_get_string_member (row, "file"), NULL);
  g_autoptr (GError) error = NULL;
  VardImage *image = vard_image_new_from_file (path, &error);

  g_assert_no_error (error);
  return image;
}

/* exactly Pillow's bytes; of small pictures the bytes are there to be looked at */
static void
test_golden (void)
{
  g_autoptr (JsonNode) golden = load_golden ();
  JsonArray *rows = json_object_get_array_member (json_node_get_object (golden), "resize");

  g_assert_cmpuint (json_array_get_length (rows), ==, 17);
  for (guint i = 0; i < json_array_get_length (rows); i++)
    {
      JsonObject *row = json_array_get_object_element (rows, i);
      JsonArray *to = json_object_get_array_member (row, "to");
      g_autoptr (VardImage) source = open_source (row);
      g_autoptr (GError) error = NULL;
      g_autoptr (VardImage) image =
        vard_image_new_resized (source, json_array_get_int_element (to, 0),
                                json_array_get_int_element (to, 1), &error);
      g_assert_no_error (error);
      GBytes *rgb = vard_image_get_rgb (image);
      g_autofree char *checksum = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, rgb);

      for (guint k = 0; json_object_has_member (row, "pixels") && k < g_bytes_get_size (rgb); k++)
        g_assert_cmpint (vard_image_peek_pixels (image)[k], ==,
                         json_array_get_int_element (json_object_get_array_member (row, "pixels"),
                                                     k));
      g_test_message ("%u", i);
      g_assert_cmpstr (checksum, ==, json_object_get_string_member (row, "sha256"));
    }
}

static void
test_window (void)
{
  static const VardImageWindow windows[] = {
    { 90, 70, 0, 0, 90, 70 }, { 90, 70, 89, 69, 1, 1 }, { 90, 70, 20, 5, 33, 44 },
    { 9, 7, 2, 1, 5, 3 },     { 31, 47, 0, 10, 31, 4 },
  };
  g_autoptr (VardImage) source = draw (31, 47, 5);

  for (guint i = 0; i < G_N_ELEMENTS (windows); i++)
    {
      const VardImageWindow *w = &windows[i];
      g_autoptr (VardImage) whole = vard_image_new_resized (source, w->width, w->height, NULL);
      g_autofree guint8 *part = g_malloc (3 * w->n_columns * w->n_rows);

      vard_image_resize_rgb (vard_image_peek_pixels (source), 31, 47, w, part);
      for (guint y = 0; y < w->n_rows; y++)
        g_assert_cmpmem (part + 3 * w->n_columns * y, 3 * w->n_columns,
                         vard_image_peek_pixels (whole) + 3 * ((w->top + y) * w->width + w->left),
                         3 * w->n_columns);
    }
}

/* a thread of pixels stretched to gigabytes, of which the middle is wanted */
static void
test_window_of_giant (void)
{
  g_autoptr (VardImage) source = draw (1, 16000, 3);
  VardImageWindow window = { 224, 224 * 16000, 0, 112 * 15999, 224, 224 };
  g_autofree guint8 *part = g_malloc (3 * 224 * 224);

  vard_image_resize_rgb (vard_image_peek_pixels (source), 1, 16000, &window, part);
  /* the window covers one source pixel and a half of each neighbour's slope */
  for (guint x = 1; x < 224; x++)
    g_assert_cmpmem (part, 3, part + 3 * x, 3);
}

static void
test_bad_sizes (void)
{
  g_autoptr (VardImage) source = draw (3, 3, 0);
  g_autoptr (GError) error = NULL;

  g_assert_null (vard_image_new_resized (source, 0, 5, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_clear_error (&error);
  g_assert_null (vard_image_new_resized (source, 5, 100000, &error));
  g_assert_cmpstr (error->message, ==,
                   "a picture of 5 x 100000 is out of range: each side must be 1 to 16384");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image-resize/golden", test_golden);
  g_test_add_func ("/image-resize/window", test_window);
  g_test_add_func ("/image-resize/window-of-giant", test_window_of_giant);
  g_test_add_func ("/image-resize/bad-sizes", test_bad_sizes);
  return g_test_run ();
}
