/* vard-state-file.c - arrays and numbers of a checkpoint as one safetensors file
 *
 * The numbers are JSON in the file's metadata: json-glib writes doubles with 17 digits, which read
 * back exactly.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-state-file.h"

#include "base/vard-error.h"
#include "base/vard-json.h"
#include "base/vard-json-parse.h"

#define NUMBERS_KEY "vard_state"
#define FORMAT_KEY "format"

/* ---- writing ---- */

VardStateWriter *
vard_state_writer_new (void)
{
  VardStateWriter *self = g_new0 (VardStateWriter, 1);

  self->entries = g_array_new (FALSE, TRUE, sizeof (VardSafetensorsEntry));
  self->owned = g_ptr_array_new_with_free_func (g_object_unref);
  self->fetches = g_ptr_array_new_with_free_func (g_free);
  self->numbers = json_object_new ();
  json_object_set_int_member (self->numbers, FORMAT_KEY, VARD_STATE_FORMAT);

  return self;
}

void
vard_state_writer_free (VardStateWriter *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->entries);
  g_ptr_array_unref (self->owned);
  g_ptr_array_unref (self->fetches);
  json_object_unref (self->numbers);
  g_free (self);
}

static void
vard_state_file_add_entry (VardStateWriter *self,
                           VardSafetensorsEntry *entry,
                           const char *name,
                           VardTensor *tensor)
{
  entry->name = g_intern_string (name);
  entry->dtype = vard_tensor_get_dtype (tensor);
  g_ptr_array_add (self->owned, g_object_ref (tensor));
  g_array_append_val (self->entries, *entry);
}

typedef struct
{
  VardEngine *engine;
  VardTensor *tensor;
} Fetch;

static VardTensor *
vard_state_file_fetch (const VardSafetensorsEntry *entry, GError **error)
{
  const Fetch *self = entry->data;

  return vard_engine_fetch (self->engine, self->tensor, error);
}

void
vard_state_writer_add_tensor (VardStateWriter *self,
                              const char *name,
                              VardEngine *engine,
                              VardTensor *tensor)
{
  VardSafetensorsEntry entry = { .tensor = tensor };

  if (!vard_tensor_peek_buffer (tensor)->is_host)
    {
      Fetch data = { g_object_ref (engine), tensor };

      entry = (VardSafetensorsEntry) { .shape = *vard_tensor_peek_shape (tensor),
                                       .prepare = vard_state_file_fetch,
                                       .data = g_memdup2 (&data, sizeof data) };
      g_ptr_array_add (self->owned, engine);
      g_ptr_array_add (self->fetches, entry.data);
    }
  vard_state_file_add_entry (self, &entry, name, tensor);
}

void
vard_state_writer_add (VardStateWriter *self,
                       const char *name,
                       VardDType dtype,
                       gpointer data,
                       gsize count)
{
  VardShape shape = VARD_SHAPE (count);
  g_autoptr (VardBuffer) buffer =
    vard_buffer_new_wrapped (data, count * vard_dtype_get_size (dtype), TRUE, NULL, NULL);
  g_autoptr (VardTensor) tensor = vard_tensor_new_view (buffer, 0, dtype, &shape);

  vard_state_file_add_entry (self, &(VardSafetensorsEntry) { .tensor = tensor }, name, tensor);
}

void
vard_state_writer_add_doubles (VardStateWriter *self, const char *name, double *data, gsize count)
{
  vard_state_writer_add (self, name, VARD_DTYPE_I64, data, count);
  g_array_index (self->entries, VardSafetensorsEntry, self->entries->len - 1).has_doubles = TRUE;
}

gboolean
vard_state_writer_write (VardStateWriter *self, const char *path, GError **error)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), self->numbers);
  g_autoptr (GHashTable) metadata = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);

  g_hash_table_insert (metadata, (char *) NUMBERS_KEY, vard_json_to_text (node, FALSE));

  return vard_safetensors_write (path, (VardSafetensorsEntry *) self->entries->data,
                                 self->entries->len, metadata, error);
}

/* ---- reading ---- */

static JsonObject *
vard_state_file_read_numbers (VardSafetensors *file, GError **error)
{
  GHashTable *metadata = vard_safetensors_peek_metadata (file);
  const char *text = metadata != NULL ? g_hash_table_lookup (metadata, NUMBERS_KEY) : NULL;
  g_autoptr (JsonNode) node = text != NULL ? vard_json_parse (text, -1, NULL) : NULL;

  if (node != NULL && JSON_NODE_HOLDS_OBJECT (node))
    return json_object_ref (json_node_get_object (node));

  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s is not a training state",
               vard_safetensors_get_path (file));

  return NULL;
}

/* A file without a format is of the first one */
static gint64
vard_state_file_read_format (VardSafetensors *file, JsonObject *numbers, GError **error)
{
  gint64 format = json_object_get_int_member_with_default (numbers, FORMAT_KEY, 1);

  if (format >= 1 && format <= VARD_STATE_FORMAT)
    return format;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s: written by a newer vard: its format is %" G_GINT64_FORMAT
               ", and this vard knows formats up to %d",
               vard_safetensors_get_path (file), format, VARD_STATE_FORMAT);

  return 0;
}

