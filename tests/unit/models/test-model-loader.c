/* test-model-loader.c - model folders: what loads, and what each damage is called
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>

#include "models/vard-stable-diffusion.h"
#include "tiny-model.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static gboolean
tokenize (VardModel *model, const char *prompt, gint32 *ids, guint *n_valid, GError **error)
{
  VardClipTokenizer *tokenizer =
    vard_stable_diffusion_peek_tokenizer (VARD_STABLE_DIFFUSION (model));

  return vard_clip_tokenizer_encode (tokenizer, prompt, ids, 16, n_valid, NULL, error);
}

static void
test_load (void)
{
  char *folder = tiny_model_make ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);
  gint32 ids[16];
  guint n_valid;

  g_assert_no_error (error);

  const VardModelInfo *info = vard_model_peek_info (model);
  g_autofree char *hash = vard_model_dup_hash (model);

  g_assert_cmpint (info->height, ==, 4);
  g_assert_cmpint (info->scale, ==, 2);
  g_assert_cmpuint (info->condition.n_slots, ==, 1);
  g_assert_cmpstr (info->condition.slots[0].name, ==, "context");
  g_assert_cmpint (info->condition.slots[0].shape.dims[0], ==, 16);
  g_assert_cmpint (info->condition.slots[0].shape.dims[1], ==, 16);
  g_assert_cmpint (info->condition.summary_width, ==, 16);
  g_assert_cmpint (info->schedule.prediction, ==, VARD_PREDICTION_V);
  g_assert_cmpint (info->schedule.spacing, ==, VARD_SPACING_TRAILING);
  g_assert_cmpstr (vard_model_get_path (model), ==, folder);
  g_assert_cmpuint (strlen (hash), ==, 64);
  g_assert_true (tokenize (model, "red apple", ids, &n_valid, &error));
  g_assert_cmpuint (n_valid, ==, 4);

  g_autofree float *y = tiny_predict (model);

  for (guint i = 0; i < TINY_N; i++)
    g_assert_true (isfinite (y[i]));
  tiny_model_remove (folder);
}

/* The prediction types of the DDPM family by the names of diffusers */
static void
test_predictions (void)
{
  static const struct
  {
    const char *name;
    VardPrediction prediction;
  } rows[] = { { "epsilon", VARD_PREDICTION_EPSILON },
               { "v_prediction", VARD_PREDICTION_V },
               { "sample", VARD_PREDICTION_CLEAN } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      char *folder = tiny_model_make ();
      g_autoptr (GString) text = g_string_new (tiny_scheduler);
      g_autoptr (GError) error = NULL;

      g_assert_cmpuint (g_string_replace (text, "v_prediction", rows[i].name, 0), ==, 1);
      tiny_write (folder, "scheduler/scheduler_config.json", text->str);

      g_autoptr (VardModel) model = vard_model_load (folder, &error);

      g_assert_no_error (error);
      g_assert_cmpint (vard_model_peek_info (model)->schedule.prediction, ==, rows[i].prediction);
      g_assert_cmpint (vard_model_peek_info (model)->schedule.process, ==,
                       VARD_PROCESS_VARIANCE_PRESERVING);
      tiny_model_remove (folder);
    }
}

