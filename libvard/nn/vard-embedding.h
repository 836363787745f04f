/* vard-embedding.h - looks up rows of a table by number
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_EMBEDDING (vard_embedding_get_type ())
G_DECLARE_FINAL_TYPE (VardEmbedding, vard_embedding, VARD, EMBEDDING, VardModule)

VardEmbedding *vard_embedding_new (gint64 n_rows, gint64 n_channels);
/* ids i32 [...] -> [..., c] */
VardNode *vard_embedding_record (VardEmbedding *self, VardNode *ids);
VardParameter *vard_embedding_peek_weight (VardEmbedding *self);

G_END_DECLS
