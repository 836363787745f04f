/* vard-lora-file.c - reads adapters from the files of other programs
 *
 * Each linear layer asks the file for its path in every spelling; what then was not asked for fits
 * nothing. All is read and checked before the first layer is changed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "adapters/vard-lora-file.h"

#include "base/vard-error.h"
#include "adapters/vard-lora-names.h"
#include "adapters/vard-lora-scale.h"
#include "files/vard-weights.h"

#include <math.h>
#include <string.h>

#define MAX_RANK 4096

typedef struct
{
  VardLinear *layer;
  VardLora *lora; /* owned until it is attached */
} Match;

typedef struct
{
  VardSafetensors *file;
  VardLoraScale *scale;
  double strength;
  const VardLoraPlace *place;
  GHashTable *used; /* names of tensors */
  GArray *matches;
  GError *error;
} Load;

static void
match_clear (gpointer data)
{
  g_clear_object (&((Match *) data)->lora);
}

static const char *
vard_lora_file_get_path (const Load *load)
{
  return vard_safetensors_get_path (load->file);
}

/* a scalar tensor of any type */
static gboolean
vard_lora_file_read_scalar (Load *load, const char *name, double *value)
{
  g_autoptr (VardTensor) stored = vard_safetensors_lookup (load->file, name, &load->error);
  g_autoptr (VardTensor) number = stored != NULL ? vard_tensor_convert (stored, VARD_DTYPE_F32)
                                                 : NULL;

  if (number == NULL)
    return FALSE;
  if (vard_tensor_get_count (number) != 1 || !isfinite (vard_tensor_peek_f32 (number)[0]))
    {
      g_set_error (&load->error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %s is not one finite number",
                   vard_lora_file_get_path (load), name);
      return FALSE;
    }
  *value = vard_tensor_peek_f32 (number)[0];

  return TRUE;
}

static gboolean
vard_lora_file_read_rank (Load *load, const char *name, guint *rank)
{
  VardShape shape = { 0 };

  vard_safetensors_get_shape (load->file, name, &shape);
  if (shape.n_dims >= 2 && shape.dims[0] >= 1 && shape.dims[0] <= MAX_RANK)
    {
      *rank = shape.dims[0];
      return TRUE;
    }

  g_autofree char *text = vard_shape_to_string (&shape);

  g_set_error (&load->error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s: %s has the shape %s, which is not that of a LoRA matrix",
               vard_lora_file_get_path (load), name, text);

  return FALSE;
}

static gboolean
vard_lora_file_read_scale (Load *load,
                           const char *path,
                           guint spelling,
                           const VardLoraNames *names,
                           guint rank,
                           double *scale)
{
  if (!vard_safetensors_contains (load->file, names->alpha))
    return vard_lora_scale_find (load->scale, load->place, path, rank,
                                 vard_lora_names_need_config (spelling), scale, &load->error);
  if (!vard_lora_file_read_scalar (load, names->alpha, scale))
    return FALSE;
  *scale /= rank;
  g_hash_table_add (load->used, g_strdup (names->alpha));

  return TRUE;
}

static void
vard_lora_file_read_adapter (Load *load,
                             const char *path,
                             VardLinear *layer,
                             guint spelling,
                             const VardLoraNames *names)
{
  guint rank;
  double scale;

  if (!vard_lora_file_read_rank (load, names->down, &rank)
      || !vard_lora_file_read_scale (load, path, spelling, names, rank, &scale))
    return;

  Match match = { layer, vard_lora_new (vard_linear_get_n_in (layer), vard_linear_get_n_out (layer),
                                        rank, rank * scale * load->strength, 0) };

  g_array_append_val (load->matches, match);
  if (!vard_weights_read (load->file, names->down, vard_lora_peek_down (match.lora), &load->error)
      || !vard_weights_read (load->file, names->up, vard_lora_peek_up (match.lora), &load->error))
    return;
  g_hash_table_add (load->used, g_strdup (names->down));
  g_hash_table_add (load->used, g_strdup (names->up));
}

