/* vard-unet-block.c - one resolution of a UNet or autoencoder: residual blocks, attention, a
 * resampling step
 *
 * DownBlock2D, CrossAttnDownBlock2D, UNetMidBlock2DCrossAttn, UpBlock2D, CrossAttnUpBlock2D,
 * DownEncoderBlock2D and UpDecoderBlock2D are one class: they differ in what their lists hold.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-unet-block.h"

#include "models/vard-res-block.h"
#include "models/vard-transformer-block.h"
#include "nn/vard-conv2d.h"

struct _VardUnetBlock
{
  VardModule parent_instance;

  GPtrArray *resnets;
  GPtrArray *attentions;
  VardConv2d *downsampler, *upsampler; /* or NULL */
};

G_DEFINE_FINAL_TYPE (VardUnetBlock, vard_unet_block, VARD_TYPE_MODULE)

static VardConv2d *
vard_unet_block_new_downsampler (const VardUnetBlockConfig *config)
{
  gint32 pad = config->downsample_padding;
  VardConv2dAttrs attrs = {
    .stride = 2,
    .pad_top = pad,
    .pad_left = pad,
    .pad_bottom = MAX (pad, 1),
    .pad_right = MAX (pad, 1),
  };

  return vard_conv2d_new (config->n_out, config->n_out, 3, &attrs);
}

VardUnetBlock *
vard_unet_block_new (const VardUnetBlockConfig *config)
{
  VardUnetBlock *self = g_object_new (VARD_TYPE_UNET_BLOCK, NULL);
  VardModule *module = VARD_MODULE (self);

  for (guint i = 0; i < config->n_resnets; i++)
    {
      g_autofree char *name = g_strdup_printf ("resnets.%u", i);
      VardResBlock *resnet = vard_res_block_new (config->n_in[i], config->n_out, config->time_width,
                                                 config->n_groups, config->eps,
                                                 config->output_scale);

      g_ptr_array_add (self->resnets, vard_module_add_child (module, name, resnet));
    }
  for (guint i = 0; i < config->n_attentions; i++)
    {
      g_autofree char *name = g_strdup_printf ("attentions.%u", i);
      VardTransformer2d *attention =
        vard_transformer_2d_new (config->n_out, config->context_width, config->n_heads,
                                 config->n_transformer_layers, config->n_groups,
                                 config->use_linear_projection);

      g_ptr_array_add (self->attentions, vard_module_add_child (module, name, attention));
    }
  if (config->resample == VARD_RESAMPLE_DOWN)
    self->downsampler = vard_module_add_child (module, "downsamplers.0.conv",
                                               vard_unet_block_new_downsampler (config));
  if (config->resample == VARD_RESAMPLE_UP)
    self->upsampler =
      vard_module_add_child (module, "upsamplers.0.conv",
                             vard_conv2d_new_same (config->n_out, config->n_out, 3));

  return self;
}

static VardNode *
vard_unet_block_record_layer (VardUnetBlock *self,
                              guint i,
                              VardNode *x,
                              VardNode *time,
                              VardNode *context)
{
  x = vard_res_block_record (self->resnets->pdata[i], x, time);
  if (i < self->attentions->len)
    x = vard_transformer_2d_record (self->attentions->pdata[i], x, context);
  return x;
}

VardNode *
vard_unet_block_record_down (VardUnetBlock *self,
                             VardNode *x,
                             VardNode *time,
                             VardNode *context,
                             GPtrArray *skips)
{
  g_return_val_if_fail (VARD_IS_UNET_BLOCK (self), x);

  VardGraph *graph = x->graph;

  vard_module_enter (VARD_MODULE (self), graph);
  for (guint i = 0; i < self->resnets->len; i++)
    {
      x = vard_unet_block_record_layer (self, i, x, time, context);
      if (skips != NULL)
        g_ptr_array_add (skips, x);
    }
  if (self->downsampler != NULL)
    {
      x = vard_conv2d_record (self->downsampler, x);
      if (skips != NULL)
        g_ptr_array_add (skips, x);
    }
  vard_module_leave (VARD_MODULE (self), graph);

  return x;
}

VardNode *
vard_unet_block_record_mid (VardUnetBlock *self, VardNode *x, VardNode *time, VardNode *context)
{
  g_return_val_if_fail (VARD_IS_UNET_BLOCK (self), x);

  VardGraph *graph = x->graph;

  vard_module_enter (VARD_MODULE (self), graph);
  for (guint i = 0; i < self->resnets->len; i++)
    x = vard_unet_block_record_layer (self, i, x, time, context);
  vard_module_leave (VARD_MODULE (self), graph);

  return x;
}

VardNode *
vard_unet_block_record_up (VardUnetBlock *self,
                           VardNode *x,
                           VardNode *time,
                           VardNode *context,
                           GPtrArray *skips)
{
  g_return_val_if_fail (VARD_IS_UNET_BLOCK (self), x);

  VardGraph *graph = x->graph;

  vard_module_enter (VARD_MODULE (self), graph);
  for (guint i = 0; i < self->resnets->len; i++)
    {
      if (skips != NULL)
        {
          VardNode *parts[2] = { x, g_ptr_array_steal_index (skips, skips->len - 1) };

          x = vard_concat (parts, 2, 3);
        }
      x = vard_unet_block_record_layer (self, i, x, time, context);
    }
  if (self->upsampler != NULL)
    x = vard_conv2d_record (self->upsampler, vard_upsample (x, 2));
  vard_module_leave (VARD_MODULE (self), graph);

  return x;
}

static void
vard_unet_block_finalize (GObject *object)
{
  VardUnetBlock *self = VARD_UNET_BLOCK (object);

  g_ptr_array_unref (self->resnets);
  g_ptr_array_unref (self->attentions);
  G_OBJECT_CLASS (vard_unet_block_parent_class)->finalize (object);
}

static void
vard_unet_block_class_init (VardUnetBlockClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_unet_block_finalize;
}

static void
vard_unet_block_init (VardUnetBlock *self)
{
  self->resnets = g_ptr_array_new ();
  self->attentions = g_ptr_array_new ();
}
