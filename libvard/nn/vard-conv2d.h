/* vard-conv2d.h - a convolution with bias on channels-last pictures
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_CONV2D (vard_conv2d_get_type ())
G_DECLARE_FINAL_TYPE (VardConv2d, vard_conv2d, VARD, CONV2D, VardModule)

/* square kernel; the attributes give stride and padding */
VardConv2d *vard_conv2d_new (gint64 n_in,
                             gint64 n_out,
                             gint64 kernel,
                             const VardConv2dAttrs *attrs);
/* stride 1, the size stays */
VardConv2d *vard_conv2d_new_same (gint64 n_in, gint64 n_out, gint64 kernel);
/* x [n, h, w, n_in] -> [n, h', w', n_out] */
VardNode *vard_conv2d_record (VardConv2d *self, VardNode *x);
VardParameter *vard_conv2d_peek_weight (VardConv2d *self);

G_END_DECLS
