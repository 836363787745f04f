/* vard-weights.c - moves weights between a module's parameters and a weight file
 *
 * Files keep convolutions as [c_out, c_in, kh, kw], graphs as [c_out, kh, kw, c_in]; 1x1
 * convolutions are matrices in graphs. Shapes that differ only in trailing ones are taken as equal:
 * files disagree about them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "files/vard-weights.h"

#include "base/vard-error.h"
#include "nn/vard-linear.h"

#include <string.h>

/* a variant that nothing tells to take: "model.non_ema.safetensors"; (nullable) (transfer full) */
static char *
vard_weights_find_variant (const char *folder, const char *stem)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (name, stem) && name[strlen (stem)] == '.'
        && g_str_has_suffix (name, ".safetensors"))
      return g_strdup (name);

  return NULL;
}

char *
vard_weights_find (const char *folder, const char *stem, GError **error)
{
  static const char *const endings[] = {
    ".safetensors",
    ".fp16.safetensors",
    ".safetensors.index.json",
    ".safetensors.index.fp16.json",
    ".fp16.safetensors.index.json",
  };
  static const char *const pickles[] = { ".bin", ".fp16.bin", ".bin.index.json", ".ckpt", ".pt" };

  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    {
      g_autofree char *name = g_strconcat (stem, endings[i], NULL);
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer (&path);
    }
  /* that of "model" is pytorch_model.bin */
  for (guint i = 0; i < 2 * G_N_ELEMENTS (pickles); i++)
    {
      g_autofree char *name = g_strconcat (i % 2 ? "pytorch_" : "", stem, pickles[i / 2], NULL);
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_EXISTS))
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                       "%s is a pickle, and reading it can run code: load the model in diffusers "
                       "and write it with save_pretrained (folder, safe_serialization=True)",
                       path);
          return NULL;
        }
    }

  g_autofree char *variant = vard_weights_find_variant (folder, stem);

  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "there are no weights %s.safetensors in %s%s%s%s", stem, folder,
               variant != NULL ? "; there is " : "", variant != NULL ? variant : "",
               variant != NULL ? ", rename it to use it" : "");

  return NULL;
}

static VardShape
vard_weights_trim (VardShape shape)
{
  while (shape.n_dims > 1 && shape.dims[shape.n_dims - 1] == 1)
    shape.dims[--shape.n_dims] = 0;
  return shape;
}

/* Frozen weights of at least this many elements stay in the file's pages. Smaller ones cost less as
 * copies than by what every step that reads them would do again. */
#define STORED_COUNT (512 * 1024)

/* as wide as every 64-bit processor's: comparisons of wider ones are taken apart */
typedef guint16 Shorts __attribute__ ((vector_size (16)));
typedef guint32 Words __attribute__ ((vector_size (16)));

/* whether an exponent has all bits set in a whole number of vectors; fast, because it reads every
 * weight of a model */
static gboolean
vard_weights_has_full_exponent (const guint8 *data, gsize n_bytes, VardDType dtype)
{
  const Shorts half = (Shorts) { 0 } + (guint16) (dtype == VARD_DTYPE_F16 ? 0x7c00 : 0x7f80);
  const Words single = (Words) { 0 } + 0x7f800000u;
  Words any = { 0 };

  for (gsize i = 0; i < n_bytes; i += sizeof any)
    {
      Words v;

      memcpy (&v, data + i, sizeof v);
      if (dtype == VARD_DTYPE_F32)
        any |= (Words) ((v & single) == single);
      else
        any |= (Words) (((Shorts) v & half) == half);
    }
  for (guint i = 0; i < sizeof any / sizeof any[0]; i++)
    if (any[i])
      return TRUE;

  return FALSE;
}

