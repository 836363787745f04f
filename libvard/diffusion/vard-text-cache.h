/* vard-text-cache.h - what the text encoder says of each prompt, computed once
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-executable.h"
#include "models/vard-model.h"

G_BEGIN_DECLS

typedef struct _VardTextCache VardTextCache;

typedef struct
{
  float *states; /* [tokens, width]: the denoiser's context */
  float *mean;   /* [width]: over the valid tokens, for the value network */
} VardTextState;

VardTextCache *vard_text_cache_new (VardEngine *engine, VardModel *model);
void vard_text_cache_free (VardTextCache *self);
/* Valid as long as the cache; NULL with an error when the prompt cannot be encoded */
const VardTextState *vard_text_cache_lookup (VardTextCache *self,
                                             const char *prompt,
                                             GCancellable *cancellable,
                                             GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardTextCache, vard_text_cache_free)

G_END_DECLS
