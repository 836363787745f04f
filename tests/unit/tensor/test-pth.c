/* test-pth.c - weight files of PyTorch: what torch.save wrote, and what is refused
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "tensor/vard-pickle.h"

#include <glib/gstdio.h>
#include <string.h>

static char *
find_data (const char *name)
{
  return g_build_filename (g_getenv ("VARD_TEST_DATA"), "data", name, NULL);
}

static VardPth *
open_file (const char *name)
{
  g_autofree char *path = find_data (name);
  g_autoptr (GError) error = NULL;
  VardPth *file = vard_pth_open (path, &error);

  g_assert_no_error (error);
  return file;
}

/* every tensor of the .pth is in the .safetensors, with the same bytes */
static void
compare (const char *pth_name, const char *other_name, const char *prefix, guint n_expected)
{
  g_autofree char *path = find_data (other_name);
  g_autoptr (VardPth) file = open_file (pth_name);
  g_autoptr (VardSafetensors) other = vard_safetensors_open (path, NULL);
  guint n = 0;

  for (const char *const *name = vard_pth_peek_names (file); *name != NULL; name++, n++)
    {
      g_autoptr (VardTensor) a = vard_pth_lookup (file, *name, NULL);
      g_autoptr (VardTensor) b = vard_safetensors_lookup (other, *name + strlen (prefix), NULL);

      g_assert_true (vard_pth_contains (file, *name));
      g_assert_true (g_str_has_prefix (*name, prefix));
      g_assert_true (vard_shape_equal (vard_tensor_peek_shape (a), vard_tensor_peek_shape (b)));
      g_assert_cmpint (vard_tensor_get_dtype (a), ==, vard_tensor_get_dtype (b));
      g_assert_cmpmem (vard_tensor_peek_data (a), vard_tensor_get_n_bytes (a),
                       vard_tensor_peek_data (b), vard_tensor_get_n_bytes (b));
    }
  g_assert_cmpuint (n, ==, n_expected);
}

static void
test_torch (void)
{
  compare ("tiny-clip/predictor.pth", "tiny-clip/predictor.safetensors", "", 10);
  compare ("tiny-open-clip/checkpoint.pt", "tiny-open-clip/open_clip_model.safetensors",
           "state_dict.", 38);
}

