/* vard-safetensors.c - reads weight files in place, memory-mapped
 *
 * The file is mapped and tensors are views of it. A header of at most 100 MB is checked wholly on
 * opening (vard-safetensors-header.c), so a lookup can only fail for an unknown name or a type vard
 * has no use for.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-safetensors.h"

#include "base/vard-error.h"
#include "base/vard-json-parse.h"
#include "tensor/vard-safetensors-header.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* the format's own limit */
#define MAX_HEADER 100000000

typedef struct
{
  VardSafetensorsRecord *record; /* owned by the file */
  guint file;
} Entry;

typedef struct
{
  char *path;
  VardBuffer *buffer; /* the whole mapped file */
  gsize data_start;
  GPtrArray *records;
} File;

struct _VardSafetensors
{
  GObject parent_instance;

  char *path;
  GPtrArray *files;
  GHashTable *entries; /* name to Entry; names are owned by records */
  GPtrArray *names;    /* NULL-terminated once opened */
  GHashTable *metadata;
};

G_DEFINE_FINAL_TYPE (VardSafetensors, vard_safetensors, G_TYPE_OBJECT)

static void
file_free (File *self)
{
  g_free (self->path);
  vard_buffer_unref (self->buffer);
  g_clear_pointer (&self->records, g_ptr_array_unref);
  g_free (self);
}

static void
vard_safetensors_finalize (GObject *object)
{
  VardSafetensors *self = VARD_SAFETENSORS (object);

  g_free (self->path);
  g_hash_table_unref (self->entries);
  g_ptr_array_unref (self->names);
  g_ptr_array_unref (self->files);
  g_hash_table_unref (self->metadata);
  G_OBJECT_CLASS (vard_safetensors_parent_class)->finalize (object);
}

static void
vard_safetensors_class_init (VardSafetensorsClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_safetensors_finalize;
}

static void
vard_safetensors_init (VardSafetensors *self)
{
  self->files = g_ptr_array_new_with_free_func ((GDestroyNotify) file_free);
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  self->names = g_ptr_array_new ();
  self->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

/* maps the file and finds the header; the header's length is checked against limit and file */
/* what people have under the name of weights when it is none; NULL where that cannot be told */
static const char *
vard_safetensors_guess_content (const char *data, gsize size)
{
  static const struct
  {
    const char *start, *what;
  } kinds[] = {
    { "version https://git-lfs",
      "a pointer of Git LFS, not the file itself: git lfs pull fetches that" },
    { "PK\003\004", "a PyTorch pickle by another name, which can run code when it is read: convert "
                    "it with save_pretrained or safetensors.torch.save_file" },
    { "\x80\x02", "a pickle by another name, which can run code when it is read: convert it with "
                  "save_pretrained or safetensors.torch.save_file" },
    { "<", "a web page, not the file itself: download it again" },
    { "GGUF", "a GGUF file, which is not supported" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      gsize n = strlen (kinds[i].start);

      if (size >= n && memcmp (data, kinds[i].start, n) == 0)
        return kinds[i].what;
    }

  return NULL;
}

static gboolean
vard_safetensors_map_file (File *file, gsize *n_header, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autoptr (GMappedFile) mapped = g_mapped_file_new (file->path, FALSE, &reason);
  guint64 length;

  if (mapped == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "cannot open the weights: %s",
                   reason->message);
      return FALSE;
    }

  g_autoptr (GBytes) bytes = g_mapped_file_get_bytes (mapped);
  gsize size = g_bytes_get_size (bytes);

  if (size < 8)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s: %" G_GSIZE_FORMAT " bytes are too few for a safetensors file", file->path,
                   size);
      return FALSE;
    }
  memcpy (&length, g_bytes_get_data (bytes, NULL), 8);
  length = GUINT64_FROM_LE (length);
  if (length > MAX_HEADER || length > size - 8)
    {
      const char *content = vard_safetensors_guess_content (g_bytes_get_data (bytes, NULL), size);

      if (content != NULL)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s is %s", file->path, content);
          return FALSE;
        }
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s: the header claims %" G_GUINT64_FORMAT
                   " bytes; the file has %" G_GSIZE_FORMAT " and the limit is %d",
                   file->path, length, size - 8, MAX_HEADER);
      return FALSE;
    }
  file->buffer = vard_buffer_new_for_bytes (bytes);
  file->buffer->is_file = TRUE;
  file->data_start = 8 + length;
  *n_header = length;

  return TRUE;
}

