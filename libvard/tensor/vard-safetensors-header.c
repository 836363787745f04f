/* vard-safetensors-header.c - parses and checks the JSON header of a weight file
 *
 * json-glib parses the header. Before it sees the text, a scan refuses what json-glib would hide or
 * fail on: a name that occurs twice, a NUL in a name, and deep nesting (its parser is recursive).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-safetensors-header.h"

#include "base/vard-error.h"
#include "base/vard-json-parse.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* { name: { "shape": [ */
#define MAX_DEPTH 3

static const struct
{
  const char *name;
  gsize size;
} dtypes[] = {
  { "F32", 4 }, { "F16", 2 }, { "BF16", 2 }, { "I32", 4 },     { "I64", 8 },
  { "U8", 1 },  { "F64", 8 }, { "BOOL", 1 }, { "I8", 1 },      { "I16", 2 },
  { "U16", 2 }, { "U32", 4 }, { "U64", 8 },  { "F8_E4M3", 1 }, { "F8_E5M2", 1 },
};

typedef struct
{
  const char *path;
  const char *at, *end;
  guint depth;
  gboolean is_done; /* the object is closed: only padding may follow */
  gboolean is_object[MAX_DEPTH];
  gboolean expects_key[MAX_DEPTH];
  GHashTable *keys[MAX_DEPTH];
} HeaderScan;

void
vard_safetensors_record_free (VardSafetensorsRecord *self)
{
  g_free (self->name);
  g_free (self);
}

static int
vard_safetensors_header_find_dtype (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    if (g_strcmp0 (dtypes[i].name, name) == 0)
      return i;
  return -1;
}

gsize
vard_safetensors_dtype_size (const char *dtype)
{
  int i = vard_safetensors_header_find_dtype (dtype);

  return i < 0 ? 0 : dtypes[i].size;
}

G_GNUC_PRINTF (3, 4)
static gboolean
vard_safetensors_header_fail (const char *path, GError **error, const char *format, ...)
{
  va_list args;
  g_autofree char *text = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %s", path, text);

  return FALSE;
}

/* a string with escapes as json-glib will see it */
static char *
vard_safetensors_header_unescape (const char *quoted, gsize length)
{
  g_autofree char *text = g_strndup (quoted, length);
  g_autoptr (JsonNode) node = vard_json_parse (text, -1, NULL);

  if (node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_string (node) != NULL)
    return json_node_dup_string (node);

  return g_steal_pointer (&text);
}

static gboolean
vard_safetensors_header_scan_key (HeaderScan *scan,
                                  const char *quoted,
                                  gsize length,
                                  gboolean has_escape,
                                  GError **error)
{
  guint level = scan->depth - 1;
  g_autofree char *key = has_escape ? vard_safetensors_header_unescape (quoted, length)
                                    : g_strndup (quoted + 1, length - 2);

  if (g_hash_table_contains (scan->keys[level], key))
    return vard_safetensors_header_fail (scan->path, error, "the header names “%s” twice", key);
  g_hash_table_add (scan->keys[level], g_steal_pointer (&key));

  return TRUE;
}

static gboolean
vard_safetensors_header_scan_string (HeaderScan *scan, GError **error)
{
  const char *quoted = scan->at;
  gboolean has_escape = FALSE;

  for (scan->at++; scan->at < scan->end && *scan->at != '"'; scan->at++)
    if (*scan->at == '\\')
      {
        has_escape = TRUE;
        if (scan->end - scan->at > 5 && strncmp (scan->at, "\\u0000", 6) == 0)
          return vard_safetensors_header_fail (scan->path, error,
                                               "a string in the header contains a NUL");
        scan->at++;
      }
  if (scan->at >= scan->end)
    return vard_safetensors_header_fail (scan->path, error, "the header ends inside a string");
  if (scan->depth && scan->expects_key[scan->depth - 1])
    {
      scan->expects_key[scan->depth - 1] = FALSE;
      return vard_safetensors_header_scan_key (scan, quoted, scan->at - quoted + 1, has_escape,
                                               error);
    }

  return TRUE;
}

static gboolean
vard_safetensors_header_scan_open (HeaderScan *scan, GError **error)
{
  guint level = scan->depth++;

  if (level == MAX_DEPTH)
    return vard_safetensors_header_fail (scan->path, error, "the header is nested deeper than %d",
                                         MAX_DEPTH);
  scan->is_object[level] = scan->expects_key[level] = *scan->at == '{';
  g_hash_table_remove_all (scan->keys[level]);

  return TRUE;
}