/* a layer in two spellings would count twice */
static gboolean
vard_lora_file_check_once (Load *load, VardLinear *layer, const char *name)
{
  Match *last = load->matches->len ? &g_array_index (load->matches, Match, load->matches->len - 1)
                                   : NULL;

  if (last == NULL || last->layer != layer)
    return TRUE;
  g_set_error (&load->error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s: %s is present under another name too", vard_lora_file_get_path (load), name);

  return FALSE;
}

static void
load_layer (const char *path, VardModule *module, gpointer data)
{
  Load *load = data;

  if (!VARD_IS_LINEAR (module))
    return;
  for (guint i = 0; i < 2 * vard_lora_names_get_n_spellings () && load->error == NULL; i++)
    {
      g_auto (VardLoraNames) names = { NULL };

      if (vard_lora_names_spell (i / 2, load->place, i % 2, path, &names)
          && vard_safetensors_contains (load->file, names.down)
          && vard_safetensors_contains (load->file, names.up)
          && vard_lora_file_check_once (load, VARD_LINEAR (module), names.down))
        vard_lora_file_read_adapter (load, path, VARD_LINEAR (module), i / 2, &names);
    }
}

/* what other programs call LoRA too, by a piece of a tensor's name; "" where nothing tells */
static const char *
vard_lora_file_guess_kind (const Load *load, const char *name)
{
  static const struct
  {
    const char *part, *what;
  } kinds[] = {
    { ".dora_scale", " (a DoRA, which is not supported)" },
    { "lora_magnitude_vector", " (a DoRA, which is not supported)" },
    { ".hada_", " (a LoHa, which is not supported)" },
    { ".lokr_", " (a LoKr, which is not supported)" },
    { "lora_te2_", " (it is for Stable Diffusion XL)" },
    { "text_encoder_2.", " (it is for Stable Diffusion XL)" },
    { "_input_blocks_", " (it is for Stable Diffusion XL)" },
    { "double_blocks", " (it is for Flux)" },
    { "single_transformer_blocks", " (it is for Flux)" },
    { "lora_mid", " (adapters of convolutions are not supported)" },
  };
  VardShape shape = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strstr (name, kinds[i].part) != NULL)
      return kinds[i].what;
  if (vard_safetensors_get_shape (load->file, name, &shape) && shape.n_dims == 4
      && shape.dims[2] > 1)
    return " (adapters of convolutions are not supported)";

  return "";
}

static gboolean
vard_lora_file_check_left_over (const Load *load, gboolean has_text, GError **error)
{
  guint n_left = 0;
  const char *first = NULL, *kind = "";

  for (const char *const *name = vard_safetensors_peek_names (load->file); *name != NULL; name++)
    if (!g_hash_table_contains (load->used, *name))
      {
        if (n_left++ == 0)
          first = *name;
        if (!*kind)
          kind = vard_lora_file_guess_kind (load, *name);
      }
  if (n_left == 0 && load->matches->len > 0)
    return TRUE;
  if (first == NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s has no tensors",
                 vard_lora_file_get_path (load));
  else
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                 "%s: %u tensor%s fit%s no linear layer of the denoiser%s, the first is %s%s",
                 vard_lora_file_get_path (load), n_left, n_left == 1 ? "" : "s",
                 n_left == 1 ? "s" : "", has_text ? " or the text encoder" : "", first, kind);

  return FALSE;
}

/* the weight file of a folder */
static char *
vard_lora_file_find_file (const char *path)
{
  static const char *const names[] = { "pytorch_lora_weights.safetensors",
                                       "adapter_model.safetensors" };

  for (guint i = 0; g_file_test (path, G_FILE_TEST_IS_DIR) && i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *file = g_build_filename (path, names[i], NULL);

      if (g_file_test (file, G_FILE_TEST_EXISTS))
        return g_steal_pointer (&file);
    }

  return g_strdup (path);
}

static gboolean
vard_lora_file_check_file_name (const char *path, GError **error)
{
  static const char *const pickles[] = { ".bin", ".pt", ".pth", ".ckpt" };

  for (guint i = 0; i < G_N_ELEMENTS (pickles); i++)
    if (g_str_has_suffix (path, pickles[i]))
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                     "%s is a pickle, and reading it can run code: convert it with "
                     "safetensors.torch.save_file (torch.load (file, weights_only=True), new_file)",
                     path);
        return FALSE;
      }
  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "the folder %s has neither pytorch_lora_weights.safetensors nor "
               "adapter_model.safetensors",
               path);

  return FALSE;
}

