/* vard-model.h - the seam between text-to-image models and what samples and trains them
 *
 * The trainer and the pipeline see this interface alone, so that another architecture (SDXL, a flow-matching
 * transformer) is one more class.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"
#include <gio/gio.h>

G_BEGIN_DECLS

#define VARD_TYPE_MODEL (vard_model_get_type ())
G_DECLARE_DERIVABLE_TYPE (VardModel, vard_model, VARD, MODEL, GObject)

typedef enum { VARD_PREDICTION_EPSILON, VARD_PREDICTION_V } VardPrediction;
typedef enum { VARD_BETAS_LINEAR, VARD_BETAS_SCALED_LINEAR } VardBetas;
typedef enum { VARD_SPACING_LEADING, VARD_SPACING_TRAILING, VARD_SPACING_LINSPACE } VardSpacing;

/* What scheduler_config.json says */
typedef struct
{
  guint n_train_timesteps;
  double beta_start, beta_end;
  VardBetas betas;
  VardSpacing spacing;
  gint steps_offset;
  gboolean set_alpha_to_one;
  gboolean clip_sample;
  VardPrediction prediction;
} VardScheduleConfig;

typedef struct
{
  gint64 height, width, channels;  /* of the latent */
  gint64 scale;                    /* picture height = scale x latent height */
  guint n_tokens;                  /* of a prompt, padded */
  gint64 context_width;            /* of one text state */
  VardScheduleConfig schedule;
} VardModelInfo;

struct _VardModelClass
{
  GObjectClass parent_class;

  /* ids gets info.n_tokens values; *n_valid the count before padding, start and end included */
  gboolean    (*tokenize)      (VardModel *self, const char *prompt, gint32 *ids, guint *n_valid, GError **error);
  /* ids i32 [n, tokens] -> states [n, tokens, context_width] */
  VardNode   *(*record_encode) (VardModel *self, VardNode *ids);
  /* latents [n, h, w, c], timesteps f32 [n] (0..999), context [n, tokens, width] -> the prediction, latents' shape */
  VardNode   *(*record_predict) (VardModel *self, VardNode *latents, VardNode *timesteps, VardNode *context);
  /* sampler latents (scaled) [n, h, w, c] -> pictures [n, H, W, 3], nominally -1..1 */
  VardNode   *(*record_decode) (VardModel *self, VardNode *latents);
  VardModule *(*get_denoiser)  (VardModel *self);
  /* writes a complete model folder with the denoiser's present weights; other parts as they are */
  gboolean    (*save)          (VardModel *self, const char *path, VardDType dtype, GError **error);

  gpointer padding[8];
};

/* Reads model_index.json and builds the class it names; weights are converted to f32 where they are not */
VardModel           *vard_model_load           (const char    *path,
                                                GError       **error);
const VardModelInfo *vard_model_peek_info      (VardModel     *self);
const char          *vard_model_get_path       (VardModel     *self);
/* a hash of the weight files, for run.json */
char                *vard_model_dup_hash       (VardModel     *self);
gboolean             vard_model_tokenize       (VardModel     *self,
                                                const char    *prompt,
                                                gint32        *ids,
                                                guint         *n_valid,
                                                GError       **error);
VardNode            *vard_model_record_encode  (VardModel     *self,
                                                VardNode      *ids);
VardNode            *vard_model_record_predict (VardModel     *self,
                                                VardNode      *latents,
                                                VardNode      *timesteps,
                                                VardNode      *context);
VardNode            *vard_model_record_decode  (VardModel     *self,
                                                VardNode      *latents);
VardModule          *vard_model_peek_denoiser  (VardModel     *self);
gboolean             vard_model_save           (VardModel     *self,
                                                const char    *path,
                                                VardDType      dtype,
                                                GError       **error);

/* For subclasses: what peek_info, get_path and dup_hash answer. The hash goes over the files in this order. */
void                 vard_model_set_info       (VardModel           *self,
                                                const char          *path,
                                                const VardModelInfo *info);
void                 vard_model_add_file       (VardModel           *self,
                                                const char          *path);

G_END_DECLS
