/* vard-stable-diffusion.c - Stable Diffusion 1.x and 2.x, folders and single files, and small
 * models of the same form
 *
 * The safety checker, if the folder has one, is neither loaded nor run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-stable-diffusion-private.h"

#include "base/vard-error.h"
#include "models/vard-schedule-config.h"
#include "files/vard-weights.h"

G_DEFINE_FINAL_TYPE (VardStableDiffusion, vard_stable_diffusion, VARD_TYPE_MODEL)

/* the first is what messages name */
static const struct
{
  const char *component;
  const char *classes[3];
} components[] = {
  { "unet", { "UNet2DConditionModel" } },
  { "vae", { "AutoencoderKL" } },
  { "text_encoder", { "CLIPTextModel" } },
  { "tokenizer", { "CLIPTokenizer", "CLIPTokenizerFast" } },
};

/* before transformers 5 the names began with text_model. */
static const VardWeightAlias text_aliases[] = { { "", "text_model." }, { NULL } };
static const char *const text_ignored[] = { "embeddings.position_ids", NULL };

/* the middle attention's names in older files */
/* clang-format off */
static const VardWeightAlias autoencoder_aliases[] = {
  { ".to_q.", ".query." }, { ".to_k.", ".key." }, { ".to_v.", ".value." },
  { ".to_out.0.", ".proj_attn." }, { NULL },
};
/* clang-format on */

static void
vard_stable_diffusion_check_component (VardConfigReader *index,
                                       const char *component,
                                       const char *const *classes)
{
  JsonNode *node = vard_config_reader_peek (index, component);
  JsonArray *entry = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node)
                                                                  : NULL;
  JsonNode *class =
    entry != NULL && json_array_get_length (entry) == 2 ? json_array_get_element (entry, 1) : NULL;
  const char *name = class != NULL && JSON_NODE_HOLDS_VALUE (class) ? json_node_get_string (class)
                                                                    : NULL;

  for (guint i = 0; i < 3 && classes[i] != NULL; i++)
    if (g_strcmp0 (name, classes[i]) == 0)
      return;
  vard_config_reader_refuse (index, component, classes[0]);
}

/* A single file has OpenCLIP's names. A folder calls both encoders CLIP; OpenCLIP's differs in the
 * activation, since only OpenAI trained with the quick one. */
static gboolean
vard_stable_diffusion_find_generation (VardStableDiffusion *self, VardConfigReader *text_config)
{
  VardSingleFile *file = vard_model_source_peek_file (self->source);

  if (file != NULL)
    return vard_single_file_is_open_clip (file);

  return g_str_equal (vard_config_reader_get_string (text_config, "hidden_act", "quick_gelu"),
                      "gelu");
}

static void
vard_stable_diffusion_identify (VardStableDiffusion *self, VardModelInfo *info)
{
  gboolean is_v = info->schedule.prediction == VARD_PREDICTION_V;

  info->base_version = self->is_second ? "sd_v2" : "sd_v1";
  info->architecture = !self->is_second ? "stable-diffusion-v1"
                       : is_v           ? "stable-diffusion-v2-768-v"
                                        : "stable-diffusion-v2-512";
}

static gboolean
vard_stable_diffusion_load_weights (VardStableDiffusion *self,
                                    VardModule *module,
                                    VardOriginalPart part,
                                    const char *component,
                                    const char *stem,
                                    const VardWeightAlias *aliases,
                                    const char *const *ignored,
                                    GError **error)
{
  if (vard_model_source_peek_file (self->source) != NULL)
    {
      VardOriginalNames names = vard_stable_diffusion_make_names (self, part);

      return vard_single_file_load (vard_model_source_peek_file (self->source), &names, module,
                                    error);
    }

  g_autofree char *folder =
    g_build_filename (vard_model_source_get_path (self->source), component, NULL);
  g_autofree char *file = vard_weights_find (folder, stem, error);

  if (file == NULL)
    return FALSE;
  vard_model_add_file (VARD_MODEL (self), file);

  return vard_weights_load (module, file, aliases, ignored, error);
}

