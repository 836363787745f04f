/* test-clip.c - CLIP's encoders against transformers, and what they see against Pillow
 *
 * make-clip-golden.py wrote the folders and the answers, make-resize-golden.py the checksums.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define TOLERANCE 2e-5

static char *
find_data (const char *name)
{
  return g_build_filename (g_getenv ("VARD_TEST_DATA"), "data", name, NULL);
}

static JsonObject *
load_golden (const char *name)
{
  g_autofree char *path = g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", name, NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  return json_object_ref (json_node_get_object (json_parser_get_root (parser)));
}

/* a piece of a real picture: [file, left, top, width, height] */
static GBytes *
cut_piece (JsonArray *piece, guint *width, guint *height)
{
  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_DATA"), json_array_get_string_element (piece, 0), NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardImage) image = vard_image_new_from_file (path, &error);
  gsize left = json_array_get_int_element (piece, 1), top = json_array_get_int_element (piece, 2);
  guint8 *rgb;

  g_assert_no_error (error);
  *width = json_array_get_int_element (piece, 3);
  *height = json_array_get_int_element (piece, 4);
  rgb = g_malloc ((gsize) 3 * *width * *height);
  for (gsize y = 0; y < *height; y++)
    memcpy (rgb + 3 * *width * y,
            vard_image_peek_pixels (image) + 3 * ((top + y) * vard_image_get_width (image) + left),
            3 * *width);
  return g_bytes_new_take (rgb, (gsize) 3 * *width * *height);
}

static void
compare (const float *features, guint n, JsonArray *row)
{
  g_assert_cmpuint (json_array_get_length (row), ==, n);
  for (guint k = 0; k < n; k++)
    g_assert_cmpfloat_with_epsilon (features[k], json_array_get_double_element (row, k), TOLERANCE);
}

/* all pictures at once, then each alone */
static void
check_pictures (VardClip *clip, JsonObject *golden, JsonArray *expected)
{
  JsonArray *pieces = json_object_get_array_member (golden, "pieces");
  guint n = json_array_get_length (pieces), n_features = vard_clip_get_n_features (clip);
  gsize n_values = (gsize) 3 * vard_clip_get_size (clip) * vard_clip_get_size (clip);
  g_autofree float *pixels = g_new (float, n *n_values), *features = g_new (float, n *n_features);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < n; i++)
    {
      guint width, height;
      g_autoptr (GBytes) rgb =
        cut_piece (json_array_get_array_element (pieces, i), &width, &height);

      vard_clip_prepare (clip, g_bytes_get_data (rgb, NULL), width, height, VARD_CLIP_CROP_FLOOR,
                         pixels + i * n_values);
    }
  g_assert_true (vard_clip_encode_pictures (clip, pixels, n, features, NULL, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < n; i++)
    compare (features + i * n_features, n_features, json_array_get_array_element (expected, i));
  for (guint i = 0; i < n; i++)
    {
      g_assert_true (
        vard_clip_encode_pictures (clip, pixels + i * n_values, 1, features, NULL, NULL));
      compare (features, n_features, json_array_get_array_element (expected, i));
    }
}

static void
check_texts (VardClip *clip, JsonObject *golden, JsonArray *expected)
{
  JsonArray *prompts = json_object_get_array_member (golden, "prompts");
  g_autofree float *features = g_new (float, vard_clip_get_n_features (clip));
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 2 * json_array_get_length (prompts); i++)
    {
      guint k = i % json_array_get_length (prompts);

      g_assert_true (vard_clip_encode_text (clip, json_array_get_string_element (prompts, k),
                                            features, NULL, &error));
      g_assert_no_error (error);
      compare (features, vard_clip_get_n_features (clip),
               json_array_get_array_element (expected, k));
    }
}

typedef struct
{
  const char *name, *member, *engine, *folder, *weights, *tokenizer;
} Case;

static const Case cases[] = {
  { "transformers", "tiny-clip", "reference", "tiny-clip" },
  { "transformers/cpu", "tiny-clip", "cpu", "tiny-clip" },
  { "open-clip", "tiny-open-clip", "reference", "tiny-open-clip", NULL, "tiny-clip" },
  { "open-clip/checkpoint", "tiny-open-clip", "cpu", "tiny-open-clip",
    "tiny-open-clip/checkpoint.pt", "tiny-clip" },
};

