/* test-single-file.c - models in one file: names, both ways, and what cannot be read
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>

#include "tiny-model.h"

#include "files/vard-original-names.h"

#include <string.h>

typedef struct
{
  VardOriginalPart part;
  const char *path, *name;
  guint piece, n_pieces;
} Name;

/* of files that are published */
static const Name names[] = {
  { VARD_ORIGINAL_UNET, "conv_in.weight", "model.diffusion_model.input_blocks.0.0.weight", 0, 1 },
  { VARD_ORIGINAL_UNET, "time_embedding.linear_2.bias", "model.diffusion_model.time_embed.2.bias",
    0, 1 },
  { VARD_ORIGINAL_UNET, "down_blocks.0.downsamplers.0.conv.weight",
    "model.diffusion_model.input_blocks.3.0.op.weight", 0, 1 },
  { VARD_ORIGINAL_UNET, "down_blocks.3.resnets.1.time_emb_proj.weight",
    "model.diffusion_model.input_blocks.11.0.emb_layers.1.weight", 0, 1 },
  { VARD_ORIGINAL_UNET, "down_blocks.1.attentions.0.transformer_blocks.0.norm1.weight",
    "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.norm1.weight", 0, 1 },
  { VARD_ORIGINAL_UNET, "mid_block.resnets.1.conv1.weight",
    "model.diffusion_model.middle_block.2.in_layers.2.weight", 0, 1 },
  { VARD_ORIGINAL_UNET, "up_blocks.0.upsamplers.0.conv.weight",
    "model.diffusion_model.output_blocks.2.1.conv.weight", 0, 1 },
  { VARD_ORIGINAL_UNET, "up_blocks.1.upsamplers.0.conv.bias",
    "model.diffusion_model.output_blocks.5.2.conv.bias", 0, 1 },
  { VARD_ORIGINAL_UNET, "up_blocks.3.resnets.2.conv_shortcut.weight",
    "model.diffusion_model.output_blocks.11.0.skip_connection.weight", 0, 1 },
  { VARD_ORIGINAL_UNET, "conv_out.bias", "model.diffusion_model.out.2.bias", 0, 1 },
  { VARD_ORIGINAL_VAE, "encoder.down_blocks.2.downsamplers.0.conv.weight",
    "first_stage_model.encoder.down.2.downsample.conv.weight", 0, 1 },
  { VARD_ORIGINAL_VAE, "decoder.up_blocks.0.resnets.2.norm1.weight",
    "first_stage_model.decoder.up.3.block.2.norm1.weight", 0, 1 },
  { VARD_ORIGINAL_VAE, "decoder.up_blocks.2.resnets.0.conv_shortcut.weight",
    "first_stage_model.decoder.up.1.block.0.nin_shortcut.weight", 0, 1 },
  { VARD_ORIGINAL_VAE, "decoder.mid_block.attentions.0.to_out.0.weight",
    "first_stage_model.decoder.mid.attn_1.proj_out.weight", 0, 1 },
  { VARD_ORIGINAL_VAE, "encoder.mid_block.attentions.0.group_norm.bias",
    "first_stage_model.encoder.mid.attn_1.norm.bias", 0, 1 },
  { VARD_ORIGINAL_VAE, "decoder.conv_norm_out.weight", "first_stage_model.decoder.norm_out.weight",
    0, 1 },
  { VARD_ORIGINAL_VAE, "post_quant_conv.bias", "first_stage_model.post_quant_conv.bias", 0, 1 },
  { VARD_ORIGINAL_CLIP, "encoder.layers.3.mlp.fc1.weight",
    "cond_stage_model.transformer.text_model.encoder.layers.3.mlp.fc1.weight", 0, 1 },
  { VARD_ORIGINAL_OPEN_CLIP, "embeddings.position_embedding.weight",
    "cond_stage_model.model.positional_embedding", 0, 1 },
  { VARD_ORIGINAL_OPEN_CLIP, "encoder.layers.7.self_attn.v_proj.bias",
    "cond_stage_model.model.transformer.resblocks.7.attn.in_proj_bias", 2, 3 },
  { VARD_ORIGINAL_OPEN_CLIP, "encoder.layers.7.self_attn.out_proj.weight",
    "cond_stage_model.model.transformer.resblocks.7.attn.out_proj.weight", 0, 1 },
  { VARD_ORIGINAL_OPEN_CLIP, "encoder.layers.0.mlp.fc2.weight",
    "cond_stage_model.model.transformer.resblocks.0.mlp.c_proj.weight", 0, 1 },
  { VARD_ORIGINAL_OPEN_CLIP, "final_layer_norm.bias", "cond_stage_model.model.ln_final.bias", 0,
    1 },
};

static void
test_names (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const VardOriginalNames rules = { names[i].part, 4, 2, { FALSE, TRUE, TRUE, TRUE } };
      guint piece, n_pieces;
      g_autofree char *name =
        vard_original_names_translate (&rules, names[i].path, &piece, &n_pieces);

      g_assert_cmpstr (name, ==, names[i].name);
      g_assert_cmpuint (piece, ==, names[i].piece);
      g_assert_cmpuint (n_pieces, ==, names[i].n_pieces);
    }
}

