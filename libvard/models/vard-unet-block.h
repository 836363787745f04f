/* vard-unet-block.h - one resolution of a UNet or autoencoder: residual blocks, attention, a
 * resampling step
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_UNET_BLOCK (vard_unet_block_get_type ())
G_DECLARE_FINAL_TYPE (VardUnetBlock, vard_unet_block, VARD, UNET_BLOCK, VardModule)

typedef enum
{
  VARD_RESAMPLE_NONE,
  VARD_RESAMPLE_DOWN,
  VARD_RESAMPLE_UP
} VardResample;

typedef struct
{
  const gint64 *n_in; /* of each residual block, skips included */
  guint n_resnets;
  gint64 n_out;
  gint64 time_width;          /* 0: none */
  guint n_attentions;         /* after the first residual blocks each one; 0: none */
  guint n_transformer_layers; /* in each attention */
  guint n_heads;
  gint64 context_width;
  gboolean use_linear_projection;
  guint n_groups;
  double eps;
  double output_scale;
  VardResample resample;
  gint64 downsample_padding; /* 0: one row and column at the end only */
} VardUnetBlockConfig;

VardUnetBlock *vard_unet_block_new (const VardUnetBlockConfig *config);
/* appends what skip connections carry to @skips (nullable) */
VardNode *vard_unet_block_record_down (VardUnetBlock *self,
                                       VardNode *x,
                                       VardNode *time,
                                       VardNode *context,
                                       GPtrArray *skips);
/* residual block, then attention and residual block in turn */
VardNode *vard_unet_block_record_mid (VardUnetBlock *self,
                                      VardNode *x,
                                      VardNode *time,
                                      VardNode *context);
/* takes one skip from the end of @skips (nullable) for each residual block */
VardNode *vard_unet_block_record_up (VardUnetBlock *self,
                                     VardNode *x,
                                     VardNode *time,
                                     VardNode *context,
                                     GPtrArray *skips);

G_END_DECLS