static gboolean
vard_stable_diffusion_load_tokenizer (VardStableDiffusion *self, GError **error)
{
  const char *path = vard_model_source_get_path (self->source);
  const char *folder = vard_model_source_get_tokenizer (self->source);
  gint64 n_positions = vard_clip_text_get_n_positions (self->text);

  self->tokenizer = vard_clip_tokenizer_new (folder, error);
  if (self->tokenizer == NULL)
    return FALSE;
  if (vard_clip_tokenizer_get_n_ids (self->tokenizer) > vard_clip_text_get_n_ids (self->text))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s: the tokenizer has %d tokens, but the text encoder's vocab_size is "
                   "%" G_GINT64_FORMAT,
                   path, vard_clip_tokenizer_get_n_ids (self->tokenizer),
                   vard_clip_text_get_n_ids (self->text));
      return FALSE;
    }
  self->n_tokens = vard_clip_tokenizer_get_max_length (self->tokenizer);
  if (self->n_tokens == 0)
    self->n_tokens = n_positions;
  if (self->n_tokens < 2 || self->n_tokens > n_positions)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s: the tokenizer's model_max_length is %u, but the text encoder has "
                   "%" G_GINT64_FORMAT " positions",
                   path, self->n_tokens, n_positions);
      return FALSE;
    }

  return TRUE;
}

static gboolean
vard_stable_diffusion_load_text (VardStableDiffusion *self, VardModelInfo *info, GError **error)
{
  g_autoptr (VardConfigReader) config =
    vard_model_source_open_config (self->source, "text_encoder", error);

  self->text = config != NULL ? vard_clip_text_new (config, error) : NULL;
  if (self->text == NULL || !vard_stable_diffusion_load_tokenizer (self, error))
    return FALSE;
  self->is_second = vard_stable_diffusion_find_generation (self, config);
  vard_condition_layout_add (&info->condition, "context", VARD_DTYPE_F32,
                             VARD_SHAPE (self->n_tokens, vard_clip_text_get_width (self->text)));
  info->condition.summary_width = vard_clip_text_get_width (self->text);

  return vard_stable_diffusion_load_weights (self, VARD_MODULE (self->text),
                                             vard_stable_diffusion_get_text_part (self),
                                             "text_encoder", "model", text_aliases, text_ignored,
                                             error);
}

static gboolean
vard_stable_diffusion_load_autoencoder (VardStableDiffusion *self,
                                        VardModelInfo *info,
                                        GError **error)
{
  g_autoptr (VardConfigReader) config = vard_model_source_open_config (self->source, "vae", error);

  self->autoencoder = config != NULL ? vard_autoencoder_new (config, error) : NULL;
  if (self->autoencoder == NULL)
    return FALSE;
  info->channels = vard_autoencoder_get_n_latent (self->autoencoder);
  info->scale = vard_autoencoder_get_scale (self->autoencoder);

  return vard_stable_diffusion_load_weights (self, VARD_MODULE (self->autoencoder),
                                             VARD_ORIGINAL_VAE, "vae", "diffusion_pytorch_model",
                                             autoencoder_aliases, NULL, error);
}

/* the parts must fit together */
static gboolean
vard_stable_diffusion_check_unet (const VardUnetConfig *unet,
                                  const VardModelInfo *info,
                                  const char *path,
                                  GError **error)
{
  if (unet->n_in != info->channels || unet->n_out != info->channels)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                   "%s: the denoiser maps %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                   " channels, but the autoencoder has %" G_GINT64_FORMAT
                   " (inpainting models and similar ones are not supported)",
                   path, unet->n_in, unet->n_out, info->channels);
      return FALSE;
    }

  gint64 width = info->condition.slots[0].shape.dims[1];

  for (guint i = 0; i < unet->n_blocks; i++)
    if (unet->context_width[i] != width)
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                     "%s: the denoiser's cross_attention_dim is %" G_GINT64_FORMAT
                     ", but the text encoder's hidden_size is %" G_GINT64_FORMAT,
                     path, unet->context_width[i], width);
        return FALSE;
      }

  return TRUE;
}

static gboolean
vard_stable_diffusion_load_unet (VardStableDiffusion *self, VardModelInfo *info, GError **error)
{
  g_autoptr (VardConfigReader) reader = vard_model_source_open_config (self->source, "unet", error);

  if (reader == NULL || !vard_unet_config_read (&self->config, reader, error)
      || !vard_stable_diffusion_check_unet (&self->config, info,
                                            vard_model_source_get_path (self->source), error))
    return FALSE;
  self->unet = vard_unet_new (&self->config);
  info->height = self->config.sample_height;
  info->width = self->config.sample_width;
  if (info->height == 0)
    info->height = info->width =
      MAX (1, vard_autoencoder_get_sample_size (self->autoencoder) / info->scale);

  return vard_stable_diffusion_load_weights (self, VARD_MODULE (self->unet), VARD_ORIGINAL_UNET,
                                             "unet", "diffusion_pytorch_model", NULL, NULL, error);
}

