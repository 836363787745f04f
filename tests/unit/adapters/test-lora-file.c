/* test-lora-file.c - adapters in a model and in files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "lora-fixture.h"

/* B is zero: bit for bit the model without adapters; filled, another one; off, the first again */
static void
test_attach (Fixture *self, gconstpointer data)
{
  g_autofree float *before = tiny_predict (self->model);
  guint n = 0;

  attach (self, NULL, 4, 8);
  vard_lora_foreach (self->unet, count_lora, &n);
  /* transformer blocks: one down, one in the middle, two up; 2 attentions x 4 projections each */
  g_assert_cmpuint (n, ==, 4 * 8);

  g_autofree float *fresh = tiny_predict (self->model);

  vard_lora_foreach (self->unet, fill_up, NULL);

  g_autofree float *filled = tiny_predict (self->model);

  vard_module_set_adapters_enabled (self->unet, FALSE);

  g_autofree float *off = tiny_predict (self->model);

  g_assert_true (is_same (fresh, before));
  g_assert_false (is_same (filled, before));
  g_assert_true (is_same (off, before));
}

static void
count_trainable (const char *path, VardParameter *parameter, gpointer data)
{
  gint64 *counts = data;

  counts[parameter->is_trainable] += vard_tensor_get_count (parameter->tensor);
  g_assert_cmpint (parameter->is_trainable, ==, strstr (path, ".lora.") != NULL);
}

static void
test_trainable (Fixture *self, gconstpointer data)
{
  static const char *const targets[] = { "ff.net.2", "conv_shortcut", NULL };
  gint64 counts[2] = { 0, 0 };

  vard_module_set_trainable (self->unet, TRUE);
  attach (self, targets, 2, 2);
  vard_module_foreach_parameter (self->unet, count_trainable, counts);
  g_assert_cmpint (counts[1], >, 0);
}

