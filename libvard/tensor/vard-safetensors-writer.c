/* vard-safetensors-writer.c - writes weight files atomically
 *
 * The header is known before the data, so tensors are converted and written one at a time into a
 * temporary file beside the target, which is flushed to the disk and renamed over it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-safetensors.h"

#include "base/vard-error.h"
#include "base/vard-json.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

static const char *const spellings[] = {
  [VARD_DTYPE_F32] = "F32", [VARD_DTYPE_F16] = "F16", [VARD_DTYPE_BF16] = "BF16",
  [VARD_DTYPE_I32] = "I32", [VARD_DTYPE_I64] = "I64", [VARD_DTYPE_U8] = "U8",
};

static const VardShape *
vard_safetensors_writer_entry_peek_shape (const VardSafetensorsEntry *entry)
{
  return entry->prepare != NULL ? &entry->shape : vard_tensor_peek_shape (entry->tensor);
}

static void
vard_safetensors_writer_add_metadata (JsonBuilder *builder, GHashTable *metadata)
{
  g_autoptr (GList) keys = metadata != NULL ? g_hash_table_get_keys (metadata) : NULL;

  keys = g_list_sort (keys, (GCompareFunc) strcmp);
  json_builder_set_member_name (builder, "__metadata__");
  json_builder_begin_object (builder);
  if (metadata == NULL || !g_hash_table_contains (metadata, "format"))
    {
      /* some readers insist on it */
      json_builder_set_member_name (builder, "format");
      json_builder_add_string_value (builder, "pt");
    }
  for (GList *l = keys; l != NULL; l = l->next)
    {
      json_builder_set_member_name (builder, l->data);
      json_builder_add_string_value (builder, g_hash_table_lookup (metadata, l->data));
    }
  json_builder_end_object (builder);
}

static void
vard_safetensors_writer_add_entry (JsonBuilder *builder,
                                   const VardSafetensorsEntry *entry,
                                   guint64 *at)
{
  const VardShape *shape = vard_safetensors_writer_entry_peek_shape (entry);
  guint64 size = vard_shape_get_count (shape) * vard_dtype_get_size (entry->dtype);

  json_builder_set_member_name (builder, entry->name);
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "dtype");
  json_builder_add_string_value (builder, entry->has_doubles ? "F64" : spellings[entry->dtype]);
  json_builder_set_member_name (builder, "shape");
  json_builder_begin_array (builder);
  for (guint i = 0; i < shape->n_dims; i++)
    json_builder_add_int_value (builder, shape->dims[i]);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "data_offsets");
  json_builder_begin_array (builder);
  json_builder_add_int_value (builder, *at);
  json_builder_add_int_value (builder, *at + size);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  *at += size;
}

/* padded with spaces so that the data begins at a multiple of eight */
static GString *
vard_safetensors_writer_make_header (const VardSafetensorsEntry *entries,
                                     guint n_entries,
                                     GHashTable *metadata)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  guint64 at = 0;

  json_builder_begin_object (builder);
  vard_safetensors_writer_add_metadata (builder, metadata);
  for (guint i = 0; i < n_entries; i++)
    vard_safetensors_writer_add_entry (builder, &entries[i], &at);
  json_builder_end_object (builder);

  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *json = vard_json_to_text (root, FALSE);
  GString *header = g_string_new (json);

  while (header->len % 8)
    g_string_append_c (header, ' ');

  return header;
}

static gboolean
vard_safetensors_writer_fail_errno (const char *path, const char *what, GError **error)
{
  g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "cannot %s %s: %s", what, path,
               g_strerror (errno));
  return FALSE;
}

static gboolean
vard_safetensors_writer_write_all (int fd,
                                   gconstpointer data,
                                   gsize size,
                                   const char *path,
                                   GError **error)
{
  const guint8 *from = data;

  while (size > 0)
    {
      gssize n = write (fd, from, MIN (size, 1u << 30));

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return vard_safetensors_writer_fail_errno (path, "write", error);
      from += n;
      size -= n;
    }

  return TRUE;
}

