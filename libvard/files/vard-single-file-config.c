/* vard-single-file-config.c - derives a configuration from the tensor shapes of a single file
 *
 * Numbers that no shape shows are those of Stable Diffusion: 8 heads in 1.x, heads of 64 in 2.x, 32
 * groups. Files that vard wrote say everything in their header.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "files/vard-single-file-private.h"

#include "base/vard-error.h"

#include <json-glib/json-glib.h>

#define UNET "model.diffusion_model."
#define VAE "first_stage_model."

G_GNUC_PRINTF (2, 3) static gboolean has (VardSingleFile *self, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);

  g_autofree char *name = g_strdup_vprintf (format, arguments);

  va_end (arguments);

  return vard_safetensors_contains (self->weights, name);
}

/* an extent of a tensor, 0 where there is none */
G_GNUC_PRINTF (3, 4)
static gint64
vard_single_file_config_get_extent (VardSingleFile *self, guint axis, const char *format, ...)
{
  VardShape shape = { 0 };
  va_list arguments;

  va_start (arguments, format);

  g_autofree char *name = g_strdup_vprintf (format, arguments);

  va_end (arguments);

  return vard_safetensors_get_shape (self->weights, name, &shape) && axis < shape.n_dims
           ? shape.dims[axis]
           : 0;
}

static void
vard_single_file_config_add_strings (JsonObject *object,
                                     const char *key,
                                     const char *value,
                                     guint n)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < n; i++)
    json_array_add_string_element (array, value);
  json_object_set_array_member (object, key, array);
}

/* ---- denoiser ---- */

typedef struct
{
  guint n_layers, n_blocks;
  gint64 width[VARD_ORIGINAL_MAX_BLOCKS];
  gboolean has_attention[VARD_ORIGINAL_MAX_BLOCKS], up_has_attention[VARD_ORIGINAL_MAX_BLOCKS];
} Blocks;

/* input_blocks are counted through: a downsampler ends each block but the last */
static gboolean
vard_single_file_config_read_blocks (VardSingleFile *self, Blocks *blocks)
{
  guint n = 1;

  while (n < 100 && !has (self, UNET "input_blocks.%u.0.op.weight", n)
         && has (self, UNET "input_blocks.%u.0.in_layers.0.weight", n))
    n++;
  blocks->n_layers = n - 1;
  for (blocks->n_blocks = 0; n > 1 && blocks->n_blocks < VARD_ORIGINAL_MAX_BLOCKS;
       blocks->n_blocks++)
    {
      guint i = blocks->n_blocks, first = n * i + 1;

      blocks->width[i] =
        vard_single_file_config_get_extent (self, 0, UNET "input_blocks.%u.0.out_layers.3.weight",
                                            first);
      if (blocks->width[i] == 0)
        break;
      blocks->has_attention[i] = has (self, UNET "input_blocks.%u.1.norm.weight", first);
      blocks->up_has_attention[i] = has (self, UNET "output_blocks.%u.1.norm.weight", n * i);
    }

  return blocks->n_blocks > 0;
}

static void
vard_single_file_config_add_block_types (JsonObject *object,
                                         const char *key,
                                         const gboolean *has_attention,
                                         guint n,
                                         const char *side)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *type =
        g_strconcat (has_attention[i] ? "CrossAttn" : "", side, "Block2D", NULL);

      json_array_add_string_element (array, type);
    }
  json_object_set_array_member (object, key, array);
}

static void
vard_single_file_config_add_heads (JsonObject *object, const Blocks *blocks, gboolean is_open_clip)
{
  JsonArray *heads = json_array_new ();

  for (guint i = 0; i < blocks->n_blocks; i++)
    json_array_add_int_element (heads, is_open_clip ? MAX (1, blocks->width[i] / 64) : 8);
  json_object_set_array_member (object, "attention_head_dim", heads);
}

static gint64
vard_single_file_config_find_context_width (VardSingleFile *self)
{
  return vard_single_file_config_get_extent (self, 1,
                                             UNET "middle_block.1.transformer_blocks.0.attn2.to_k."
                                                  "weight");
}

