/* tiny-model.h - a complete model folder of a few kilobytes, with random weights
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard-internal.h>

#include "models/vard-autoencoder.h"
#include "clip/vard-clip-text.h"
#include "models/vard-unet.h"
#include "files/vard-weights.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdlib.h>

static const char tiny_index[] =
  "{\"_class_name\":\"StableDiffusionPipeline\",\"_diffusers_version\":\"0.42.1\","
  "\"unet\":[\"diffusers\",\"UNet2DConditionModel\"],\"vae\":[\"diffusers\",\"AutoencoderKL\"],"
  "\"text_encoder\":[\"transformers\",\"CLIPTextModel\"],\"tokenizer\":[\"transformers\","
  "\"CLIPTokenizer\"],"
  "\"scheduler\":[\"diffusers\",\"DDIMScheduler\"],\"safety_checker\":[null,null]}";
static const char tiny_scheduler[] =
  "{\"_class_name\":\"DDIMScheduler\",\"beta_start\":0.00085,\"beta_end\":0.012,\"beta_schedule\":"
  "\"scaled_linear\","
  "\"num_train_timesteps\":1000,\"prediction_type\":\"v_prediction\",\"timestep_spacing\":"
  "\"trailing\","
  "\"clip_sample\":false,\"set_alpha_to_one\":true,\"steps_offset\":1,\"trained_betas\":null}";
static const char tiny_unet[] =
  "{\"_class_name\":\"UNet2DConditionModel\",\"sample_size\":4,\"in_channels\":4,\"out_channels\":"
  "4,"
  "\"block_out_channels\":[8,16],\"layers_per_block\":1,\"norm_num_groups\":4,\"cross_attention_"
  "dim\":16,"
  "\"attention_head_dim\":2,\"down_block_types\":[\"CrossAttnDownBlock2D\",\"DownBlock2D\"],"
  "\"up_block_types\":[\"UpBlock2D\",\"CrossAttnUpBlock2D\"],\"num_class_embeds\":null}";
static const char tiny_vae[] =
  "{\"_class_name\":\"AutoencoderKL\",\"block_out_channels\":[8,8],\"layers_per_block\":1,\"norm_"
  "num_groups\":4,"
  "\"latent_channels\":4,\"down_block_types\":[\"DownEncoderBlock2D\",\"DownEncoderBlock2D\"],"
  "\"up_block_types\":[\"UpDecoderBlock2D\",\"UpDecoderBlock2D\"]}";
static const char tiny_text[] =
  "{\"hidden_size\":16,\"intermediate_size\":32,\"num_hidden_layers\":1,\"num_attention_heads\":2,"
  "\"max_position_embeddings\":16,\"vocab_size\":1033,\"hidden_act\":\"quick_gelu\"}";

static inline void
tiny_write (const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autofree char *above = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_mkdir_with_parents (above, 0755);
  g_unlink (path); /* without flags the file is not cut */
  g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, &error);
  g_assert_no_error (error);
}

static inline void
tiny_randomize (const char *path, VardParameter *parameter, gpointer data)
{
  const VardShape *shape = vard_tensor_peek_shape (parameter->tensor);
  float *values = vard_tensor_peek_f32 (parameter->tensor);
  guint64 key = vard_random_derive_key (5, path, 0);
  float bound = shape->n_dims > 1 ? 1.7 / sqrt (vard_shape_get_span (shape, 1, shape->n_dims))
                                  : 0.2;
  float centre = shape->n_dims == 1 && g_str_has_suffix (path, "weight") ? 1 : 0;

  for (gint64 i = 0; i < vard_shape_get_count (shape); i++)
    values[i] = centre + bound * (2 * vard_random_uniform (key, 0, i) - 1);
}

static inline void
tiny_save (const char *folder, const char *name, gpointer module)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;

  vard_module_foreach_parameter (module, tiny_randomize, NULL);
  vard_weights_save (module, path, VARD_DTYPE_F32, NULL, &error);
  g_assert_no_error (error);
}

static inline VardConfigReader *
tiny_config (const char *folder, const char *component)
{
  g_autofree char *path = g_build_filename (folder, component, "config.json", NULL);
  g_autoptr (GError) error = NULL;
  VardConfigReader *reader = vard_config_reader_new (path, &error);

  g_assert_no_error (error);
  return reader;
}

static inline void
tiny_copy_tokenizer (const char *folder)
{
  static const char *const names[] = { "vocab.json", "merges.txt", "tokenizer_config.json" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *from =
        g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "tokenizer", names[i], NULL);
      g_autofree char *to = g_build_filename ("tokenizer", names[i], NULL);
      g_autofree char *text = NULL;
      g_autoptr (GError) error = NULL;

      g_file_get_contents (from, &text, NULL, &error);
      g_assert_no_error (error);
      tiny_write (folder, to, text);
    }
}