static void
test_errors (Fixture *self, gconstpointer data)
{
  static const char *const nothing[] = { "to_q", "to_z", NULL };
  g_autoptr (GError) error = NULL;

  g_assert_false (vard_lora_attach (self->unet, nothing, 4, 4, 0, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, "to_z"));
  g_clear_error (&error);
  g_assert_false (vard_lora_save (self->unet, self->file, NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_clear_error (&error);
  attach (self, NULL, 4, 4);
  g_assert_false (vard_lora_attach (self->unet, NULL, 4, 4, 0, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
}

/* alpha is folded: the file alone gives the same model, at half strength half the change of the
 * weights */
static void
test_round_trip (Fixture *self, gconstpointer data)
{
  static const char *const targets[] = { "to_q", "to_out.0", "proj_in", "ff.net.0.proj", NULL };
  g_autoptr (GError) error = NULL;

  attach (self, targets, 4, 10);
  vard_lora_foreach (self->unet, fill_up, NULL);
  g_assert_true (vard_lora_save (self->unet, self->file, NULL, &error));
  g_assert_no_error (error);

  g_autofree float *expected = tiny_predict (self->model);
  g_autoptr (VardModel) other = vard_model_load (self->folder, &error);

  g_assert_true (vard_lora_load (vard_model_peek_denoiser (other), self->file, 1, &error));
  g_assert_no_error (error);

  g_autofree float *found = tiny_predict (other);

  assert_near (found, expected, 1e-5);
  /* into adapters that are there: the same again */
  g_assert_true (vard_lora_load (self->unet, self->file, 1, &error));
  g_assert_no_error (error);

  g_autofree float *again = tiny_predict (self->model);

  assert_near (again, expected, 1e-5);
  g_assert_true (vard_lora_load (self->unet, self->file, 0, &error));
  vard_module_set_adapters_enabled (vard_model_peek_denoiser (other), FALSE);

  g_autofree float *none = tiny_predict (self->model);
  g_autofree float *base = tiny_predict (other);

  assert_near (none, base, 0);
}

/* the layer's other names; one of each spelling must load and do the same */
static const struct
{
  const char *down, *up, *alpha;
} spellings[] = {
  { "unet.%s.lora.down.weight", "unet.%s.lora.up.weight" },
  { "unet.%s.lora_A.weight", "unet.%s.lora_B.weight" },
  { "base_model.model.%s.lora_A.weight", "base_model.model.%s.lora_B.weight" },
  { "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out_lora.down.weight",
    "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out_lora.up.weight" },
  { "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0.lora_down.weight",
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0.lora_up.weight",
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0.alpha" },
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void
test_spellings (Fixture *self, gconstpointer data)
{
  const char *path = "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0";
  g_autoptr (VardTensor) a = make_tensor (VARD_SHAPE (2, 16), 1),
                         b = make_tensor (VARD_SHAPE (16, 2), 2);
  g_autoptr (VardTensor) alpha = vard_tensor_new (VARD_DTYPE_F32, &VARD_SCALAR);
  g_autofree float *first = NULL;
  g_autoptr (GError) error = NULL;

  vard_tensor_peek_f32 (alpha)[0] = 2;
  tiny_write (self->folder, "adapter_config.json", "{\"r\":2,\"lora_alpha\":2}");
  for (guint i = 0; i < G_N_ELEMENTS (spellings); i++)
    {
      g_autofree char *down = g_strdup_printf (spellings[i].down, path);
      g_autofree char *up = g_strdup_printf (spellings[i].up, path);
      const VardSafetensorsEntry entries[] = { { .name = down, .tensor = a },
                                               { .name = up, .tensor = b },
                                               { .name = spellings[i].alpha, .tensor = alpha } };
      g_autoptr (VardModel) model = vard_model_load (self->folder, &error);

      vard_safetensors_write (self->file, entries, spellings[i].alpha != NULL ? 3 : 2, NULL,
                              &error);
      g_assert_true (vard_lora_load (vard_model_peek_denoiser (model), self->file, 1, &error));
      g_assert_no_error (error);

      g_autofree float *found = tiny_predict (model);

      if (first != NULL)
        g_assert_true (is_same (found, first));
      else
        first = g_steal_pointer (&found);
    }

  g_autofree float *base = tiny_predict (self->model);

  g_assert_false (is_same (first, base));
}
#pragma GCC diagnostic pop

static void
test_wrong_files (Fixture *self, gconstpointer data)
{
  g_autoptr (VardTensor) a = make_tensor (VARD_SHAPE (2, 16), 1),
                         b = make_tensor (VARD_SHAPE (16, 2), 2);
  g_autoptr (VardTensor) narrow = make_tensor (VARD_SHAPE (2, 5), 2),
                         other_rank = make_tensor (VARD_SHAPE (16, 3), 2);
  g_autoptr (VardTensor) nan = make_tensor (VARD_SHAPE (16, 2), 2);
  const char *down = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_q.lora.down.weight";
  const char *up = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_q.lora.up.weight";
  const VardSafetensorsEntry rows[][2] = {
    { { .name = down, .tensor = a }, { .name = "stray", .tensor = b } },
    { { .name = down, .tensor = narrow }, { .name = up, .tensor = b } },
    { { .name = down, .tensor = b }, { .name = up, .tensor = b } },
    { { .name = down, .tensor = a }, { .name = up, .tensor = other_rank } },
    { { .name = down, .tensor = a }, { .name = up, .tensor = nan } },
    { { .name = "text_encoder.x.lora_A.weight", .tensor = a },
      { .name = "text_encoder.x.lora_B.weight", .tensor = b } },
  };

  vard_tensor_peek_f32 (nan)[7] = NAN;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VardModel) model = vard_model_load (self->folder, &error);

      g_assert_true (vard_safetensors_write (self->file, rows[i], 2, NULL, &error));
      g_assert_false (vard_lora_load (vard_model_peek_denoiser (model), self->file, 1, &error));
      g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
      g_test_message ("%s", error->message);
      /* nothing of it stays */
      g_clear_error (&error);
      g_assert_false (
        vard_model_save_lora (model, self->file, VARD_LORA_FORMAT_KOHYA, NULL, NULL, &error));
    }
}

static void
attach_text (Fixture *self)
{
  static const char *const targets[] = { "q_proj", "out_proj", "fc1", NULL };
  g_autoptr (GError) error = NULL;
  VardModule *text = vard_model_peek_text_encoder (self->model, 0);

  vard_lora_attach (text, targets, 3, 2, 4, &error);
  g_assert_no_error (error);
  vard_lora_foreach (text, fill_up, NULL);
}

/* file, model, file: the same bytes; in kohya's spelling with alpha kept, in that of diffusers with
 * alpha folded */
static void
test_exact (Fixture *self, gconstpointer data)
{
  static const char *const targets[] = { "to_q", "to_out.0", "proj_in", "ff.net.0.proj", NULL };
  g_autofree char *second = g_build_filename (self->folder, "second.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  attach (self, targets, 7, 3);
  vard_lora_foreach (self->unet, fill_up, NULL);
  attach_text (self);
  for (guint i = 0; i < 2; i++)
    {
      VardLoraFormat format = i ? VARD_LORA_FORMAT_KOHYA : VARD_LORA_FORMAT_DIFFUSERS;
      g_autoptr (VardModel) other = vard_model_load (self->folder, &error);
      guint n_written = 0, n_read = 0;
      gsize n_first, n_second;

      g_assert_true (
        vard_model_save_lora (self->model, self->file, format, NULL, &n_written, &error));
      g_assert_true (vard_model_add_lora (other, self->file, 1, &n_read, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (n_written, ==, 4 * 6 + 3);
      g_assert_cmpuint (n_read, ==, n_written);
      g_assert_true (vard_model_save_lora (other, second, format, NULL, NULL, &error));

      g_autofree char *a = read_all (self->file, &n_first), *b = read_all (second, &n_second);

      g_assert_cmpmem (a, n_first, b, n_second);
    }
}

/* kohya's readers take the file only when every name begins as theirs do */
static void
test_kohya_header (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint n_alpha = 0;

  attach (self, NULL, 4, 2);
  attach_text (self);
  g_assert_true (
    vard_model_save_lora (self->model, self->file, VARD_LORA_FORMAT_KOHYA, NULL, NULL, &error));

  g_autoptr (VardSafetensors) file = vard_safetensors_open (self->file, &error);
  GHashTable *metadata = vard_safetensors_peek_metadata (file);

  for (const char *const *name = vard_safetensors_peek_names (file); *name != NULL; name++)
    {
      g_assert_true (g_str_has_prefix (*name, "lora_unet_")
                     || g_str_has_prefix (*name, "lora_te_text_model_"));
      n_alpha += g_str_has_suffix (*name, ".alpha");
    }
  g_assert_cmpuint (n_alpha, ==, 4 * 8 + 3);
  g_assert_true (vard_safetensors_contains (file, "lora_unet_mid_block_attentions_0_transformer_"
                                                  "blocks_0_attn1_to_out_0.lora_down.weight"));
  g_assert_cmpstr (g_hash_table_lookup (metadata, "ss_network_module"), ==, "networks.lora");
  g_assert_cmpstr (g_hash_table_lookup (metadata, "ss_network_dim"), ==, "Dynamic");
  g_assert_cmpstr (g_hash_table_lookup (metadata, "format"), ==, "pt");
}

/* of two files the order does not matter */
static void
test_order (Fixture *self, gconstpointer data)
{
  static const char *const some[] = { "to_q", "ff.net.2", NULL };
  g_autofree char *second = g_build_filename (self->folder, "second.safetensors", NULL);
  const char *files[] = { self->file, second };
  float *found[2];
  g_autoptr (GError) error = NULL;

  attach (self, NULL, 4, 10);
  vard_lora_foreach (self->unet, fill_up, NULL);
  g_assert_true (
    vard_model_save_lora (self->model, self->file, VARD_LORA_FORMAT_KOHYA, NULL, NULL, &error));
  vard_model_detach_lora (self->model);
  attach (self, some, 3, 2);
  vard_lora_foreach (self->unet, fill_up, NULL);
  g_assert_true (
    vard_model_save_lora (self->model, second, VARD_LORA_FORMAT_DIFFUSERS, NULL, NULL, &error));
  for (guint i = 0; i < 2; i++)
    {
      vard_model_detach_lora (self->model);
      for (guint k = 0; k < 2; k++)
        g_assert_true (vard_model_add_lora (self->model, files[(i + k) % 2], 0.7, NULL, &error));
      found[i] = tiny_predict (self->model);
    }
  assert_near (found[0], found[1], 1e-5);
  g_free (found[0]);
  g_free (found[1]);
}

/* twice a half is the whole, and what is added then comes off again */
static void
test_stack (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) other = vard_model_load (self->folder, &error);
  g_autofree float *base = tiny_predict (other);

  attach (self, NULL, 4, 10);
  vard_lora_foreach (self->unet, fill_up, NULL);
  g_assert_true (
    vard_model_save_lora (self->model, self->file, VARD_LORA_FORMAT_KOHYA, NULL, NULL, &error));

  g_autofree float *expected = tiny_predict (self->model);

  for (guint i = 0; i < 2; i++)
    g_assert_true (vard_model_add_lora (other, self->file, 0.5, NULL, &error));

  g_autofree float *found = tiny_predict (other);

  assert_near (found, expected, 1e-5);
  g_assert_cmpuint (vard_model_detach_lora (other), ==, 4 * 8);

  g_autofree float *off = tiny_predict (other);

  g_assert_true (is_same (off, base));
}

/* a saved folder has the adapters in its weights, and loads like any other */
static void
test_merged_folder (Fixture *self, gconstpointer data)
{
  g_autofree char *target = g_build_filename (self->folder, "..", "merged", NULL);
  g_autoptr (GError) error = NULL;

  attach (self, NULL, 4, 10);
  vard_lora_foreach (self->unet, fill_up, NULL);
  tiny_write (self->folder, "README.md", "card");
  tiny_write (self->folder, "old.ckpt", "pickle");
  g_assert_true (vard_model_save (self->model, target, VARD_DTYPE_F32, &error));
  g_assert_no_error (error);

  g_autofree float *expected = tiny_predict (self->model);
  g_autoptr (VardModel) merged = vard_model_load (target, &error);

  g_assert_no_error (error);

  g_autofree float *found = tiny_predict (merged);
  g_autofree char *card = g_build_filename (target, "README.md", NULL);
  g_autofree char *pickle = g_build_filename (target, "old.ckpt", NULL);

  assert_near (found, expected, 1e-5);
  g_assert_true (g_file_test (card, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (pickle, G_FILE_TEST_EXISTS));
  g_assert_false (vard_model_save (self->model, target, VARD_DTYPE_F32, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_EXISTS);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/lora/attach", test_attach);
  ADD ("/lora/trainable", test_trainable);
  ADD ("/lora/errors", test_errors);
  ADD ("/lora/round-trip", test_round_trip);
  ADD ("/lora/spellings", test_spellings);
  ADD ("/lora/wrong-files", test_wrong_files);
  ADD ("/lora/exact", test_exact);
  ADD ("/lora/kohya-header", test_kohya_header);
  ADD ("/lora/order", test_order);
  ADD ("/lora/stack", test_stack);
  ADD ("/lora/merged-folder", test_merged_folder);
  return g_test_run ();
}
