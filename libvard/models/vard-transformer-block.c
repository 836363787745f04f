/* vard-transformer-block.c - self attention, cross attention and a gated feed-forward layer on a
 * picture's pixels
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-transformer-block.h"

#include "nn/vard-attention.h"
#include "nn/vard-group-norm.h"
#include "nn/vard-layer-norm.h"
#include "nn/vard-linear.h"

/* what diffusers fixes: both norms' eps, and the width of the feed-forward layer */
#define LAYER_NORM_EPS 1e-5
#define GROUP_NORM_EPS 1e-6
#define EXPANSION 4

struct _VardTransformerBlock
{
  VardModule parent_instance;

  gint64 inner; /* of the feed-forward layer */
  VardLayerNorm *norm1, *norm2, *norm3;
  VardAttention *self_attention, *cross_attention;
  VardLinear *gated, *output;
};

G_DEFINE_FINAL_TYPE (VardTransformerBlock, vard_transformer_block, VARD_TYPE_MODULE)

VardTransformerBlock *
vard_transformer_block_new (gint64 width, gint64 context_width, guint n_heads)
{
  VardTransformerBlock *self = g_object_new (VARD_TYPE_TRANSFORMER_BLOCK, NULL);
  VardModule *module = VARD_MODULE (self);
  const VardAttentionStyle *style = &vard_attention_style_unet;
  gint64 head_width = width / n_heads;

  self->inner = width * EXPANSION;
  self->norm1 =
    vard_module_add_child (module, "norm1", vard_layer_norm_new (width, LAYER_NORM_EPS));
  self->self_attention =
    vard_module_add_child (module, "attn1",
                           vard_attention_new (width, width, n_heads, head_width, style,
                                               VARD_LAYOUT_PLAIN));
  self->norm2 =
    vard_module_add_child (module, "norm2", vard_layer_norm_new (width, LAYER_NORM_EPS));
  self->cross_attention =
    vard_module_add_child (module, "attn2",
                           vard_attention_new (width, context_width, n_heads, head_width, style,
                                               VARD_LAYOUT_PLAIN));
  self->norm3 =
    vard_module_add_child (module, "norm3", vard_layer_norm_new (width, LAYER_NORM_EPS));
  self->gated =
    vard_module_add_child (module, "ff.net.0.proj",
                           vard_linear_new (width, 2 * self->inner, TRUE, VARD_LAYOUT_PLAIN));
  self->output =
    vard_module_add_child (module, "ff.net.2",
                           vard_linear_new (self->inner, width, TRUE, VARD_LAYOUT_PLAIN));

  return self;
}

/* GEGLU: one half of the columns gates the other. As two products: the second's blocks are gated
 * while they are in the cache, and the gradients for the two halves need not be joined. */
static VardNode *
vard_transformer_block_record_feed_forward (VardTransformerBlock *self, VardNode *x)
{
  VardNode *value, *gate;

  vard_linear_record_halves (self->gated, x, &value, &gate);
  return vard_linear_record (self->output, vard_mul (value, vard_gelu (gate)));
}

VardNode *
vard_transformer_block_record (VardTransformerBlock *self, VardNode *x, VardNode *context)
{
  g_return_val_if_fail (VARD_IS_TRANSFORMER_BLOCK (self), x);

  VardGraph *graph = x->graph;

  vard_module_begin_block (VARD_MODULE (self), graph);
  x = vard_add (x, vard_attention_record (self->self_attention,
                                          vard_layer_norm_record (self->norm1, x), NULL, FALSE));
  x = vard_add (x, vard_attention_record (self->cross_attention,
                                          vard_layer_norm_record (self->norm2, x), context, FALSE));
  x = vard_add (x, vard_transformer_block_record_feed_forward (self,
                                                               vard_layer_norm_record (self->norm3,
                                                                                       x)));
  vard_module_end_block (VARD_MODULE (self), graph);

  return x;
}

static void
vard_transformer_block_class_init (VardTransformerBlockClass *klass)
{
}

static void
vard_transformer_block_init (VardTransformerBlock *self)
{
}

struct _VardTransformer2d
{
  VardModule parent_instance;

  VardGroupNorm *norm;
  VardLinear *proj_in, *proj_out;
  GPtrArray *blocks;
};

G_DEFINE_FINAL_TYPE (VardTransformer2d, vard_transformer_2d, VARD_TYPE_MODULE)

VardTransformer2d *
vard_transformer_2d_new (gint64 width,
                         gint64 context_width,
                         guint n_heads,
                         guint n_blocks,
                         guint n_groups,
                         gboolean use_linear_projection)
{
  VardTransformer2d *self = g_object_new (VARD_TYPE_TRANSFORMER_2D, NULL);
  VardModule *module = VARD_MODULE (self);
  /* the same product either way; only the weight's shape in files differs */
  VardLayout layout = use_linear_projection ? VARD_LAYOUT_PLAIN : VARD_LAYOUT_POINTWISE;

  self->norm =
    vard_module_add_child (module, "norm", vard_group_norm_new (width, n_groups, GROUP_NORM_EPS));
  self->proj_in =
    vard_module_add_child (module, "proj_in", vard_linear_new (width, width, TRUE, layout));
  for (guint i = 0; i < n_blocks; i++)
    {
      g_autofree char *name = g_strdup_printf ("transformer_blocks.%u", i);

      g_ptr_array_add (self->blocks,
                       vard_module_add_child (module, name,
                                              vard_transformer_block_new (width, context_width,
                                                                          n_heads)));
    }
  self->proj_out =
    vard_module_add_child (module, "proj_out", vard_linear_new (width, width, TRUE, layout));

  return self;
}

VardNode *
vard_transformer_2d_record (VardTransformer2d *self, VardNode *x, VardNode *context)
{
  g_return_val_if_fail (VARD_IS_TRANSFORMER_2D (self), x);

  VardGraph *graph = x->graph;
  const gint64 *dims = x->shape.dims;

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *h = vard_group_norm_record (self->norm, x);

  h = vard_reshape (h, VARD_SHAPE (dims[0], dims[1] * dims[2], dims[3]));
  h = vard_linear_record (self->proj_in, h);
  for (guint i = 0; i < self->blocks->len; i++)
    h = vard_transformer_block_record (self->blocks->pdata[i], h, context);
  h = vard_linear_record (self->proj_out, h);
  h = vard_add (vard_reshape (h, x->shape), x);
  vard_module_leave (VARD_MODULE (self), graph);

  return h;
}

static void
vard_transformer_2d_finalize (GObject *object)
{
  g_ptr_array_unref (VARD_TRANSFORMER_2D (object)->blocks);
  G_OBJECT_CLASS (vard_transformer_2d_parent_class)->finalize (object);
}

static void
vard_transformer_2d_class_init (VardTransformer2dClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_transformer_2d_finalize;
}

static void
vard_transformer_2d_init (VardTransformer2d *self)
{
  self->blocks = g_ptr_array_new ();
}