static gboolean
vard_safetensors_writer_write_entry (int fd,
                                     const VardSafetensorsEntry *entry,
                                     const char *path,
                                     GError **error)
{
  g_autoptr (VardTensor) prepared = entry->prepare != NULL ? entry->prepare (entry, error)
                                                           : g_object_ref (entry->tensor);

  if (prepared == NULL)
    return FALSE;
  if (!vard_shape_equal (vard_tensor_peek_shape (prepared),
                         vard_safetensors_writer_entry_peek_shape (entry)))
    {
      g_autofree char *got = vard_shape_to_string (vard_tensor_peek_shape (prepared));
      g_autofree char *expected =
        vard_shape_to_string (vard_safetensors_writer_entry_peek_shape (entry));

      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "%s is declared as %s, but it is %s",
                   entry->name, expected, got);
      return FALSE;
    }
  if (vard_tensor_get_dtype (prepared) != entry->dtype)
    {
      VardTensor *converted = vard_tensor_convert (prepared, entry->dtype);

      g_object_unref (prepared);
      prepared = converted;
    }

  return vard_safetensors_writer_write_all (fd, vard_tensor_peek_data (prepared),
                                            vard_tensor_get_n_bytes (prepared), path, error);
}

static gboolean
vard_safetensors_writer_write_content (int fd,
                                       const char *path,
                                       const VardSafetensorsEntry *entries,
                                       guint n_entries,
                                       GHashTable *metadata,
                                       GError **error)
{
  GString *header = vard_safetensors_writer_make_header (entries, n_entries, metadata);
  guint64 length = GUINT64_TO_LE (header->len);
  gboolean ok = vard_safetensors_writer_write_all (fd, &length, sizeof length, path, error)
                && vard_safetensors_writer_write_all (fd, header->str, header->len, path, error);

  g_string_free (header, TRUE);
  for (guint i = 0; ok && i < n_entries; i++)
    ok = vard_safetensors_writer_write_entry (fd, &entries[i], path, error);
  if (ok && fsync (fd) != 0 && errno != EINVAL)
    ok = vard_safetensors_writer_fail_errno (path, "flush", error);

  return ok;
}

static gboolean
vard_safetensors_writer_check_entries (const VardSafetensorsEntry *entries,
                                       guint n_entries,
                                       GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < n_entries; i++)
    {
      if (!g_hash_table_add (seen, (gpointer) entries[i].name)
          || g_str_equal (entries[i].name, "__metadata__"))
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "cannot write the tensor name %s%s",
                       entries[i].name, entries[i].name[0] == '_' ? "" : " twice");
          return FALSE;
        }
      if (entries[i].tensor != NULL && !vard_tensor_peek_buffer (entries[i].tensor)->is_host)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                       "%s is on a device: fetch it before you write it", entries[i].name);
          return FALSE;
        }
    }

  return TRUE;
}

/**
 * vard_safetensors_write: (skip)
 * @path: (type filename): the file to write
 * @entries: (array length=n_entries): the tensors
 * @n_entries: how many
 * @metadata: (nullable) (element-type utf8 utf8): strings for the header; `format` is `pt` unless
 *   they say otherwise
 * @error: return location for an error
 *
 * Writes a temporary file, flushes it and renames it, so that the file appears whole or not at all.
 * Entries with a `prepare` function are made one at a time.
 *
 * Returns: %FALSE with an error when a tensor could not be made or the disk could not be written
 */
gboolean
vard_safetensors_write (const char *path,
                        const VardSafetensorsEntry *entries,
                        guint n_entries,
                        GHashTable *metadata,
                        GError **error)
{
  g_return_val_if_fail (path != NULL, FALSE);
  g_return_val_if_fail (entries != NULL || n_entries == 0, FALSE);

  g_autofree char *partial = g_strconcat (path, ".XXXXXX", NULL);

  if (!vard_safetensors_writer_check_entries (entries, n_entries, error))
    return FALSE;

  int fd = g_mkstemp_full (partial, O_RDWR | O_CLOEXEC, 0644);

  if (fd < 0)
    return vard_safetensors_writer_fail_errno (path, "create", error);

  gboolean ok =
    vard_safetensors_writer_write_content (fd, path, entries, n_entries, metadata, error);

  if (close (fd) != 0 && ok)
    ok = vard_safetensors_writer_fail_errno (path, "close", error);
  if (ok && g_rename (partial, path) != 0)
    ok = vard_safetensors_writer_fail_errno (path, "rename to", error);
  if (!ok)
    g_unlink (partial);

  return ok;
}
