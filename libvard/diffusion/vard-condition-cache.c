/* vard-condition-cache.c - what the model makes of each prompt, computed once
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "diffusion/vard-condition-cache.h"

struct _VardConditionCache
{
  VardEngine *engine;
  VardModel *model;
  VardExecutable *encoder; /* one prompt at a time: a prompt is met once */
  gboolean has_encoder;    /* compiled; NULL then means that the model needs none */
  gint64 height, width;    /* of the latents that the conditions are for */
  GHashTable *conditions;  /* prompt -> VardCondition */
};

VardConditionCache *
vard_condition_cache_new (VardEngine *engine, VardModel *model)
{
  VardConditionCache *self = g_new0 (VardConditionCache, 1);

  self->engine = g_object_ref (engine);
  self->model = g_object_ref (model);
  self->conditions =
    g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) vard_condition_unref);

  return self;
}

void
vard_condition_cache_free (VardConditionCache *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->encoder);
  g_clear_object (&self->engine);
  g_clear_object (&self->model);
  g_clear_pointer (&self->conditions, g_hash_table_unref);
  g_free (self);
}

static gboolean
vard_condition_cache_ensure_encoder (VardConditionCache *self, GError **error)
{
  if (!self->has_encoder)
    self->has_encoder =
      vard_model_compile_encoder (self->model, self->engine, &self->encoder, error);

  return self->has_encoder;
}

/* A model may tell its denoiser how large the pictures are */
static void
vard_condition_cache_follow_size (VardConditionCache *self)
{
  const VardModelInfo *info = vard_model_peek_info (self->model);

  if (info->height != self->height || info->width != self->width)
    g_hash_table_remove_all (self->conditions);
  self->height = info->height;
  self->width = info->width;
}

const VardCondition *
vard_condition_cache_lookup (VardConditionCache *self,
                             const char *prompt,
                             GCancellable *cancellable,
                             GError **error)
{
  vard_condition_cache_follow_size (self);

  VardCondition *condition = g_hash_table_lookup (self->conditions, prompt);

  if (condition != NULL)
    return condition;

  if (vard_condition_cache_ensure_encoder (self, error))
    condition = vard_model_encode (self->model, self->encoder, prompt, cancellable, error);
  if (condition == NULL)
    {
      g_prefix_error (error, "prompt “%s”: ", prompt);
      return NULL;
    }
  g_hash_table_insert (self->conditions, g_strdup (prompt), condition);

  return condition;
}
