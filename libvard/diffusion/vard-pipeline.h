/* vard-pipeline.h - from prompts and seeds to pictures, with one model on one engine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "tensor/vard-image.h"
#include <gio/gio.h>

G_BEGIN_DECLS

#define VARD_TYPE_PIPELINE (vard_pipeline_get_type ())
G_DECLARE_FINAL_TYPE (VardPipeline, vard_pipeline, VARD, PIPELINE, GObject)

GPtrArray *vard_pipeline_sample (VardPipeline *self,
                                 const char *const *prompts,
                                 const guint64 *seeds,
                                 guint n_seeds,
                                 guint n_steps,
                                 double eta,
                                 double guidance_scale,
                                 GCancellable *cancellable,
                                 GError **error);

G_END_DECLS
