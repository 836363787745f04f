/* vard-pth.c - reads PyTorch weight files (.pth, .pt, .bin) without running them
 *
 * The archive has a pickle, data.pkl, that says which tensors there are, and one member for each
 * storage, data/KEY.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-pth.h"

#include "base/vard-error.h"
#include "tensor/vard-pickle.h"
#include "tensor/vard-zip.h"

#include <string.h>

struct _VardPth
{
  GObject parent_instance;

  char *path;
  GBytes *bytes;       /* the mapped file */
  GHashTable *members; /* name -> VardZipMember */
  char *prefix;        /* of members' names: "archive/" */
  GPtrArray *tensors;  /* owns the VardPickleTensors */
  GHashTable *by_name; /* name -> one of tensors */
  GPtrArray *names;    /* NULL-terminated */
};

G_DEFINE_FINAL_TYPE (VardPth, vard_pth, G_TYPE_OBJECT)

static const struct
{
  const char *name;
  gsize size;
  int dtype; /* -1: converted or unknown to VardTensor */
} types[] = {
  [VARD_PICKLE_F32] = { "f32", 4, VARD_DTYPE_F32 },
  [VARD_PICKLE_F16] = { "f16", 2, VARD_DTYPE_F16 },
  [VARD_PICKLE_BF16] = { "bf16", 2, VARD_DTYPE_BF16 },
  [VARD_PICKLE_F64] = { "f64", 8, -1 },
  [VARD_PICKLE_I64] = { "i64", 8, VARD_DTYPE_I64 },
  [VARD_PICKLE_I32] = { "i32", 4, VARD_DTYPE_I32 },
  [VARD_PICKLE_I16] = { "i16", 2, -1 },
  [VARD_PICKLE_I8] = { "i8", 1, -1 },
  [VARD_PICKLE_U8] = { "u8", 1, VARD_DTYPE_U8 },
  [VARD_PICKLE_BOOL] = { "bool", 1, VARD_DTYPE_U8 },
};

static GBytes *
vard_pth_map_file (const char *path, GError **error)
{
  g_autoptr (GError) io_error = NULL;
  g_autoptr (GMappedFile) file = g_mapped_file_new (path, FALSE, &io_error);

  if (file != NULL)
    return g_mapped_file_get_bytes (file);
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "cannot open the weights: %s",
               io_error->message);

  return NULL;
}

static gboolean
vard_pth_check_kind (const char *path, GBytes *bytes, GError **error)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  if (size >= 4 && memcmp (data, "PK\3\4", 4) == 0)
    return TRUE;
  if (size >= 2 && data[0] == '\x80' && data[1] == 2)
    g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                 "%s is in the format of before PyTorch 1.6: load it with torch.load (file, "
                 "weights_only=True) and save it again with torch.save",
                 path);
  else
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                 "%s is not a PyTorch weight file: it is not a zip archive", path);

  return FALSE;
}

/* the folder in the archive that data.pkl is in, with its '/' */
static char *
vard_pth_find_prefix (GHashTable *members)
{
  GHashTableIter iter;
  gpointer key;
  char *prefix = NULL;

  g_hash_table_iter_init (&iter, members);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      const char *name = key, *slash = strchr (name, '/');
      gsize n = slash != NULL ? slash + 1 - name : 0;

      if (g_str_equal (name + n, "data.pkl") && prefix == NULL)
        prefix = g_strndup (name, n);
    }

  return prefix;
}

static const VardZipMember *
vard_pth_find_member (VardPth *self, const char *folder, const char *name)
{
  g_autofree char *path = g_strconcat (self->prefix, folder, name, NULL);

  return g_hash_table_lookup (self->members, path);
}

static const guint8 *
vard_pth_peek_data (VardPth *self)
{
  return g_bytes_get_data (self->bytes, NULL);
}

static gboolean
vard_pth_check_byte_order (VardPth *self, GError **error)
{
  const VardZipMember *member = vard_pth_find_member (self, "", "byteorder");

  if (member == NULL
      || (member->size == 6
          && memcmp (vard_pth_peek_data (self) + member->offset, "little", 6) == 0))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
               "%s has the other byte order: save it again on this machine", self->path);

  return FALSE;
}