static void
test_other_files (void)
{
  static const struct
  {
    const char *file, *says;
  } rows[] = { { "x.ckpt", "from_single_file" },
               { "x.gguf", "folder" },
               { "unet/x.bin", "pickle" } };
  char *folder = tiny_model_make ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_build_filename (folder, rows[i].file, NULL);
      g_autoptr (GError) error = NULL;

      tiny_write (folder, rows[i].file, "x");
      g_assert_null (vard_model_load (path, &error));
      g_assert_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED);
      g_assert_nonnull (strstr (error->message, rows[i].says));
    }

  g_autofree char *missing = g_build_filename (folder, "nothing", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (vard_model_load (missing, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  tiny_model_remove (folder);
}

/* only pickles, then only the fp16 variant */
static void
test_variants (void)
{
  char *folder = tiny_model_make ();
  g_autofree char *plain =
    g_build_filename (folder, "unet", "diffusion_pytorch_model.safetensors", NULL);
  g_autofree char *half =
    g_build_filename (folder, "unet", "diffusion_pytorch_model.fp16.safetensors", NULL);
  g_autofree char *pickle = g_build_filename (folder, "unet", "diffusion_pytorch_model.bin", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);

  g_assert_no_error (error);

  g_autofree float *expected = tiny_predict (model);

  g_assert_true (
    vard_weights_save (vard_model_peek_denoiser (model), half, VARD_DTYPE_F16, NULL, &error));
  g_rename (plain, pickle);

  g_autoptr (VardModel) again = vard_model_load (folder, &error);

  g_assert_no_error (error);

  g_autofree float *found = tiny_predict (again);

  for (guint i = 0; i < TINY_N; i++)
    g_assert_cmpfloat (fabs (found[i] - expected[i]), <, 0.02);
  g_unlink (half);
  g_assert_null (vard_model_load (folder, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "safe_serialization"));
  tiny_model_remove (folder);
}

/* what real folders have besides: all of it means what absence means */
static void
test_harmless (void)
{
  static const struct
  {
    const char *file, *from, *to;
  } rows[] = {
    { "model_index.json", "\"safety_checker\":[null,null]",
      "\"safety_checker\":[\"stable_diffusion\",\"StableDiffusionSafetyChecker\"],"
      "\"feature_extractor\":[\"transformers\",\"CLIPImageProcessor\"],\"requires_safety_checker\":"
      "true" },
    { "model_index.json", "\"DDIMScheduler\"", "\"PNDMScheduler\"" },
    { "scheduler/scheduler_config.json", "\"DDIMScheduler\"",
      "\"PNDMScheduler\",\"skip_prk_steps\":true" },
    { "unet/config.json", "\"attention_head_dim\":2",
      "\"attention_head_dim\":[2,2],\"use_linear_projection\":null,"
      "\"dual_cross_attention\":false,\"time_embedding_type\":\"positional\",\"encoder_hid_dim\":"
      "null,"
      "\"only_cross_attention\":null,\"upcast_attention\":true,\"dropout\":0.0" },
    { "vae/config.json", "\"latent_channels\":4",
      "\"latent_channels\":4,\"scaling_factor\":null,"
      "\"force_upcast\":true,\"latents_mean\":null" },
  };
  char *folder = tiny_model_make ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);
  g_autofree float *expected = tiny_predict (model);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_build_filename (folder, rows[i].file, NULL);
      g_autofree char *text = NULL;

      g_file_get_contents (path, &text, NULL, NULL);

      g_autoptr (GString) changed = g_string_new (text);

      g_assert_cmpuint (g_string_replace (changed, rows[i].from, rows[i].to, 0), ==, 1);
      tiny_write (folder, rows[i].file, changed->str);
    }
  tiny_write (folder, "safety_checker/model.safetensors", "never opened");

  g_autoptr (VardModel) again = vard_model_load (folder, &error);

  g_assert_no_error (error);

  g_autofree float *found = tiny_predict (again);

  g_assert_cmpmem (found, TINY_N * sizeof (float), expected, TINY_N * sizeof (float));
  g_assert_cmpint (vard_model_peek_info (again)->schedule.prediction, ==, VARD_PREDICTION_V);
  tiny_model_remove (folder);
}

/* of a component's file: two shards and their index; text encoders with position_ids and an older
 * beginning */
