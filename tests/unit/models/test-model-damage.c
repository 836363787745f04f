/* test-model-damage.c - what each damage of a model folder is called
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>

#include "models/vard-stable-diffusion.h"
#include "tiny-model.h"

#include <string.h>

typedef struct
{
  const char *name;
  const char *file;
  /* replaced in the file; from NULL: the whole text; to NULL: the file goes */
  const char *from, *to;
  VardError code;
  const char *says[2];
} Damage;

/* clang-format off */
static const Damage damages[] = {
  { "no-index", "model_index.json", NULL, NULL, VARD_ERROR_CONFIG, { "model_index.json" } },
  { "index-is-no-json", "model_index.json", NULL, "{", VARD_ERROR_CONFIG, { "model_index.json" } },
  { "index-is-array", "model_index.json", NULL, "[]", VARD_ERROR_CONFIG, { "object" } },
  { "pipeline", "model_index.json", "StableDiffusionPipeline", "StableDiffusionXLPipeline",
    VARD_ERROR_UNSUPPORTED, { "StableDiffusionXLPipeline", "StableDiffusionPipeline" } },
  { "flax", "model_index.json", "UNet2DConditionModel", "FlaxUNet2DConditionModel",
    VARD_ERROR_UNSUPPORTED, { "FlaxUNet2DConditionModel", "UNet2DConditionModel" } },
  { "flax-pipeline", "model_index.json", "StableDiffusionPipeline", "FlaxStableDiffusionPipeline",
    VARD_ERROR_UNSUPPORTED,
    { "FlaxStableDiffusionPipeline", "vard supports StableDiffusionPipeline" } },
  { "onnx-pipeline", "model_index.json", "StableDiffusionPipeline", "OnnxStableDiffusionPipeline",
    VARD_ERROR_UNSUPPORTED, { "OnnxStableDiffusionPipeline", "save_pretrained" } },
  { "no-text-encoder", "model_index.json", "[\"transformers\",\"CLIPTextModel\"]", "[null,null]",
    VARD_ERROR_UNSUPPORTED, { "text_encoder", "CLIPTextModel" } },
  { "no-unet-config", "unet/config.json", NULL, NULL, VARD_ERROR_CONFIG, { "unet" } },
  { "no-unet-weights", "unet/diffusion_pytorch_model.safetensors", NULL, NULL, VARD_ERROR_CONFIG,
    { "diffusion_pytorch_model.safetensors" } },
  { "truncated-weights", "unet/diffusion_pytorch_model.safetensors", NULL, "short",
    VARD_ERROR_CONFIG, { "unet/diffusion_pytorch_model.safetensors" } },
  { "no-vocabulary", "tokenizer/vocab.json", NULL, NULL, VARD_ERROR_CONFIG, { "vocab.json" } },
  { "damaged-vocabulary", "tokenizer/vocab.json", NULL, "{\"a\":-1}", VARD_ERROR_CONFIG,
    { "vocab.json" } },
  { "no-merges", "tokenizer/merges.txt", NULL, NULL, VARD_ERROR_CONFIG, { "merges.txt" } },
  { "damaged-merges", "tokenizer/merges.txt", "e mo", "e qqq", VARD_ERROR_CONFIG,
    { "merges.txt", "line 3" } },
  { "too-many-positions", "tokenizer/tokenizer_config.json", "\"model_max_length\": 16",
    "\"model_max_length\": 77", VARD_ERROR_CONFIG, { "77", "16" } },
  { "small-vocabulary", "text_encoder/config.json", "1033", "1000", VARD_ERROR_CONFIG,
    { "1033", "1000" } },
  { "activation", "text_encoder/config.json", "quick_gelu", "relu", VARD_ERROR_UNSUPPORTED,
    { "hidden_act", "relu" } },
  { "block", "unet/config.json", "\"DownBlock2D\"", "\"AttnDownBlock2D\"", VARD_ERROR_UNSUPPORTED,
    { "down_block_types", "AttnDownBlock2D" } },
  { "class-embedding", "unet/config.json", "\"num_class_embeds\":null", "\"num_class_embeds\":10",
    VARD_ERROR_UNSUPPORTED, { "num_class_embeds", "10" } },
  { "time-scale-shift", "unet/config.json", "\"num_class_embeds\":null",
    "\"resnet_time_scale_shift\":\"scale_shift\"", VARD_ERROR_UNSUPPORTED,
    { "resnet_time_scale_shift" } },
  { "heads", "unet/config.json", "\"attention_head_dim\":2", "\"attention_head_dim\":3",
    VARD_ERROR_UNSUPPORTED, { "attention_head_dim" } },
  { "groups", "unet/config.json", "\"norm_num_groups\":4", "\"norm_num_groups\":3",
    VARD_ERROR_UNSUPPORTED, { "norm_num_groups" } },
  { "wrong-type", "unet/config.json", "\"norm_num_groups\":4", "\"norm_num_groups\":\"4\"",
    VARD_ERROR_CONFIG, { "norm_num_groups" } },
  { "width", "unet/config.json", "[8,16]", "[8,24]", VARD_ERROR_CONFIG,
    { "[16, 8, 3, 3]", "[24, 8, 3, 3]" } },
  { "fewer-layers", "unet/config.json", "\"layers_per_block\":1", "\"layers_per_block\":2",
    VARD_ERROR_CONFIG, { "[24]", "[32]" } },
  { "missing", "text_encoder/config.json", "\"num_hidden_layers\":1", "\"num_hidden_layers\":2",
    VARD_ERROR_CONFIG, { "missing", "encoder.layers.1" } },
  { "left-over", "unet/config.json", "[\"CrossAttnDownBlock2D\",\"DownBlock2D\"]",
    "[\"DownBlock2D\",\"DownBlock2D\"]", VARD_ERROR_CONFIG, { "no place", "attentions" } },
  { "inpainting", "unet/config.json", "\"in_channels\":4", "\"in_channels\":9",
    VARD_ERROR_UNSUPPORTED, { "9", "4" } },
  { "context", "unet/config.json", "\"cross_attention_dim\":16", "\"cross_attention_dim\":32",
    VARD_ERROR_CONFIG, { "32", "16" } },
  { "latent-mean", "vae/config.json", "\"latent_channels\":4", "\"latents_mean\":[1]",
    VARD_ERROR_UNSUPPORTED, { "latents_mean" } },
  { "flow", "scheduler/scheduler_config.json", "DDIMScheduler", "FlowMatchEulerDiscreteScheduler",
    VARD_ERROR_UNSUPPORTED, { "FlowMatchEulerDiscreteScheduler" } },
  { "zero-snr", "scheduler/scheduler_config.json", "\"trained_betas\":null",
    "\"rescale_betas_zero_snr\":true", VARD_ERROR_UNSUPPORTED, { "rescale_betas_zero_snr" } },
  { "prediction", "scheduler/scheduler_config.json", "v_prediction", "flow_prediction",
    VARD_ERROR_UNSUPPORTED, { "prediction_type", "flow_prediction" } },
};
/* clang-format on */

static void
test_damage (gconstpointer data)
{
  const Damage *row = data;
  char *folder = tiny_model_make ();
  g_autofree char *path = g_build_filename (folder, row->file, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GString) changed = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  changed = g_string_new (row->from != NULL ? text : row->to);
  if (row->from != NULL)
    g_assert_cmpuint (g_string_replace (changed, row->from, row->to, 0), >, 0);
  if (row->to != NULL)
    tiny_write (folder, row->file, changed->str);
  else
    g_unlink (path);
  g_assert_null (vard_model_load (folder, &error));
  g_assert_error (error, VARD_ERROR, (gint) row->code);
  g_test_message ("%s", error->message);
  for (guint i = 0; i < 2 && row->says[i] != NULL; i++)
    if (strstr (error->message, row->says[i]) == NULL)
      g_error ("“%s” does not say “%s”", error->message, row->says[i]);
  tiny_model_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (damages); i++)
    {
      g_autofree char *path = g_strconcat ("/model-damage/", damages[i].name, NULL);

      g_test_add_data_func (path, &damages[i], test_damage);
    }
  return g_test_run ();
}
