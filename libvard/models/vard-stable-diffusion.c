/* vard-stable-diffusion.c - Stable Diffusion 1.x and 2.x folders, and small models of the same form
 *
 * The safety checker, if the folder has one, is neither loaded nor run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-stable-diffusion.h"

#include "base/vard-error.h"
#include "models/vard-model-saver.h"
#include "models/vard-schedule-config.h"
#include "models/vard-weights.h"

struct _VardStableDiffusion
{
  VardModel parent_instance;

  VardClipTokenizer *tokenizer;
  VardClipText *text;
  VardUnet *unet;
  VardAutoencoder *autoencoder;
};

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
static const VardWeightAlias autoencoder_aliases[] = {
  { ".to_q.", ".query." }, { ".to_k.", ".key." }, { ".to_v.", ".value." }, { ".to_out.0.", ".proj_attn." }, { NULL },
};

static void
check_component (VardConfigReader  *index,
                 const char        *component,
                 const char *const *classes)
{
  JsonNode *node = vard_config_reader_peek (index, component);
  JsonArray *entry = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  JsonNode *class = entry && json_array_get_length (entry) == 2 ? json_array_get_element (entry, 1) : NULL;
  const char *name = class && JSON_NODE_HOLDS_VALUE (class) ? json_node_get_string (class) : NULL;

  for (guint i = 0; i < 3 && classes[i]; i++)
    if (g_strcmp0 (name, classes[i]) == 0)
      return;
  vard_config_reader_refuse (index, component, classes[0]);
}

static VardConfigReader *
open_config (const char *path,
             const char *component,
             const char *name,
             GError    **error)
{
  g_autofree char *file = g_build_filename (path, component, name, NULL);

  return vard_config_reader_new (file, error);
}

static gboolean
load_weights (VardStableDiffusion   *self,
              VardModule            *module,
              const char            *path,
              const char            *component,
              const char            *stem,
              const VardWeightAlias *aliases,
              const char *const     *ignored,
              GError               **error)
{
  g_autofree char *folder = g_build_filename (path, component, NULL);
  g_autofree char *file = vard_weights_find (folder, stem, error);

  if (!file)
    return FALSE;
  vard_model_add_file (VARD_MODEL (self), file);
  return vard_weights_load (module, file, aliases, ignored, error);
}

static gboolean
load_tokenizer (VardStableDiffusion *self,
                const char          *path,
                VardModelInfo       *info,
                GError             **error)
{
  g_autofree char *folder = g_build_filename (path, "tokenizer", NULL);
  gint64 n_positions = vard_clip_text_get_n_positions (self->text);

  self->tokenizer = vard_clip_tokenizer_new (folder, error);
  if (!self->tokenizer)
    return FALSE;
  if (vard_clip_tokenizer_get_n_ids (self->tokenizer) > vard_clip_text_get_n_ids (self->text))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s: the tokenizer has %d tokens, the text encoder's vocab_size is %" G_GINT64_FORMAT, path,
                   vard_clip_tokenizer_get_n_ids (self->tokenizer), vard_clip_text_get_n_ids (self->text));
      return FALSE;
    }
  info->n_tokens = vard_clip_tokenizer_get_max_length (self->tokenizer);
  if (info->n_tokens == 0)
    info->n_tokens = n_positions;
  if (info->n_tokens < 2 || info->n_tokens > n_positions)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s: the tokenizer's model_max_length is %u, the text encoder has %" G_GINT64_FORMAT " positions",
                   path, info->n_tokens, n_positions);
      return FALSE;
    }
  return TRUE;
}

static gboolean
load_text (VardStableDiffusion *self,
           const char          *path,
           VardModelInfo       *info,
           GError             **error)
{
  g_autoptr (VardConfigReader) config = open_config (path, "text_encoder", "config.json", error);

  self->text = config ? vard_clip_text_new (config, error) : NULL;
  if (!self->text || !load_tokenizer (self, path, info, error))
    return FALSE;
  info->context_width = vard_clip_text_get_width (self->text);
  return load_weights (self, VARD_MODULE (self->text), path, "text_encoder", "model", text_aliases, text_ignored,
                       error);
}

static gboolean
load_autoencoder (VardStableDiffusion *self,
                  const char          *path,
                  VardModelInfo       *info,
                  GError             **error)
{
  g_autoptr (VardConfigReader) config = open_config (path, "vae", "config.json", error);

  self->autoencoder = config ? vard_autoencoder_new (config, error) : NULL;
  if (!self->autoencoder)
    return FALSE;
  info->channels = vard_autoencoder_get_n_latent (self->autoencoder);
  info->scale = vard_autoencoder_get_scale (self->autoencoder);
  return load_weights (self, VARD_MODULE (self->autoencoder), path, "vae", "diffusion_pytorch_model",
                       autoencoder_aliases, NULL, error);
}

/* the parts must fit together */
static gboolean
check_unet (const VardUnetConfig *unet,
            const VardModelInfo  *info,
            const char           *path,
            GError              **error)
{
  if (unet->n_in != info->channels || unet->n_out != info->channels)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                   "%s: the denoiser maps %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " channels, the autoencoder has %"
                   G_GINT64_FORMAT " (models for inpainting and the like are not supported)", path, unet->n_in,
                   unet->n_out, info->channels);
      return FALSE;
    }
  for (guint i = 0; i < unet->n_blocks; i++)
    if (unet->context_width[i] != info->context_width)
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                     "%s: the denoiser's cross_attention_dim is %" G_GINT64_FORMAT ", the text encoder's hidden_size %"
                     G_GINT64_FORMAT, path, unet->context_width[i], info->context_width);
        return FALSE;
      }
  return TRUE;
}

