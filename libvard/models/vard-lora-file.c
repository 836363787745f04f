/* vard-lora-file.c - adapters of a denoiser in files that other programs read
 *
 * Spellings differ in what is put around the path of a layer. Reading, each linear layer asks the file for its path
 * in every spelling; what then was not asked for fits nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-lora-file.h"

#include "base/vard-error.h"
#include "models/vard-weights.h"
#include "tensor/vard-safetensors.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#define MAX_RANK 4096

typedef enum { PATH_DOTS, PATH_UNDERSCORES, PATH_PROCESSOR } PathStyle;

static const struct
{
  const char *prefix;
  PathStyle path;
  const char *down, *up;
} spellings[] = {
  { "unet.", PATH_DOTS, ".lora.down.weight", ".lora.up.weight" },                  /* diffusers */
  { "unet.", PATH_DOTS, ".lora_A.weight", ".lora_B.weight" },                      /* diffusers with PEFT */
  { "unet.", PATH_DOTS, ".lora_A.default.weight", ".lora_B.default.weight" },
  { "unet.", PATH_PROCESSOR, "_lora.down.weight", "_lora.up.weight" },             /* diffusers in 2023 */
  { "", PATH_PROCESSOR, "_lora.down.weight", "_lora.up.weight" },
  { "base_model.model.", PATH_DOTS, ".lora_A.weight", ".lora_B.weight" },          /* PEFT's own */
  { "", PATH_DOTS, ".lora_A.weight", ".lora_B.weight" },
  { "", PATH_DOTS, ".lora.down.weight", ".lora.up.weight" },
  { "lora_unet_", PATH_UNDERSCORES, ".lora_down.weight", ".lora_up.weight" },      /* kohya */
};

/* ---- writing ---- */

typedef struct
{
  GArray *entries;
  GPtrArray *names;
} Save;

/* B alpha / rank */
static VardTensor *
fold_scale (const VardSafetensorsEntry *entry)
{
  VardTensor *folded = vard_tensor_convert (entry->tensor, VARD_DTYPE_F32);
  float *values = vard_tensor_peek_f32 (folded);
  double scale = vard_lora_get_scale (entry->data);

  for (gint64 i = 0; i < vard_tensor_get_count (folded); i++)
    values[i] *= scale;
  return folded;
}

static VardTensor *
as_in_file (const VardSafetensorsEntry *entry)
{
  g_autoptr (VardTensor) values = g_str_has_suffix (entry->name, spellings[0].up)
    ? fold_scale (entry) : g_object_ref (entry->tensor);

  return vard_tensor_new_view (vard_tensor_peek_buffer (values), vard_tensor_get_offset (values), VARD_DTYPE_F32,
                               &entry->shape);
}

static void
add_entry (Save          *save,
           const char    *path,
           const char    *suffix,
           VardParameter *parameter,
           VardLinear    *layer,
           VardLora      *lora)
{
  VardSafetensorsEntry entry = {
    .name = g_strconcat (spellings[0].prefix, path, suffix, NULL), .tensor = parameter->tensor,
    .dtype = VARD_DTYPE_F32, .shape = *vard_tensor_peek_shape (parameter->tensor), .prepare = as_in_file, .data = lora,
  };

  /* beside a 1x1 convolution both are 1x1 convolutions */
  if (vard_linear_peek_weight (layer)->layout == VARD_LAYOUT_POINTWISE)
    entry.shape = VARD_SHAPE (entry.shape.dims[0], entry.shape.dims[1], 1, 1);
  g_ptr_array_add (save->names, (gpointer) entry.name);
  g_array_append_val (save->entries, entry);
}

static void
add_adapter (const char *path,
             VardLinear *layer,
             VardLora   *lora,
             gpointer    data)
{
  add_entry (data, path, spellings[0].down, vard_lora_peek_down (lora), layer, lora);
  add_entry (data, path, spellings[0].up, vard_lora_peek_up (lora), layer, lora);
}

gboolean
vard_lora_save (VardModule *root,
                const char *path,
                GHashTable *metadata,
                GError    **error)
{
  g_return_val_if_fail (VARD_IS_MODULE (root), FALSE);

  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (VardSafetensorsEntry));
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  Save save = { entries, names };

  vard_lora_foreach (root, add_adapter, &save);
  if (entries->len == 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "%s: the model has no LoRA adapters to write", path);
      return FALSE;
    }
  return vard_safetensors_write (path, (const VardSafetensorsEntry *) entries->data, entries->len, metadata, error);
}

/* ---- reading ---- */

