/* vard-sampling-private.h - what the parts of a sampling share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "diffusion/vard-pipeline-private.h"
#include "process/vard-sampler-kind.h"
#include "run/sampling/vard-sampling.h"

G_BEGIN_DECLS

/* What is loaded, and what it was loaded from */
typedef struct
{
  char *key; /* every setting that loading depends on */
  VardPipeline *pipeline;
  char *run;          /* "name, step 12", for the pictures' texts; NULL without a run */
  guint *lora_layers; /* how many layers each LoRA file changes */
} VardSamplingModel;

struct _VardSampling
{
  GObject parent_instance;

  /* settings */
  char *model;
  char **lora;
  guint64 checkpoint;
  char **prompt;
  char *prompts;
  char *negative_prompt;
  VardSamplerKind sampler;
  guint steps;
  guint width, height;
  guint64 seed;
  guint count;
  double eta;
  double guidance_scale;
  guint batch;
  char *noise;
  char *latents;
  char *engine;
  guint threads;

  VardRun *run; /* NULL: the model alone */
  gboolean keep_pictures;
  VardSamplingModel loaded;
  gint is_busy; /* atomic: loading or sampling; settings are read from a copy then */
};

typedef struct
{
  guint n_done, n_pictures; /* made, and all */
  guint step, n_steps;      /* of the ones that are made now */
} VardSamplingProgress;

/* Where pictures go as they are made. Called in the thread that samples. */
typedef struct
{
  void (*picture) (guint index, VardImage *image, gpointer data);
  void (*progress) (const VardSamplingProgress *progress, gpointer data);
  gpointer data;
} VardSamplingSink;

/* A copy to work with. It has what is loaded until the end; NULL while another copy has it. */
VardSampling *vard_sampling_begin (VardSampling *self, GError **error);
void vard_sampling_end (VardSampling *self, VardSampling *copy);
void vard_sampling_emit_picture (VardSampling *self, guint index, VardImage *image);
void vard_sampling_emit_progress (VardSampling *self, const VardSamplingProgress *progress);

void vard_sampling_model_clear (VardSamplingModel *self);
/* Loads what the settings name, unless it is loaded already */
gboolean vard_sampling_ensure_model (VardSampling *self, GCancellable *cancellable, GError **error);
gboolean vard_sampling_make_pictures (VardSampling *self,
                                      const VardSamplingSink *sink,
                                      GCancellable *cancellable,
                                      GError **error);

G_END_DECLS