/* every tensor has its storage in the archive, whole */
static gboolean
vard_pth_check_tensors (VardPth *self, GError **error)
{
  for (guint i = 0; i < self->tensors->len; i++)
    {
      VardPickleTensor *tensor = self->tensors->pdata[i];
      const VardZipMember *member = vard_pth_find_member (self, "data/", tensor->storage);

      if (member == NULL || (guint64) tensor->n_stored > member->size / types[tensor->type].size)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                       "%s: %s has %" G_GINT64_FORMAT
                       " elements of %s, but the archive has %" G_GUINT64_FORMAT " bytes for it",
                       self->path, tensor->name, tensor->n_stored, types[tensor->type].name,
                       member != NULL ? member->size : 0);
          return FALSE;
        }
      g_hash_table_insert (self->by_name, tensor->name, tensor);
      g_ptr_array_add (self->names, tensor->name);
    }
  g_ptr_array_add (self->names, NULL);

  return TRUE;
}

static gboolean
vard_pth_read_archive (VardPth *self, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (self->bytes, &size);
  const VardZipMember *pickle;

  self->members = vard_zip_list (self->path, data, size, error);
  if (self->members == NULL)
    return FALSE;
  self->prefix = vard_pth_find_prefix (self->members);
  if (self->prefix == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s is not a PyTorch weight file: the zip archive has no data.pkl", self->path);
      return FALSE;
    }
  pickle = vard_pth_find_member (self, "", "data.pkl");
  self->tensors = vard_pickle_read_tensors (self->path, data + pickle->offset, pickle->size, error);

  return self->tensors != NULL && vard_pth_check_byte_order (self, error)
         && vard_pth_check_tensors (self, error);
}

/**
 * vard_pth_open: (skip)
 * @path: (type filename): a .pth, .pt or .bin file of PyTorch 1.6 or later
 * @error: return location for an error
 *
 * Such a file is a program that makes tensors when it runs. vard does not run it: it reads the
 * words for plain data and refuses a file that needs any other, with %VARD_ERROR_UNSUPPORTED.
 *
 * Returns: (transfer full): a reader, or %NULL
 */
VardPth *
vard_pth_open (const char *path, GError **error)
{
  g_return_val_if_fail (path != NULL, NULL);

  g_autoptr (VardPth) self = g_object_new (VARD_TYPE_PTH, NULL);

  self->path = g_strdup (path);
  self->bytes = vard_pth_map_file (path, error);
  if (self->bytes == NULL || !vard_pth_check_kind (path, self->bytes, error)
      || !vard_pth_read_archive (self, error))
    return NULL;

  return g_steal_pointer (&self);
}

/**
 * vard_pth_get_path: (skip)
 * @self: a reader
 *
 * Returns: (transfer none) (type filename): the path it was opened with
 */
const char *
vard_pth_get_path (VardPth *self)
{
  g_return_val_if_fail (VARD_IS_PTH (self), NULL);

  return self->path;
}

/**
 * vard_pth_peek_names: (skip)
 * @self: a reader
 *
 * Returns: (transfer none) (array zero-terminated=1): the keys of nested dictionaries, joined by
 *   '.'
 */
const char *const *
vard_pth_peek_names (VardPth *self)
{
  g_return_val_if_fail (VARD_IS_PTH (self), NULL);

  return (const char *const *) self->names->pdata;
}

/**
 * vard_pth_contains: (skip)
 * @self: a reader
 * @name: the name of a tensor
 *
 * Returns: whether there is such a tensor
 */
gboolean
vard_pth_contains (VardPth *self, const char *name)
{
  g_return_val_if_fail (VARD_IS_PTH (self) && name != NULL, FALSE);

  return g_hash_table_contains (self->by_name, name);
}

/* ---- contents ---- */

static gboolean
vard_pth_is_contiguous (const VardPickleTensor *tensor)
{
  gint64 step = 1;

  for (guint i = tensor->shape.n_dims; i-- > 0; step *= tensor->shape.dims[i])
    if (tensor->shape.dims[i] > 1 && tensor->strides[i] != step)
      return FALSE;

  return TRUE;
}

