/* test-safetensors.c - weight files: round trips, and files that lie
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

typedef struct
{
  char *folder;
  char *path;
} Fixture;

static void
fixture_set_up (Fixture *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp (NULL, NULL);
  self->path = g_build_filename (self->folder, "weights.safetensors", NULL);
}

static void
fixture_tear_down (Fixture *self, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (self->folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (self->folder);
  g_free (self->folder);
  g_free (self->path);
}

static guint
count_files (Fixture *self)
{
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

/* a file of this header and n_data bytes of zeros */
static void
write_file (const char *path, const char *header, gsize n_header, gsize n_data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint64 length = GUINT64_TO_LE (n_header);
  g_autofree guint8 *data = g_malloc0 (n_data + 1);
  g_autoptr (GError) error = NULL;

  g_byte_array_append (bytes, (guint8 *) &length, 8);
  g_byte_array_append (bytes, (const guint8 *) header, strlen (header));
  g_byte_array_append (bytes, data, n_data);
  g_file_set_contents_full (path, (char *) bytes->data, bytes->len, G_FILE_SET_CONTENTS_NONE, 0600,
                            &error);
  g_assert_no_error (error);
}

static VardTensor *
make_tensor (VardShape shape, float first)
{
  VardTensor *tensor = vard_tensor_new (VARD_DTYPE_F32, &shape);

  for (gint64 i = 0; i < vard_tensor_get_count (tensor); i++)
    vard_tensor_peek_f32 (tensor)[i] = first + i;
  return tensor;
}

