/* vard-group-norm.h - normalises groups of channels over a picture, then scales and shifts channels
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_GROUP_NORM (vard_group_norm_get_type ())
G_DECLARE_FINAL_TYPE (VardGroupNorm, vard_group_norm, VARD, GROUP_NORM, VardModule)

VardGroupNorm *vard_group_norm_new (gint64 n_channels, guint n_groups, double eps);
/* x [n, h, w, c] or [n, t, c] */
VardNode *vard_group_norm_record (VardGroupNorm *self, VardNode *x);

G_END_DECLS