typedef struct
{
  VardLinear *layer;
  char *down, *up, *alpha;   /* names in the file; alpha or NULL */
} Pair;

typedef struct
{
  VardSafetensors *file;
  double strength;
  double default_scale;      /* of pairs without their own alpha */
  GPtrArray *pairs;
  GHashTable *used;          /* names, owned by pairs */
} Load;

static void
pair_free (Pair *self)
{
  g_free (self->down);
  g_free (self->up);
  g_free (self->alpha);
  g_free (self);
}

static char *
spell_path (const char *path,
            PathStyle   style)
{
  g_autofree char *spelled = g_strdup (path);
  const char *last = strrchr (path, '.');

  if (style == PATH_UNDERSCORES)
    g_strdelimit (spelled, ".", '_');
  if (style == PATH_PROCESSOR)
    {
      if (g_str_has_suffix (path, ".to_out.0"))
        return g_strdup_printf ("%.*s.processor.to_out", (int) (last - path - strlen (".to_out")), path);
      if (last)
        return g_strdup_printf ("%.*s.processor.%s", (int) (last - path), path, last + 1);
    }
  return g_steal_pointer (&spelled);
}

static void
find_spelling (Load       *load,
               const char *path,
               VardLinear *layer,
               guint       i)
{
  g_autofree char *spelled = spell_path (path, spellings[i].path);
  Pair *pair = g_new0 (Pair, 1);

  pair->layer = layer;
  pair->down = g_strconcat (spellings[i].prefix, spelled, spellings[i].down, NULL);
  pair->up = g_strconcat (spellings[i].prefix, spelled, spellings[i].up, NULL);
  pair->alpha = g_strconcat (spellings[i].prefix, spelled, ".alpha", NULL);
  if (!vard_safetensors_contains (load->file, pair->down) || !vard_safetensors_contains (load->file, pair->up))
    {
      pair_free (pair);
      return;
    }
  g_ptr_array_add (load->pairs, pair);
  if (!vard_safetensors_contains (load->file, pair->alpha))
    g_clear_pointer (&pair->alpha, g_free);
  else
    g_hash_table_add (load->used, pair->alpha);
  g_hash_table_add (load->used, pair->down);
  g_hash_table_add (load->used, pair->up);
}

static void
find_layer (const char *path,
            VardModule *module,
            gpointer    data)
{
  for (guint i = 0; VARD_IS_LINEAR (module) && i < G_N_ELEMENTS (spellings); i++)
    find_spelling (data, path, VARD_LINEAR (module), i);
}

static gboolean
check_left_over (const Load *load,
                 GError    **error)
{
  const char *path = vard_safetensors_get_path (load->file);
  guint n_left = 0;
  const char *first = NULL;

  for (const char *const *name = vard_safetensors_peek_names (load->file); *name; name++)
    if (!g_hash_table_contains (load->used, *name) && n_left++ == 0)
      first = *name;
  if (n_left == 0 && load->pairs->len > 0)
    return TRUE;
  if (!first)
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s holds no tensors", path);
  else
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %u tensor%s no linear layer of the denoiser, the first is "
                 "%s", path, n_left, n_left == 1 ? " fits" : "s fit", first);
  return FALSE;
}

/* alpha / rank of a pair, times the strength */
static gboolean
read_scale (const Load *load,
            const Pair *pair,
            guint       rank,
            double     *scale,
            GError    **error)
{
  *scale = load->default_scale * load->strength;
  if (!pair->alpha)
    return TRUE;

  g_autoptr (VardTensor) stored = vard_safetensors_lookup (load->file, pair->alpha, error);
  g_autoptr (VardTensor) number = stored ? vard_tensor_convert (stored, VARD_DTYPE_F32) : NULL;

  if (!number)
    return FALSE;
  if (vard_tensor_get_count (number) != 1)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %s is not one number",
                   vard_safetensors_get_path (load->file), pair->alpha);
      return FALSE;
    }
  *scale = vard_tensor_peek_f32 (number)[0] / rank * load->strength;
  return TRUE;
}

/* the adapter of the layer, new where it has none; NULL with an error when the ranks differ */
static VardLora *
prepare_adapter (const Load *load,
                 const Pair *pair,
                 guint       rank,
                 double      scale,
                 GError    **error)
{
  VardAdapter *adapter = vard_linear_peek_adapter (pair->layer);

  if (!adapter)
    {
      VardLora *lora = vard_lora_new (vard_linear_get_n_in (pair->layer), vard_linear_get_n_out (pair->layer), rank,
                                      rank * scale, 0);

      vard_linear_take_adapter (pair->layer, "lora", VARD_ADAPTER (lora));
      return lora;
    }
  if (VARD_IS_LORA (adapter) && vard_lora_get_rank (VARD_LORA (adapter)) == rank)
    return VARD_LORA (adapter);
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %s has rank %u, the model's adapter there has %u",
               vard_safetensors_get_path (load->file), pair->down, rank,
               VARD_IS_LORA (adapter) ? vard_lora_get_rank (VARD_LORA (adapter)) : 0);
  return NULL;
}