static void
test_golden (gconstpointer data)
{
  const Case *row = data;
  g_autoptr (JsonObject) golden = load_golden ("clip.json");
  JsonObject *expected = json_object_get_object_member (golden, row->member);
  g_autofree char *folder = find_data (row->folder),
                  *weights = row->weights != NULL ? find_data (row->weights) : NULL;
  g_autofree char *tokenizer = row->tokenizer != NULL ? find_data (row->tokenizer) : NULL;
  VardClipFiles files = { folder, weights, tokenizer };
  g_autoptr (GError) error = NULL;
  g_autoptr (VardEngine) engine = vard_load_engine (row->engine, 2, &error);
  g_assert_no_error (error);
  g_autoptr (VardClip) clip = vard_clip_new (&files, engine, &error);
  g_assert_no_error (error);

  g_assert_cmpfloat_with_epsilon (vard_clip_get_scale (clip),
                                  json_object_get_double_member (expected, "scale"), 1e-4);
  check_pictures (clip, golden, json_object_get_array_member (expected, "images"));
  check_texts (clip, golden, json_object_get_array_member (expected, "texts"));
}

/* ---- pictures ---- */

/* The same formula is in make-resize-golden.py. */
static guint8 *
draw (guint width, guint height, guint seed)
{
  gsize n = (gsize) 3 * width * height;
  guint8 *rgb = g_malloc (n);

  for (gsize i = 0; i < n; i++)
    {
      guint32 x = i / 3 % width, y = i / 3 / width;
      guint32 block = (x / 6 * 7919u + y / 5 * 104729u + i % 3 * 31 + seed) * 2654435761u >> 24;

      rgb[i] = block + (((guint32) i + seed) * 2246822519u >> 26);
    }
  return rgb;
}

static void
check_crop (JsonObject *row, const char *rule, VardClipCrop crop)
{
  guint width = json_object_get_int_member (row, "width"),
        height = json_object_get_int_member (row, "height");
  g_autofree guint8 *rgb = draw (width, height, json_object_get_int_member (row, "seed"));
  g_autofree guint8 *square = g_malloc (3 * 224 * 224);

  vard_clip_picture_crop (rgb, width, height, 224, crop, square);
  g_autofree char *checksum =
    g_compute_checksum_for_data (G_CHECKSUM_SHA256, square, 3 * 224 * 224);
  g_test_message ("%u x %u %s", width, height, rule);
  g_assert_cmpstr (checksum, ==, json_object_get_string_member (row, rule));
}

/* what the encoder sees, to the last bit */
static void
test_crop (void)
{
  g_autoptr (JsonObject) golden = load_golden ("resize.json");
  JsonArray *rows = json_object_get_array_member (golden, "clip");

  g_assert_cmpuint (json_array_get_length (rows), ==, 11);
  for (guint i = 0; i < json_array_get_length (rows); i++)
    {
      check_crop (json_array_get_object_element (rows, i), "floor", VARD_CLIP_CROP_FLOOR);
      check_crop (json_array_get_object_element (rows, i), "round", VARD_CLIP_CROP_ROUND);
    }
}

static void
test_normalize (void)
{
  const guint8 square[] = { 0, 128, 255, 17, 3, 200 };
  const float mean[] = { 0.48145466f, 0.4578275f, 0.40821073f },
              std[] = { 0.26862954f, 0.26130258f, 0.27577711f };
  float pixels[6];

  vard_clip_picture_normalize (square, 2, mean, std, pixels);
  for (guint i = 0; i < 6; i++)
    g_assert_cmpfloat_with_epsilon (pixels[i], (square[i] / 255.0 - mean[i % 3]) / std[i % 3],
                                    1e-6);
}

/* ---- one for all ---- */

static void
test_shared (void)
{
  g_autofree char *folder = find_data ("tiny-clip"), *other = find_data ("../data/./tiny-clip/");
  g_autofree char *open = find_data ("tiny-open-clip");
  VardClipFiles files = { folder }, same = { other }, different = { open };
  VardClip *one = vard_load_clip (&files, "cpu", 1, NULL),
           *two = vard_load_clip (&same, "cpu", 1, NULL);
  g_autoptr (VardClip) three = vard_load_clip (&different, "cpu", 1, NULL);
  g_autoptr (VardClip) four = vard_load_clip (&files, "reference", 1, NULL);
  gpointer watched = one;

  g_assert_nonnull (one);
  g_assert_true (one == two);
  g_assert_true (three && one != three);
  g_assert_true (four && one != four);
  g_object_add_weak_pointer (G_OBJECT (one), &watched);
  g_object_unref (one);
  g_assert_nonnull (watched);
  g_object_unref (two);
  g_assert_null (watched);
  one = vard_load_clip (&files, "cpu", 1, NULL);
  g_assert_nonnull (one);
  g_object_unref (one);
}

