/* vard-single-file.c - reads a whole Stable Diffusion model from one .safetensors file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "files/vard-single-file-private.h"

#include "base/vard-error.h"
#include "files/vard-weights.h"

#include <string.h>

/* What a file is when it has this tensor, and why it cannot be loaded. The first that fits is
 * said. */
static const struct
{
  const char *part, *what;
} kinds[] = {
  { "conditioner.embedders.", "a Stable Diffusion XL model" },
  { "model.diffusion_model.joint_blocks.", "a Stable Diffusion 3 model" },
  { "double_blocks.", "a Flux model" },
  { "lora_unet_", "a LoRA file, not a model; name it with --lora beside the model it belongs to" },
  { ".lora_A.", "a LoRA file, not a model; name it with --lora beside the model it belongs to" },
  { ".lora.down.", "a LoRA file, not a model; name it with --lora beside the model it belongs to" },
  { "down_blocks.0.",
    "one part of a model folder; name the folder that holds unet, vae and text_encoder" },
  { "control_model.", "a ControlNet" },
};

static void
vard_single_file_refuse (VardSingleFile *self, GError **error)
{
  const char *const *names = vard_safetensors_peek_names (self->weights);

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    for (guint j = 0; names[j] != NULL; j++)
      if (strstr (names[j], kinds[i].part) != NULL)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                       "%s is %s (it has %s); vard supports Stable Diffusion 1.x and 2.x",
                       self->path, kinds[i].what, names[j]);
          return;
        }
  g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
               "%s is not a Stable Diffusion 1.x or 2.x model: it lacks "
               "model.diffusion_model.input_blocks.0.0.weight or the text encoder below "
               "cond_stage_model",
               self->path);
}

/* the text encoder of either family */
static gboolean
vard_single_file_has_text (VardSingleFile *self)
{
  return self->is_open_clip
         || vard_safetensors_contains (self->weights, "cond_stage_model.transformer.text_model."
                                                      "final_layer_norm.weight")
         || vard_safetensors_contains (self->weights,
                                       "cond_stage_model.transformer.final_layer_norm.weight");
}

VardSingleFile *
vard_single_file_open (const char *path, GError **error)
{
  g_autoptr (VardSingleFile) self = g_new0 (VardSingleFile, 1);

  self->path = g_strdup (path);
  self->weights = vard_safetensors_open (path, error);
  if (self->weights == NULL)
    return NULL;
  self->is_open_clip =
    vard_safetensors_contains (self->weights, "cond_stage_model.model.token_embedding.weight");
  if (!vard_safetensors_contains (self->weights, "model.diffusion_model.input_blocks.0.0.weight")
      || !vard_single_file_has_text (self))
    {
      vard_single_file_refuse (self, error);
      return NULL;
    }

  return g_steal_pointer (&self);
}

void
vard_single_file_free (VardSingleFile *self)
{
  g_free (self->path);
  g_clear_object (&self->weights);
  g_free (self);
}

const char *
vard_single_file_get_path (VardSingleFile *self)
{
  return self->path;
}

VardSafetensors *
vard_single_file_peek_weights (VardSingleFile *self)
{
  return self->weights;
}

gboolean
vard_single_file_is_open_clip (VardSingleFile *self)
{
  return self->is_open_clip;
}

/* ---- reading ---- */

typedef struct
{
  VardSingleFile *file;
  const VardOriginalNames *names;
  GHashTable *used;
  GError *error;
} Load;

/* some programs leave "text_model." out */
static char *
vard_single_file_find_name (const Load *load, const char *path, guint *piece, guint *n_pieces)
{
  g_autofree char *name = vard_original_names_translate (load->names, path, piece, n_pieces);
  g_autofree char *shorter = NULL;

  if (vard_safetensors_contains (load->file->weights, name)
      || load->names->part != VARD_ORIGINAL_CLIP)
    return g_steal_pointer (&name);
  shorter = g_strconcat ("cond_stage_model.transformer.", path, NULL);

  return vard_safetensors_contains (load->file->weights, shorter) ? g_steal_pointer (&shorter)
                                                                  : g_steal_pointer (&name);
}

static void
load_parameter (const char *path, VardParameter *parameter, gpointer data)
{
  Load *load = data;
  guint piece, n_pieces;

  if (load->error != NULL || parameter->is_optional)
    return;

  g_autofree char *name = vard_single_file_find_name (load, path, &piece, &n_pieces);

  if (!vard_safetensors_contains (load->file->weights, name))
    g_set_error (&load->error, VARD_ERROR, VARD_ERROR_CONFIG, "%s has no tensor %s",
                 load->file->path, name);
  else if (vard_weights_read_piece (load->file->weights, name, parameter, piece, n_pieces,
                                    &load->error))
    g_hash_table_add (load->used, g_steal_pointer (&name));
}

/* What the original programs keep and do not use for pictures. Of OpenCLIP's blocks the last is
 * never computed. */
