/* clip-encoder.c - shared by the rewards with a CLIP encoder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clip-encoder.h"

VardClip *
clip_encoder_open (const ClipSettings *settings, gboolean needs_text, GError **error)
{
  VardClipFiles files = { settings->model, settings->weights, settings->tokenizer };

  if (settings->model == NULL || settings->model[0] == 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "no weights are given: set \"model\" to the folder of a CLIP model");
      return NULL;
    }
  g_autoptr (VardClip) clip = vard_load_clip (&files, settings->engine, settings->threads, error);
  if (clip == NULL || (needs_text && !vard_clip_load_text (clip, error)))
    return NULL;

  return g_steal_pointer (&clip);
}

/* ---- pictures ---- */

typedef struct
{
  VardClip *clip;
  const ClipSettings *settings;
  VardRewardBatch *batch;
  ClipScoreFunc score;
  gpointer data;
  guint n, *indices; /* the next pictures to encode */
  float *pixels, *features;
} ClipCall;

static gboolean
clip_call_flush (ClipCall *call, GError **error)
{
  guint n_features = vard_clip_get_n_features (call->clip);
  GCancellable *cancellable = vard_reward_batch_get_cancellable (call->batch);

  if (call->n == 0)
    return TRUE;
  if (g_cancellable_set_error_if_cancelled (cancellable, error)
      || !vard_clip_encode_pictures (call->clip, call->pixels, call->n, call->features, cancellable,
                                     error))
    return FALSE;
  for (guint i = 0; i < call->n; i++)
    vard_reward_batch_set_score (call->batch, call->indices[i],
                                 call->score (call->features + i * n_features, call->indices[i],
                                              call->data));
  call->n = 0;

  return TRUE;
}

static gboolean
clip_call_run (ClipCall *call, GError **error)
{
  gsize n_values = (gsize) 3 * vard_clip_get_size (call->clip) * vard_clip_get_size (call->clip);

  for (guint i = 0; i < vard_reward_batch_get_count (call->batch); i++)
    {
      if (vard_reward_batch_get_status (call->batch, i) != VARD_REWARD_STATUS_UNSET)
        continue;
      if (g_cancellable_set_error_if_cancelled (vard_reward_batch_get_cancellable (call->batch),
                                                error))
        return FALSE;
      gsize n_bytes;
      const guint8 *rgb = vard_reward_batch_peek_pixels (call->batch, i, &n_bytes);
      vard_clip_prepare (call->clip, rgb, vard_reward_batch_get_width (call->batch, i),
                         vard_reward_batch_get_height (call->batch, i), call->settings->crop,
                         call->pixels + call->n * n_values);
      call->indices[call->n++] = i;
      if (call->n == call->settings->batch_size && !clip_call_flush (call, error))
        return FALSE;
    }

  return clip_call_flush (call, error);
}

gboolean
clip_encoder_score (VardClip *clip,
                    const ClipSettings *settings,
                    VardRewardBatch *batch,
                    ClipScoreFunc score,
                    gpointer data,
                    GError **error)
{
  gsize n_values = (gsize) 3 * vard_clip_get_size (clip) * vard_clip_get_size (clip);
  guint n = MIN (settings->batch_size, vard_reward_batch_get_count (batch));
  g_autofree guint *indices = g_new (guint, n);
  g_autofree float *pixels = g_new (float, n *n_values);
  g_autofree float *features = g_new (float, n *vard_clip_get_n_features (clip));
  ClipCall call = { clip, settings, batch, score, data, 0, indices, pixels, features };

  return clip_call_run (&call, error);
}

/* ---- prompts ---- */

typedef struct
{
  float *texts;
  guint n_features;
  double factor;
} ClipPrompts;

static double
clip_prompts_score (const float *features, guint index, gpointer data)
{
  const ClipPrompts *self = data;
  const float *text = self->texts + (gsize) index * self->n_features;
  double cosine = 0;

  for (guint k = 0; k < self->n_features; k++)
    cosine += (double) features[k] * text[k];

  return self->factor * cosine;
}

/* A prompt that cannot be read fails its picture; all else ends the call. */
static gboolean
clip_prompts_encode (ClipPrompts *self,
                     VardClip *clip,
                     VardRewardBatch *batch,
                     guint index,
                     GError **error)
{
  const char *prompt = vard_reward_batch_get_prompt (batch, index);
  g_autoptr (GError) inner = NULL;

  if (prompt == NULL)
    vard_reward_batch_set_failed (batch, index, "the picture has no prompt to compare it with");
  else if (!vard_clip_encode_text (clip, prompt, self->texts + (gsize) index * self->n_features,
                                   vard_reward_batch_get_cancellable (batch), &inner))
    {
      if (!g_error_matches (inner, VARD_ERROR, VARD_ERROR_USAGE))
        {
          g_propagate_error (error, g_steal_pointer (&inner));
          return FALSE;
        }
      vard_reward_batch_set_failed (batch, index, inner->message);
    }

  return TRUE;
}

gboolean
clip_encoder_score_prompts (VardClip *clip,
                            const ClipSettings *settings,
                            VardRewardBatch *batch,
                            double factor,
                            GError **error)
{
  guint n = vard_reward_batch_get_count (batch), n_features = vard_clip_get_n_features (clip);
  g_autofree float *texts = g_new (float, (gsize) n *n_features);
  ClipPrompts prompts = { texts, n_features, factor };

  for (guint i = 0; i < n; i++)
    if (!clip_prompts_encode (&prompts, clip, batch, i, error))
      return FALSE;

  return clip_encoder_score (clip, settings, batch, clip_prompts_score, &prompts, error);
}
