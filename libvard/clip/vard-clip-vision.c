/* vard-clip-vision.c - CLIP's vision transformer: pictures to one state each
 *
 * The picture is cut into square patches, each a token; one more token, the class's, goes first,
 * and its last state stands for the picture. The misspelt "pre_layrnorm" is what weight files say.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clip/vard-clip-vision.h"

#include "clip/vard-clip-layer.h"
#include "nn/vard-embedding.h"
#include "nn/vard-layer-norm.h"

#define MAX_WIDTH (1 << 16)

struct _VardClipVision
{
  VardModule parent_instance;

  gint64 width, size, patch_size;
  VardParameter *class_token; /* [width] */
  VardParameter *patches;     /* [width, patch_size, patch_size, 3], without bias */
  VardEmbedding *positions;   /* [1 + patches, width] */
  VardLayerNorm *first_norm, *last_norm;
  GPtrArray *layers;
};

G_DEFINE_FINAL_TYPE (VardClipVision, vard_clip_vision, VARD_TYPE_MODULE)

typedef struct
{
  gint64 n_layers, n_heads, inner;
  double eps;
  gboolean is_quick;
} Sizes;

static void
vard_clip_vision_build (VardClipVision *self, const Sizes *sizes)
{
  VardModule *module = VARD_MODULE (self);
  gint64 grid = self->size / self->patch_size;

  self->class_token = vard_module_add_parameter (module, "embeddings.class_embedding",
                                                 VARD_SHAPE (self->width), VARD_LAYOUT_PLAIN);
  self->patches =
    vard_module_add_parameter (module, "embeddings.patch_embedding.weight",
                               VARD_SHAPE (self->width, self->patch_size, self->patch_size, 3),
                               VARD_LAYOUT_CONV);
  self->positions = vard_module_add_child (module, "embeddings.position_embedding",
                                           vard_embedding_new (grid * grid + 1, self->width));
  self->first_norm =
    vard_module_add_child (module, "pre_layrnorm", vard_layer_norm_new (self->width, sizes->eps));
  for (gint64 i = 0; i < sizes->n_layers; i++)
    {
      g_autofree char *name = g_strdup_printf ("encoder.layers.%" G_GINT64_FORMAT, i);
      VardClipLayer *layer = vard_clip_layer_new (self->width, sizes->inner, sizes->n_heads,
                                                  sizes->eps, sizes->is_quick);

      g_ptr_array_add (self->layers, vard_module_add_child (module, name, layer));
    }
  self->last_norm =
    vard_module_add_child (module, "post_layernorm", vard_layer_norm_new (self->width, sizes->eps));
}

VardClipVision *
vard_clip_vision_new (VardConfigReader *config, GError **error)
{
  g_autoptr (VardClipVision) self = g_object_new (VARD_TYPE_CLIP_VISION, NULL);
  const char *activation = vard_config_reader_get_string (config, "hidden_act", "quick_gelu");
  Sizes sizes = {
    .n_layers = vard_config_reader_get_int (config, "num_hidden_layers", 12, 1, 1000),
    .n_heads = vard_config_reader_get_int (config, "num_attention_heads", 12, 1, 1024),
    .inner = vard_config_reader_get_int (config, "intermediate_size", 3072, 1, MAX_WIDTH),
    .eps = vard_config_reader_get_double (config, "layer_norm_eps", 1e-5),
    .is_quick = g_str_equal (activation, "quick_gelu"),
  };

  self->width = vard_config_reader_get_int (config, "hidden_size", 768, 1, MAX_WIDTH);
  self->size = vard_config_reader_get_int (config, "image_size", 224, 1, 4096);
  self->patch_size = vard_config_reader_get_int (config, "patch_size", 32, 1, 4096);
  if (!sizes.is_quick && !g_str_equal (activation, "gelu"))
    vard_config_reader_refuse (config, "hidden_act", "quick_gelu or gelu");
  if (self->width % sizes.n_heads)
    vard_config_reader_refuse (config, "num_attention_heads", "a divisor of hidden_size");
  if (self->size % self->patch_size)
    vard_config_reader_refuse (config, "patch_size", "a divisor of image_size");
  if (vard_config_reader_get_int (config, "num_channels", 3, 1, 1000) != 3)
    vard_config_reader_refuse (config, "num_channels", "3");
  if (!vard_config_reader_finish (config, error))
    return NULL;
  vard_clip_vision_build (self, &sizes);

  return g_steal_pointer (&self);
}

gint64
vard_clip_vision_get_width (VardClipVision *self)
{
  g_return_val_if_fail (VARD_IS_CLIP_VISION (self), 0);

  return self->width;
}

gint64
vard_clip_vision_get_size (VardClipVision *self)
{
  g_return_val_if_fail (VARD_IS_CLIP_VISION (self), 0);

  return self->size;
}

/* [n, size, size, 3] -> [n, 1 + patches, width] */
static VardNode *
vard_clip_vision_record_tokens (VardClipVision *self, VardNode *pixels)
{
  VardGraph *graph = pixels->graph;
  VardConv2dAttrs attrs = { .stride = self->patch_size };
  gint64 n = pixels->shape.dims[0], grid = self->size / self->patch_size, width = self->width;
  VardNode *x = vard_conv2d (pixels, vard_parameter_record (self->patches, graph), &attrs);
  VardNode *first =
    vard_reshape (vard_parameter_record (self->class_token, graph), VARD_SHAPE (1, 1, width));
  VardNode *parts[] = { vard_broadcast (first, VARD_SHAPE (n, 1, width)),
                        vard_reshape (x, VARD_SHAPE (n, grid * grid, width)) };

  return vard_add (vard_concat (parts, 2, 1),
                   vard_parameter_record (vard_embedding_peek_weight (self->positions), graph));
}

VardNode *
vard_clip_vision_record (VardClipVision *self, VardNode *pixels)
{
  g_return_val_if_fail (VARD_IS_CLIP_VISION (self), pixels);

  VardGraph *graph = pixels->graph;

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *x =
    vard_layer_norm_record (self->first_norm, vard_clip_vision_record_tokens (self, pixels));

  for (guint i = 0; i < self->layers->len; i++)
    x = vard_clip_layer_record (self->layers->pdata[i], x, FALSE);
  x = vard_reshape (vard_slice (x, 1, 0, 1), VARD_SHAPE (pixels->shape.dims[0], self->width));
  x = vard_layer_norm_record (self->last_norm, x);
  vard_module_leave (VARD_MODULE (self), graph);

  return x;
}

static void
vard_clip_vision_finalize (GObject *object)
{
  g_ptr_array_unref (VARD_CLIP_VISION (object)->layers);
  G_OBJECT_CLASS (vard_clip_vision_parent_class)->finalize (object);
}

static void
vard_clip_vision_class_init (VardClipVisionClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_clip_vision_finalize;
}

static void
vard_clip_vision_init (VardClipVision *self)
{
  self->layers = g_ptr_array_new ();
}
