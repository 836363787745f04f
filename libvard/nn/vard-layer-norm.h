/* vard-layer-norm.h - normalises the last axis, then scales and shifts channels
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_LAYER_NORM (vard_layer_norm_get_type ())
G_DECLARE_FINAL_TYPE (VardLayerNorm, vard_layer_norm, VARD, LAYER_NORM, VardModule)

VardLayerNorm *vard_layer_norm_new (gint64 n_channels, double eps);
/* x [..., c] */
VardNode *vard_layer_norm_record (VardLayerNorm *self, VardNode *x);

G_END_DECLS
