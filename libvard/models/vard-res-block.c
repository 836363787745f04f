/* vard-res-block.c - the residual block of UNets and autoencoders (ResnetBlock2D)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-res-block.h"

#include "nn/vard-conv2d.h"
#include "nn/vard-group-norm.h"
#include "nn/vard-linear.h"

struct _VardResBlock
{
  VardModule parent_instance;

  gint64 n_out;
  double output_scale;
  VardGroupNorm *norm1, *norm2;
  VardConv2d *conv1, *conv2;
  VardLinear *time_proj; /* or NULL */
  VardLinear *shortcut;  /* 1x1, or NULL where the widths are equal */
};

G_DEFINE_FINAL_TYPE (VardResBlock, vard_res_block, VARD_TYPE_MODULE)

VardResBlock *
vard_res_block_new (gint64 n_in,
                    gint64 n_out,
                    gint64 time_width,
                    guint n_groups,
                    double eps,
                    double output_scale)
{
  VardResBlock *self = g_object_new (VARD_TYPE_RES_BLOCK, NULL);
  VardModule *module = VARD_MODULE (self);

  self->n_out = n_out;
  self->output_scale = output_scale;
  self->norm1 = vard_module_add_child (module, "norm1", vard_group_norm_new (n_in, n_groups, eps));
  self->conv1 = vard_module_add_child (module, "conv1", vard_conv2d_new_same (n_in, n_out, 3));
  if (time_width)
    self->time_proj =
      vard_module_add_child (module, "time_emb_proj",
                             vard_linear_new (time_width, n_out, TRUE, VARD_LAYOUT_PLAIN));
  self->norm2 = vard_module_add_child (module, "norm2", vard_group_norm_new (n_out, n_groups, eps));
  self->conv2 = vard_module_add_child (module, "conv2", vard_conv2d_new_same (n_out, n_out, 3));
  if (n_in != n_out)
    self->shortcut =
      vard_module_add_child (module, "conv_shortcut",
                             vard_linear_new (n_in, n_out, TRUE, VARD_LAYOUT_POINTWISE));

  return self;
}

VardNode *
vard_res_block_record (VardResBlock *self, VardNode *x, VardNode *time)
{
  g_return_val_if_fail (VARD_IS_RES_BLOCK (self), x);

  VardGraph *graph = x->graph;

  vard_module_begin_block (VARD_MODULE (self), graph);

  VardNode *h =
    vard_conv2d_record (self->conv1, vard_silu (vard_group_norm_record (self->norm1, x)));

  if (self->time_proj != NULL)
    {
      VardNode *shift = vard_linear_record (self->time_proj, vard_silu (time));

      h = vard_add (h, vard_reshape (shift, VARD_SHAPE (shift->shape.dims[0], 1, 1, self->n_out)));
    }
  h = vard_conv2d_record (self->conv2, vard_silu (vard_group_norm_record (self->norm2, h)));
  h = vard_add (self->shortcut != NULL ? vard_linear_record (self->shortcut, x) : x, h);
  if (self->output_scale != 1)
    h = vard_scale (h, 1 / self->output_scale);
  vard_module_end_block (VARD_MODULE (self), graph);

  return h;
}

static void
vard_res_block_class_init (VardResBlockClass *klass)
{
}

static void
vard_res_block_init (VardResBlock *self)
{
}