static File *
vard_safetensors_open_file (VardSafetensors *self, const char *path, GError **error)
{
  File *file = g_new0 (File, 1);
  gsize n_header;

  file->path = g_strdup (path);
  g_ptr_array_add (self->files, file);
  if (!vard_safetensors_map_file (file, &n_header, error))
    return NULL;
  file->records = vard_safetensors_parse_header (path, (const char *) file->buffer->data + 8,
                                                 n_header, file->buffer->size - file->data_start,
                                                 self->metadata, error);

  return file->records != NULL ? file : NULL;
}

static void
vard_safetensors_add_entry (VardSafetensors *self, VardSafetensorsRecord *record, guint file)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->record = record;
  entry->file = file;
  g_hash_table_insert (self->entries, record->name, entry);
  g_ptr_array_add (self->names, record->name);
}

static gboolean
vard_safetensors_open_single (VardSafetensors *self, GError **error)
{
  File *file = vard_safetensors_open_file (self, self->path, error);

  if (file == NULL)
    return FALSE;
  for (guint i = 0; i < file->records->len; i++)
    vard_safetensors_add_entry (self, file->records->pdata[i], 0);

  return TRUE;
}

/* (transfer full) */
static JsonObject *
vard_safetensors_load_weight_map (VardSafetensors *self, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autoptr (JsonNode) root = vard_json_parse_file (self->path, &reason);
  JsonNode *map = NULL;

  if (root == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %s", self->path, reason->message);
      return NULL;
    }
  if (JSON_NODE_HOLDS_OBJECT (root))
    map = json_object_get_member (json_node_get_object (root), "weight_map");
  if (map == NULL || !JSON_NODE_HOLDS_OBJECT (map))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s has no weight_map", self->path);
      return NULL;
    }

  return json_node_dup_object (map);
}

/* shards lie beside the index: a name with a folder in it is refused */
static gboolean
vard_safetensors_check_shard_name (VardSafetensors *self,
                                   const char *tensor,
                                   JsonNode *node,
                                   GError **error)
{
  const char *name = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;

  if (name != NULL && *name && strpbrk (name, "/\\") == NULL && !g_str_equal (name, "..")
      && !g_str_equal (name, "."))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s: the file of %s, “%s”, is not a plain file name", self->path, tensor,
               name != NULL ? name : "");

  return FALSE;
}

static gboolean
vard_safetensors_open_shard (VardSafetensors *self,
                             const char *name,
                             JsonObject *map,
                             GError **error)
{
  g_autofree char *folder = g_path_get_dirname (self->path);
  g_autofree char *path = g_build_filename (folder, name, NULL);
  File *file = vard_safetensors_open_file (self, path, error);

  for (guint i = 0; file != NULL && i < file->records->len; i++)
    {
      VardSafetensorsRecord *record = file->records->pdata[i];

      if (g_strcmp0 (json_object_get_string_member_with_default (map, record->name, NULL), name)
          == 0)
        vard_safetensors_add_entry (self, record, self->files->len - 1);
    }

  return file != NULL;
}

static gboolean
vard_safetensors_open_sharded (VardSafetensors *self, GError **error)
{
  g_autoptr (GHashTable) opened = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (JsonObject) map = vard_safetensors_load_weight_map (self, error);
  JsonObjectIter iter;
  const char *tensor;
  JsonNode *node;

  if (map == NULL)
    return FALSE;
  json_object_iter_init_ordered (&iter, map);
  while (json_object_iter_next_ordered (&iter, &tensor, &node))
    {
      if (!vard_safetensors_check_shard_name (self, tensor, node, error))
        return FALSE;
      if (g_hash_table_add (opened, (gpointer) json_node_get_string (node))
          && !vard_safetensors_open_shard (self, json_node_get_string (node), map, error))
        return FALSE;
      if (!g_hash_table_contains (self->entries, tensor))
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                       "%s: the index says that %s is in %s, but it is not there", self->path,
                       tensor, json_node_get_string (node));
          return FALSE;
        }
    }

  return TRUE;
}

