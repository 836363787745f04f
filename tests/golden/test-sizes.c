/* test-sizes.c - Stable Diffusion 1.5 and 2.1 are other sizes of the same code: their tensors are
 * counted
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>

#include "tiny-model.h"

typedef struct
{
  const char *name;
  const char *component;
  const char *config;
  guint n_tensors;
  gint64 n_parameters;
} Size;

#define SD_UNET                                                                                  \
  "\"_class_name\":\"UNet2DConditionModel\",\"sample_size\":64,\"block_out_channels\":[320,640," \
  "1280,1280],"                                                                                  \
  "\"down_block_types\":[\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\","                     \
  "\"CrossAttnDownBlock2D\",\"DownBlock2D\"],"                                                   \
  "\"up_block_types\":[\"UpBlock2D\",\"CrossAttnUpBlock2D\",\"CrossAttnUpBlock2D\","             \
  "\"CrossAttnUpBlock2D\"]"
#define SD_VAE                                                                               \
  "\"_class_name\":\"AutoencoderKL\",\"block_out_channels\":[128,256,512,512],\"layers_per_" \
  "block\":2,"                                                                               \
  "\"latent_channels\":4,\"norm_num_groups\":32"

/* clang-format off */
static const Size sizes[] = {
  { "unet-1.5", "unet", "{" SD_UNET ",\"attention_head_dim\":8,\"cross_attention_dim\":768}", 686,
    859520964 },
  { "unet-2.1", "unet",
    "{" SD_UNET ",\"attention_head_dim\":[5,10,20,20],\"cross_attention_dim\":1024,"
    "\"use_linear_projection\":true,\"upcast_attention\":true,\"dual_cross_attention\":false}",
    686, 865910724 },
  { "vae", "vae", "{" SD_VAE "}", 248, 83653863 },
  { "text-1.5", "text", "{\"hidden_size\":768,\"intermediate_size\":3072,\"num_hidden_layers\":12,"
    "\"num_attention_heads\":12,\"vocab_size\":49408,\"max_position_embeddings\":77}",
    196, 123060480 },
};
/* clang-format on */

typedef struct
{
  guint n_tensors;
  gint64 n_parameters;
} Count;

static void
count (const char *path, VardParameter *parameter, gpointer data)
{
  Count *counts = data;

  counts->n_tensors++;
  counts->n_parameters += vard_tensor_get_count (parameter->tensor);
}

static VardModule *
build (const char *component, VardConfigReader *reader, GError **error)
{
  VardUnetConfig config;

  if (g_str_equal (component, "vae"))
    return (VardModule *) vard_autoencoder_new (reader, error);
  if (g_str_equal (component, "text"))
    return (VardModule *) vard_clip_text_new (reader, error);
  return vard_unet_config_read (&config, reader, error) ? VARD_MODULE (vard_unet_new (&config))
                                                        : NULL;
}

static void
test_size (gconstpointer data)
{
  const Size *row = data;
  g_autofree char *folder = g_dir_make_tmp (NULL, NULL);
  g_autofree char *path = g_build_filename (folder, "config.json", NULL);
  g_autoptr (GError) error = NULL;
  Count counts = { 0 };

  tiny_write (folder, "config.json", row->config);

  g_autoptr (VardConfigReader) reader = vard_config_reader_new (path, &error);

  g_assert_no_error (error);

  g_autoptr (VardModule) module = build (row->component, reader, &error);

  g_assert_no_error (error);
  vard_module_foreach_parameter (module, count, &counts);
  g_assert_cmpuint (counts.n_tensors, ==, row->n_tensors);
  g_assert_cmpint (counts.n_parameters, ==, row->n_parameters);
  if (g_str_equal (row->component, "unet"))
    {
      Count adapters = { 0 };

      /* 16 blocks x 2 attentions x 4 projections x 2 tensors */
      g_assert_true (vard_lora_attach (module, NULL, 4, 4, 0, &error));
      vard_module_foreach_parameter (module, count, &adapters);
      g_assert_cmpuint (adapters.n_tensors - counts.n_tensors, ==, 256);
      if (g_str_has_suffix (row->name, "1.5"))
        g_assert_cmpint (adapters.n_parameters - counts.n_parameters, ==, 797184);
    }
  tiny_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *path = g_strconcat ("/sizes/", sizes[i].name, NULL);

      g_test_add_data_func (path, &sizes[i], test_size);
    }
  return g_test_run ();
}