static void
rewrite (const char *folder, const char *from, const char *prefix, guint n_shards)
{
  g_autofree char *path = g_build_filename (folder, from, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardSafetensors) file = vard_safetensors_open (path, &error);
  const VardShape ids_shape = VARD_SHAPE (1, 16);
  g_autoptr (VardTensor) ids = vard_tensor_new (VARD_DTYPE_I64, &ids_shape);
  g_autoptr (GString) index = g_string_new ("{\"metadata\":{},\"weight_map\":{");
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *stem = g_strndup (from, strlen (from) - strlen (".safetensors"));
  g_autofree char *index_name =
    g_strconcat (stem, n_shards > 1 ? ".safetensors.index.json" : ".json", NULL);

  g_assert_no_error (error);
  for (guint shard = 0; shard < n_shards; shard++)
    {
      g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (VardSafetensorsEntry));
      g_autofree char *name = n_shards > 1 ? g_strdup_printf ("%s-%u.safetensors", stem, shard)
                                           : g_strdup (from);
      g_autofree char *target = g_build_filename (folder, name, NULL),
                      *base = g_path_get_basename (name);
      guint i = 0;

      for (const char *const *key = vard_safetensors_peek_names (file); *key != NULL; key++, i++)
        if (i % n_shards == shard)
          {
            g_autofree char *renamed = g_strconcat (prefix, *key, NULL);
            VardTensor *tensor = vard_safetensors_lookup (file, *key, NULL);
            VardSafetensorsEntry entry = { .name = g_intern_string (renamed),
                                           .tensor = tensor,
                                           .dtype = VARD_DTYPE_F32 };

            g_ptr_array_add (kept, tensor);
            g_array_append_val (entries, entry);
            g_string_append_printf (index, "%s\"%s\":\"%s\"", shard + i ? "," : "", renamed, base);
          }

      VardSafetensorsEntry extra = { .name = "text_model.embeddings.position_ids",
                                     .tensor = ids,
                                     .dtype = VARD_DTYPE_I64 };

      if (*prefix)
        g_array_append_val (entries, extra);
      vard_safetensors_write (target, (VardSafetensorsEntry *) entries->data, entries->len, NULL,
                              &error);
      g_assert_no_error (error);
    }
  g_string_append (index, "}}");
  if (n_shards > 1)
    {
      tiny_write (folder, index_name, index->str);
      g_unlink (path);
    }
}

static void
test_old_files (void)
{
  char *folder = tiny_model_make ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);
  g_autofree float *expected = tiny_predict (model);

  rewrite (folder, "unet/diffusion_pytorch_model.safetensors", "", 2);
  rewrite (folder, "text_encoder/model.safetensors", "text_model.", 1);

  g_autoptr (VardModel) again = vard_model_load (folder, &error);

  g_assert_no_error (error);

  g_autofree float *found = tiny_predict (again);

  g_assert_cmpmem (found, TINY_N * sizeof (float), expected, TINY_N * sizeof (float));
  tiny_model_remove (folder);
}

/* writes a weight file again under older names and shapes, with what old files also hold */
static void
rename_tensors (const char *folder, const char *name, const char *const *renames, const char *extra)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardSafetensors) file = vard_safetensors_open (path, &error);
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (VardSafetensorsEntry));
  g_autoptr (GPtrArray) tensors = g_ptr_array_new_with_free_func (g_object_unref);
  VardSafetensorsEntry entry = { .name = extra, .dtype = VARD_DTYPE_I64 };

  g_assert_no_error (error);
  for (const char *const *old = vard_safetensors_peek_names (file); *old != NULL; old++)
    {
      g_autoptr (GString) renamed = g_string_new (*old);
      VardTensor *tensor = vard_safetensors_lookup (file, *old, &error);
      VardShape shape = *vard_tensor_peek_shape (tensor);
      gboolean is_changed = FALSE;

      for (guint i = 0; renames[i] != NULL; i += 2)
        is_changed |= g_string_replace (renamed, renames[i], renames[i + 1], 1) > 0;
      /* linear layers of the attention were 1x1 convolutions once */
      if (is_changed && shape.n_dims == 2 && strstr (*old, ".to_") != NULL)
        shape = VARD_SHAPE (shape.dims[0], shape.dims[1], 1, 1);

      VardSafetensorsEntry row = { .name = g_intern_string (renamed->str),
                                   .dtype = VARD_DTYPE_F32 };

      row.tensor = vard_tensor_new_view (vard_tensor_peek_buffer (tensor),
                                         vard_tensor_get_offset (tensor), VARD_DTYPE_F32, &shape);
      g_ptr_array_add (tensors, tensor);
      g_ptr_array_add (tensors, row.tensor);
      g_array_append_val (entries, row);
    }
  if (extra != NULL)
    {
      entry.tensor = ((VardSafetensorsEntry *) entries->data)[0].tensor;
      g_array_append_val (entries, entry);
    }
  vard_safetensors_write (path, (VardSafetensorsEntry *) entries->data, entries->len, NULL, &error);
  g_assert_no_error (error);
}