VardStateReader *
vard_state_reader_new (const char *path, GError **error)
{
  g_autoptr (VardSafetensors) file = vard_safetensors_open (path, error);
  g_autoptr (JsonObject) numbers = file != NULL ? vard_state_file_read_numbers (file, error) : NULL;
  gint64 format = numbers != NULL ? vard_state_file_read_format (file, numbers, error) : 0;

  if (format == 0)
    return NULL;

  VardStateReader *self = g_new0 (VardStateReader, 1);

  self->file = g_steal_pointer (&file);
  self->numbers = g_steal_pointer (&numbers);
  self->format = format;

  return self;
}

void
vard_state_reader_free (VardStateReader *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->file);
  json_object_unref (self->numbers);
  g_free (self);
}

gsize
vard_state_reader_get_count (VardStateReader *self, const char *name)
{
  VardShape shape;

  return vard_safetensors_get_shape (self->file, name, &shape) ? vard_shape_get_count (&shape) : 0;
}

static gboolean
vard_state_file_check_count (VardStateReader *self,
                             const char *name,
                             VardTensor *tensor,
                             const char *dtype,
                             gsize count,
                             GError **error)
{
  if ((gsize) vard_tensor_get_count (tensor) == count)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s: %s has %" G_GINT64_FORMAT " elements of %s, but this run needs %" G_GSIZE_FORMAT
               ": it belongs to other settings or another model",
               vard_safetensors_get_path (self->file), name, vard_tensor_get_count (tensor), dtype,
               count);

  return FALSE;
}

VardTensor *
vard_state_reader_lookup (VardStateReader *self,
                          const char *name,
                          VardDType dtype,
                          gsize count,
                          GError **error)
{
  g_autoptr (VardTensor) tensor = vard_safetensors_lookup (self->file, name, error);

  if (tensor == NULL)
    return NULL;

  const char *found = vard_dtype_get_name (vard_tensor_get_dtype (tensor));

  if (vard_tensor_get_dtype (tensor) == dtype)
    return vard_state_file_check_count (self, name, tensor, found, count, error)
             ? g_steal_pointer (&tensor)
             : NULL;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s: the elements of %s are %s, and should be %s",
               vard_safetensors_get_path (self->file), name, found, vard_dtype_get_name (dtype));

  return NULL;
}

gboolean
vard_state_reader_read (VardStateReader *self,
                        const char *name,
                        VardDType dtype,
                        gpointer data,
                        gsize count,
                        GError **error)
{
  g_autoptr (VardTensor) tensor = vard_state_reader_lookup (self, name, dtype, count, error);

  if (tensor == NULL)
    return FALSE;
  memcpy (data, vard_tensor_peek_data (tensor), vard_tensor_get_n_bytes (tensor));

  return TRUE;
}

gboolean
vard_state_reader_read_doubles (VardStateReader *self,
                                const char *name,
                                double *data,
                                gsize count,
                                GError **error)
{
  if (self->format == 1)
    return vard_state_reader_read (self, name, VARD_DTYPE_I64, data, count, error);

  g_autoptr (VardTensor) tensor = vard_safetensors_lookup_doubles (self->file, name, error);

  if (tensor == NULL || !vard_state_file_check_count (self, name, tensor, "f64", count, error))
    return FALSE;
  memcpy (data, vard_tensor_peek_data (tensor), vard_tensor_get_n_bytes (tensor));

  return TRUE;
}

static JsonNode *
vard_state_file_find_number (VardStateReader *self, const char *name, GError **error)
{
  JsonNode *node = json_object_get_member (self->numbers, name);

  if (node != NULL && JSON_NODE_HOLDS_VALUE (node))
    return node;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: the training state has no number “%s”",
               vard_safetensors_get_path (self->file), name);

  return NULL;
}

gboolean
vard_state_reader_get_int (VardStateReader *self, const char *name, gint64 *value, GError **error)
{
  JsonNode *node = vard_state_file_find_number (self, name, error);

  if (node != NULL)
    *value = json_node_get_int (node);

  return node != NULL;
}

gboolean
vard_state_reader_get_double (VardStateReader *self,
                              const char *name,
                              double *value,
                              GError **error)
{
  JsonNode *node = vard_state_file_find_number (self, name, error);

  if (node != NULL)
    *value = json_node_get_double (node);

  return node != NULL;
}

gboolean
vard_state_reader_get_text (VardStateReader *self,
                            const char *name,
                            const char **value,
                            GError **error)
{
  JsonNode *node = vard_state_file_find_number (self, name, error);

  if (node == NULL)
    return FALSE;
  *value = json_node_get_string (node);
  if (*value == NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: “%s” of the training state is no text",
                 vard_safetensors_get_path (self->file), name);

  return *value != NULL;
}