static JsonObject *
vard_single_file_config_guess_unet (VardSingleFile *self)
{
  Blocks blocks;
  JsonObject *object;
  JsonArray *widths;

  if (!vard_single_file_config_read_blocks (self, &blocks))
    return NULL;
  object = json_object_new ();
  widths = json_array_new ();
  for (guint i = 0; i < blocks.n_blocks; i++)
    json_array_add_int_element (widths, blocks.width[i]);
  json_object_set_string_member (object, "_class_name", "UNet2DConditionModel");
  json_object_set_int_member (object, "in_channels",
                              vard_single_file_config_get_extent (self, 1,
                                                                  UNET "input_blocks.0.0.weight"));
  json_object_set_int_member (object, "out_channels",
                              vard_single_file_config_get_extent (self, 0, UNET "out.2.weight"));
  json_object_set_int_member (object, "sample_size", 64);
  json_object_set_array_member (object, "block_out_channels", widths);
  json_object_set_int_member (object, "layers_per_block", blocks.n_layers);
  vard_single_file_config_add_block_types (object, "down_block_types", blocks.has_attention,
                                           blocks.n_blocks, "Down");
  vard_single_file_config_add_block_types (object, "up_block_types", blocks.up_has_attention,
                                           blocks.n_blocks, "Up");
  json_object_set_int_member (object, "cross_attention_dim",
                              vard_single_file_config_find_context_width (self));
  vard_single_file_config_add_heads (object, &blocks, self->is_open_clip);
  json_object_set_boolean_member (object, "use_linear_projection",
                                  vard_single_file_config_get_extent (self, 2,
                                                                      UNET "middle_block.1.proj_in."
                                                                           "weight")
                                    == 0);
  json_object_set_int_member (object, "norm_num_groups", 32);
  json_object_set_double_member (object, "norm_eps", 1e-5);
  json_object_set_string_member (object, "act_fn", "silu");
  json_object_set_boolean_member (object, "flip_sin_to_cos", TRUE);
  json_object_set_int_member (object, "freq_shift", 0);
  json_object_set_int_member (object, "downsample_padding", 1);
  json_object_set_boolean_member (object, "center_input_sample", FALSE);

  return object;
}

/* ---- autoencoder and text encoder ---- */

static JsonObject *
vard_single_file_config_guess_vae (VardSingleFile *self)
{
  JsonArray *widths = json_array_new ();
  JsonObject *object = json_object_new ();
  guint n = 0, n_layers = 0;
  gint64 width;

  while (
    (width =
       vard_single_file_config_get_extent (self, 0, VAE "encoder.down.%u.block.0.conv1.weight", n)))
    {
      json_array_add_int_element (widths, width);
      n++;
    }
  while (has (self, VAE "encoder.down.0.block.%u.conv1.weight", n_layers))
    n_layers++;
  json_object_set_string_member (object, "_class_name", "AutoencoderKL");
  json_object_set_int_member (object, "in_channels", 3);
  json_object_set_int_member (object, "out_channels", 3);
  json_object_set_int_member (object, "latent_channels",
                              vard_single_file_config_get_extent (self, 1,
                                                                  VAE "decoder.conv_in.weight"));
  json_object_set_array_member (object, "block_out_channels", widths);
  json_object_set_int_member (object, "layers_per_block", n_layers);
  vard_single_file_config_add_strings (object, "down_block_types", "DownEncoderBlock2D", n);
  vard_single_file_config_add_strings (object, "up_block_types", "UpDecoderBlock2D", n);
  json_object_set_int_member (object, "norm_num_groups", 32);
  json_object_set_int_member (object, "sample_size", (gint64) 64 << (n ? n - 1 : 0));
  json_object_set_double_member (object, "scaling_factor", 0.18215);
  json_object_set_string_member (object, "act_fn", "silu");

  return object;
}

typedef struct
{
  const char *prefix, *layer, *tokens, *positions, *inner;
} TextNames;

static const TextNames *
vard_single_file_config_find_text_names (VardSingleFile *self)
{
  static const TextNames names[] = {
    { "cond_stage_model.transformer.text_model.", "encoder.layers.",
      "embeddings.token_embedding.weight", "embeddings.position_embedding.weight",
      "mlp.fc1.weight" },
    { "cond_stage_model.transformer.", "encoder.layers.", "embeddings.token_embedding.weight",
      "embeddings.position_embedding.weight", "mlp.fc1.weight" },
    { "cond_stage_model.model.", "transformer.resblocks.", "token_embedding.weight",
      "positional_embedding", "mlp.c_fc.weight" },
  };

  if (self->is_open_clip)
    return &names[2];

  return has (self, "%s%s", names[0].prefix, names[0].tokens) ? &names[0] : &names[1];
}