/* copies element by element, in the order of the shape */
static void
vard_pth_gather (const VardPickleTensor *tensor, const guint8 *storage, guint8 *to)
{
  gsize size = types[tensor->type].size;
  gint64 count = vard_shape_get_count (&tensor->shape);

  for (gint64 i = 0; i < count; i++)
    {
      gint64 rest = i, at = tensor->offset;

      for (guint d = tensor->shape.n_dims; d-- > 0; rest /= tensor->shape.dims[d])
        at += rest % tensor->shape.dims[d] * tensor->strides[d];
      memcpy (to + i * size, storage + at * size, size);
    }
}

static VardTensor *
vard_pth_copy_tensor (const VardPickleTensor *tensor, const guint8 *storage)
{
  gsize size = types[tensor->type].size;
  gint64 count = vard_shape_get_count (&tensor->shape);
  VardDType dtype = tensor->type == VARD_PICKLE_F64 ? VARD_DTYPE_F32
                                                    : (VardDType) types[tensor->type].dtype;
  g_autofree guint8 *values = g_malloc (MAX (count, 1) * size);
  VardTensor *copy = vard_tensor_new (dtype, &tensor->shape);

  vard_pth_gather (tensor, storage, values);
  if (tensor->type != VARD_PICKLE_F64)
    memcpy (vard_tensor_peek_data (copy), values, count * size);
  for (gint64 i = 0; tensor->type == VARD_PICKLE_F64 && i < count; i++)
    vard_tensor_peek_f32 (copy)[i] = ((const double *) values)[i];

  return copy;
}

/**
 * vard_pth_lookup: (skip)
 * @self: a reader
 * @name: the name of a tensor
 * @error: return location for an error
 *
 * The tensor is a read-only view of the mapped file. Where the data is unaligned, not contiguous or
 * f64, it is a copy; f64 becomes f32.
 *
 * Returns: (transfer full): the tensor, or %NULL with %VARD_ERROR_CONFIG when there is none
 */
VardTensor *
vard_pth_lookup (VardPth *self, const char *name, GError **error)
{
  g_return_val_if_fail (VARD_IS_PTH (self) && name != NULL, NULL);

  const VardPickleTensor *tensor = g_hash_table_lookup (self->by_name, name);

  if (tensor == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s has no tensor %s", self->path, name);
      return NULL;
    }
  if (types[tensor->type].dtype < 0 && tensor->type != VARD_PICKLE_F64)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                   "%s: %s has elements of type %s, which vard cannot use", self->path, name,
                   types[tensor->type].name);
      return NULL;
    }

  const VardZipMember *member = vard_pth_find_member (self, "data/", tensor->storage);
  gsize size = types[tensor->type].size, first = member->offset + tensor->offset * size;

  if (tensor->type == VARD_PICKLE_F64 || !vard_pth_is_contiguous (tensor)
      || (gsize) (vard_pth_peek_data (self) + first) % size != 0)
    return vard_pth_copy_tensor (tensor, vard_pth_peek_data (self) + member->offset);

  g_autoptr (VardBuffer) buffer = vard_buffer_new_for_bytes (self->bytes);

  return vard_tensor_new_view (buffer, vard_shape_get_count (&tensor->shape) ? first : 0,
                               (VardDType) types[tensor->type].dtype, &tensor->shape);
}

static void
vard_pth_finalize (GObject *object)
{
  VardPth *self = VARD_PTH (object);

  g_free (self->path);
  g_free (self->prefix);
  g_hash_table_unref (self->by_name);
  g_ptr_array_unref (self->names);
  g_clear_pointer (&self->tensors, g_ptr_array_unref);
  g_clear_pointer (&self->members, g_hash_table_unref);
  g_clear_pointer (&self->bytes, g_bytes_unref);
  G_OBJECT_CLASS (vard_pth_parent_class)->finalize (object);
}

static void
vard_pth_class_init (VardPthClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_pth_finalize;
}

static void
vard_pth_init (VardPth *self)
{
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  self->names = g_ptr_array_new ();
}
