/* vard-lora-writer.c - writes adapters in the formats of other programs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "adapters/vard-lora-file.h"

#include "base/vard-error.h"
#include "adapters/vard-lora-hash.h"
#include "adapters/vard-lora-names.h"
#include "tensor/vard-safetensors.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  VardLoraFormat format;
  const VardLoraPlace *place;
  VardEngine *engine;
  GArray *entries;
  GPtrArray *names;     /* owns the strings of entries */
  GPtrArray *tensors;   /* owns tensors of entries */
  guint n_layers, rank; /* rank and alpha of the first layer */
  double alpha;
  gboolean is_mixed;
  GError *error;
} Save;

/* B alpha / rank */
static VardTensor *
vard_lora_writer_fold_scale (const VardSafetensorsEntry *entry)
{
  VardTensor *folded = vard_tensor_convert (entry->tensor, VARD_DTYPE_F32);
  float *values = vard_tensor_peek_f32 (folded);
  double scale = vard_lora_get_scale (entry->data);

  for (gint64 i = 0; i < vard_tensor_get_count (folded); i++)
    values[i] *= scale;

  return folded;
}

/* data is the adapter for what is to be folded */
static VardTensor *
vard_lora_writer_as_in_file (const VardSafetensorsEntry *entry, GError **error)
{
  g_autoptr (VardTensor) values = entry->data != NULL && vard_lora_get_scale (entry->data) != 1
                                    ? vard_lora_writer_fold_scale (entry)
                                    : g_object_ref (entry->tensor);

  return vard_tensor_new_view (vard_tensor_peek_buffer (values), vard_tensor_get_offset (values),
                               VARD_DTYPE_F32, &entry->shape);
}

static void
vard_lora_writer_add_entry (Save *save,
                            char *name,
                            VardTensor *tensor,
                            gboolean is_pointwise,
                            VardLora *folded)
{
  VardSafetensorsEntry entry = {
    .name = name,
    .tensor = tensor,
    .dtype = VARD_DTYPE_F32,
    .shape = *vard_tensor_peek_shape (tensor),
    .prepare = vard_lora_writer_as_in_file,
    .data = folded,
  };

  if (is_pointwise)
    entry.shape = VARD_SHAPE (entry.shape.dims[0], entry.shape.dims[1], 1, 1);
  g_ptr_array_add (save->names, name);
  g_array_append_val (save->entries, entry);
}

static void
vard_lora_writer_add_alpha (Save *save, char *name, double alpha)
{
  VardShape shape = VARD_SCALAR;
  VardTensor *tensor = vard_tensor_new (VARD_DTYPE_F32, &shape);

  vard_tensor_peek_f32 (tensor)[0] = alpha;
  g_ptr_array_add (save->tensors, tensor);
  vard_lora_writer_add_entry (save, name, tensor, FALSE, NULL);
}

/* A or B on the host; NULL with an error */
static VardTensor *
vard_lora_writer_peek_matrix (Save *save, VardParameter *parameter)
{
  VardTensor *host = save->engine != NULL
                       ? vard_engine_fetch (save->engine, parameter->tensor, &save->error)
                       : g_object_ref (parameter->tensor);

  if (host != NULL)
    g_ptr_array_add (save->tensors, host);

  return host;
}

static void
vard_lora_writer_add_adapter (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  Save *save = data;
  gboolean is_kohya = save->format == VARD_LORA_FORMAT_KOHYA;
  /* beside a 1x1 convolution both are 1x1 convolutions */
  gboolean is_pointwise = vard_linear_peek_weight (layer)->layout == VARD_LAYOUT_POINTWISE;
  guint rank = vard_lora_get_rank (lora);
  double alpha = vard_lora_get_scale (lora) * rank;
  g_auto (VardLoraNames) names = { NULL };
  VardTensor *down =
    save->error != NULL ? NULL : vard_lora_writer_peek_matrix (save, vard_lora_peek_down (lora));
  VardTensor *up = down != NULL ? vard_lora_writer_peek_matrix (save, vard_lora_peek_up (lora))
                                : NULL;

  if (up == NULL)
    return;
  vard_lora_names_spell (is_kohya ? VARD_LORA_SPELLING_KOHYA : VARD_LORA_SPELLING_DIFFUSERS,
                         save->place, 0, path, &names);
  vard_lora_writer_add_entry (save, g_steal_pointer (&names.down), down, is_pointwise, NULL);
  vard_lora_writer_add_entry (save, g_steal_pointer (&names.up), up, is_pointwise,
                              is_kohya ? NULL : lora);
  if (is_kohya)
    vard_lora_writer_add_alpha (save, g_steal_pointer (&names.alpha), alpha);
  if (save->n_layers++ == 0)
    {
      save->rank = rank;
      save->alpha = alpha;
    }
  else if (rank != save->rank || alpha != save->alpha)
    save->is_mixed = TRUE;
}

