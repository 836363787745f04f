/* vard-condition-cache.h - what the model makes of each prompt, computed once
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-model-class.h"

G_BEGIN_DECLS

typedef struct _VardConditionCache VardConditionCache;

VardConditionCache *vard_condition_cache_new (VardEngine *engine, VardModel *model);
void vard_condition_cache_free (VardConditionCache *self);
/* Valid as long as the cache and the size of the model's pictures; NULL with an error when the
 * prompt cannot be encoded */
const VardCondition *vard_condition_cache_lookup (VardConditionCache *self,
                                                  const char *prompt,
                                                  GCancellable *cancellable,
                                                  GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardConditionCache, vard_condition_cache_free)

G_END_DECLS
