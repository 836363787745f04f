/* vard-time-embedding.h - embeds a timestep: sines and cosines, then two linear layers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_TIME_EMBEDDING (vard_time_embedding_get_type ())
G_DECLARE_FINAL_TYPE (VardTimeEmbedding, vard_time_embedding, VARD, TIME_EMBEDDING, VardModule)

VardTimeEmbedding *vard_time_embedding_new (gint64 n_waves,
                                            gint64 width,
                                            gboolean flip_sin_to_cos,
                                            double freq_shift);
/* timesteps f32 [n] -> [n, width] */
VardNode *vard_time_embedding_record (VardTimeEmbedding *self, VardNode *timesteps);

G_END_DECLS