/* views, transposes, steps and types; tests/data/make-views-pth.py says what is in it */
static void
test_views (void)
{
  static const struct
  {
    const char *name;
    guint n;
    double values[6];
  } rows[] = {
    { "whole", 6, { 0, 1, 2, 3, 4, 5 } },
    { "turned", 6, { 0, 3, 1, 4, 2, 5 } },
    { "row", 3, { 3, 4, 5 } },
    { "column", 2, { 1, 4 } },
    { "step", 3, { 0, 2, 4 } },
    { "scalar", 1, { 5 } },
    { "empty", 0, { 0 } },
    { "nested.f64", 2, { 0.5, -2 } },
    { "nested.f16", 2, { 0.5, -2 } },
    { "nested.bf16", 2, { 0.5, -2 } },
    { "nested.i64", 2, { 1, -3 } },
    { "nested.u8", 2, { 7, 255 } },
    { "nested.bool", 2, { 1, 0 } },
  };
  g_autoptr (VardPth) file = open_file ("views.pth");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_test_message ("%s", rows[i].name);
      g_autoptr (VardTensor) stored = vard_pth_lookup (file, rows[i].name, &error);
      g_assert_no_error (error);
      g_autoptr (VardTensor) values = vard_tensor_convert (stored, VARD_DTYPE_F32);

      g_assert_cmpint (vard_tensor_get_count (values), ==, rows[i].n);
      for (guint k = 0; k < rows[i].n; k++)
        g_assert_cmpfloat (vard_tensor_peek_f32 (values)[k], ==, rows[i].values[k]);
    }
  g_assert_null (vard_pth_lookup (file, "nested.i16", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED);
  g_clear_error (&error);
  g_assert_null (vard_pth_lookup (file, "nothing", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
}

/* ---- pickles by hand ---- */

#define STORAGE(n)                                   \
  "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" \
  "0X\3\0\0\0cpuK" n "tQ"
#define TENSOR(rest) "\200\2}X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\n(" rest "tRs."
#define NO_HOOKS "\211ccollections\nOrderedDict\n)R"
#define PICKLE(text) text, sizeof (text) - 1

static const struct
{
  const char *name, *data;
  gsize size;
  const char *message;
} bad[] = {
  { "system", PICKLE ("\200\2cos\nsystem\nX\4\0\0\0true\205R."),
    "the pickle asks for \"os system\", which could run any program" },
  { "eval", PICKLE ("\200\2c__builtin__\neval\n."), "\"__builtin__ eval\"" },
  { "other-rebuild", PICKLE ("\200\2ctorch._utils\n_rebuild_parameter\n."),
    "\"torch._utils _rebuild_parameter\"" },
  { "old-instance", PICKLE ("\200\2(ios\nsystem\n."), "the opcode 0x69" },
  { "new-object", PICKLE ("\200\2ccollections\nOrderedDict\n)\201."), "the opcode 0x81" },
  { "stack-global", PICKLE ("\200\2\214\2os\214\6system\223."), "the opcode 0x8c" },
  { "extension", PICKLE ("\200\2\202\1."), "the opcode 0x82" },
  { "protocol", PICKLE ("\200\4}."), "does not use protocol 2" },
  { "call-of-number", PICKLE ("\200\2K\1)R."), "calls something other than a tensor" },
  { "call-with-items", PICKLE ("\200\2ccollections\nOrderedDict\nK\1\205R."),
    "calls something other than a tensor" },
  { "empty", PICKLE (""), "the pickle is truncated" },
  { "cut-number", PICKLE ("\200\2J\1\2"), "the pickle is truncated" },
  { "cut-text", PICKLE ("\200\2X\377\377\377\377a"), "the pickle is truncated" },
  { "cut-name", PICKLE ("\200\2cos"), "the pickle is truncated" },
  { "no-stack", PICKLE ("\200\2."), "its stack is empty" },
  { "no-mark", PICKLE ("\200\2K\1u."), "a mark is missing" },
  { "odd-items", PICKLE ("\200\2}(K\1u."), "it adds items to a value that cannot hold any" },
  { "append-to-number", PICKLE ("\200\2K\1K\2a."),
    "it adds items to a value that cannot hold any" },
  { "no-memo", PICKLE ("\200\2h\5."), "refers to a value that it has not made" },
  { "not-a-dict", PICKLE ("\200\2]."), "it is not a dictionary" },
  { "not-utf8", PICKLE ("\200\2X\1\0\0\0\377."), "not UTF-8" },
  { "long-number", PICKLE ("\200\2\212\11\1\1\1\1\1\1\1\1\1."), "a number of 9 bytes" },
  { "outside", PICKLE ("\200\2K\1Q."), "refers to an external object" },
  { "too-long", PICKLE (TENSOR (STORAGE ("\5") "K\0K\6\205K\1\205" NO_HOOKS)),
    "exceeds its storage" },
  { "offset", PICKLE (TENSOR (STORAGE ("\5") "K\1K\5\205K\1\205" NO_HOOKS)),
    "exceeds its storage" },
  { "negative-stride", PICKLE (TENSOR (STORAGE ("\5") "K\4K\5\205J\377\377\377\377\205" NO_HOOKS)),
    "exceeds its storage" },
  { "bomb", PICKLE (TENSOR (STORAGE ("\5") "K\0J\377\377\377\177\205K\0\205" NO_HOOKS)),
    "exceeds its storage" },
  { "overflow",
    PICKLE (TENSOR (STORAGE (
      "\5") "K\0J\377\377\377\177J\377\377\377\177J\377\377\377\177\207K\0K\0K\0\207" NO_HOOKS)),
    "exceeds its storage" },
  { "twice",
    PICKLE ("\200\2}X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\n(" STORAGE (
      "\5") "K\0K\5\205K\1\205" NO_HOOKS "tRq\1sX\1\0\0\0ah\1s."),
    "two of its tensors have the same name" },
};

static void
test_bad_pickles (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (
        vard_pickle_read_tensors ("x.pth", (const guint8 *) bad[i].data, bad[i].size, &error));
      g_test_message ("%s: %s", bad[i].name, error->message);
      g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
      g_assert_true (g_str_has_prefix (error->message, "x.pth: "));
      g_assert_nonnull (strstr (error->message, bad[i].message));
    }
}

static void
test_good_pickle (void)
{
  static const char data[] = TENSOR (STORAGE ("\5") "K\1K\2K\2\206K\2K\1\206" NO_HOOKS);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) tensors =
    vard_pickle_read_tensors ("x", (const guint8 *) data, sizeof data - 1, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (tensors->len, ==, 1);

  const VardPickleTensor *tensor = tensors->pdata[0];

  g_assert_cmpstr (tensor->name, ==, "a");
  g_assert_cmpstr (tensor->storage, ==, "0");
  g_assert_cmpint (tensor->offset, ==, 1);
  g_assert_cmpint (tensor->shape.n_dims, ==, 2);
  g_assert_cmpint (tensor->strides[0], ==, 2);
}

/* twenty levels of a dictionary that has the one below twice: a million ways to the bottom and a
 * short file */
static void
test_shared_dicts (void)
{
  GString *data = g_string_new_len ("\200\2}q\1", 5);
  g_autoptr (GError) error = NULL;

  for (guint i = 1; i < 15; i++)
    {
      g_string_append_len (data, "}(X\1\0\0\0ah", 9);
      g_string_append_c (data, i);
      for (guint k = 0; k < 3; k++)
        {
          g_string_append_len (data, "X\1\0\0\0", 5);
          g_string_append_c (data, 'b' + k);
          g_string_append_c (data, 'h');
          g_string_append_c (data, i);
        }
      g_string_append_len (data, "uq", 2);
      g_string_append_c (data, i + 1);
    }
  g_string_append_c (data, '.');
  g_assert_null (vard_pickle_read_tensors ("x", (const guint8 *) data->str, data->len, &error));
  g_assert_cmpstr (error->message, ==, "x: it has more than a million entries");
  g_string_free (data, TRUE);
}

/* ---- archives ---- */

static void
check_bytes (const char *data, gsize size, const char *message)
{
  g_autofree char *folder = g_dir_make_tmp ("vard-pth-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "x.pth", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, data, size, NULL));
  g_assert_null (vard_pth_open (path, &error));
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, message));
  g_assert_nonnull (strstr (error->message, path));
  g_remove (path);
  g_rmdir (folder);
}

