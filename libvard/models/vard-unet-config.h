/* vard-unet-config.h - reads the supported settings of unet/config.json
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "files/vard-config-reader.h"

G_BEGIN_DECLS

#define VARD_UNET_MAX_BLOCKS 8

typedef struct
{
  gint64 n_in, n_out;
  gint64 sample_height, sample_width; /* 0 where the file does not say */
  gboolean center_input_sample;
  gboolean flip_sin_to_cos;
  double freq_shift;
  guint n_blocks;
  gint64 width[VARD_UNET_MAX_BLOCKS];
  gint64 n_layers[VARD_UNET_MAX_BLOCKS];
  gint64 n_transformer_layers[VARD_UNET_MAX_BLOCKS];
  gint64 n_heads[VARD_UNET_MAX_BLOCKS];
  gint64 context_width[VARD_UNET_MAX_BLOCKS];
  gboolean down_has_attention[VARD_UNET_MAX_BLOCKS];
  gboolean up_has_attention[VARD_UNET_MAX_BLOCKS]; /* in the order of the up blocks */
  gboolean has_mid_block;
  double mid_scale;
  gint64 downsample_padding;
  gint64 n_groups;
  double eps;
  gboolean use_linear_projection;
  gint64 time_width;
  gint64 conv_in_kernel, conv_out_kernel;
} VardUnetConfig;

gboolean vard_unet_config_read (VardUnetConfig *self, VardConfigReader *reader, GError **error);

G_END_DECLS