static gboolean
vard_stable_diffusion_load_schedule (VardStableDiffusion *self, VardModelInfo *info, GError **error)
{
  g_autoptr (VardConfigReader) reader =
    vard_model_source_open_config (self->source, "scheduler", error);

  return reader != NULL && vard_schedule_config_read (&info->schedule, reader, error);
}

static gboolean
vard_stable_diffusion_load_parts (VardStableDiffusion *self, GError **error)
{
  VardModelInfo info = { 0 };

  if (!vard_stable_diffusion_load_schedule (self, &info, error)
      || !vard_stable_diffusion_load_text (self, &info, error)
      || !vard_stable_diffusion_load_autoencoder (self, &info, error)
      || !vard_stable_diffusion_load_unet (self, &info, error))
    return FALSE;
  vard_stable_diffusion_identify (self, &info);
  vard_model_set_info (VARD_MODEL (self), vard_model_source_get_path (self->source), &info);

  return TRUE;
}

VardModel *
vard_stable_diffusion_load (const char *path, VardConfigReader *index, GError **error)
{
  g_autoptr (VardStableDiffusion) self = g_object_new (VARD_TYPE_STABLE_DIFFUSION, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (components); i++)
    vard_stable_diffusion_check_component (index, components[i].component, components[i].classes);
  if (!vard_config_reader_finish (index, error))
    return NULL;
  self->source = vard_model_source_new_folder (path);

  return vard_stable_diffusion_load_parts (self, error) ? VARD_MODEL (g_steal_pointer (&self))
                                                        : NULL;
}

VardModel *
vard_stable_diffusion_load_file (const char *path, const VardModelOptions *options, GError **error)
{
  g_autoptr (VardStableDiffusion) self = g_object_new (VARD_TYPE_STABLE_DIFFUSION, NULL);

  self->source = vard_model_source_new_file (path, options, error);
  if (self->source == NULL)
    return NULL;
  vard_model_add_file (VARD_MODEL (self), path);

  return vard_stable_diffusion_load_parts (self, error) ? VARD_MODEL (g_steal_pointer (&self))
                                                        : NULL;
}

VardClipTokenizer *
vard_stable_diffusion_peek_tokenizer (VardStableDiffusion *self)
{
  g_return_val_if_fail (VARD_IS_STABLE_DIFFUSION (self), NULL);

  return self->tokenizer;
}

VardClipText *
vard_stable_diffusion_peek_text (VardStableDiffusion *self)
{
  g_return_val_if_fail (VARD_IS_STABLE_DIFFUSION (self), NULL);

  return self->text;
}

VardAutoencoder *
vard_stable_diffusion_peek_autoencoder (VardStableDiffusion *self)
{
  g_return_val_if_fail (VARD_IS_STABLE_DIFFUSION (self), NULL);

  return self->autoencoder;
}

static gsize
vard_stable_diffusion_find_cut (VardModel *model, const char *prompt, guint *n_tokens)
{
  VardStableDiffusion *self = VARD_STABLE_DIFFUSION (model);

  *n_tokens = self->n_tokens;

  return vard_clip_tokenizer_find_cut (self->tokenizer, prompt, self->n_tokens);
}

static void
vard_stable_diffusion_record_encode (VardModel *model, VardGraph *graph)
{
  VardStableDiffusion *self = VARD_STABLE_DIFFUSION (model);
  VardNode *ids = vard_input (graph, "ids", VARD_DTYPE_I32, VARD_SHAPE (1, self->n_tokens));

  vard_graph_add_output (graph, "context", vard_clip_text_record (self->text, ids));
}

/* the mean over the first rows */
static void
vard_stable_diffusion_average_rows (const float *rows, guint n_rows, gint64 width, float *mean)
{
  for (gint64 i = 0; i < width; i++)
    {
      double sum = 0;

      for (guint row = 0; row < n_rows; row++)
        sum += rows[row * width + i];
      mean[i] = (float) (sum / MAX (n_rows, 1u));
    }
}

