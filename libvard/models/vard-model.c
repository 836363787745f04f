/* vard-model.c - the interface between text-to-image models and the code that uses them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-model-class.h"

#include "base/vard-error.h"

#include <string.h>

#define HASH_BLOCK (1024 * 1024)

typedef struct
{
  char *path;
  VardModelInfo info;
  GPtrArray *files;
} VardModelPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (VardModel, vard_model, G_TYPE_OBJECT)

#define PRIVATE(self) ((VardModelPrivate *) vard_model_get_instance_private (self))

static void
vard_model_finalize (GObject *object)
{
  VardModelPrivate *priv = PRIVATE (VARD_MODEL (object));

  g_free (priv->path);
  g_ptr_array_unref (priv->files);
  G_OBJECT_CLASS (vard_model_parent_class)->finalize (object);
}

static void
vard_model_class_init (VardModelClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_model_finalize;
}

static void
vard_model_init (VardModel *self)
{
  PRIVATE (self)->files = g_ptr_array_new_with_free_func (g_free);
}

const VardModelInfo *
vard_model_peek_info (VardModel *self)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), NULL);

  return &PRIVATE (self)->info;
}

/**
 * vard_model_set_size:
 * @self: a model
 * @width: of pictures, in pixels; 0 leaves it as it is
 * @height: of pictures, in pixels; 0 leaves it as it is
 * @error: return location for an error
 *
 * Sets the size of pictures, which is at first the size that the model was trained on. Graphs that
 * were recorded before keep the old size.
 *
 * Returns: %FALSE with %VARD_ERROR_USAGE when a side does not fit the model
 */
gboolean
vard_model_set_size (VardModel *self, guint width, guint height, GError **error)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), FALSE);

  VardModelInfo *info = &PRIVATE (self)->info;

  if (width % info->scale || height % info->scale)
    {
      gboolean is_width = width % info->scale != 0;

      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "the %s of %u pixels is not a multiple of %" G_GINT64_FORMAT
                   ", the pixels that one latent value covers",
                   is_width ? "width" : "height", is_width ? width : height, info->scale);
      return FALSE;
    }
  if (width)
    info->width = width / info->scale;
  if (height)
    info->height = height / info->scale;

  return TRUE;
}

/**
 * vard_model_get_path:
 * @self: a model
 *
 * Returns: (transfer none) (type filename): where it was loaded from
 */
const char *
vard_model_get_path (VardModel *self)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), NULL);

  return PRIVATE (self)->path;
}

void
vard_model_set_info (VardModel *self, const char *path, const VardModelInfo *info)
{
  g_return_if_fail (VARD_IS_MODEL (self));

  g_free (PRIVATE (self)->path);
  PRIVATE (self)->path = g_strdup (path);
  PRIVATE (self)->info = *info;
}

void
vard_model_add_file (VardModel *self, const char *path)
{
  g_return_if_fail (VARD_IS_MODEL (self));

  g_ptr_array_add (PRIVATE (self)->files, g_strdup (path));
}

/* Read, not mapped: the weights are mapped already, and would count as memory twice */
static void
vard_model_hash_file (GChecksum *checksum, const char *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInputStream) stream = g_file_read (file, NULL, NULL);
  g_autofree guchar *block = g_malloc (HASH_BLOCK);
  gssize n;

  while (stream != NULL
         && (n = g_input_stream_read (G_INPUT_STREAM (stream), block, HASH_BLOCK, NULL, NULL)) > 0)
    g_checksum_update (checksum, block, n);
}

/**
 * vard_model_dup_hash:
 * @self: a model
 *
 * Returns: (transfer full) (nullable): a hash of the weight files, or %NULL when they cannot be
 *   read
 */
char *
vard_model_dup_hash (VardModel *self)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), NULL);

  GPtrArray *files = PRIVATE (self)->files;
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);

  for (guint i = 0; i < files->len; i++)
    vard_model_hash_file (checksum, files->pdata[i]);

  return g_strdup (g_checksum_get_string (checksum));
}