/* the first of n_bytes at @data that is infinite or not a number, as an offset, or -1 */
static gssize
vard_weights_find_bad_in (const guint8 *data, gsize n_bytes, VardDType dtype)
{
  gsize size = vard_dtype_get_size (dtype), whole = n_bytes / sizeof (Words) * sizeof (Words);

  if (!vard_weights_has_full_exponent (data, whole, dtype) && whole == n_bytes)
    return -1;
  for (gsize i = 0; i < n_bytes; i += size)
    {
      guint8 one[sizeof (Words)] = { 0 };

      memcpy (one, data + i, size);
      if (vard_weights_has_full_exponent (one, sizeof one, dtype))
        return i;
    }

  return -1;
}

/* the first element that is infinite or not a number, or -1 */
static gint64
vard_weights_find_bad (VardTensor *tensor)
{
  const guint8 *data = vard_tensor_peek_data (tensor);
  VardDType dtype = vard_tensor_get_dtype (tensor);
  gsize n_bytes = vard_tensor_get_n_bytes (tensor), block = 4096;

  for (gsize at = 0; at < n_bytes; at += block)
    {
      gssize bad = vard_weights_find_bad_in (data + at, MIN (block, n_bytes - at), dtype);

      if (bad >= 0)
        return (at + bad) / vard_dtype_get_size (dtype);
    }

  return -1;
}

static gboolean
vard_weights_check_finite (const char *file, const char *name, VardTensor *tensor, GError **error)
{
  gint64 bad = vard_weights_find_bad (tensor);

  if (bad < 0)
    return TRUE;

  VardDType dtype = vard_tensor_get_dtype (tensor);
  VardShape one = VARD_SHAPE (1);
  g_autoptr (VardTensor) element =
    vard_tensor_new_view (vard_tensor_peek_buffer (tensor),
                          vard_tensor_get_offset (tensor) + bad * vard_dtype_get_size (dtype),
                          dtype, &one);
  g_autoptr (VardTensor) value = vard_tensor_convert (element, VARD_DTYPE_F32);

  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: element %" G_GINT64_FORMAT " of %s is %f",
               file, bad, name, vard_tensor_peek_f32 (value)[0]);

  return FALSE;
}

static gboolean
vard_weights_check_shape (const char *file,
                          const char *name,
                          VardTensor *stored,
                          const VardParameter *parameter,
                          guint n_pieces,
                          GError **error)
{
  VardShape expected = vard_parameter_get_file_shape (parameter),
            found = *vard_tensor_peek_shape (stored);

  expected.dims[0] *= n_pieces;

  VardShape a = vard_weights_trim (expected), b = vard_weights_trim (found);

  if (vard_shape_equal (&a, &b))
    return TRUE;

  g_autofree char *wanted = vard_shape_to_string (&expected);
  g_autofree char *got = vard_shape_to_string (&found);

  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s: %s has the shape %s, but the configuration needs %s", file, name, got, wanted);

  return FALSE;
}

static VardTensor *
vard_weights_get_piece (VardTensor *whole, guint piece, guint n_pieces)
{
  if (n_pieces == 1)
    return g_object_ref (whole);

  VardShape shape = *vard_tensor_peek_shape (whole);
  gsize offset = vard_tensor_get_offset (whole)
                 + vard_tensor_get_n_bytes (whole) / n_pieces * piece;

  shape.dims[0] /= n_pieces;

  return vard_tensor_new_view (vard_tensor_peek_buffer (whole), offset,
                               vard_tensor_get_dtype (whole), &shape);
}

static gboolean
vard_weights_is_float (VardTensor *tensor)
{
  VardDType dtype = vard_tensor_get_dtype (tensor);

  return dtype == VARD_DTYPE_F32 || dtype == VARD_DTYPE_F16 || dtype == VARD_DTYPE_BF16;
}

/* an adapter's or a value network's parameters are written to */
static gboolean
vard_weights_stays_stored (const VardParameter *parameter, VardTensor *stored)
{
  return !parameter->is_optional && !parameter->is_trainable
         && vard_tensor_get_count (stored) >= STORED_COUNT;
}

gboolean
vard_weights_read (VardSafetensors *file,
                   const char *name,
                   VardParameter *parameter,
                   GError **error)
{
  return vard_weights_read_piece (file, name, parameter, 0, 1, error);
}

