/* vard-sampling.h - pictures of prompts and seeds: all of a request, and its answer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-model.h"
#include "run/vard-run.h"
#include "tensor/vard-image.h"

G_BEGIN_DECLS

#define VARD_TYPE_SAMPLING (vard_sampling_get_type ())
G_DECLARE_FINAL_TYPE (VardSampling, vard_sampling, VARD, SAMPLING, GObject)

VardSampling *vard_sampling_new (void);
gboolean vard_sampling_set_run (VardSampling *self, VardRun *run, GError **error);
VardRun *vard_sampling_get_run (VardSampling *self);
void vard_sampling_set_keep_pictures (VardSampling *self, gboolean keep_pictures);
gboolean vard_sampling_get_keep_pictures (VardSampling *self);
char **vard_sampling_dup_prompts (VardSampling *self, GError **error);

gboolean vard_sampling_load (VardSampling *self, GCancellable *cancellable, GError **error);
VardModel *vard_sampling_get_model (VardSampling *self);
guint vard_sampling_get_lora_layers (VardSampling *self, guint i);

GPtrArray *vard_sampling_run (VardSampling *self, GCancellable *cancellable, GError **error);
void vard_sampling_run_async (VardSampling *self,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer data);
GPtrArray *vard_sampling_run_finish (VardSampling *self, GAsyncResult *result, GError **error);

G_END_DECLS