/* all adapters of a file as matches; nothing of the target is changed */
static GArray *
vard_lora_file_read_matches (const VardLoraTarget *target,
                             const char *path,
                             double strength,
                             GError **error)
{
  g_autofree char *file_path = vard_lora_file_find_file (path);
  g_autoptr (VardSafetensors) file = vard_lora_file_check_file_name (file_path, error)
                                       ? vard_safetensors_open (file_path, error)
                                       : NULL;
  g_autoptr (VardLoraScale) scale = file != NULL ? vard_lora_scale_new (file, error) : NULL;
  g_autoptr (GHashTable) used = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GArray) matches = g_array_new (FALSE, FALSE, sizeof (Match));
  Load load = { file, scale, strength, NULL, used, matches, NULL };

  if (scale == NULL)
    return NULL;
  g_array_set_clear_func (matches, match_clear);
  for (guint i = 0; i < target->n_places; i++)
    {
      load.place = &target->places[i];
      vard_module_foreach (load.place->module, load_layer, &load);
    }
  if (load.error != NULL)
    {
      g_propagate_error (error, load.error);
      return NULL;
    }

  return vard_lora_file_check_left_over (&load, target->n_places > 1, error)
           ? g_steal_pointer (&matches)
           : NULL;
}

/* ---- adding ---- */

gboolean
vard_lora_add (const VardLoraTarget *target,
               const char *path,
               double strength,
               guint *n_layers,
               GError **error)
{
  g_return_val_if_fail (VARD_IS_MODULE (target->places[0].module), FALSE);

  g_autoptr (GArray) matches = vard_lora_file_read_matches (target, path, strength, error);

  for (guint i = 0; matches != NULL && i < matches->len; i++)
    {
      Match *match = &g_array_index (matches, Match, i);
      VardAdapter *before = vard_linear_peek_adapter (match->layer);

      if (before != NULL && VARD_IS_LORA (before))
        {
          VardLora *both = vard_lora_new_stacked (VARD_LORA (before), match->lora);

          vard_linear_drop_adapter (match->layer);
          vard_linear_take_adapter (match->layer, "lora", VARD_ADAPTER (both));
        }
      else
        vard_linear_take_adapter (match->layer, "lora",
                                  VARD_ADAPTER (g_steal_pointer (&match->lora)));
    }
  if (matches != NULL && n_layers != NULL)
    *n_layers = matches->len;

  return matches != NULL;
}

/* ---- to train on ---- */

static gboolean
vard_lora_file_check_ranks (GArray *matches, const char *path, GError **error)
{
  for (guint i = 0; i < matches->len; i++)
    {
      Match *match = &g_array_index (matches, Match, i);
      VardAdapter *before = vard_linear_peek_adapter (match->layer);
      guint rank = before != NULL && VARD_IS_LORA (before) ? vard_lora_get_rank (VARD_LORA (before))
                                                           : 0;

      if (before != NULL && rank != vard_lora_get_rank (match->lora))
        {
          g_autofree char *layer = vard_module_dup_path (VARD_MODULE (match->layer));

          g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                       "%s: %s has rank %u, but the model's adapter has %u", path, layer,
                       vard_lora_get_rank (match->lora), rank);
          return FALSE;
        }
    }

  return TRUE;
}

/* @to keeps its scale, so B makes up for the difference */
static void
vard_lora_file_copy_numbers (VardLora *from, VardLora *to)
{
  VardTensor *a = vard_lora_peek_down (to)->tensor, *b = vard_lora_peek_up (to)->tensor;
  double factor = vard_lora_get_scale (from) / vard_lora_get_scale (to);
  const float *values = vard_tensor_peek_f32 (vard_lora_peek_up (from)->tensor);

  memcpy (vard_tensor_peek_f32 (a), vard_tensor_peek_f32 (vard_lora_peek_down (from)->tensor),
          vard_tensor_get_n_bytes (a));
  for (gint64 i = 0; i < vard_tensor_get_count (b); i++)
    vard_tensor_peek_f32 (b)[i] = factor == 1 ? values[i] : values[i] * factor;
}

gboolean
vard_lora_load (VardModule *root, const char *path, double strength, GError **error)
{
  g_return_val_if_fail (VARD_IS_MODULE (root), FALSE);

  VardLoraTarget target = { .places = { VARD_LORA_UNET (root) }, .n_places = 1 };
  g_autoptr (GArray) matches = vard_lora_file_read_matches (&target, path, strength, error);

  if (matches == NULL || !vard_lora_file_check_ranks (matches, path, error))
    return FALSE;
  vard_module_set_trainable (root, FALSE);
  for (guint i = 0; i < matches->len; i++)
    {
      Match *match = &g_array_index (matches, Match, i);
      VardAdapter *adapter = vard_linear_peek_adapter (match->layer);

      if (adapter != NULL)
        vard_lora_file_copy_numbers (match->lora, VARD_LORA (adapter));
      else
        vard_linear_take_adapter (match->layer, "lora",
                                  VARD_ADAPTER (g_steal_pointer (&match->lora)));
      vard_module_set_trainable (VARD_MODULE (vard_linear_peek_adapter (match->layer)), TRUE);
    }

  return TRUE;
}