gboolean
vard_weights_read_piece (VardSafetensors *file,
                         const char *name,
                         VardParameter *parameter,
                         guint piece,
                         guint n_pieces,
                         GError **error)
{
  g_autoptr (VardTensor) stored = vard_safetensors_lookup (file, name, error);

  return stored != NULL
         && vard_weights_fill (vard_safetensors_get_path (file), name, stored, parameter, piece,
                               n_pieces, error);
}

gboolean
vard_weights_fill (const char *file,
                   const char *name,
                   VardTensor *stored,
                   VardParameter *parameter,
                   guint piece,
                   guint n_pieces,
                   GError **error)
{
  /* a model is read by functions without an argument for it */
  if (g_cancellable_set_error_if_cancelled (g_cancellable_get_current (), error)
      || !vard_weights_check_shape (file, name, stored, parameter, n_pieces, error))
    return FALSE;

  g_autoptr (VardTensor) part = vard_weights_get_piece (stored, piece, n_pieces);
  g_autoptr (VardTensor) values =
    vard_weights_is_float (part) ? g_object_ref (part) : vard_tensor_convert (part, VARD_DTYPE_F32);

  if (!vard_weights_check_finite (file, name, values, error))
    return FALSE;
  if (values == part && vard_weights_stays_stored (parameter, values))
    vard_parameter_store (parameter, values);
  else
    vard_parameter_copy (parameter, values);

  return TRUE;
}

typedef struct
{
  VardSafetensors *file;
  const VardWeightAlias *aliases;
  GHashTable *used;
  GPtrArray *missing;
  GError *error;
} Load;

/* the name under which the file has the parameter; (nullable) (transfer full) */
static char *
vard_weights_find_name (const Load *load, const char *path)
{
  if (vard_safetensors_contains (load->file, path))
    return g_strdup (path);
  for (const VardWeightAlias *alias = load->aliases; alias != NULL && alias->part != NULL; alias++)
    {
      const char *at = strstr (path, alias->part);
      g_autofree char *name = NULL;

      if (at == NULL)
        continue;
      name = g_strdup_printf ("%.*s%s%s", (int) (at - path), path, alias->replacement,
                              at + strlen (alias->part));
      if (vard_safetensors_contains (load->file, name))
        return g_steal_pointer (&name);
    }

  return NULL;
}

static void
load_parameter (const char *path, VardParameter *parameter, gpointer data)
{
  Load *load = data;

  if (load->error != NULL || parameter->is_optional)
    return;

  g_autofree char *name = vard_weights_find_name (load, path);

  if (name == NULL)
    {
      g_ptr_array_add (load->missing, g_strdup (path));
      return;
    }
  vard_weights_read (load->file, name, parameter, &load->error);
  g_hash_table_add (load->used, g_steal_pointer (&name));
}

static gboolean
vard_weights_is_ignored (const char *name, const char *const *ignored)
{
  for (guint i = 0; ignored != NULL && ignored[i] != NULL; i++)
    if (g_str_has_suffix (name, ignored[i]))
      return TRUE;
  return FALSE;
}

static gboolean
vard_weights_check_names (const char *path, GPtrArray *names, const char *what, GError **error)
{
  if (names->len == 0)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %u tensor%s %s, the first is %s", path,
               names->len, names->len == 1 ? "" : "s", what, (const char *) names->pdata[0]);
  return FALSE;
}

gboolean
vard_weights_load (VardModule *module,
                   const char *path,
                   const VardWeightAlias *aliases,
                   const char *const *ignored,
                   GError **error)
{
  g_autoptr (VardSafetensors) file = vard_safetensors_open (path, error);
  g_autoptr (GHashTable) used = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) missing = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) left_over = g_ptr_array_new ();
  Load load = { file, aliases, used, missing, NULL };

  if (file == NULL)
    return FALSE;
  vard_module_foreach_parameter (module, load_parameter, &load);
  if (load.error != NULL)
    {
      g_propagate_error (error, load.error);
      return FALSE;
    }
  for (const char *const *name = vard_safetensors_peek_names (file); *name != NULL; name++)
    if (!g_hash_table_contains (used, *name) && !vard_weights_is_ignored (*name, ignored))
      g_ptr_array_add (left_over, (gpointer) *name);

  return vard_weights_check_names (path, missing, "of the configuration are missing", error)
         && vard_weights_check_names (path, left_over,
                                      "in the file have no place in the configuration", error);
}

