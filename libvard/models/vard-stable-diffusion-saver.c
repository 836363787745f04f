/* vard-stable-diffusion-saver.c - writes a Stable Diffusion model: a folder, or a single file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-stable-diffusion-private.h"

#include "base/vard-error.h"
#include "files/vard-model-saver.h"

/* ---- names in single files ---- */

VardOriginalNames
vard_stable_diffusion_make_names (VardStableDiffusion *self, VardOriginalPart part)
{
  VardOriginalNames names = { .part = part };

  if (part == VARD_ORIGINAL_UNET)
    {
      names.n_blocks = self->config.n_blocks;
      names.n_layers = self->config.n_layers[0];
      for (guint i = 0; i < names.n_blocks; i++)
        names.up_has_attention[i] = self->config.up_has_attention[i];
    }
  else if (part == VARD_ORIGINAL_VAE)
    while ((gint64) 1 << names.n_blocks++ < vard_autoencoder_get_scale (self->autoencoder))
      ;
  else
    names.n_layers = vard_clip_text_get_n_layers (self->text);

  return names;
}

VardOriginalPart
vard_stable_diffusion_get_text_part (VardStableDiffusion *self)
{
  return self->is_second ? VARD_ORIGINAL_OPEN_CLIP : VARD_ORIGINAL_CLIP;
}

/* ---- writing ---- */

static void
vard_stable_diffusion_saver_note_adapter (const char *path,
                                          VardLinear *layer,
                                          VardLora *lora,
                                          gpointer data)
{
  *(gboolean *) data = TRUE;
}

static gboolean
vard_stable_diffusion_saver_has_adapters (VardModule *module)
{
  gboolean has = FALSE;

  vard_lora_foreach (module, vard_stable_diffusion_saver_note_adapter, &has);
  return has;
}

#define N_PARTS 3

static void
vard_stable_diffusion_saver_list_parts (VardStableDiffusion *self, VardModelSaverPart *parts)
{
  parts[0] = (VardModelSaverPart) { "unet", "diffusion_pytorch_model", VARD_MODULE (self->unet) };
  parts[1] = (VardModelSaverPart) { "text_encoder", "model", VARD_MODULE (self->text) };
  parts[2] =
    (VardModelSaverPart) { "vae", "diffusion_pytorch_model", VARD_MODULE (self->autoencoder) };
}

/* of the parts and of the scheduler; (transfer full) */
static char **
vard_stable_diffusion_saver_dup_configs (VardStableDiffusion *self,
                                         const VardModelSaverPart *parts,
                                         GError **error)
{
  g_auto (GStrv) configs = g_new0 (char *, N_PARTS + 2);

  for (guint i = 0; i <= N_PARTS; i++)
    {
      configs[i] = vard_model_source_dup_config (self->source,
                                                 i < N_PARTS ? parts[i].component : "scheduler",
                                                 error);
      if (configs[i] == NULL)
        return NULL;
    }

  return g_steal_pointer (&configs);
}

/* what the names cannot say */
static gboolean
vard_stable_diffusion_saver_check_single (VardStableDiffusion *self, GError **error)
{
  for (guint i = 1; i < self->config.n_blocks; i++)
    if (self->config.n_layers[i] != self->config.n_layers[0])
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                     "%s: the blocks have %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT
                     " layers; a single file needs the same number in each",
                     vard_model_source_get_path (self->source), self->config.n_layers[0],
                     self->config.n_layers[i]);
        return FALSE;
      }

  return TRUE;
}

static gboolean
vard_stable_diffusion_saver_save_single (VardStableDiffusion *self,
                                         const char *path,
                                         VardDType dtype,
                                         GHashTable *metadata,
                                         GError **error)
{
  VardModelSaverPart parts[N_PARTS];

  vard_stable_diffusion_saver_list_parts (self, parts);

  VardSingleFilePart named[N_PARTS] = {
    { vard_stable_diffusion_make_names (self, VARD_ORIGINAL_UNET), parts[0].module },
    { vard_stable_diffusion_make_names (self, vard_stable_diffusion_get_text_part (self)),
      parts[1].module },
    { vard_stable_diffusion_make_names (self, VARD_ORIGINAL_VAE), parts[2].module },
  };
  g_auto (GStrv) configs = vard_stable_diffusion_saver_check_single (self, error)
                             ? vard_stable_diffusion_saver_dup_configs (self, parts, error)
                             : NULL;
  g_autoptr (GHashTable) table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer key, value;

  for (guint i = 0; configs != NULL && i <= N_PARTS; i++)
    g_hash_table_insert (table,
                         g_strconcat (VARD_SINGLE_FILE_CONFIG_KEY,
                                      i < N_PARTS ? parts[i].component : "scheduler", NULL),
                         configs[i]);
  if (metadata != NULL)
    {
      g_hash_table_iter_init (&iter, metadata);
      while (g_hash_table_iter_next (&iter, &key, &value))
        g_hash_table_insert (table, g_strdup (key), value);
    }

  return configs != NULL && vard_single_file_write (path, named, N_PARTS, dtype, table, error);
}

gboolean
vard_stable_diffusion_save (VardModel *model,
                            const char *path,
                            VardModelForm form,
                            VardDType dtype,
                            GHashTable *metadata,
                            GError **error)
{
  VardStableDiffusion *self = VARD_STABLE_DIFFUSION (model);
  VardModelSaverPart parts[N_PARTS];

  if (form == VARD_MODEL_FORM_SINGLE_FILE)
    return vard_stable_diffusion_saver_save_single (self, path, dtype, metadata, error);
  vard_stable_diffusion_saver_list_parts (self, parts);
  if (vard_model_source_peek_file (self->source) == NULL)
    return vard_model_saver_save (vard_model_source_get_path (self->source), path, parts,
                                  vard_stable_diffusion_saver_has_adapters (parts[1].module) ? 2
                                                                                             : 1,
                                  dtype, metadata, error);

  g_auto (GStrv) configs = vard_stable_diffusion_saver_dup_configs (self, parts, error);

  return configs != NULL
         && vard_model_saver_save_new (path, parts, N_PARTS, (const char *const *) configs,
                                       vard_model_source_get_tokenizer (self->source), dtype,
                                       metadata, error);
}
