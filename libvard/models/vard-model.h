/* vard-model.h - a text-to-image model, as programs see it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "files/vard-model-options.h"
#include <gio/gio.h>

G_BEGIN_DECLS

#define VARD_TYPE_MODEL (vard_model_get_type ())
G_DECLARE_DERIVABLE_TYPE (VardModel, vard_model, VARD, MODEL, GObject)

VardModel *vard_model_load (const char *path, GError **error);
VardModel *vard_model_load_full (const char *path, const VardModelOptions *options, GError **error);
gboolean vard_model_set_size (VardModel *self, guint width, guint height, GError **error);
const char *vard_model_get_path (VardModel *self);
char *vard_model_dup_hash (VardModel *self);
gsize vard_model_find_cut (VardModel *self, const char *prompt, guint *n_tokens);
gboolean vard_model_add_lora (VardModel *self,
                              const char *path,
                              double strength,
                              guint *n_layers,
                              GError **error);

G_END_DECLS