/**
 * vard_safetensors_open: (skip)
 * @path: (type filename): a .safetensors file, or a .safetensors.index.json that names shards
 * @error: return location for an error
 *
 * Maps the file or all its shards and checks the whole header. A damaged header, a missing shard or
 * tensors that overlap are %VARD_ERROR_CONFIG.
 *
 * Returns: (transfer full): a reader, or %NULL
 */
VardSafetensors *
vard_safetensors_open (const char *path, GError **error)
{
  g_return_val_if_fail (path != NULL, NULL);

  g_autoptr (VardSafetensors) self = g_object_new (VARD_TYPE_SAFETENSORS, NULL);

  self->path = g_strdup (path);
  if (!(g_str_has_suffix (path, ".json") ? vard_safetensors_open_sharded
                                         : vard_safetensors_open_single) (self, error))
    return NULL;
  g_ptr_array_add (self->names, NULL);

  return g_steal_pointer (&self);
}

/**
 * vard_safetensors_get_path: (skip)
 * @self: a reader
 *
 * Returns: (transfer none) (type filename): the path it was opened with
 */
const char *
vard_safetensors_get_path (VardSafetensors *self)
{
  g_return_val_if_fail (VARD_IS_SAFETENSORS (self), NULL);

  return self->path;
}

/**
 * vard_safetensors_peek_names: (skip)
 * @self: a reader
 *
 * Returns: (transfer none) (array zero-terminated=1): the names of all tensors, in file order
 */
const char *const *
vard_safetensors_peek_names (VardSafetensors *self)
{
  g_return_val_if_fail (VARD_IS_SAFETENSORS (self), NULL);

  return (const char *const *) self->names->pdata;
}

/**
 * vard_safetensors_contains: (skip)
 * @self: a reader
 * @name: the name of a tensor
 *
 * Returns: whether there is such a tensor
 */
gboolean
vard_safetensors_contains (VardSafetensors *self, const char *name)
{
  g_return_val_if_fail (VARD_IS_SAFETENSORS (self), FALSE);

  return g_hash_table_contains (self->entries, name);
}

/**
 * vard_safetensors_get_shape: (skip)
 * @self: a reader
 * @name: the name of a tensor
 * @shape: (out): its extents; untouched when there is no such tensor
 *
 * Returns: whether there is such a tensor
 */
gboolean
vard_safetensors_get_shape (VardSafetensors *self, const char *name, VardShape *shape)
{
  g_return_val_if_fail (VARD_IS_SAFETENSORS (self), FALSE);

  Entry *entry = g_hash_table_lookup (self->entries, name);

  if (entry != NULL)
    *shape = entry->record->shape;

  return entry != NULL;
}

/**
 * vard_safetensors_peek_metadata: (skip)
 * @self: a reader
 *
 * Returns: (transfer none) (element-type utf8 utf8): the header's `__metadata__`, of all shards
 */
GHashTable *
vard_safetensors_peek_metadata (VardSafetensors *self)
{
  g_return_val_if_fail (VARD_IS_SAFETENSORS (self), NULL);

  return self->metadata;
}

/* the file's types that are vard's too */
static gboolean
vard_safetensors_find_dtype (const char *spelling, VardDType *dtype)
{
  static const char *const spellings[] = {
    [VARD_DTYPE_F32] = "F32", [VARD_DTYPE_F16] = "F16", [VARD_DTYPE_BF16] = "BF16",
    [VARD_DTYPE_I32] = "I32", [VARD_DTYPE_I64] = "I64", [VARD_DTYPE_U8] = "U8",
  };

  for (guint i = 0; i < G_N_ELEMENTS (spellings); i++)
    if (g_str_equal (spellings[i], spelling))
      {
        *dtype = i;
        return TRUE;
      }
  if (g_str_equal (spelling, "BOOL"))
    {
      *dtype = VARD_DTYPE_U8;
      return TRUE;
    }

  return FALSE;
}