static void
vard_lora_writer_insert_default (GHashTable *table, const char *key, const char *value)
{
  if (!g_hash_table_contains (table, key))
    g_hash_table_insert (table, g_strdup (key), g_strdup (value));
}

/* what kohya's readers show; "Dynamic" is their word for ranks that differ */
static void
vard_lora_writer_add_kohya_metadata (const Save *save, GHashTable *table)
{
  g_autofree char *rank = save->is_mixed ? g_strdup ("Dynamic")
                                         : g_strdup_printf ("%u", save->rank);
  char alpha[G_ASCII_DTOSTR_BUF_SIZE];

  g_ascii_formatd (alpha, sizeof alpha, "%.9g", save->alpha);
  vard_lora_writer_insert_default (table, "ss_network_module", "networks.lora");
  vard_lora_writer_insert_default (table, "ss_network_dim", rank);
  vard_lora_writer_insert_default (table, "ss_network_alpha", save->is_mixed ? "Dynamic" : alpha);
}

static GHashTable *
vard_lora_writer_make_metadata (const Save *save, GHashTable *given)
{
  GHashTable *table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  GHashTableIter iter;
  gpointer key, value;

  if (given != NULL)
    {
      g_hash_table_iter_init (&iter, given);
      while (g_hash_table_iter_next (&iter, &key, &value))
        g_hash_table_insert (table, g_strdup (key), g_strdup (value));
    }
  if (save->format == VARD_LORA_FORMAT_KOHYA)
    vard_lora_writer_add_kohya_metadata (save, table);

  return table;
}

static GHashTable *
vard_lora_writer_copy_training_keys (GHashTable *table)
{
  GHashTable *kept = g_hash_table_new (g_str_hash, g_str_equal);
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (g_str_has_prefix (key, "ss_"))
      g_hash_table_insert (kept, key, value);

  return kept;
}

/* As kohya's scripts do it: of a file whose header has nothing but the ss_ keys, since others may
 * be changed later. The first hash knows the tensors alone. */
static gboolean
vard_lora_writer_add_hashes (const Save *save, const char *path, GHashTable *table, GError **error)
{
  g_autoptr (GHashTable) kept = vard_lora_writer_copy_training_keys (table);
  g_autofree char *temporary = g_strconcat (path, ".hash", NULL);
  char *model_hash = NULL, *legacy_hash = NULL;
  gboolean ok;

  ok = vard_safetensors_write (temporary, (const VardSafetensorsEntry *) save->entries->data,
                               save->entries->len, kept, error)
       && vard_lora_hash_file (temporary, &model_hash, &legacy_hash, error);
  g_unlink (temporary);
  if (!ok)
    return FALSE;
  g_hash_table_insert (table, g_strdup ("modelspec.hash_sha256"),
                       g_strconcat ("0x", model_hash, NULL));
  g_hash_table_insert (table, g_strdup ("sshs_model_hash"), model_hash);
  g_hash_table_insert (table, g_strdup ("sshs_legacy_hash"), legacy_hash);

  return TRUE;
}

gboolean
vard_lora_write (const VardLoraTarget *target,
                 const char *path,
                 VardLoraFormat format,
                 GHashTable *metadata,
                 guint *n_layers,
                 GError **error)
{
  g_return_val_if_fail (VARD_IS_MODULE (target->places[0].module), FALSE);

  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (VardSafetensorsEntry));
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) tensors = g_ptr_array_new_with_free_func (g_object_unref);
  Save save = { .format = format,
                .engine = target->engine,
                .entries = entries,
                .names = names,
                .tensors = tensors };

  for (guint i = 0; i < target->n_places; i++)
    {
      save.place = &target->places[i];
      vard_lora_foreach (save.place->module, vard_lora_writer_add_adapter, &save);
    }
  if (save.error != NULL)
    {
      g_propagate_error (error, save.error);
      return FALSE;
    }
  if (entries->len == 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "%s: the model has no LoRA adapters to write", path);
      return FALSE;
    }

  g_autoptr (GHashTable) table = vard_lora_writer_make_metadata (&save, metadata);

  if (format == VARD_LORA_FORMAT_KOHYA && !vard_lora_writer_add_hashes (&save, path, table, error))
    return FALSE;
  if (!vard_safetensors_write (path, (const VardSafetensorsEntry *) entries->data, entries->len,
                               table, error))
    return FALSE;
  if (n_layers != NULL)
    *n_layers = save.n_layers;

  return TRUE;
}

gboolean
vard_lora_save (VardModule *root, const char *path, GHashTable *metadata, GError **error)
{
  VardLoraTarget target = { .places = { VARD_LORA_UNET (root) }, .n_places = 1 };

  return vard_lora_write (&target, path, VARD_LORA_FORMAT_DIFFUSERS, metadata, NULL, error);
}