static JsonObject *
vard_single_file_config_guess_text (VardSingleFile *self)
{
  const TextNames *names = vard_single_file_config_find_text_names (self);
  JsonObject *object = json_object_new ();
  gint64 n_ids = vard_single_file_config_get_extent (self, 0, "%s%s", names->prefix, names->tokens);
  gint64 width = vard_single_file_config_get_extent (self, 1, "%s%s", names->prefix, names->tokens);
  gint64 n_layers = 0;

  while (
    has (self, "%s%s%" G_GINT64_FORMAT ".%s", names->prefix, names->layer, n_layers, names->inner))
    n_layers++;
  /* whole OpenCLIP encoders have one layer more than is computed; files that diffusers' tools write
   * do not */
  if (self->is_open_clip && n_layers == 24)
    n_layers--;
  vard_single_file_config_add_strings (object, "architectures", "CLIPTextModel", 1);
  json_object_set_string_member (object, "model_type", "clip_text_model");
  json_object_set_int_member (object, "vocab_size", n_ids);
  json_object_set_int_member (object, "hidden_size", width);
  json_object_set_int_member (object, "intermediate_size",
                              vard_single_file_config_get_extent (self, 0, "%s%s0.%s",
                                                                  names->prefix, names->layer,
                                                                  names->inner));
  json_object_set_int_member (object, "num_hidden_layers", n_layers);
  json_object_set_int_member (object, "num_attention_heads", MAX (1, width / 64));
  json_object_set_int_member (object, "max_position_embeddings",
                              vard_single_file_config_get_extent (self, 0, "%s%s", names->prefix,
                                                                  names->positions));
  json_object_set_string_member (object, "hidden_act", self->is_open_clip ? "gelu" : "quick_gelu");
  json_object_set_double_member (object, "layer_norm_eps", 1e-5);
  json_object_set_int_member (object, "bos_token_id", n_ids - 2);
  json_object_set_int_member (object, "eos_token_id", n_ids - 1);
  json_object_set_int_member (object, "pad_token_id", self->is_open_clip ? 0 : 1);

  return object;
}

/* ---- noise levels ---- */

/* 2.x comes in both kinds with the same shapes; NULL where nothing tells */
static const char *
vard_single_file_config_guess_prediction (VardSingleFile *self)
{
  const char *said = g_hash_table_lookup (vard_safetensors_peek_metadata (self->weights),
                                          "modelspec.prediction_type");
  g_autoptr (VardTensor) step =
    has (self, "global_step") ? vard_safetensors_lookup (self->weights, "global_step", NULL) : NULL;
  g_autoptr (VardTensor) number = step != NULL ? vard_tensor_convert (step, VARD_DTYPE_F32) : NULL;

  if (g_strcmp0 (said, "epsilon") == 0)
    return "epsilon";
  if (g_strcmp0 (said, "sample") == 0)
    return "sample";
  if (g_strcmp0 (said, "v") == 0 || g_strcmp0 (said, "v_prediction") == 0 || has (self, "v_pred"))
    return "v_prediction";
  /* of the file of 2-base */
  if (number != NULL && vard_tensor_get_count (number) == 1
      && vard_tensor_peek_f32 (number)[0] == 875000)
    return "epsilon";

  return self->is_open_clip ? NULL : "epsilon";
}

static JsonObject *
vard_single_file_config_guess_scheduler (VardSingleFile *self, GError **error)
{
  const char *prediction = vard_single_file_config_guess_prediction (self);
  JsonObject *object;

  if (prediction == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s is a Stable Diffusion 2 model and does not say whether it predicts noise "
                   "(epsilon, the -base models) or v (the 768 models): put "
                   "scheduler/scheduler_config.json with prediction_type beside it",
                   self->path);
      return NULL;
    }
  object = json_object_new ();
  json_object_set_string_member (object, "_class_name", "DDIMScheduler");
  json_object_set_int_member (object, "num_train_timesteps", 1000);
  json_object_set_double_member (object, "beta_start", 0.00085);
  json_object_set_double_member (object, "beta_end", 0.012);
  json_object_set_string_member (object, "beta_schedule", "scaled_linear");
  json_object_set_string_member (object, "prediction_type", prediction);
  json_object_set_string_member (object, "timestep_spacing", "leading");
  json_object_set_int_member (object, "steps_offset", 1);
  json_object_set_boolean_member (object, "set_alpha_to_one", FALSE);
  json_object_set_boolean_member (object, "clip_sample", FALSE);

  return object;
}

static char *
vard_single_file_config_object_to_text (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), object);

  return json_to_string (node, TRUE);
}

char *
vard_single_file_dup_config (VardSingleFile *self, const char *component, GError **error)
{
  g_autofree char *key = g_strconcat (VARD_SINGLE_FILE_CONFIG_KEY, component, NULL);
  const char *said = g_hash_table_lookup (vard_safetensors_peek_metadata (self->weights), key);
  g_autoptr (JsonObject) object = NULL;

  if (said != NULL)
    return g_strdup (said);
  if (g_str_equal (component, "scheduler"))
    object = vard_single_file_config_guess_scheduler (self, error);
  else if (g_str_equal (component, "unet"))
    object = vard_single_file_config_guess_unet (self);
  else
    object = g_str_equal (component, "vae") ? vard_single_file_config_guess_vae (self)
                                            : vard_single_file_config_guess_text (self);
  if (object != NULL)
    return vard_single_file_config_object_to_text (object);
  if (error != NULL && *error == NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                 "%s: cannot derive the blocks of the denoiser from its tensors", self->path);

  return NULL;
}
