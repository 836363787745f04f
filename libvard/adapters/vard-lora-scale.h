/* vard-lora-scale.h - the factor of B A for files that store no alpha
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "adapters/vard-lora-names.h"
#include "tensor/vard-safetensors.h"

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _VardLoraScale VardLoraScale;

/* From PEFT's configuration: adapter_config.json beside the file, or lora_adapter_metadata in its
 * header */
VardLoraScale *vard_lora_scale_new (VardSafetensors *file, GError **error);
void vard_lora_scale_free (VardLoraScale *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardLoraScale, vard_lora_scale_free)

/* @needs_config: say that a configuration is missing rather than take alpha to be the rank */
gboolean vard_lora_scale_find (VardLoraScale *self,
                               const VardLoraPlace *place,
                               const char *path,
                               guint rank,
                               gboolean needs_config,
                               double *scale,
                               GError **error);

G_END_DECLS
