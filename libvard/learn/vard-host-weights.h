/* vard-host-weights.h - copies a device's weights to host memory while files are written
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine-buffers.h"
#include "nn/vard-module.h"

G_BEGIN_DECLS

typedef struct _VardHostWeights VardHostWeights;

VardHostWeights *vard_host_weights_new (VardEngine *engine);
/* until the free, the module's tensors lie in host memory; NULL is a module without any */
gboolean vard_host_weights_add (VardHostWeights *self, VardModule *module, GError **error);
/* puts the tensors back where they were */
void vard_host_weights_free (VardHostWeights *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardHostWeights, vard_host_weights_free)

G_END_DECLS