static gboolean
vard_safetensors_header_scan_character (HeaderScan *scan, GError **error)
{
  if (scan->is_done && strchr (" \t\r\n", *scan->at) == NULL)
    return vard_safetensors_header_fail (scan->path, error,
                                         "the header continues after its object");
  switch (*scan->at)
    {
    case '"': return vard_safetensors_header_scan_string (scan, error);
    case '{':
    case '[': return vard_safetensors_header_scan_open (scan, error);
    case '}':
    case ']':
      if (scan->depth == 0)
        return vard_safetensors_header_fail (scan->path, error,
                                             "the header closes more brackets than it opens");
      scan->is_done = --scan->depth == 0;
      return TRUE;
    case ',':
      if (scan->depth)
        scan->expects_key[scan->depth - 1] = scan->is_object[scan->depth - 1];
      return TRUE;
    default:
      if (!g_ascii_isalnum (*scan->at) && strchr (": \t\r\n-+.", *scan->at) == NULL)
        return vard_safetensors_header_fail (scan->path, error,
                                             "unexpected character 0x%02x in the header",
                                             (guint8) *scan->at);
      return TRUE;
    }
}

static gboolean
vard_safetensors_header_scan_header (const char *path,
                                     const char *json,
                                     gsize length,
                                     GError **error)
{
  HeaderScan scan = { .path = path, .at = json, .end = json + length };
  gboolean ok = TRUE;

  for (guint i = 0; i < MAX_DEPTH; i++)
    scan.keys[i] = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (; ok && scan.at < scan.end; scan.at++)
    ok = vard_safetensors_header_scan_character (&scan, error);
  for (guint i = 0; i < MAX_DEPTH; i++)
    g_hash_table_unref (scan.keys[i]);

  return ok;
}

static gboolean
vard_safetensors_header_get_integer (JsonArray *array, guint i, gint64 *value)
{
  JsonNode *node = json_array_get_element (array, i);

  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64)
    return FALSE;
  *value = json_node_get_int (node);

  return *value >= 0;
}