/* ---- writing ---- */

VardTensor *
vard_weights_dup_merged (VardParameter *parameter)
{
  VardLinear *layer = VARD_IS_LINEAR (parameter->owner) ? VARD_LINEAR (parameter->owner) : NULL;
  VardAdapter *adapter = layer != NULL ? vard_linear_peek_adapter (layer) : NULL;

  if (adapter == NULL || parameter != vard_linear_peek_weight (layer)
      || !vard_module_get_adapters_enabled (parameter->owner))
    return vard_parameter_dup_values (parameter);

  g_autoptr (VardTensor) values = vard_parameter_dup_values (parameter);
  VardTensor *merged = vard_tensor_convert (values, VARD_DTYPE_F32);

  vard_adapter_merge (adapter, vard_tensor_peek_f32 (merged), vard_linear_get_n_out (layer),
                      vard_linear_get_n_in (layer));

  return merged;
}

/* [c_out, kh, kw, c_in] -> [c_out, c_in, kh, kw] */
static VardTensor *
vard_weights_to_file_layout (VardTensor *values, const VardShape *shape)
{
  VardTensor *file = vard_tensor_new (VARD_DTYPE_F32, shape);
  const float *from = vard_tensor_peek_f32 (values);
  float *to = vard_tensor_peek_f32 (file);
  gint64 c = shape->dims[1], taps = shape->dims[2] * shape->dims[3];

  for (gint64 row = 0; row < shape->dims[0]; row++, from += c * taps, to += c * taps)
    for (gint64 t = 0; t < taps; t++)
      for (gint64 i = 0; i < c; i++)
        to[i * taps + t] = from[t * c + i];

  return file;
}

static VardTensor *
vard_weights_prepare (const VardSafetensorsEntry *entry, GError **error)
{
  VardParameter *parameter = entry->data;
  g_autoptr (VardTensor) values = vard_weights_dup_merged (parameter);

  if (parameter->layout != VARD_LAYOUT_CONV)
    return vard_tensor_new_view (vard_tensor_peek_buffer (values), vard_tensor_get_offset (values),
                                 VARD_DTYPE_F32, &entry->shape);

  return vard_weights_to_file_layout (values, &entry->shape);
}

VardSafetensorsEntry
vard_weights_make_entry (const char *name, VardParameter *parameter, VardDType dtype)
{
  return (VardSafetensorsEntry) {
    .name = name,
    .tensor = parameter->tensor,
    .dtype = dtype,
    .shape = vard_parameter_get_file_shape (parameter),
    .prepare = vard_weights_prepare,
    .data = parameter,
  };
}

typedef struct
{
  GArray *entries;
  GPtrArray *names;
  VardDType dtype;
} Save;

static void
vard_weights_add_entry (const char *path, VardParameter *parameter, gpointer data)
{
  Save *save = data;
  VardSafetensorsEntry entry = vard_weights_make_entry (g_strdup (path), parameter, save->dtype);

  g_ptr_array_add (save->names, (gpointer) entry.name);
  if (!parameter->is_optional)
    g_array_append_val (save->entries, entry);
}

gboolean
vard_weights_save (VardModule *module,
                   const char *path,
                   VardDType dtype,
                   GHashTable *metadata,
                   GError **error)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (VardSafetensorsEntry));
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  Save save = { entries, names, dtype };

  vard_module_foreach_parameter (module, vard_weights_add_entry, &save);

  return vard_safetensors_write (path, (const VardSafetensorsEntry *) entries->data, entries->len,
                                 metadata, error);
}
