/* vard-run-model.h - the model as a run has trained it, without what trained it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "diffusion/vard-pipeline.h"
#include "engine/vard-engine.h"
#include "models/vard-model.h"
#include "run/vard-run.h"

G_BEGIN_DECLS

/**
 * VardRunModelOptions:
 * @base: (nullable) (type filename): the base model; %NULL is the one that the run began with
 * @tokenizer: (nullable) (type filename): a folder with vocab.json and merges.txt, for a base model
 *   in one file that has none beside it
 * @engine: (nullable): what will compute the model. An exact engine computes small adapters as
 *   changes of their weights, as training does.
 *
 * What vard_run_load_model() may be told. Zeroed: nothing.
 */
typedef struct
{
  const char *base;
  const char *tokenizer;
  VardEngine *engine;
} VardRunModelOptions;

gboolean vard_run_has_final (VardRun *self);
VardModel *vard_run_load_model (VardRun *self,
                                guint64 step,
                                const VardRunModelOptions *options,
                                guint64 *found,
                                GError **error);
VardPipeline *vard_run_load_pipeline (VardRun *self,
                                      guint64 step,
                                      const char *engine,
                                      guint threads,
                                      GError **error);

G_END_DECLS