typedef struct
{
  GArray *values;
} Values;

static void
collect (const char *path, VardParameter *parameter, gpointer data)
{
  g_autoptr (VardTensor) values = vard_parameter_dup_values (parameter);

  g_array_append_vals (((Values *) data)->values, vard_tensor_peek_f32 (values),
                       vard_tensor_get_count (values));
}

static Values
collect_all (VardModel *model)
{
  VardStableDiffusion *self = VARD_STABLE_DIFFUSION (model);
  Values values = { g_array_new (FALSE, FALSE, sizeof (float)) };

  vard_module_foreach_parameter (VARD_MODULE (vard_stable_diffusion_peek_text (self)), collect,
                                 &values);
  vard_module_foreach_parameter (VARD_MODULE (vard_stable_diffusion_peek_autoencoder (self)),
                                 collect, &values);
  return values;
}

static void
test_old_names (void)
{
  static const char *const text[] = {
    "embeddings.",       "text_model.embeddings.",       "encoder.", "text_model.encoder.",
    "final_layer_norm.", "text_model.final_layer_norm.", NULL
  };
  static const char *const vae[] = { ".to_q.",  ".query.",    ".to_k.",      ".key.", ".to_v.",
                                     ".value.", ".to_out.0.", ".proj_attn.", NULL };
  char *folder = tiny_model_make ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);

  g_assert_no_error (error);
  rename_tensors (folder, "text_encoder/model.safetensors", text,
                  "text_model.embeddings.position_ids");
  rename_tensors (folder, "vae/diffusion_pytorch_model.safetensors", vae, NULL);

  g_autoptr (VardModel) old = vard_model_load (folder, &error);

  g_assert_no_error (error);

  Values a = collect_all (model), b = collect_all (old);

  g_assert_cmpmem (a.values->data, a.values->len * sizeof (float), b.values->data,
                   b.values->len * sizeof (float));
  g_array_unref (a.values);
  g_array_unref (b.values);
  tiny_model_remove (folder);
}