static void
test_bad_archives (void)
{
  g_autofree char *path = find_data ("tiny-clip/predictor.pth"), *data = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  check_bytes (data, size / 2, "the zip archive is damaged: its end record is missing");
  check_bytes ("", 0, "is not a PyTorch weight file");
  check_bytes ("\200\2\212\nl\374\234F\371 j\250P\31.", 15,
               "is in the format of before PyTorch 1.6");
  check_bytes ("hello", 5, "is not a PyTorch weight file");
  /* members move by a byte */
  g_autofree char *longer = g_malloc (size + 1);
  memcpy (longer, data, 4);
  memcpy (longer + 5, data + 4, size - 4);
  longer[4] = 0;
  check_bytes (longer, size + 1, "the zip archive is damaged: ");

  /* the storage of the first tensor is called something else in the list */
  for (gsize i = size - 1; i > 10; i--)
    if (memcmp (data + i, "/data/0", 7) == 0)
      {
        data[i + 6] = 'x';
        break;
      }
  check_bytes (data, size, "but the archive has 0 bytes for it");
}

static void
test_missing (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vard_pth_open ("no-such.pth", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "no-such.pth"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pth/torch", test_torch);
  g_test_add_func ("/pth/views", test_views);
  g_test_add_func ("/pth/bad-pickles", test_bad_pickles);
  g_test_add_func ("/pth/good-pickle", test_good_pickle);
  g_test_add_func ("/pth/shared-dicts", test_shared_dicts);
  g_test_add_func ("/pth/bad-archives", test_bad_archives);
  g_test_add_func ("/pth/missing", test_missing);
  return g_test_run ();
}