static gboolean
load_unet (VardStableDiffusion *self,
           const char          *path,
           VardModelInfo       *info,
           GError             **error)
{
  g_autoptr (VardConfigReader) reader = open_config (path, "unet", "config.json", error);
  VardUnetConfig config;

  if (!reader || !vard_unet_config_read (&config, reader, error) || !check_unet (&config, info, path, error))
    return FALSE;
  self->unet = vard_unet_new (&config);
  info->height = config.sample_height;
  info->width = config.sample_width;
  if (info->height == 0)
    info->height = info->width = MAX (1, vard_autoencoder_get_sample_size (self->autoencoder) / info->scale);
  return load_weights (self, VARD_MODULE (self->unet), path, "unet", "diffusion_pytorch_model", NULL, NULL, error);
}

static gboolean
load_schedule (const char     *path,
               VardModelInfo  *info,
               GError        **error)
{
  g_autoptr (VardConfigReader) reader = open_config (path, "scheduler", "scheduler_config.json", error);

  return reader && vard_schedule_config_read (&info->schedule, reader, error);
}

VardModel *
vard_stable_diffusion_load (const char       *path,
                            VardConfigReader *index,
                            GError          **error)
{
  g_autoptr (VardStableDiffusion) self = g_object_new (VARD_TYPE_STABLE_DIFFUSION, NULL);
  VardModelInfo info = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (components); i++)
    check_component (index, components[i].component, components[i].classes);
  if (!vard_config_reader_finish (index, error)
      || !load_schedule (path, &info, error)
      || !load_text (self, path, &info, error)
      || !load_autoencoder (self, path, &info, error)
      || !load_unet (self, path, &info, error))
    return NULL;
  vard_model_set_info (VARD_MODEL (self), path, &info);
  return VARD_MODEL (g_steal_pointer (&self));
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

static gboolean
vard_stable_diffusion_tokenize (VardModel  *model,
                                const char *prompt,
                                gint32     *ids,
                                guint      *n_valid,
                                GError    **error)
{
  return vard_clip_tokenizer_encode (VARD_STABLE_DIFFUSION (model)->tokenizer, prompt, ids,
                                     vard_model_peek_info (model)->n_tokens, n_valid, NULL, error);
}

static VardNode *
vard_stable_diffusion_record_encode (VardModel *model,
                                     VardNode  *ids)
{
  return vard_clip_text_record (VARD_STABLE_DIFFUSION (model)->text, ids);
}

static VardNode *
vard_stable_diffusion_record_predict (VardModel *model,
                                      VardNode  *latents,
                                      VardNode  *timesteps,
                                      VardNode  *context)
{
  return vard_unet_record (VARD_STABLE_DIFFUSION (model)->unet, latents, timesteps, context);
}

static VardNode *
vard_stable_diffusion_record_decode (VardModel *model,
                                     VardNode  *latents)
{
  VardAutoencoder *autoencoder = VARD_STABLE_DIFFUSION (model)->autoencoder;
  double factor = vard_autoencoder_get_factor (autoencoder);

  return vard_autoencoder_record_decode (autoencoder, factor == 1 ? latents : vard_scale (latents, 1 / factor));
}

static VardModule *
vard_stable_diffusion_get_denoiser (VardModel *model)
{
  return VARD_MODULE (VARD_STABLE_DIFFUSION (model)->unet);
}

static gboolean
vard_stable_diffusion_save (VardModel  *model,
                            const char *path,
                            VardDType   dtype,
                            GError    **error)
{
  return vard_model_saver_save (vard_model_get_path (model), path, "unet",
                                VARD_MODULE (VARD_STABLE_DIFFUSION (model)->unet), dtype, error);
}

static void
vard_stable_diffusion_finalize (GObject *object)
{
  VardStableDiffusion *self = VARD_STABLE_DIFFUSION (object);

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
  model_class->tokenize = vard_stable_diffusion_tokenize;
  model_class->record_encode = vard_stable_diffusion_record_encode;
  model_class->record_predict = vard_stable_diffusion_record_predict;
  model_class->record_decode = vard_stable_diffusion_record_decode;
  model_class->get_denoiser = vard_stable_diffusion_get_denoiser;
  model_class->save = vard_stable_diffusion_save;
}

static void
vard_stable_diffusion_init (VardStableDiffusion *self)
{
}