/**
 * vard_model_find_cut:
 * @self: a model
 * @prompt: a prompt
 * @n_tokens: (out) (optional): gets how many tokens the model reads; 0 where it reads all
 *
 * Returns: the first byte of the words that the model does not read; the prompt's length if it
 *   reads all
 */
gsize
vard_model_find_cut (VardModel *self, const char *prompt, guint *n_tokens)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), 0);

  VardModelClass *klass = VARD_MODEL_GET_CLASS (self);
  guint limit = 0;
  gsize cut = klass->find_cut != NULL ? klass->find_cut (self, prompt, &limit) : strlen (prompt);

  if (n_tokens != NULL)
    *n_tokens = limit;

  return cut;
}

/**
 * vard_model_compile_encoder: (skip)
 * @self: a model
 * @engine: what computes
 * @encoder: (out) (nullable) (transfer full): gets the program for vard_model_encode(); %NULL for a
 *   model that encodes without one
 * @error: where to put an error
 *
 * Compiles whatever turns prompts into conditions.
 *
 * Returns: %TRUE when it is compiled or not needed
 */
gboolean
vard_model_compile_encoder (VardModel *self,
                            VardEngine *engine,
                            VardExecutable **encoder,
                            GError **error)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), FALSE);

  VardModelClass *klass = VARD_MODEL_GET_CLASS (self);
  g_autoptr (VardGraph) graph = vard_graph_new ();

  if (klass->record_encode == NULL)
    {
      *encoder = NULL;
      return TRUE;
    }
  klass->record_encode (self, graph);

  VardExecutable *executable = vard_engine_compile (engine, graph, error);

  if (executable == NULL)
    return FALSE;
  *encoder = executable;

  return TRUE;
}

/**
 * vard_model_encode: (skip)
 * @self: a model
 * @encoder: (nullable): what vard_model_compile_encoder() gave
 * @prompt: what pictures should show; "" for none
 * @cancellable: (nullable): stops the program
 * @error: where to put an error
 *
 * Turns a prompt into numbers for each of the model's slots, for pictures of the present size.
 *
 * Returns: (transfer full): the condition, or %NULL when the prompt cannot be encoded
 */
VardCondition *
vard_model_encode (VardModel *self,
                   VardExecutable *encoder,
                   const char *prompt,
                   GCancellable *cancellable,
                   GError **error)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), NULL);

  g_autoptr (VardCondition) condition = vard_condition_new (&PRIVATE (self)->info.condition);

  if (!VARD_MODEL_GET_CLASS (self)->encode (self, encoder, prompt, condition, cancellable, error))
    return NULL;

  return g_steal_pointer (&condition);
}

/**
 * vard_model_record_predict: (skip)
 * @self: a model
 * @latents: noisy states [n, height, width, channels]
 * @timesteps: f32 [n], in training timesteps
 * @condition: a node [n, shape] for each slot of the model, in the order of its layout
 *
 * Returns: (transfer none): what the schedule's prediction type says, of the latents' shape
 */
VardNode *
vard_model_record_predict (VardModel *self,
                           VardNode *latents,
                           VardNode *timesteps,
                           VardNode *const *condition)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), NULL);

  return VARD_MODEL_GET_CLASS (self)->record_predict (self, latents, timesteps, condition);
}

VardNode *
vard_model_record_decode (VardModel *self, VardNode *latents)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), NULL);

  return VARD_MODEL_GET_CLASS (self)->record_decode (self, latents);
}

VardModule *
vard_model_peek_denoiser (VardModel *self)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), NULL);

  return VARD_MODEL_GET_CLASS (self)->get_denoiser (self);
}

