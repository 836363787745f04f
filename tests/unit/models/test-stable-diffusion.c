/* test-stable-diffusion.c - prompts, and which generation a model is of
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>

#include "tiny-model.h"

/* The condition is what the text encoder's states are, and the summary their mean over the prompt's
 * own tokens */
static void
test_stable_diffusion_encode (void)
{
  char *folder = tiny_model_make ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (VardExecutable) encoder = NULL;

  g_assert_true (vard_model_compile_encoder (model, engine, &encoder, &error));

  g_autoptr (VardCondition) apple = vard_model_encode (model, encoder, "red apple", NULL, &error);
  g_autoptr (VardCondition) empty = vard_model_encode (model, encoder, "", NULL, &error);

  g_assert_no_error (error);

  const float *states = vard_condition_peek_values (apple, 0),
              *summary = vard_condition_peek_summary (apple);

  g_assert_cmpfloat (states[5 * 16], !=, ((float *) vard_condition_peek_values (empty, 0))[5 * 16]);
  for (guint i = 0; i < 16; i++)
    g_assert_cmpfloat_with_epsilon (summary[i],
                                    (states[i] + states[16 + i] + states[32 + i] + states[48 + i])
                                      / 4,
                                    1e-6);
  tiny_model_remove (folder);
}

/* Every model here is 16 wide: what tells 2.x from 1.x is that its text encoder is OpenCLIP's */
static void
test_stable_diffusion_generation (gconstpointer data)
{
  static const struct
  {
    const char *activation, *architecture, *base_version, *tensor;
  } rows[] = {
    { "quick_gelu", "stable-diffusion-v1", "sd_v1",
      "cond_stage_model.transformer.text_model.final_layer_norm.weight" },
    { "gelu", "stable-diffusion-v2-768-v", "sd_v2", "cond_stage_model.model.ln_final.weight" },
  };
  guint row = GPOINTER_TO_UINT (data);
  char *folder = tiny_model_make ();
  g_autofree char *path = g_build_filename (folder, "model.safetensors", NULL);
  g_autofree char *tokenizer = g_build_filename (folder, "tokenizer", NULL);
  const VardModelOptions options = { .tokenizer = tokenizer };
  g_autoptr (GString) config = g_string_new (tiny_text);
  g_autoptr (GError) error = NULL;

  g_string_replace (config, "quick_gelu", rows[row].activation, 1);
  tiny_write (folder, "text_encoder/config.json", config->str);

  g_autoptr (VardModel) model = vard_model_load (folder, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (vard_model_peek_info (model)->architecture, ==, rows[row].architecture);
  g_assert_cmpstr (vard_model_peek_info (model)->base_version, ==, rows[row].base_version);
  g_assert_true (
    vard_model_export (model, path, VARD_MODEL_FORM_SINGLE_FILE, VARD_DTYPE_F32, NULL, &error));

  g_autoptr (VardSafetensors) file = vard_safetensors_open (path, &error);
  g_autoptr (VardModel) again = vard_model_load_full (path, &options, &error);

  g_assert_no_error (error);
  g_assert_true (vard_safetensors_contains (file, rows[row].tensor));
  g_assert_cmpstr (vard_model_peek_info (again)->base_version, ==, rows[row].base_version);
  tiny_model_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stable-diffusion/encode", test_stable_diffusion_encode);
  g_test_add_data_func ("/stable-diffusion/generation/first", GUINT_TO_POINTER (0),
                        test_stable_diffusion_generation);
  g_test_add_data_func ("/stable-diffusion/generation/second", GUINT_TO_POINTER (1),
                        test_stable_diffusion_generation);

  return g_test_run ();
}