static inline void
tiny_model_build (const char *folder)
{
  g_autoptr (GError) error = NULL;
  VardUnetConfig config;

  tiny_write (folder, "model_index.json", tiny_index);
  tiny_write (folder, "scheduler/scheduler_config.json", tiny_scheduler);
  tiny_write (folder, "unet/config.json", tiny_unet);
  tiny_write (folder, "vae/config.json", tiny_vae);
  tiny_write (folder, "text_encoder/config.json", tiny_text);
  tiny_copy_tokenizer (folder);

  g_autoptr (VardConfigReader) unet_reader = tiny_config (folder, "unet");
  g_autoptr (VardConfigReader) vae_reader = tiny_config (folder, "vae");
  g_autoptr (VardConfigReader) text_reader = tiny_config (folder, "text_encoder");

  vard_unet_config_read (&config, unet_reader, &error);
  g_assert_no_error (error);

  g_autoptr (VardUnet) unet = vard_unet_new (&config);
  g_autoptr (VardAutoencoder) vae = vard_autoencoder_new (vae_reader, &error);
  g_autoptr (VardClipText) text = vard_clip_text_new (text_reader, &error);

  g_assert_no_error (error);
  tiny_save (folder, "unet/diffusion_pytorch_model.safetensors", unet);
  tiny_save (folder, "vae/diffusion_pytorch_model.safetensors", vae);
  tiny_save (folder, "text_encoder/model.safetensors", text);
}

static inline void
tiny_copy (const char *from, const char *to)
{
  g_autoptr (GDir) dir = g_dir_open (from, 0, NULL);
  const char *name;

  g_mkdir (to, 0755);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *source = g_build_filename (from, name, NULL);
      g_autofree char *target = g_build_filename (to, name, NULL);
      g_autoptr (GFile) a = g_file_new_for_path (source), b = g_file_new_for_path (target);

      if (g_file_test (source, G_FILE_TEST_IS_DIR))
        tiny_copy (source, target);
      else
        g_assert_true (g_file_copy (a, b, G_FILE_COPY_NONE, NULL, NULL, NULL, NULL));
    }
}

static inline void
tiny_remove (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR))
        tiny_remove (child);
      else
        g_unlink (child);
    }
  g_rmdir (path);
}

static char *tiny_template;

static inline void
tiny_template_remove (void)
{
  tiny_remove (tiny_template);
  g_free (tiny_template);
}

/* (transfer full): the folder's path. Writing flushes to the disk, which is slow: that is done
 * once. */
static inline char *
tiny_model_make (void)
{
  g_autofree char *above = g_dir_make_tmp ("vard-test-XXXXXX", NULL);
  char *folder = g_build_filename (above, "model", NULL);

  if (tiny_template == NULL)
    {
      tiny_template = g_dir_make_tmp ("vard-tiny-XXXXXX", NULL);
      tiny_model_build (tiny_template);
      atexit (tiny_template_remove);
    }
  tiny_copy (tiny_template, folder);
  return folder;
}

static inline void
tiny_model_remove (char *folder)
{
  g_autofree char *above = g_path_get_dirname (folder);

  tiny_remove (above);
  g_free (folder);
}

/* the prediction for fixed latents, 4 x 4 x 4 values; (transfer full) */
static inline float *
tiny_predict (VardModel *model)
{
  const VardModelInfo *info = vard_model_peek_info (model);
  gsize n = info->height * info->width * info->channels,
        n_context = vard_condition_layout_get_size (&info->condition, 0) / sizeof (float);
  g_autofree float *x = g_new (float, n);
  g_autofree float *context = g_new (float, n_context);
  float *y = g_new (float, n);
  const float t = 481;
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *nodes[] = {
    vard_input (graph, "x", VARD_DTYPE_F32,
                VARD_SHAPE (1, info->height, info->width, info->channels)),
    vard_input (graph, "t", VARD_DTYPE_F32, VARD_SHAPE (1)),
  };
  VardNode *slots[VARD_CONDITION_MAX_SLOTS];
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (GError) error = NULL;

  vard_random_fill_normal (1, 0, x, n);
  vard_random_fill_normal (2, 0, context, n_context);
  vard_condition_layout_record_inputs (&info->condition, graph, "condition", 1, slots);
  vard_graph_add_output (graph, "y", vard_model_record_predict (model, nodes[0], nodes[1], slots));

  g_autoptr (VardExecutable) executable = vard_engine_compile (engine, graph, &error);

  g_assert_no_error (error);
  vard_executable_set_input (executable, "x", x, n * sizeof (float), &error);
  vard_executable_set_input (executable, "t", &t, sizeof t, &error);
  vard_executable_set_input (executable, "condition/context", context, n_context * sizeof (float),
                             &error);
  vard_executable_run (executable, NULL, &error);
  vard_executable_get_output (executable, "y", y, n * sizeof (float), &error);
  g_assert_no_error (error);
  return y;
}
#define TINY_N 64
