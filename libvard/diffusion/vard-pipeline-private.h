/* vard-pipeline-private.h - what the trainer asks of a pipeline, in terms of graphs and floats
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "diffusion/vard-pipeline.h"
#include "process/vard-sampler.h"
#include "diffusion/vard-condition-cache.h"
#include "diffusion/vard-trajectory.h"
#include "tensor/vard-image-pool.h"

G_BEGIN_DECLS

/* Picture i shows prompts[prompt_of[i]], from seeds[i]. Its noise is a function of the seed alone,
 * so that it does not depend on n, batch or its place; unless the noise is given. */
typedef struct
{
  guint n;
  const char *const *prompts;
  const guint *prompt_of; /* [n] */
  const guint64 *seeds;   /* [n] */
  const VardSampler *sampler;
  double guidance_scale;       /* 1: the prompt alone */
  const char *negative_prompt; /* what guidance leads away from; NULL is the empty prompt */
  guint batch;                 /* pictures at once, 0 for all; shapes are compiled once each */
  guint first_step; /* 0: from noise; else from initial_noise, the states before this step */
  const float *initial_noise; /* [n][state_size] or NULL */
  const float *step_noise;    /* [n_steps][n][state_size] or NULL */
  gboolean keep_states;
} VardSampleRequest;

typedef void (*VardSampleProgress) (double fraction, gpointer data);

VardPipeline *vard_pipeline_new (VardEngine *engine, VardModel *model, GError **error);
VardEngine *vard_pipeline_peek_engine (VardPipeline *self);
VardModel *vard_pipeline_peek_model (VardPipeline *self);
const VardProcess *vard_pipeline_peek_process (VardPipeline *self);
/* floats of one latent */
gsize vard_pipeline_get_state_size (VardPipeline *self);
const VardCondition *vard_pipeline_encode (VardPipeline *self,
                                           const char *prompt,
                                           GCancellable *cancellable,
                                           GError **error);
/* Where pictures are made from now on; NULL for ordinary memory */
void vard_pipeline_set_image_pool (VardPipeline *self, VardImagePool *pool);
/* Forgets compiled graphs: after adapters were attached to the model, or its size was set */
void vard_pipeline_invalidate (VardPipeline *self);
VardTrajectory *vard_pipeline_rollout (VardPipeline *self,
                                       const VardSampleRequest *request,
                                       VardSampleProgress progress,
                                       gpointer data,
                                       GCancellable *cancellable,
                                       GError **error);
/* Compiles what a rollout and the decoding of its pictures will run. @ports: bytes of its inputs
 * and outputs */
gboolean vard_pipeline_compile (VardPipeline *self,
                                const VardSampleRequest *request,
                                gsize *ports,
                                GError **error);
/* n sampler latents [n][state_size] -> n pictures; (transfer full) (element-type VardImage) */
GPtrArray *vard_pipeline_decode (VardPipeline *self,
                                 const float *latents,
                                 guint n,
                                 guint batch,
                                 GCancellable *cancellable,
                                 GError **error);

G_END_DECLS
