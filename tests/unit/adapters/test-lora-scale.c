/* test-lora-scale.c - ranks and scales: from the file, from a configuration beside it, or neither
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "lora-fixture.h"

static void
note_scale (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  *(double *) data = vard_lora_get_scale (lora);
}

static void
sum_rank_times_scale (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  *(double *) data += vard_lora_get_rank (lora) * vard_lora_get_scale (lora);
}

/* each layer has a rank of its own, one says its alpha and the others do not */
static void
test_mixed_ranks (Fixture *self, gconstpointer data)
{
  static const char *const layers[] = { "attn1.to_q", "attn1.to_k", "attn2.to_q" };
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (VardSafetensorsEntry));
  g_autoptr (GError) error = NULL;
  double scales = 0;

  for (guint i = 0; i < G_N_ELEMENTS (layers); i++)
    {
      g_autofree char *path =
        g_strdup_printf ("lora_unet_mid_block_attentions_0_transformer_blocks_0_%s", layers[i]);
      guint rank = 1 + 2 * i;
      VardTensor *alpha = vard_tensor_new (VARD_DTYPE_F32, &VARD_SCALAR);
      const struct
      {
        const char *ending;
        VardTensor *tensor;
      } parts[] = {
        { ".lora_down.weight", make_tensor (VARD_SHAPE (rank, 16), i) },
        { ".lora_up.weight", make_tensor (VARD_SHAPE (16, rank), 10 + i) },
        { ".alpha", alpha },
      };

      g_strdelimit (path, ".", '_');
      vard_tensor_peek_f32 (alpha)[0] = 10;
      for (guint k = 0; k < (i == 1 ? 3 : 2); k++)
        {
          g_autofree char *name = g_strconcat (path, parts[k].ending, NULL);
          VardSafetensorsEntry entry = { .name = g_intern_string (name),
                                         .tensor = parts[k].tensor };

          g_array_append_val (entries, entry);
        }
      if (i != 1)
        g_object_unref (alpha);
    }
  g_assert_true (vard_safetensors_write (self->file, (VardSafetensorsEntry *) entries->data,
                                         entries->len, NULL, &error));
  g_assert_true (vard_model_add_lora (self->model, self->file, 1, NULL, &error));
  g_assert_no_error (error);
  vard_lora_foreach (self->unet, sum_rank_times_scale, &scales);
  /* ranks 1, 3 and 5; alpha over rank is 1, 10 / 3 and 1 */
  g_assert_cmpfloat_with_epsilon (scales, 1 + 10 + 5, 1e-6);
  /* what is written again says that ranks differ */
  g_unlink (self->file);
  g_assert_true (
    vard_model_save_lora (self->model, self->file, VARD_LORA_FORMAT_KOHYA, NULL, NULL, &error));

  g_autoptr (VardSafetensors) file = vard_safetensors_open (self->file, &error);

  g_assert_cmpstr (g_hash_table_lookup (vard_safetensors_peek_metadata (file), "ss_network_dim"),
                   ==, "Dynamic");
  for (guint i = 0; i < entries->len; i++)
    g_object_unref (g_array_index (entries, VardSafetensorsEntry, i).tensor);
}

/* PEFT's own files: the scale is in the configuration beside them, and without it nothing is
 * guessed */
static void
test_peft_config (Fixture *self, gconstpointer data)
{
  static const struct
  {
    const char *config;
    double scale; /* 0: refused */
  } rows[] = {
    { "{\"r\":2,\"lora_alpha\":6}", 3 },
    { "{\"r\":2,\"lora_alpha\":6,\"alpha_pattern\":{\"attn2.to_k\":2},\"use_dora\":false}", 1 },
    { "{\"r\":2,\"lora_alpha\":6,\"use_rslora\":true}", 6 / M_SQRT2 },
    { "{\"r\":2,\"lora_alpha\":6,\"use_dora\":true}", 0 },
    { "{\"r\":2}", 0 },
    { "[]", 0 },
  };
  const char *path = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k";
  g_autoptr (VardTensor) a = make_tensor (VARD_SHAPE (2, 16), 1),
                         b = make_tensor (VARD_SHAPE (16, 2), 2);
  g_autofree char *down = g_strconcat ("base_model.model.", path, ".lora_A.weight", NULL);
  g_autofree char *up = g_strconcat ("base_model.model.", path, ".lora_B.weight", NULL);
  const VardSafetensorsEntry entries[] = { { .name = down, .tensor = a },
                                           { .name = up, .tensor = b } };
  g_autofree char *folder = g_build_filename (self->folder, "adapter", NULL);
  g_autofree char *file = g_build_filename (folder, "adapter_model.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  g_mkdir (folder, 0755);
  g_assert_true (vard_safetensors_write (file, entries, 2, NULL, &error));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      double scale = 0;

      tiny_write (self->folder, "adapter/adapter_config.json", rows[i].config);
      vard_model_detach_lora (self->model);
      g_assert_cmpint (vard_model_add_lora (self->model, folder, 1, NULL, &error), ==,
                       rows[i].scale != 0);
      if (error != NULL)
        g_test_message ("%s", error->message);
      g_clear_error (&error);
      vard_lora_foreach (self->unet, note_scale, &scale);
      g_assert_cmpfloat_with_epsilon (scale, rows[i].scale, 1e-9);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/lora-scale/mixed-ranks", test_mixed_ranks);
  ADD ("/lora-scale/peft-config", test_peft_config);
  return g_test_run ();
}
