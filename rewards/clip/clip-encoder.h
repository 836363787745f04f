/* clip-encoder.h - shared by the rewards with a CLIP encoder
 *
 * Plain functions, no types: two plugin files may not both register one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard.h>

G_BEGIN_DECLS

/* The properties that each of them has: members, rows of its table, and a copy of them */
#define CLIP_MEMBERS              \
  char *model, *weights, *engine; \
  guint threads, batch_size

#define CLIP_FIELDS(Type)                                                                        \
  VARD_FIELD_STRING (Type, weights, "Weight file to use instead of the one in the model folder", \
                     NULL),                                                                      \
    VARD_FIELD_STRING (Type, engine,                                                             \
                       "Engine that computes: cpu, or another one that vard inspect lists",      \
                       "cpu"),                                                                   \
    VARD_FIELD_UINT (Type, threads, "Threads of that engine; 0 uses one per core", 0, 1024, 0),  \
    VARD_FIELD_UINT (Type, batch_size, "Number of pictures to encode at once", 1, 1024, 8)

/* Of those that compare with the prompt */
#define CLIP_TEXT_MEMBERS \
  CLIP_MEMBERS;           \
  char *tokenizer

#define CLIP_TEXT_FIELDS(Type)                                                                   \
  CLIP_FIELDS (Type),                                                                            \
    VARD_FIELD_STRING (Type, tokenizer, "Folder of the tokenizer, if the model folder has none", \
                       NULL)

#define CLIP_SETTINGS(self)                                                     \
  .model = (self)->model, .weights = (self)->weights, .engine = (self)->engine, \
  .threads = (self)->threads, .batch_size = (self)->batch_size

typedef struct
{
  CLIP_TEXT_MEMBERS;
  VardClipCrop crop; /* as the reward's reference finds the middle */
} ClipSettings;

/* The encoder, which other rewards may share; with @needs_text that of texts too */
VardClip *clip_encoder_open (const ClipSettings *settings, gboolean needs_text, GError **error);

/* of unit length, as many as the encoder gives */
typedef double (*ClipScoreFunc) (const float *features, guint index, gpointer data);

/* Calls @score for each picture that has no status yet, batch_size of them encoded at once */
gboolean clip_encoder_score (VardClip *clip,
                             const ClipSettings *settings,
                             VardRewardBatch *batch,
                             ClipScoreFunc score,
                             gpointer data,
                             GError **error);
/* @factor times the cosine between picture and prompt; a picture without prompt fails */
gboolean clip_encoder_score_prompts (VardClip *clip,
                                     const ClipSettings *settings,
                                     VardRewardBatch *batch,
                                     double factor,
                                     GError **error);

G_END_DECLS
