/* vard-linear.h - y = x W' + b on the last axis; also every 1x1 convolution
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-adapter.h"

G_BEGIN_DECLS

#define VARD_TYPE_LINEAR (vard_linear_get_type ())
G_DECLARE_FINAL_TYPE (VardLinear, vard_linear, VARD, LINEAR, VardModule)

/* layout: PLAIN, or POINTWISE for what files keep as a 1x1 convolution */
VardLinear *vard_linear_new (gint64 n_in, gint64 n_out, gboolean has_bias, VardLayout layout);
/* x [..., n_in] -> [..., n_out] */
VardNode *vard_linear_record (VardLinear *self, VardNode *x);
/* the first and the second half of its columns, as two products; both [..., n_out / 2] */
void vard_linear_record_halves (VardLinear *self, VardNode *x, VardNode **first, VardNode **second);
/* takes the adapter, as a child of that name; a layer has at most one */
void vard_linear_take_adapter (VardLinear *self, const char *name, VardAdapter *adapter);
/* to what it was without one */
void vard_linear_drop_adapter (VardLinear *self);
VardAdapter *vard_linear_peek_adapter (VardLinear *self);
VardParameter *vard_linear_peek_weight (VardLinear *self);
VardParameter *vard_linear_peek_bias (VardLinear *self);
gint64 vard_linear_get_n_in (VardLinear *self);
gint64 vard_linear_get_n_out (VardLinear *self);

G_END_DECLS