/* ---- bad folders ---- */

static void
copy_file (const char *from, const char *folder, const char *name)
{
  g_autofree char *source = g_build_filename (from, name, NULL),
                  *target = g_build_filename (folder, name, NULL);
  g_autofree char *text = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (source, &text, &size, NULL));
  g_assert_true (g_file_set_contents (target, text, size, NULL));
}

/* a file of the folder with one text replaced by another; with NULL the file is taken away */
typedef struct
{
  const char *name, *file, *from, *to, *message;
} Bad;

/* clang-format off */
static const Bad bad[] = {
  { "no-config", "config.json", NULL, NULL,
    "is not the folder of a CLIP model: there is neither config.json nor" },
  { "no-weights", "model.safetensors", NULL, NULL, "there are no weights in" },
  { "other-kind", "config.json", "\"clip\"", "\"siglip\"",
    "“model_type” is \"siglip\"; vard supports clip or clip_vision_model" },
  { "heads", "config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 5",
    "“num_attention_heads” is 5" },
  { "patches", "config.json", "\"patch_size\": 7", "\"patch_size\": 8", "“patch_size” is 8" },
  { "width", "config.json", "\"projection_dim\": 24", "\"projection_dim\": 25",
    "visual_projection.weight has the shape [24, 32], but the configuration needs [25, 32]" },
  { "layers", "config.json", "\"num_hidden_layers\": 2,\n    \"patch",
    "\"num_hidden_layers\": 1,\n    \"patch", "encoder.layers.1" },
  { "size", "preprocessor_config.json", "\"size\": 28", "\"size\": 32",
    "“size” is 32; vard supports 28" },
  { "mean", "preprocessor_config.json", "0.4", "\"x\"", "“image_mean” is" },
  { "nearest", "preprocessor_config.json", "\"resample\": 3", "\"resample\": 0",
    "“resample” is 0; vard supports 3" },
};
/* clang-format on */

static void
damage (const char *folder, const Bad *row)
{
  g_autofree char *path = g_build_filename (folder, row->file, NULL), *text = NULL;
  g_autoptr (GString) changed = NULL;

  if (row->from == NULL)
    {
      g_remove (path);
      return;
    }
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  changed = g_string_new (text);
  g_assert_cmpuint (g_string_replace (changed, row->from, row->to, 0), >, 0);
  g_assert_true (g_file_set_contents (path, changed->str, changed->len, NULL));
}

static void
test_bad (gconstpointer data)
{
  static const char *const names[] = { "config.json", "preprocessor_config.json",
                                       "model.safetensors" };
  const Bad *row = data;
  g_autofree char *folder = g_dir_make_tmp ("vard-clip-XXXXXX", NULL),
                  *source = find_data ("tiny-clip");
  g_autoptr (VardEngine) engine = vard_load_engine ("reference", 1, NULL);
  VardClipFiles files = { folder };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    copy_file (source, folder, names[i]);
  damage (folder, row);
  g_assert_null (vard_clip_new (&files, engine, &error));
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, row->message));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (folder, names[i], NULL);

      g_remove (path);
    }
  g_rmdir (folder);
}

/* without a tokenizer pictures can be encoded, and texts cannot */
static void
test_no_tokenizer (void)
{
  g_autofree char *folder = find_data ("tiny-open-clip");
  g_autoptr (VardEngine) engine = vard_load_engine ("reference", 1, NULL);
  VardClipFiles files = { folder };
  g_autoptr (GError) error = NULL;
  g_autoptr (VardClip) clip = vard_clip_new (&files, engine, &error);

  g_assert_no_error (error);
  g_assert_false (vard_clip_load_text (clip, &error));
  g_assert_nonnull (strstr (error->message, folder));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/clip/golden/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_golden);
    }
  g_test_add_func ("/clip/crop", test_crop);
  g_test_add_func ("/clip/normalize", test_normalize);
  g_test_add_func ("/clip/shared", test_shared);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *path = g_strconcat ("/clip/bad/", bad[i].name, NULL);

      g_test_add_data_func (path, &bad[i], test_bad);
    }
  g_test_add_func ("/clip/no-tokenizer", test_no_tokenizer);
  return g_test_run ();
}
