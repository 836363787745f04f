/* vard-unet.c - the conditional denoiser (UNet2DConditionModel)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-unet.h"

#include "base/vard-error.h"
#include "models/vard-time-embedding.h"
#include "models/vard-unet-block.h"
#include "nn/vard-conv2d.h"
#include "nn/vard-group-norm.h"

struct _VardUnet
{
  VardModule parent_instance;

  VardUnetConfig config;
  VardConv2d *conv_in, *conv_out;
  VardTimeEmbedding *time;
  VardUnetBlock *down[VARD_UNET_MAX_BLOCKS], *up[VARD_UNET_MAX_BLOCKS];
  VardUnetBlock *mid;
  VardGroupNorm *norm_out;
};

G_DEFINE_FINAL_TYPE (VardUnet, vard_unet, VARD_TYPE_MODULE)

/* what the blocks of level @i of the pyramid share */
static VardUnetBlockConfig
vard_unet_describe_block (const VardUnetConfig *config, guint i)
{
  return (VardUnetBlockConfig) {
    .n_out = config->width[i],
    .time_width = config->time_width,
    .n_transformer_layers = config->n_transformer_layers[i],
    .n_heads = config->n_heads[i],
    .context_width = config->context_width[i],
    .use_linear_projection = config->use_linear_projection,
    .n_groups = config->n_groups,
    .eps = config->eps,
    .output_scale = 1,
    .downsample_padding = config->downsample_padding,
  };
}

static void
vard_unet_add_down_block (VardUnet *self, guint i)
{
  const VardUnetConfig *config = &self->config;
  VardUnetBlockConfig block = vard_unet_describe_block (config, i);
  guint n = config->n_layers[i];
  g_autofree gint64 *n_in = g_new (gint64, n);
  g_autofree char *name = g_strdup_printf ("down_blocks.%u", i);

  n_in[0] = config->width[i ? i - 1 : 0];
  for (guint j = 1; j < n; j++)
    n_in[j] = config->width[i];
  block.n_in = n_in;
  block.n_resnets = n;
  block.n_attentions = config->down_has_attention[i] ? n : 0;
  block.resample = i + 1 < config->n_blocks ? VARD_RESAMPLE_DOWN : VARD_RESAMPLE_NONE;
  self->down[i] = vard_module_add_child (VARD_MODULE (self), name, vard_unet_block_new (&block));
}

/* Up block i works at level n - 1 - i. Each of its residual blocks takes what comes from below and
 * one skip: those of the level, and last the one that came in from the level above. */
static void
vard_unet_add_up_block (VardUnet *self, guint i)
{
  const VardUnetConfig *config = &self->config;
  guint level = config->n_blocks - 1 - i;
  VardUnetBlockConfig block = vard_unet_describe_block (config, level);
  gint64 from_below = config->width[i ? level + 1 : level];
  gint64 above = config->width[level ? level - 1 : 0];
  guint n = config->n_layers[level] + 1;
  g_autofree gint64 *n_in = g_new (gint64, n);
  g_autofree char *name = g_strdup_printf ("up_blocks.%u", i);

  for (guint j = 0; j < n; j++)
    n_in[j] = (j == 0 ? from_below : config->width[level])
              + (j + 1 == n ? above : config->width[level]);
  block.n_in = n_in;
  block.n_resnets = n;
  block.n_attentions = config->up_has_attention[i] ? n : 0;
  block.resample = level ? VARD_RESAMPLE_UP : VARD_RESAMPLE_NONE;
  self->up[i] = vard_module_add_child (VARD_MODULE (self), name, vard_unet_block_new (&block));
}

static void
vard_unet_add_mid_block (VardUnet *self)
{
  const VardUnetConfig *config = &self->config;
  guint level = config->n_blocks - 1;
  VardUnetBlockConfig block = vard_unet_describe_block (config, level);
  gint64 n_in[2] = { config->width[level], config->width[level] };

  block.n_in = n_in;
  block.n_resnets = 2;
  block.n_attentions = 1;
  block.output_scale = config->mid_scale;
  self->mid = vard_module_add_child (VARD_MODULE (self), "mid_block", vard_unet_block_new (&block));
}

VardUnet *
vard_unet_new (const VardUnetConfig *config)
{
  VardUnet *self = g_object_new (VARD_TYPE_UNET, NULL);
  VardModule *module = VARD_MODULE (self);

  self->config = *config;
  self->conv_in = vard_module_add_child (module, "conv_in",
                                         vard_conv2d_new_same (config->n_in, config->width[0],
                                                               config->conv_in_kernel));
  self->time =
    vard_module_add_child (module, "time_embedding",
                           vard_time_embedding_new (config->width[0], config->time_width,
                                                    config->flip_sin_to_cos, config->freq_shift));
  for (guint i = 0; i < config->n_blocks; i++)
    vard_unet_add_down_block (self, i);
  if (config->has_mid_block)
    vard_unet_add_mid_block (self);
  for (guint i = 0; i < config->n_blocks; i++)
    vard_unet_add_up_block (self, i);
  self->norm_out =
    vard_module_add_child (module, "conv_norm_out",
                           vard_group_norm_new (config->width[0], config->n_groups, config->eps));
  self->conv_out = vard_module_add_child (module, "conv_out",
                                          vard_conv2d_new_same (config->width[0], config->n_out,
                                                                config->conv_out_kernel));

  return self;
}

const VardUnetConfig *
vard_unet_peek_config (VardUnet *self)
{
  g_return_val_if_fail (VARD_IS_UNET (self), NULL);

  return &self->config;
}

/* halved and doubled again, a side must come back to itself */
static void
vard_unet_check_size (VardUnet *self, VardNode *latents)
{
  gint64 step = (gint64) 1 << (self->config.n_blocks - 1);
  const gint64 *dims = latents->shape.dims;

  if (dims[1] % step || dims[2] % step)
    vard_graph_take_error (latents->graph,
                           g_error_new (VARD_ERROR, VARD_ERROR_USAGE,
                                        "a latent of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                                        " does not fit the denoiser: sides must be multiples of "
                                        "%" G_GINT64_FORMAT,
                                        dims[1], dims[2], step));
}

VardNode *
vard_unet_record (VardUnet *self, VardNode *latents, VardNode *timesteps, VardNode *context)
{
  g_return_val_if_fail (VARD_IS_UNET (self), latents);

  VardGraph *graph = latents->graph;
  g_autoptr (GPtrArray) skips = g_ptr_array_new ();
  guint n = self->config.n_blocks;

  vard_unet_check_size (self, latents);
  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *time = vard_time_embedding_record (self->time, timesteps);
  VardNode *x = self->config.center_input_sample ? vard_affine (latents, 2, -1) : latents;

  x = vard_conv2d_record (self->conv_in, x);
  g_ptr_array_add (skips, x);
  for (guint i = 0; i < n; i++)
    x = vard_unet_block_record_down (self->down[i], x, time, context, skips);
  if (self->mid != NULL)
    x = vard_unet_block_record_mid (self->mid, x, time, context);
  for (guint i = 0; i < n; i++)
    x = vard_unet_block_record_up (self->up[i], x, time, context, skips);
  x = vard_conv2d_record (self->conv_out, vard_silu (vard_group_norm_record (self->norm_out, x)));
  vard_module_leave (VARD_MODULE (self), graph);

  return x;
}

static void
vard_unet_class_init (VardUnetClass *klass)
{
}

static void
vard_unet_init (VardUnet *self)
{
}
