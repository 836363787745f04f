/* test-lora-hash.c - the hashes in the header of a file for kohya's readers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "lora-fixture.h"

#include "adapters/vard-lora-hash.h"

/* what kohya's readers compute of a file is what stands in it; names and notes do not matter */
static void
test_kohya_hashes (Fixture *self, gconstpointer data)
{
  g_autoptr (GHashTable) metadata = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree char *model_hash = NULL, *left = g_strconcat (self->file, ".hash", NULL);
  g_autoptr (GError) error = NULL;
  gsize size;
  guint64 header;

  attach (self, NULL, 4, 2);
  vard_lora_foreach (self->unet, fill_up, NULL);
  g_hash_table_insert (metadata, "vard_note", "does not count");
  g_assert_true (
    vard_model_save_lora (self->model, self->file, VARD_LORA_FORMAT_KOHYA, metadata, NULL, &error));
  g_assert_false (g_file_test (left, G_FILE_TEST_EXISTS));

  g_autoptr (VardSafetensors) file = vard_safetensors_open (self->file, &error);
  GHashTable *found = vard_safetensors_peek_metadata (file);
  g_autofree char *bytes = read_all (self->file, &size);

  memcpy (&header, bytes, sizeof header);

  g_autofree char *expected = g_compute_checksum_for_data (G_CHECKSUM_SHA256,
                                                           (guchar *) bytes + 8 + header,
                                                           size - 8 - header);
  g_autofree char *spec = g_strconcat ("0x", expected, NULL);

  g_assert_true (vard_lora_hash_file (self->file, &model_hash, NULL, &error));
  g_assert_cmpstr (model_hash, ==, expected);
  g_assert_cmpstr (g_hash_table_lookup (found, "sshs_model_hash"), ==, expected);
  g_assert_cmpstr (g_hash_table_lookup (found, "modelspec.hash_sha256"), ==, spec);
  /* shorter than where the old hash begins: that of nothing */
  g_assert_cmpuint (size, <, 0x100000);
  g_assert_cmpstr (g_hash_table_lookup (found, "sshs_legacy_hash"), ==, "e3b0c442");
}

/* long enough for the old hash, which looks at 64 KiB from 1 MiB on */
static void
test_long_file (Fixture *self, gconstpointer data)
{
  g_autofree guint8 *bytes = g_malloc (0x120000);
  const guint64 header = GUINT64_TO_LE (5);
  g_autofree char *model_hash = NULL, *legacy_hash = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 0x120000; i++)
    bytes[i] = i * 2654435761u >> 24;
  memcpy (bytes, &header, sizeof header);
  g_assert_true (g_file_set_contents (self->file, (char *) bytes, 0x120000, &error));
  g_assert_true (vard_lora_hash_file (self->file, &model_hash, &legacy_hash, &error));
  g_assert_no_error (error);
  /* by Python's hashlib */
  g_assert_cmpstr (model_hash, ==,
                   "6b05957dcb0a406d0fa5db22404408140ea35aaf654ba8958d8733bafc21452d");
  g_assert_cmpstr (legacy_hash, ==, "1779f607");
}

static void
test_short_file (Fixture *self, gconstpointer data)
{
  g_autofree char *hash = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (self->file, "1234567", 7, &error));
  g_assert_false (vard_lora_hash_file (self->file, &hash, NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/lora-hash/header", test_kohya_hashes);
  ADD ("/lora-hash/long-file", test_long_file);
  ADD ("/lora-hash/short-file", test_short_file);
  return g_test_run ();
}