static guint
count_children (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

/* a disk that is full: an error, and no part of the folder stays */
static void
test_save_to_full_disk (void)
{
  char *folder = tiny_model_make ();
  g_autofree char *above = g_path_get_dirname (folder);
  g_autofree char *target = g_build_filename (above, "saved", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);
  struct rlimit before, limit;

  g_assert_no_error (error);
  getrlimit (RLIMIT_FSIZE, &before);
  limit = before;
  limit.rlim_cur = 40000;
  signal (SIGXFSZ, SIG_IGN);
  setrlimit (RLIMIT_FSIZE, &limit);
  g_assert_false (vard_model_save (model, target, VARD_DTYPE_F32, &error));
  setrlimit (RLIMIT_FSIZE, &before);
  g_assert_nonnull (error);
  g_assert_cmpuint (count_children (above), ==, 1);
  tiny_model_remove (folder);
}

/* tokenizer.json of the same vocabulary, merges as pairs or as lines */
static void
write_tokenizer_json (const char *folder, gboolean has_pairs)
{
  g_autofree char *vocabulary = g_build_filename (folder, "tokenizer", "vocab.json", NULL);
  g_autofree char *merges = g_build_filename (folder, "tokenizer", "merges.txt", NULL);
  g_autofree char *text = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_auto (GStrv) lines = NULL;

  g_assert_true (json_parser_load_from_file (parser, vocabulary, NULL));
  g_file_get_contents (merges, &text, NULL, NULL);
  lines = g_strsplit (text, "\n", -1);
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "model");
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "vocab");
  json_builder_add_value (builder, json_node_copy (json_parser_get_root (parser)));
  json_builder_set_member_name (builder, "merges");
  json_builder_begin_array (builder);
  for (guint i = 1; lines[i] != NULL && *lines[i]; i++)
    {
      g_auto (GStrv) pair = g_strsplit (lines[i], " ", 2);

      if (!has_pairs)
        {
          json_builder_add_string_value (builder, lines[i]);
          continue;
        }
      json_builder_begin_array (builder);
      json_builder_add_string_value (builder, pair[0]);
      json_builder_add_string_value (builder, pair[1]);
      json_builder_end_array (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  json_builder_end_object (builder);

  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *json = json_to_string (root, FALSE);

  tiny_write (folder, "tokenizer/tokenizer.json", json);
}

static void
test_tokenizer_json (void)
{
  static const char *const prompts[] = { "red apple", "a photo of 3 cats, it's \xc3\xa9mile!", "" };
  char *folder = tiny_model_make ();
  g_autofree char *vocabulary = g_build_filename (folder, "tokenizer", "vocab.json", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);

  for (guint i = 0; i < 2 * G_N_ELEMENTS (prompts); i++)
    {
      gint32 expected[16], found[16];
      guint n, n_found;

      tiny_copy_tokenizer (folder);
      write_tokenizer_json (folder, i % 2);
      g_unlink (vocabulary);

      g_autoptr (VardModel) other = vard_model_load (folder, &error);

      g_assert_no_error (error);
      g_assert_true (tokenize (model, prompts[i / 2], expected, &n, &error));
      g_assert_true (tokenize (other, prompts[i / 2], found, &n_found, &error));
      g_assert_cmpmem (expected, sizeof expected, found, sizeof found);
    }
  tiny_write (folder, "tokenizer/tokenizer.json",
              "{\"model\":{\"vocab\":{},\"merges\":[[\"a\"]]}}");
  g_assert_null (vard_model_load (folder, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  tiny_model_remove (folder);
}

static void
test_not_a_number (void)
{
  char *folder = tiny_model_make ();
  g_autofree char *path =
    g_build_filename (folder, "unet", "diffusion_pytorch_model.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *bytes = NULL;
  gsize size;

  g_file_get_contents (path, &bytes, &size, NULL);
  memset (bytes + size - 4, 0xff, 4);
  g_file_set_contents (path, bytes, size, NULL);
  g_assert_null (vard_model_load (folder, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "nan"));
  tiny_model_remove (folder);
}

static void
test_size (void)
{
  char *folder = tiny_model_make ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);
  const VardModelInfo *info = vard_model_peek_info (model);
  gint64 width = info->width, height = info->height;

  g_assert_false (vard_model_set_size (model, info->scale * 8, info->scale * 8 + 1, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_cmpint (info->width, ==, width);
  g_clear_error (&error);
  g_assert_true (vard_model_set_size (model, 0, info->scale * 12, &error));
  g_assert_no_error (error);
  g_assert_cmpint (info->width, ==, width);
  g_assert_cmpint (info->height, ==, 12);
  g_assert_cmpint (info->height, !=, height);
  tiny_model_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/model-loader/load", test_load);
  g_test_add_func ("/model-loader/predictions", test_predictions);
  g_test_add_func ("/model-loader/other-files", test_other_files);
  g_test_add_func ("/model-loader/variants", test_variants);
  g_test_add_func ("/model-loader/harmless", test_harmless);
  g_test_add_func ("/model-loader/old-files", test_old_files);
  g_test_add_func ("/model-loader/old-names", test_old_names);
  g_test_add_func ("/model-loader/save-to-full-disk", test_save_to_full_disk);
  g_test_add_func ("/model-loader/tokenizer-json", test_tokenizer_json);
  g_test_add_func ("/model-loader/not-a-number", test_not_a_number);
  g_test_add_func ("/model-loader/size", test_size);
  return g_test_run ();
}