/* the text encoder's last states; their mean over the prompt's own tokens is the summary */
static gboolean
vard_stable_diffusion_encode (VardModel *model,
                              VardExecutable *encoder,
                              const char *prompt,
                              VardCondition *condition,
                              GCancellable *cancellable,
                              GError **error)
{
  VardStableDiffusion *self = VARD_STABLE_DIFFUSION (model);
  gint64 width = vard_clip_text_get_width (self->text);
  g_autofree gint32 *ids = g_new0 (gint32, self->n_tokens);
  float *states = vard_condition_peek_values (condition, 0);
  guint n_valid = 0;

  if (!vard_clip_tokenizer_encode (self->tokenizer, prompt, ids, self->n_tokens, &n_valid, NULL,
                                   error)
      || !vard_executable_set_input (encoder, "ids", ids, self->n_tokens * sizeof *ids, error)
      || !vard_executable_run (encoder, cancellable, error)
      || !vard_executable_get_output (encoder, "context", states,
                                      self->n_tokens * width * sizeof *states, error))
    return FALSE;
  vard_stable_diffusion_average_rows (states, MIN (n_valid, self->n_tokens), width,
                                      vard_condition_peek_summary (condition));

  return TRUE;
}

static VardNode *
vard_stable_diffusion_record_predict (VardModel *model,
                                      VardNode *latents,
                                      VardNode *timesteps,
                                      VardNode *const *condition)
{
  return vard_unet_record (VARD_STABLE_DIFFUSION (model)->unet, latents, timesteps, condition[0]);
}

static VardNode *
vard_stable_diffusion_record_decode (VardModel *model, VardNode *latents)
{
  VardAutoencoder *autoencoder = VARD_STABLE_DIFFUSION (model)->autoencoder;
  double factor = vard_autoencoder_get_factor (autoencoder);

  return vard_autoencoder_record_decode (autoencoder,
                                         factor == 1 ? latents : vard_scale (latents, 1 / factor));
}

static VardModule *
vard_stable_diffusion_get_denoiser (VardModel *model)
{
  return VARD_MODULE (VARD_STABLE_DIFFUSION (model)->unet);
}

static VardModule *
vard_stable_diffusion_get_text_encoder (VardModel *model, guint i)
{
  return i == 0 ? VARD_MODULE (VARD_STABLE_DIFFUSION (model)->text) : NULL;
}

static guint
vard_stable_diffusion_list_lora_places (VardModel *model,
                                        VardLoraPlace places[VARD_LORA_MAX_PLACES])
{
  VardStableDiffusion *self = VARD_STABLE_DIFFUSION (model);

  places[0] = VARD_LORA_UNET (VARD_MODULE (self->unet));
  places[1] = (VardLoraPlace) { VARD_MODULE (self->text), VARD_LORA_PLACE_TEXT, "text_encoder",
                                "lora_te", "lora_te1" };

  return 2;
}

/* what the fine-tuning scripts of diffusers adapt is the first kind, those of kohya all three */
static const char *const *
vard_stable_diffusion_get_adapter_names (VardModel *model, const char *kind)
{
  static const struct
  {
    const char *kind;
    const char *names[5];
  } kinds[] = {
    { "attention", { "to_q", "to_k", "to_v", "to_out.0" } },
    { "feed-forward", { "ff.net.0.proj", "ff.net.2" } },
    { "projections", { "proj_in", "proj_out" } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_equal (kinds[i].kind, kind))
      return kinds[i].names;

  return NULL;
}

static void
vard_stable_diffusion_finalize (GObject *object)
{
  VardStableDiffusion *self = VARD_STABLE_DIFFUSION (object);

  g_clear_pointer (&self->source, vard_model_source_free);
  g_clear_object (&self->tokenizer);
  g_clear_object (&self->text);
  g_clear_object (&self->unet);
  g_clear_object (&self->autoencoder);
  G_OBJECT_CLASS (vard_stable_diffusion_parent_class)->finalize (object);
}

static void
vard_stable_diffusion_class_init (VardStableDiffusionClass *klass)
{
  VardModelClass *model_class = VARD_MODEL_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = vard_stable_diffusion_finalize;
  model_class->find_cut = vard_stable_diffusion_find_cut;
  model_class->record_encode = vard_stable_diffusion_record_encode;
  model_class->encode = vard_stable_diffusion_encode;
  model_class->record_predict = vard_stable_diffusion_record_predict;
  model_class->record_decode = vard_stable_diffusion_record_decode;
  model_class->get_denoiser = vard_stable_diffusion_get_denoiser;
  model_class->get_text_encoder = vard_stable_diffusion_get_text_encoder;
  model_class->list_lora_places = vard_stable_diffusion_list_lora_places;
  model_class->get_adapter_names = vard_stable_diffusion_get_adapter_names;
  model_class->save = vard_stable_diffusion_save;
}

static void
vard_stable_diffusion_init (VardStableDiffusion *self)
{
}