static gboolean
vard_single_file_is_unused (VardSingleFile *self, const VardOriginalNames *names, const char *name)
{
  static const char *const endings[] = {
    ".position_ids", ".text_projection", ".logit_scale", ".attn_mask", ".text_projection.weight",
  };
  const char *rest = name + strlen (vard_original_names_get_prefix (names->part));

  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    if (g_str_has_suffix (name, endings[i]))
      return TRUE;
  if (names->part == VARD_ORIGINAL_VAE)
    return g_str_has_prefix (rest, "loss.") || g_str_has_prefix (rest, "model_ema.");
  if (names->part == VARD_ORIGINAL_OPEN_CLIP && g_str_has_prefix (rest, "transformer.resblocks."))
    return g_ascii_strtoull (rest + strlen ("transformer.resblocks."), NULL, 10) == names->n_layers;

  return FALSE;
}

gboolean
vard_single_file_load (VardSingleFile *self,
                       const VardOriginalNames *names,
                       VardModule *module,
                       GError **error)
{
  g_autoptr (GHashTable) used = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Load load = { self, names, used, NULL };
  const char *prefix = vard_original_names_get_prefix (names->part);

  vard_module_foreach_parameter (module, load_parameter, &load);
  if (load.error != NULL)
    {
      g_propagate_error (error, load.error);
      return FALSE;
    }
  for (const char *const *name = vard_safetensors_peek_names (self->weights); *name != NULL; name++)
    if (g_str_has_prefix (*name, prefix) && !g_hash_table_contains (used, *name)
        && !vard_single_file_is_unused (self, names, *name))
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                     "%s: %s does not belong to the model that the other tensors form", self->path,
                     *name);
        return FALSE;
      }

  return TRUE;
}

/* ---- writing ---- */

/* parameters of which a file keeps one tensor */
typedef struct
{
  VardParameter *pieces[3];
  guint n_pieces;
} Group;

typedef struct
{
  const VardOriginalNames *names;
  VardDType dtype;
  GArray *entries;
  GPtrArray *strings, *groups;
} Save;

static VardTensor *
vard_single_file_join_pieces (const VardSafetensorsEntry *entry, GError **error)
{
  const Group *group = entry->data;
  VardTensor *joined = vard_tensor_new (VARD_DTYPE_F32, &entry->shape);
  float *to = vard_tensor_peek_f32 (joined);

  for (guint i = 0; i < group->n_pieces; i++)
    {
      g_autoptr (VardTensor) piece = vard_weights_dup_merged (group->pieces[i]);

      memcpy (to, vard_tensor_peek_f32 (piece), vard_tensor_get_n_bytes (piece));
      to += vard_tensor_get_count (piece);
    }

  return joined;
}

static void
vard_single_file_add_piece (Save *save,
                            char *name,
                            VardParameter *parameter,
                            guint piece,
                            guint n_pieces)
{
  Group *group;

  for (guint i = 0; i < save->entries->len; i++)
    if (g_str_equal (g_array_index (save->entries, VardSafetensorsEntry, i).name, name))
      {
        group = g_array_index (save->entries, VardSafetensorsEntry, i).data;
        group->pieces[piece] = parameter;
        return;
      }

  VardSafetensorsEntry entry = {
    .name = name,
    .tensor = parameter->tensor,
    .dtype = save->dtype,
    .prepare = vard_single_file_join_pieces,
    .shape = parameter->shape,
    .data = g_new0 (Group, 1),
  };

  group = entry.data;
  entry.shape.dims[0] *= n_pieces;
  group->n_pieces = n_pieces;
  group->pieces[piece] = parameter;
  g_ptr_array_add (save->groups, group);
  g_array_append_val (save->entries, entry);
}

static void
vard_single_file_add_parameter (const char *path, VardParameter *parameter, gpointer data)
{
  Save *save = data;
  guint piece, n_pieces;

  if (parameter->is_optional)
    return;

  char *name = vard_original_names_translate (save->names, path, &piece, &n_pieces);

  g_ptr_array_add (save->strings, name);
  if (n_pieces > 1)
    {
      vard_single_file_add_piece (save, name, parameter, piece, n_pieces);
      return;
    }

  VardSafetensorsEntry entry = vard_weights_make_entry (name, parameter, save->dtype);

  if (vard_original_names_is_conv (save->names, path))
    entry.shape = VARD_SHAPE (entry.shape.dims[0], entry.shape.dims[1], 1, 1);
  g_array_append_val (save->entries, entry);
}

gboolean
vard_single_file_write (const char *path,
                        const VardSingleFilePart *parts,
                        guint n_parts,
                        VardDType dtype,
                        GHashTable *metadata,
                        GError **error)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (VardSafetensorsEntry));
  g_autoptr (GPtrArray) strings = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) groups = g_ptr_array_new_with_free_func (g_free);
  Save save = { NULL, dtype, entries, strings, groups };

  for (guint i = 0; i < n_parts; i++)
    {
      save.names = &parts[i].names;
      vard_module_foreach_parameter (parts[i].module, vard_single_file_add_parameter, &save);
    }

  return vard_safetensors_write (path, (const VardSafetensorsEntry *) entries->data, entries->len,
                                 metadata, error);
}
