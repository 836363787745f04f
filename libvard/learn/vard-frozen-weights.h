/* vard-frozen-weights.h - keeps the pretrained weights beside the trained ones
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine-buffers.h"
#include "nn/vard-module.h"

G_BEGIN_DECLS

typedef struct _VardFrozenWeights VardFrozenWeights;

/* What is trainable below @root now is copied; when only adapters are, nothing has to be: they are
 * left out */
VardFrozenWeights *vard_frozen_weights_new (VardEngine *engine,
                                            VardModule *root,
                                            gboolean only_adapters,
                                            GError **error);
void vard_frozen_weights_free (VardFrozenWeights *self);
/* Modules that record between enter and leave record the pretrained model, in the same graph as the
 * trained one */
void vard_frozen_weights_enter (VardFrozenWeights *self);
void vard_frozen_weights_leave (VardFrozenWeights *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardFrozenWeights, vard_frozen_weights_free)

G_END_DECLS