static VardTensor *
vard_safetensors_copy_doubles (const guint8 *from, const VardShape *shape)
{
  VardTensor *tensor = vard_tensor_new (VARD_DTYPE_F32, shape);
  float *to = vard_tensor_peek_f32 (tensor);
  gint64 count = vard_shape_get_count (shape);

  for (gint64 i = 0; i < count; i++)
    {
      double value;

      memcpy (&value, from + 8 * i, 8);
      to[i] = value;
    }

  return tensor;
}

static Entry *
vard_safetensors_find_entry (VardSafetensors *self, const char *name, GError **error)
{
  Entry *entry = g_hash_table_lookup (self->entries, name);

  if (entry == NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: there is no tensor %s", self->path,
                 name);

  return entry;
}

/* In place where the data lies as the type wants it, else as a copy */
static VardTensor *
vard_safetensors_view_entry (VardSafetensors *self, const Entry *entry, VardDType dtype)
{
  File *file = self->files->pdata[entry->file];
  VardSafetensorsRecord *record = entry->record;
  gsize offset = file->data_start + record->begin;
  const guint8 *data = file->buffer->data + offset;

  if ((gsize) data % vard_dtype_get_size (dtype) == 0)
    return vard_tensor_new_view (file->buffer, offset, dtype, &record->shape);

  VardTensor *copy = vard_tensor_new (dtype, &record->shape);

  memcpy (vard_tensor_peek_data (copy), data, record->end - record->begin);

  return copy;
}

/**
 * vard_safetensors_lookup: (skip)
 * @self: a reader
 * @name: the name of a tensor
 * @error: return location for an error
 *
 * The tensor is a read-only view of the mapped file. Where the data is unaligned, or of a type that
 * only files know, it is a converted copy: f64 becomes f32, bool becomes u8.
 *
 * Returns: (transfer full): the tensor, or %NULL with %VARD_ERROR_CONFIG when there is none
 */
VardTensor *
vard_safetensors_lookup (VardSafetensors *self, const char *name, GError **error)
{
  g_return_val_if_fail (VARD_IS_SAFETENSORS (self), NULL);

  Entry *entry = vard_safetensors_find_entry (self, name, error);
  VardDType dtype;

  if (entry == NULL)
    return NULL;

  File *file = self->files->pdata[entry->file];
  VardSafetensorsRecord *record = entry->record;

  if (g_str_equal (record->dtype, "F64"))
    return vard_safetensors_copy_doubles (file->buffer->data + file->data_start + record->begin,
                                          &record->shape);
  if (!vard_safetensors_find_dtype (record->dtype, &dtype))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                   "%s: %s has the dtype %s, which vard cannot use", file->path, name,
                   record->dtype);
      return NULL;
    }

  return vard_safetensors_view_entry (self, entry, dtype);
}

/**
 * vard_safetensors_lookup_doubles: (skip)
 * @self: a reader
 * @name: the name of a tensor of F64
 * @error: return location for an error
 *
 * Reads doubles bit by bit, as I64, so that no digit is lost.
 *
 * Returns: (transfer full): the tensor, or %NULL with %VARD_ERROR_CONFIG when there is none or its
 *   elements are not F64
 */
VardTensor *
vard_safetensors_lookup_doubles (VardSafetensors *self, const char *name, GError **error)
{
  g_return_val_if_fail (VARD_IS_SAFETENSORS (self), NULL);

  Entry *entry = vard_safetensors_find_entry (self, name, error);

  if (entry == NULL)
    return NULL;
  if (g_str_equal (entry->record->dtype, "F64"))
    return vard_safetensors_view_entry (self, entry, VARD_DTYPE_I64);
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %s has the dtype %s, and should have F64",
               self->path, name, entry->record->dtype);

  return NULL;
}