/**
 * vard_model_peek_text_encoder: (skip)
 * @self: a model
 * @i: which of its text encoders
 *
 * Returns: (transfer none) (nullable): the i-th text encoder, or %NULL past the last one
 */
VardModule *
vard_model_peek_text_encoder (VardModel *self, guint i)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), NULL);

  VardModelClass *klass = VARD_MODEL_GET_CLASS (self);

  return klass->get_text_encoder != NULL ? klass->get_text_encoder (self, i) : NULL;
}

/**
 * vard_model_get_lora_target: (skip)
 * @self: a model
 *
 * Returns: where in the model adapters may be, and what files call these places; the denoiser is
 *   the first. Numbers are on the host.
 */
VardLoraTarget
vard_model_get_lora_target (VardModel *self)
{
  VardLoraTarget target = { .n_places = 0 };

  g_return_val_if_fail (VARD_IS_MODEL (self), target);

  VardModelClass *klass = VARD_MODEL_GET_CLASS (self);

  if (klass->list_lora_places != NULL)
    target.n_places = klass->list_lora_places (self, target.places);
  else
    target.places[target.n_places++] = VARD_LORA_UNET (vard_model_peek_denoiser (self));

  return target;
}

char **
vard_model_dup_adapter_names (VardModel *self, const char *const *wanted)
{
  static const char *const defaults[] = { "attention", NULL };

  g_return_val_if_fail (VARD_IS_MODEL (self), NULL);

  VardModelClass *klass = VARD_MODEL_GET_CLASS (self);
  gboolean is_default = wanted == NULL || wanted[0] == NULL;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (const char *const *word = is_default ? defaults : wanted; *word != NULL; word++)
    {
      const char *const *names =
        klass->get_adapter_names != NULL ? klass->get_adapter_names (self, *word) : NULL;

      if (names != NULL)
        g_strv_builder_addv (builder, (const char **) names);
      else if (!is_default)
        g_strv_builder_add (builder, *word);
    }

  return g_strv_builder_end (builder);
}

gboolean
vard_model_export (VardModel *self,
                   const char *path,
                   VardModelForm form,
                   VardDType dtype,
                   GHashTable *metadata,
                   GError **error)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), FALSE);

  return VARD_MODEL_GET_CLASS (self)->save (self, path, form, dtype, metadata, error);
}

gboolean
vard_model_save (VardModel *self, const char *path, VardDType dtype, GError **error)
{
  return vard_model_export (self, path, VARD_MODEL_FORM_FOLDER, dtype, NULL, error);
}

/**
 * vard_model_add_lora:
 * @self: a model
 * @path: (type filename): a LoRA file, in any spelling that vard reads
 * @strength: what its effect is multiplied by
 * @n_layers: (out) (optional): how many layers it changes
 * @error: return location for an error
 *
 * Puts the adapters of a file on the denoiser and the text encoder. A tensor that fits no layer is
 * an error.
 *
 * Returns: %FALSE with an error when the file cannot be used
 */
gboolean
vard_model_add_lora (VardModel *self,
                     const char *path,
                     double strength,
                     guint *n_layers,
                     GError **error)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), FALSE);

  VardLoraTarget target = vard_model_get_lora_target (self);

  return vard_lora_add (&target, path, strength, n_layers, error);
}

gboolean
vard_model_save_lora (VardModel *self,
                      const char *path,
                      VardLoraFormat format,
                      GHashTable *metadata,
                      guint *n_layers,
                      GError **error)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), FALSE);

  VardLoraTarget target = vard_model_get_lora_target (self);

  return vard_lora_write (&target, path, format, metadata, n_layers, error);
}

guint
vard_model_detach_lora (VardModel *self)
{
  g_return_val_if_fail (VARD_IS_MODEL (self), 0);

  VardLoraTarget target = vard_model_get_lora_target (self);

  guint n = 0;

  for (guint i = 0; i < target.n_places; i++)
    n += vard_lora_detach (target.places[i].module);

  return n;
}