static void
test_round_trip (Fixture *self, gconstpointer data)
{
  g_autoptr (VardTensor) a = make_tensor (VARD_SHAPE (2, 3), 1), b = make_tensor (VARD_SCALAR, 7);
  g_autoptr (VardTensor) c = make_tensor (VARD_SHAPE (0, 4), 0);
  const VardSafetensorsEntry entries[] = {
    { .name = "half", .tensor = a, .dtype = VARD_DTYPE_F16 },
    { .name = "b\"ad \u00e9", .tensor = b },
    { .name = "empty", .tensor = c },
    { .name = "ids", .tensor = a, .dtype = VARD_DTYPE_I64 },
    { .name = "bytes", .tensor = a, .dtype = VARD_DTYPE_U8 },
    { .name = "last", .tensor = a, .dtype = VARD_DTYPE_BF16 },
  };
  g_autoptr (GHashTable) metadata = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GError) error = NULL;

  g_hash_table_insert (metadata, (gpointer) "prompt", (gpointer) "a \"red\" apple\n");
  g_assert_true (
    vard_safetensors_write (self->path, entries, G_N_ELEMENTS (entries), metadata, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count_files (self), ==, 1);

  g_autoptr (VardSafetensors) file = vard_safetensors_open (self->path, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length ((char **) vard_safetensors_peek_names (file)), ==,
                    G_N_ELEMENTS (entries));
  g_assert_cmpstr (g_hash_table_lookup (vard_safetensors_peek_metadata (file), "prompt"), ==,
                   "a \"red\" apple\n");
  g_assert_cmpstr (g_hash_table_lookup (vard_safetensors_peek_metadata (file), "format"), ==, "pt");
  for (guint i = 0; i < G_N_ELEMENTS (entries); i++)
    {
      g_autoptr (VardTensor) found = vard_safetensors_lookup (file, entries[i].name, &error);

      g_assert_no_error (error);
      g_assert_cmpint (vard_tensor_get_dtype (found), ==, entries[i].dtype);

      g_autoptr (VardTensor) floats = vard_tensor_convert (found, VARD_DTYPE_F32);

      g_assert_true (vard_shape_equal (vard_tensor_peek_shape (floats),
                                       vard_tensor_peek_shape (entries[i].tensor)));
      g_assert_cmpmem (vard_tensor_peek_data (floats), vard_tensor_get_n_bytes (floats),
                       vard_tensor_peek_data (entries[i].tensor),
                       vard_tensor_get_n_bytes (entries[i].tensor));
    }
  g_assert_null (vard_safetensors_lookup (file, "nothing", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
}

/* 1 byte before the floats: they are unaligned and must be copied; F64 becomes F32 */
static void
test_unaligned (Fixture *self, gconstpointer data)
{
  const char *header = "{\"a\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]},"
                       "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]},"
                       "\"c\":{\"dtype\":\"F64\",\"shape\":[1,1],\"data_offsets\":[9,17]},"
                       "\"d\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[17,18]}}   ";
  g_autoptr (GError) error = NULL;

  write_file (self->path, header, strlen (header), 18);

  g_autoptr (VardSafetensors) file = vard_safetensors_open (self->path, &error);

  g_assert_no_error (error);

  g_autoptr (VardTensor) a = vard_safetensors_lookup (file, "a", &error);
  g_autoptr (VardTensor) b = vard_safetensors_lookup (file, "b", &error);
  g_autoptr (VardTensor) c = vard_safetensors_lookup (file, "c", &error);

  g_assert_no_error (error);
  g_assert_cmpint (vard_tensor_get_dtype (a), ==, VARD_DTYPE_U8);
  g_assert_cmpuint ((gsize) vard_tensor_peek_data (b) % 4, ==, 0);
  g_assert_cmpint (vard_tensor_get_dtype (c), ==, VARD_DTYPE_F32);
  g_assert_null (vard_safetensors_lookup (file, "d", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED);
}

typedef struct
{
  const char *name;
  const char *header;
  gsize n_header; /* 0: its length */
  gsize n_data;
  const char *says; /* what the message must contain */
} Hostile;

#define TENSOR(name, dtype, shape, offsets) \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const Hostile hostile[] = {
  { "huge-header", "{}", (gsize) 1 << 62, 0, "claims" },
  { "header-over-limit", "{}", 100000001, 0, "claims" },
  { "header-past-end", "{}", 3, 0, "claims" },
  { "empty-header", "", 0, 0, "object" },
  { "array", "[]", 0, 0, "object" },
  { "number", "7", 0, 0, "object" },
  { "not-json", "{\"a\":}", 0, 0, "JSON" },
  { "two-objects", "{}{}", 0, 0, NULL },
  { "cut-off", "{\"a\":{\"dtype\":\"F32\"", 0, 0, NULL },
  { "open-string", "{\"a", 0, 0, "string" },
  { "comment", "{/* */}", 0, 0, "character" },
  { "latin-1", "{\"\xe9\":1}", 0, 0, "UTF-8" },
  { "deep", "{\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}", 0, 0, "nested" },
  { "closes-more", "{}}}}", 0, 0, NULL },
  { "nul-in-name", "{" TENSOR ("a\\u0000b", "U8", "[1]", "[0,1]") "}", 0, 1, "NUL" },
  { "twice", "{" TENSOR ("a", "U8", "[1]", "[0,1]") "," TENSOR ("a", "U8", "[1]", "[1,2]") "}", 0,
    2, "twice" },
  { "twice-escaped",
    "{" TENSOR ("a", "U8", "[1]", "[0,1]") "," TENSOR ("\\u0061", "U8", "[1]", "[1,2]") "}", 0, 2,
    "twice" },
  { "inner-twice",
    "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1]}}", 0, 1,
    "twice" },
  { "metadata-number", "{\"__metadata__\":{\"a\":1}}", 0, 0, "not a string" },
  { "metadata-array", "{\"__metadata__\":[]}", 0, 0, "not an object" },
  { "no-dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 0, 1, "needs" },
  { "tensor-is-string", "{\"a\":\"b\"}", 0, 0, "needs" },
  { "unknown-dtype", "{" TENSOR ("a", "Q4", "[1]", "[0,1]") "}", 0, 1, "Q4" },
  { "dtype-number", "{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,1]}}", 0, 1, "needs" },
  { "negative-extent", "{" TENSOR ("a", "U8", "[-1]", "[0,1]") "}", 0, 1, "dimension 0" },
  { "fraction", "{" TENSOR ("a", "U8", "[1.0]", "[0,1]") "}", 0, 1, "dimension 0" },
  { "string-extent", "{" TENSOR ("a", "U8", "[\"1\"]", "[0,1]") "}", 0, 1, "dimension 0" },
  { "overflow", "{" TENSOR ("a", "F32", "[4294967296,4294967296]", "[0,4]") "}", 0, 4, "overflow" },
  { "overflow-to-zero", "{" TENSOR ("a", "F32", "[4611686018427387904,4]", "[0,0]") "}", 0, 0,
    "overflow" },
  { "extent-beyond-64-bits", "{" TENSOR ("a", "U8", "[18446744073709551617]", "[0,1]") "}", 0, 1,
    "dimension 0" },
  { "many-extents", "{" TENSOR ("a", "U8", "[1,1,1,1,1,1,1]", "[0,1]") "}", 0, 1, "7 dimensions" },
  { "too-short", "{" TENSOR ("a", "F32", "[2]", "[0,4]") "}", 0, 4, "needs 8 bytes" },
  { "past-end", "{" TENSOR ("a", "F32", "[2]", "[0,8]") "}", 0, 4, "outside" },
  { "backwards", "{" TENSOR ("a", "U8", "[1]", "[1,0]") "}", 0, 1, "outside" },
  { "negative-offset", "{" TENSOR ("a", "U8", "[1]", "[-1,0]") "}", 0, 1, "two whole numbers" },
  { "one-offset", "{" TENSOR ("a", "U8", "[1]", "[1]") "}", 0, 1, "two whole numbers" },
  { "overlap", "{" TENSOR ("a", "U8", "[2]", "[0,2]") "," TENSOR ("b", "U8", "[2]", "[1,3]") "}", 0,
    3, "begins at 1" },
  { "hole", "{" TENSOR ("a", "U8", "[1]", "[0,1]") "," TENSOR ("b", "U8", "[1]", "[2,3]") "}", 0, 3,
    "begins at 2" },
  { "data-after", "{" TENSOR ("a", "U8", "[1]", "[0,1]") "}", 0, 5, "end at 1" },
};

static void
test_hostile (Fixture *self, gconstpointer data)
{
  const Hostile *row = data;
  g_autoptr (GError) error = NULL;

  write_file (self->path, row->header, row->n_header ? row->n_header : strlen (row->header),
              row->n_data);
  g_assert_null (vard_safetensors_open (self->path, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, self->path));
  if (row->says != NULL && strstr (error->message, row->says) == NULL)
    g_error ("“%s” does not say “%s”", error->message, row->says);
}

static void
test_short_files (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  for (gsize n = 0; n < 8; n++)
    {
      g_clear_error (&error);
      g_file_set_contents (self->path, "\2\0\0\0\0\0\0\0", n, NULL);
      g_assert_null (vard_safetensors_open (self->path, &error));
      g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
    }
  g_clear_error (&error);
  g_unlink (self->path);
  g_assert_null (vard_safetensors_open (self->path, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
}

/* No change of a few bytes may crash; what opens must be readable to its last byte. A few rounds:
 * the fuzzer, whose files are not on a disk, does the rest. */
static void
test_mutations (Fixture *self, gconstpointer data)
{
  g_autoptr (VardTensor) a = make_tensor (VARD_SHAPE (2, 3), 1);
  const VardSafetensorsEntry entries[] = {
    { .name = "one", .tensor = a },
    { .name = "two", .tensor = a, .dtype = VARD_DTYPE_F16 },
  };
  g_autofree char *whole = NULL;
  gsize size;
  guint n_opened = 0, n_refused = 0;

  vard_safetensors_write (self->path, entries, 2, NULL, NULL);
  g_file_get_contents (self->path, &whole, &size, NULL);
  for (guint round = 0; round < 60; round++)
    {
      g_autofree char *bytes = g_memdup2 (whole, size);
      gsize length = round % 7 == 0 ? (gsize) g_test_rand_int_range (0, size) : size;

      for (int i = g_test_rand_int_range (1, 4); i > 0; i--)
        bytes[g_test_rand_int_range (0, g_test_rand_int_range (0, 2) ? 8 : size)] =
          g_test_rand_int ();
      g_unlink (self->path); /* without flags the file is not cut */
      g_file_set_contents_full (self->path, bytes, length, G_FILE_SET_CONTENTS_NONE, 0600, NULL);

      g_autoptr (VardSafetensors) file = vard_safetensors_open (self->path, NULL);

      n_refused += file == NULL;
      n_opened += file != NULL;
      for (const char *const *name = file != NULL ? vard_safetensors_peek_names (file) : NULL;
           name != NULL && *name != NULL; name++)
        {
          g_autoptr (VardTensor) tensor = vard_safetensors_lookup (file, *name, NULL);
          g_autoptr (VardTensor) copy =
            tensor != NULL ? vard_tensor_convert (tensor, VARD_DTYPE_F32) : NULL;
        }
    }
  g_assert_cmpuint (n_opened + n_refused, ==, 60);
  g_assert_cmpuint (n_refused, >, 0);
}

static void
test_sharded (Fixture *self, gconstpointer data)
{
  g_autoptr (VardTensor) a = make_tensor (VARD_SHAPE (2), 1), b = make_tensor (VARD_SHAPE (3), 5);
  const VardSafetensorsEntry first = { .name = "a", .tensor = a },
                             second = { .name = "b", .tensor = b };
  g_autofree char *other = g_build_filename (self->folder, "other.safetensors", NULL);
  g_autofree char *index = g_build_filename (self->folder, "weights.safetensors.index.json", NULL);
  g_autoptr (GError) error = NULL;

  vard_safetensors_write (self->path, &first, 1, NULL, NULL);
  vard_safetensors_write (other, &second, 1, NULL, NULL);
  g_file_set_contents (index,
                       "{\"metadata\":{\"total_size\":20},\"weight_map\":"
                       "{\"a\":\"weights.safetensors\",\"b\":\"other.safetensors\"}}",
                       -1, NULL);

  g_autoptr (VardSafetensors) file = vard_safetensors_open (index, &error);

  g_assert_no_error (error);

  g_autoptr (VardTensor) found = vard_safetensors_lookup (file, "b", &error);

  g_assert_no_error (error);
  g_assert_cmpfloat (vard_tensor_peek_f32 (found)[2], ==, 7);
  g_assert_true (vard_safetensors_contains (file, "a"));

  static const char *const wrong[] = {
    "{\"weight_map\":{\"a\":\"../weights.safetensors\"}}",
    "{\"weight_map\":{\"a\":\"missing.safetensors\"}}",
    "{\"weight_map\":{\"c\":\"other.safetensors\"}}",
    "{\"weight_map\":{\"a\":7}}",
    "{\"weight_map\":[]}",
    "{}",
    "[",
    "",
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_file_set_contents (index, wrong[i], -1, NULL);
      g_assert_null (vard_safetensors_open (index, &error));
      g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
      g_clear_error (&error);
    }
}

static gsize
count_resident (void)
{
  g_autofree char *text = NULL;
  gsize size = 0, resident = 0;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  g_assert_cmpint (sscanf (text, "%zu %zu", &size, &resident), ==, 2);
  return resident * sysconf (_SC_PAGESIZE);
}

/* a view's memory is given back, and its numbers are there again when they are read; a tensor's own
 * stays */
static void
test_drop_pages (Fixture *self, gconstpointer data)
{
  gsize n = 16 << 20;
  g_autoptr (VardTensor) large = make_tensor (VARD_SHAPE (n / sizeof (float)), 0);
  const VardSafetensorsEntry entry = { "large", .tensor = large };
  g_autoptr (GError) error = NULL;

  vard_safetensors_write (self->path, &entry, 1, NULL, &error);
  g_assert_no_error (error);

  g_autoptr (VardSafetensors) file = vard_safetensors_open (self->path, &error);
  g_autoptr (VardTensor) view = vard_safetensors_lookup (file, "large", &error);

  g_assert_no_error (error);
  g_assert_cmpmem (vard_tensor_peek_data (view), n, vard_tensor_peek_data (large), n);

  gsize before = count_resident (), n_dropped = vard_tensor_drop_pages (view);

  g_assert_cmpuint (n_dropped, >, n - (1 << 16));
  g_assert_cmpuint (count_resident (), <, before - n / 2);
  g_assert_cmpmem (vard_tensor_peek_data (view), n, vard_tensor_peek_data (large), n);
  g_assert_cmpuint (vard_tensor_drop_pages (large), ==, 0);
  g_assert_cmpfloat (vard_tensor_peek_f32 (large)[5], ==, 5);
}

/* the disk is full when the process may not write more: an error, the old file intact, nothing left
 * beside it */
static void
test_full_disk (Fixture *self, gconstpointer data)
{
  g_autoptr (VardTensor) small = make_tensor (VARD_SHAPE (4), 1),
                         large = make_tensor (VARD_SHAPE (100000), 0);
  const VardSafetensorsEntry good = { .name = "a", .tensor = small },
                             bad = { .name = "a", .tensor = large };
  struct rlimit before, limit;
  g_autoptr (GError) error = NULL;

  g_assert_true (vard_safetensors_write (self->path, &good, 1, NULL, &error));
  getrlimit (RLIMIT_FSIZE, &before);
  limit = before;
  limit.rlim_cur = 65536;
  signal (SIGXFSZ, SIG_IGN);
  setrlimit (RLIMIT_FSIZE, &limit);
  g_assert_false (vard_safetensors_write (self->path, &bad, 1, NULL, &error));
  setrlimit (RLIMIT_FSIZE, &before);
  g_assert_error (error, VARD_ERROR, VARD_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, self->path));
  g_clear_error (&error);
  g_assert_cmpuint (count_files (self), ==, 1);

  g_autoptr (VardSafetensors) file = vard_safetensors_open (self->path, &error);

  g_assert_no_error (error);
}

static void
test_refused_names (Fixture *self, gconstpointer data)
{
  g_autoptr (VardTensor) a = make_tensor (VARD_SHAPE (1), 1);
  const VardSafetensorsEntry twice[] = { { .name = "a", .tensor = a },
                                         { .name = "a", .tensor = a } };
  const VardSafetensorsEntry metadata = { .name = "__metadata__", .tensor = a };
  g_autoptr (GError) error = NULL;

  g_assert_false (vard_safetensors_write (self->path, twice, 2, NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_clear_error (&error);
  g_assert_false (vard_safetensors_write (self->path, &metadata, 1, NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_cmpuint (count_files (self), ==, 0);
}

#define ADD(path, data, func) \
  g_test_add (path, Fixture, data, fixture_set_up, func, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/safetensors/round-trip", NULL, test_round_trip);
  ADD ("/safetensors/unaligned", NULL, test_unaligned);
  for (guint i = 0; i < G_N_ELEMENTS (hostile); i++)
    {
      g_autofree char *path = g_strconcat ("/safetensors/hostile/", hostile[i].name, NULL);

      ADD (path, &hostile[i], test_hostile);
    }
  ADD ("/safetensors/short-files", NULL, test_short_files);
  ADD ("/safetensors/mutations", NULL, test_mutations);
  ADD ("/safetensors/sharded", NULL, test_sharded);
  ADD ("/safetensors/full-disk", NULL, test_full_disk);
  ADD ("/safetensors/drop-pages", NULL, test_drop_pages);
  ADD ("/safetensors/refused-names", NULL, test_refused_names);
  return g_test_run ();
}