static void
compare_models (VardModel *a, VardModel *b)
{
  g_autofree float *first = tiny_predict (a), *second = tiny_predict (b);

  g_assert_cmpmem (first, TINY_N * sizeof (float), second, TINY_N * sizeof (float));
}

/* folder, file, folder: the same weights; the tokenizer is looked for beside the file and where it
 * is said to be */
static void
test_both_ways (void)
{
  char *folder = tiny_model_make ();
  g_autofree char *above = g_path_get_dirname (folder);
  g_autofree char *file = g_build_filename (above, "model.safetensors", NULL);
  g_autofree char *back = g_build_filename (above, "back", NULL);
  g_autofree char *tokenizer = g_build_filename (folder, "tokenizer", NULL);
  const VardModelOptions options = { .tokenizer = tokenizer };
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);

  g_assert_true (
    vard_model_export (model, file, VARD_MODEL_FORM_SINGLE_FILE, VARD_DTYPE_F32, NULL, &error));
  g_assert_no_error (error);
  g_assert_null (vard_model_load (file, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "vocab.json"));
  g_clear_error (&error);

  g_autoptr (VardModel) single = vard_model_load_full (file, &options, &error);

  g_assert_no_error (error);
  compare_models (single, model);
  g_assert_cmpint (vard_model_peek_info (single)->schedule.spacing, ==, VARD_SPACING_TRAILING);
  g_assert_true (vard_model_save (single, back, VARD_DTYPE_F32, &error));
  g_assert_no_error (error);

  g_autoptr (VardModel) again = vard_model_load (back, &error);

  g_assert_no_error (error);
  compare_models (again, model);
  tiny_model_remove (folder);
}

/* one tensor more, one changed: files that look like something else, or lack something */
typedef struct
{
  const char *label;
  /* part of names that is exchanged; NULL: the stray is added to the file */
  const char *replaced;
  const char *with;
  const char *stray;
  VardError code;
  const char *says;
} Damage;

/* clang-format off */
static const Damage damages[] = {
  { "xl", "cond_stage_model.", "conditioner.embedders.0.", NULL, VARD_ERROR_UNSUPPORTED,
    "Stable Diffusion XL" },
  { "lora", "model.diffusion_model.", "lora_unet_", NULL, VARD_ERROR_UNSUPPORTED, "--lora" },
  { "part", "model.diffusion_model.", "down_blocks.0.", NULL, VARD_ERROR_UNSUPPORTED,
    "part of a model folder" },
  { "nothing", "model.diffusion_model.", "x.", NULL, VARD_ERROR_UNSUPPORTED,
    "input_blocks.0.0.weight" },
  { "stray", NULL, NULL, "model.diffusion_model.input_blocks.9.0.weight", VARD_ERROR_CONFIG,
    "input_blocks.9.0.weight" },
  { "missing", "out.2.bias", "out.3.bias", NULL, VARD_ERROR_CONFIG, "out.2.bias" },
};
/* clang-format on */

static void
damage_file (const char *path, const Damage *row)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VardSafetensors) file = vard_safetensors_open (path, &error);
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (VardSafetensorsEntry));
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);

  for (const char *const *key = vard_safetensors_peek_names (file); *key != NULL; key++)
    {
      g_autoptr (GString) name = g_string_new (*key);
      VardTensor *tensor = vard_safetensors_lookup (file, *key, NULL);

      if (row->replaced != NULL)
        g_string_replace (name, row->replaced, row->with, 0);

      VardSafetensorsEntry entry = { .name = g_intern_string (name->str),
                                     .tensor = tensor,
                                     .dtype = VARD_DTYPE_F32 };

      g_ptr_array_add (kept, tensor);
      g_array_append_val (entries, entry);
    }
  if (row->stray != NULL)
    {
      VardSafetensorsEntry entry = { .name = row->stray,
                                     .tensor = kept->pdata[0],
                                     .dtype = VARD_DTYPE_F32 };

      g_array_append_val (entries, entry);
    }
  vard_safetensors_write (path, (VardSafetensorsEntry *) entries->data, entries->len,
                          vard_safetensors_peek_metadata (file), &error);
  g_assert_no_error (error);
}

static void
test_damage (gconstpointer data)
{
  const Damage *row = data;
  char *folder = tiny_model_make ();
  g_autofree char *file = g_build_filename (folder, "model.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);

  g_assert_true (
    vard_model_export (model, file, VARD_MODEL_FORM_SINGLE_FILE, VARD_DTYPE_F32, NULL, &error));
  damage_file (file, row);
  g_assert_null (vard_model_load (file, &error));
  g_assert_error (error, VARD_ERROR, (gint) row->code);
  g_test_message ("%s", error->message);
  if (strstr (error->message, row->says) == NULL)
    g_error ("“%s” does not say “%s”", error->message, row->says);
  tiny_model_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/single-file/names", test_names);
  g_test_add_func ("/single-file/both-ways", test_both_ways);
  for (guint i = 0; i < G_N_ELEMENTS (damages); i++)
    {
      g_autofree char *path = g_strconcat ("/single-file/damage/", damages[i].label, NULL);

      g_test_add_data_func (path, &damages[i], test_damage);
    }
  return g_test_run ();
}