static gboolean
read_rank (const Load *load,
           const Pair *pair,
           guint      *rank,
           GError    **error)
{
  VardShape shape = { 0 };

  vard_safetensors_get_shape (load->file, pair->down, &shape);
  *rank = shape.dims[0];
  if (shape.n_dims >= 2 && shape.dims[0] >= 1 && shape.dims[0] <= MAX_RANK)
    return TRUE;

  g_autofree char *text = vard_shape_to_string (&shape);

  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %s has the shape %s, which has no rank from 1 to %d",
               vard_safetensors_get_path (load->file), pair->down, text, MAX_RANK);
  return FALSE;
}

static gboolean
read_pair (const Load *load,
           const Pair *pair,
           GError    **error)
{
  guint rank;
  double scale;
  VardLora *lora;

  if (!read_rank (load, pair, &rank, error) || !read_scale (load, pair, rank, &scale, error))
    return FALSE;
  lora = prepare_adapter (load, pair, rank, scale, error);
  if (!lora || !vard_weights_read (load->file, pair->down, vard_lora_peek_down (lora), error)
      || !vard_weights_read (load->file, pair->up, vard_lora_peek_up (lora), error))
    return FALSE;

  VardTensor *up = vard_lora_peek_up (lora)->tensor;

  /* an adapter that was there keeps its own scale */
  for (gint64 i = 0; vard_lora_get_scale (lora) != scale && i < vard_tensor_get_count (up); i++)
    vard_tensor_peek_f32 (up)[i] *= scale / vard_lora_get_scale (lora);
  vard_module_set_trainable (VARD_MODULE (lora), TRUE);
  return TRUE;
}

/* PEFT's configuration in the metadata, its keys prefixed by the component */
static gboolean
read_default_scale (Load    *load,
                    GError **error)
{
  static const char *const patterns[] = { "unet.alpha_pattern", "unet.rank_pattern" };
  const char *text = g_hash_table_lookup (vard_safetensors_peek_metadata (load->file), "lora_adapter_metadata");
  g_autoptr (JsonNode) node = text ? json_from_string (text, NULL) : NULL;
  JsonObject *object = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;

  load->default_scale = 1;
  if (!object || !json_object_has_member (object, "unet.lora_alpha") || !json_object_has_member (object, "unet.r"))
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (patterns); i++)
    {
      JsonNode *pattern = json_object_get_member (object, patterns[i]);

      if (pattern && JSON_NODE_HOLDS_OBJECT (pattern) && json_object_get_size (json_node_get_object (pattern)) > 0)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED, "%s: %s in its metadata is not supported",
                       vard_safetensors_get_path (load->file), patterns[i]);
          return FALSE;
        }
    }

  double alpha = json_object_get_double_member_with_default (object, "unet.lora_alpha", 1);
  double rank = MAX (json_object_get_double_member_with_default (object, "unet.r", 1), 1);

  load->default_scale = alpha / rank;
  if (json_object_get_boolean_member_with_default (object, "unet.use_rslora", FALSE))
    load->default_scale = alpha / sqrt (rank);
  return TRUE;
}

gboolean
vard_lora_load (VardModule *root,
                const char *path,
                double      strength,
                GError    **error)
{
  g_return_val_if_fail (VARD_IS_MODULE (root), FALSE);

  g_autoptr (VardSafetensors) file = vard_safetensors_open (path, error);
  g_autoptr (GPtrArray) pairs = g_ptr_array_new_with_free_func ((GDestroyNotify) pair_free);
  g_autoptr (GHashTable) used = g_hash_table_new (g_str_hash, g_str_equal);
  Load load = { .file = file, .strength = strength, .pairs = pairs, .used = used };

  if (!file || !read_default_scale (&load, error))
    return FALSE;
  vard_module_foreach (root, find_layer, &load);
  if (!check_left_over (&load, error))
    return FALSE;
  vard_module_set_trainable (root, FALSE);
  for (guint i = 0; i < pairs->len; i++)
    if (!read_pair (&load, pairs->pdata[i], error))
      return FALSE;
  return TRUE;
}