static JsonArray *
vard_safetensors_header_get_array (JsonObject *object, const char *member)
{
  JsonNode *node = json_object_get_member (object, member);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

/* the shape, and how many bytes it needs */
static gboolean
vard_safetensors_header_parse_shape (VardSafetensorsRecord *record,
                                     const char *path,
                                     JsonArray *array,
                                     gsize *n_bytes,
                                     GError **error)
{
  guint n_dims = json_array_get_length (array);

  if (n_dims > VARD_MAX_DIMS)
    return vard_safetensors_header_fail (path, error,
                                         "%s has %u dimensions; at most %d are supported",
                                         record->name, n_dims, VARD_MAX_DIMS);
  *n_bytes = vard_safetensors_dtype_size (record->dtype);
  record->shape.n_dims = n_dims;
  for (guint i = 0; i < n_dims; i++)
    {
      if (!vard_safetensors_header_get_integer (array, i, &record->shape.dims[i]))
        return vard_safetensors_header_fail (path, error,
                                             "dimension %u of %s is not a whole number of at least "
                                             "0",
                                             i, record->name);
      if (!g_size_checked_mul (n_bytes, *n_bytes, record->shape.dims[i]) || *n_bytes > G_MAXINT64)
        return vard_safetensors_header_fail (path, error,
                                             "the shape of %s overflows: dimension %u is "
                                             "%" G_GINT64_FORMAT,
                                             record->name, i, record->shape.dims[i]);
    }

  return TRUE;
}

static gboolean
vard_safetensors_header_parse_record (VardSafetensorsRecord *record,
                                      const char *path,
                                      JsonNode *node,
                                      guint64 n_data,
                                      GError **error)
{
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonNode *dtype = object != NULL ? json_object_get_member (object, "dtype") : NULL;
  JsonArray *shape = object != NULL ? vard_safetensors_header_get_array (object, "shape") : NULL;
  JsonArray *offsets = object != NULL ? vard_safetensors_header_get_array (object, "data_offsets")
                                      : NULL;
  const char *spelling =
    dtype != NULL && JSON_NODE_HOLDS_VALUE (dtype) ? json_node_get_string (dtype) : NULL;
  gint64 begin, end;
  gsize n_bytes = 0;

  if (spelling == NULL || shape == NULL || offsets == NULL)
    return vard_safetensors_header_fail (path, error, "%s needs dtype, shape and data_offsets",
                                         record->name);
  if (vard_safetensors_header_find_dtype (spelling) < 0)
    return vard_safetensors_header_fail (path, error, "%s has the unknown dtype “%s”", record->name,
                                         spelling);
  record->dtype = dtypes[vard_safetensors_header_find_dtype (spelling)].name;
  if (json_array_get_length (offsets) != 2
      || !vard_safetensors_header_get_integer (offsets, 0, &begin)
      || !vard_safetensors_header_get_integer (offsets, 1, &end))
    return vard_safetensors_header_fail (path, error,
                                         "data_offsets of %s are not two whole numbers of at least "
                                         "0",
                                         record->name);
  if (!vard_safetensors_header_parse_shape (record, path, shape, &n_bytes, error))
    return FALSE;
  if (begin > end || (guint64) end > n_data)
    return vard_safetensors_header_fail (path, error,
                                         "%s lies at %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                                         ", outside the file's %" G_GUINT64_FORMAT " bytes of data",
                                         record->name, begin, end, n_data);
  if ((gsize) (end - begin) != n_bytes)
    return vard_safetensors_header_fail (path, error,
                                         "%s needs %" G_GSIZE_FORMAT
                                         " bytes by its shape and dtype, but its data_offsets give "
                                         "%" G_GINT64_FORMAT,
                                         record->name, n_bytes, end - begin);
  record->begin = begin;
  record->end = end;

  return TRUE;
}

static gboolean
vard_safetensors_header_parse_metadata (const char *path,
                                        JsonNode *node,
                                        GHashTable *metadata,
                                        GError **error)
{
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return vard_safetensors_header_fail (path, error, "__metadata__ is not an object");
  json_object_iter_init (&iter, json_node_get_object (node));
  while (json_object_iter_next (&iter, &key, &value))
    {
      if (!JSON_NODE_HOLDS_VALUE (value) || json_node_get_value_type (value) != G_TYPE_STRING)
        return vard_safetensors_header_fail (path, error, "“%s” in __metadata__ is not a string",
                                             key);
      g_hash_table_insert (metadata, g_strdup (key), json_node_dup_string (value));
    }

  return TRUE;
}

static int
vard_safetensors_header_compare_records (gconstpointer a, gconstpointer b)
{
  const VardSafetensorsRecord *first = *(VardSafetensorsRecord *const *) a;
  const VardSafetensorsRecord *second = *(VardSafetensorsRecord *const *) b;

  if (first->begin != second->begin)
    return first->begin < second->begin ? -1 : 1;

  return first->end < second->end ? -1 : first->end > second->end;
}

/* the records cover the data with no holes and no overlap */
static gboolean
vard_safetensors_header_check_cover (const char *path,
                                     GPtrArray *records,
                                     guint64 n_data,
                                     GError **error)
{
  guint64 at = 0;

  for (guint i = 0; i < records->len; i++)
    {
      VardSafetensorsRecord *record = records->pdata[i];

      if (record->begin != at)
        return vard_safetensors_header_fail (path, error,
                                             "%s begins at %" G_GUINT64_FORMAT
                                             ", but the tensor before it ends at "
                                             "%" G_GUINT64_FORMAT,
                                             record->name, record->begin, at);
      at = record->end;
    }
  if (at != n_data)
    return vard_safetensors_header_fail (path, error,
                                         "the tensors end at %" G_GUINT64_FORMAT
                                         ", but the file has %" G_GUINT64_FORMAT " bytes of data",
                                         at, n_data);

  return TRUE;
}

static gboolean
vard_safetensors_header_parse_members (const char *path,
                                       JsonObject *object,
                                       guint64 n_data,
                                       GPtrArray *records,
                                       GHashTable *metadata,
                                       GError **error)
{
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &key, &value))
    {
      if (g_str_equal (key, "__metadata__"))
        {
          if (!vard_safetensors_header_parse_metadata (path, value, metadata, error))
            return FALSE;
          continue;
        }

      VardSafetensorsRecord *record = g_new0 (VardSafetensorsRecord, 1);

      record->name = g_strdup (key);
      g_ptr_array_add (records, record);
      if (!vard_safetensors_header_parse_record (record, path, value, n_data, error))
        return FALSE;
    }

  return TRUE;
}

GPtrArray *
vard_safetensors_parse_header (const char *path,
                               const char *json,
                               gsize length,
                               guint64 n_data,
                               GHashTable *metadata,
                               GError **error)
{
  g_autoptr (GPtrArray) records =
    g_ptr_array_new_with_free_func ((GDestroyNotify) vard_safetensors_record_free);
  g_autoptr (GError) reason = NULL;

  if (length == 0 || json[0] != '{' || !g_utf8_validate_len (json, length, NULL))
    {
      vard_safetensors_header_fail (path, error, "the header is not a JSON object in UTF-8");
      return NULL;
    }
  if (!vard_safetensors_header_scan_header (path, json, length, error))
    return NULL;

  g_autoptr (JsonNode) root = vard_json_parse (json, length, &reason);

  if (root == NULL)
    {
      vard_safetensors_header_fail (path, error, "the header is not JSON: %s", reason->message);
      return NULL;
    }
  if (!JSON_NODE_HOLDS_OBJECT (root))
    {
      vard_safetensors_header_fail (path, error, "the header is not a JSON object");
      return NULL;
    }
  if (!vard_safetensors_header_parse_members (path, json_node_get_object (root), n_data, records,
                                              metadata, error))
    return NULL;
  g_ptr_array_sort (records, vard_safetensors_header_compare_records);
  if (!vard_safetensors_header_check_cover (path, records, n_data, error))
    return NULL;

  return g_steal_pointer (&records);
}
