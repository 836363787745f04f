/* vard-text-cache.c - what the text encoder says of each prompt, computed once
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "diffusion/vard-text-cache.h"

#include "base/vard-error.h"

struct _VardTextCache
{
  VardEngine *engine;
  VardModel *model;
  VardExecutable *encoder; /* one prompt at a time: a prompt is met once */
  GHashTable *states;      /* prompt -> VardTextState */
};

static void
free_state (gpointer data)
{
  VardTextState *state = data;

  g_free (state->states);
  g_free (state->mean);
  g_free (state);
}

VardTextCache *
vard_text_cache_new (VardEngine *engine, VardModel *model)
{
  VardTextCache *self = g_new0 (VardTextCache, 1);

  self->engine = g_object_ref (engine);
  self->model = g_object_ref (model);
  self->states = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_state);

  return self;
}

void
vard_text_cache_free (VardTextCache *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->encoder);
  g_clear_object (&self->engine);
  g_clear_object (&self->model);
  g_clear_pointer (&self->states, g_hash_table_unref);
  g_free (self);
}

static gboolean
ensure_encoder (VardTextCache *self, GError **error)
{
  if (self->encoder != NULL)
    return TRUE;

  const VardModelInfo *info = vard_model_peek_info (self->model);
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *ids = vard_input (graph, "ids", VARD_DTYPE_I32, VARD_SHAPE (1, info->n_tokens));

  vard_graph_add_output (graph, "states", vard_model_record_encode (self->model, ids));
  self->encoder = vard_engine_compile (self->engine, graph, error);

  return self->encoder != NULL;
}

static float *
average_rows (const float *rows, guint n_rows, gsize width)
{
  float *mean = g_new (float, width);

  for (gsize i = 0; i < width; i++)
    {
      double sum = 0;

      for (guint row = 0; row < n_rows; row++)
        sum += rows[row * width + i];
      mean[i] = (float) (sum / MAX (n_rows, 1u));
    }

  return mean;
}

static VardTextState *
encode (VardTextCache *self, const char *prompt, GCancellable *cancellable, GError **error)
{
  const VardModelInfo *info = vard_model_peek_info (self->model);
  g_autofree gint32 *ids = g_new0 (gint32, info->n_tokens);
  gsize count = info->n_tokens * info->context_width;
  g_autofree float *states = g_new (float, count);
  guint n_valid = 0;

  if (!ensure_encoder (self, error)
      || !vard_model_tokenize (self->model, prompt, ids, &n_valid, error)
      || !vard_executable_set_input (self->encoder, "ids", ids, info->n_tokens * sizeof *ids, error)
      || !vard_executable_run (self->encoder, cancellable, error)
      || !vard_executable_get_output (self->encoder, "states", states, count * sizeof *states,
                                      error))
    return NULL;

  VardTextState *state = g_new0 (VardTextState, 1);

  state->mean = average_rows (states, MIN (n_valid, info->n_tokens), info->context_width);
  state->states = g_steal_pointer (&states);

  return state;
}

const VardTextState *
vard_text_cache_lookup (VardTextCache *self,
                        const char *prompt,
                        GCancellable *cancellable,
                        GError **error)
{
  VardTextState *state = g_hash_table_lookup (self->states, prompt);

  if (state != NULL)
    return state;

  state = encode (self, prompt, cancellable, error);
  if (state == NULL)
    {
      g_prefix_error (error, "Prompt “%s”: ", prompt);
      return NULL;
    }
  g_hash_table_insert (self->states, g_strdup (prompt), state);

  return state;
}
