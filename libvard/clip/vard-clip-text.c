/* vard-clip-text.c - CLIP's text transformer: token ids to states
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clip/vard-clip-text.h"

#include "clip/vard-clip-layer.h"
#include "nn/vard-embedding.h"
#include "nn/vard-layer-norm.h"

#define MAX_WIDTH (1 << 16)

struct _VardClipText
{
  VardModule parent_instance;

  gint64 width, n_positions, n_ids;
  VardEmbedding *tokens, *positions;
  GPtrArray *layers;
  VardLayerNorm *final_norm;
};

G_DEFINE_FINAL_TYPE (VardClipText, vard_clip_text, VARD_TYPE_MODULE)

static void
vard_clip_text_build (VardClipText *self,
                      gint64 n_layers,
                      gint64 n_heads,
                      gint64 inner,
                      double eps,
                      gboolean is_quick)
{
  VardModule *module = VARD_MODULE (self);

  self->tokens = vard_module_add_child (module, "embeddings.token_embedding",
                                        vard_embedding_new (self->n_ids, self->width));
  self->positions = vard_module_add_child (module, "embeddings.position_embedding",
                                           vard_embedding_new (self->n_positions, self->width));
  for (gint64 i = 0; i < n_layers; i++)
    {
      g_autofree char *name = g_strdup_printf ("encoder.layers.%" G_GINT64_FORMAT, i);

      g_ptr_array_add (self->layers,
                       vard_module_add_child (module, name,
                                              vard_clip_layer_new (self->width, inner, n_heads, eps,
                                                                   is_quick)));
    }
  self->final_norm =
    vard_module_add_child (module, "final_layer_norm", vard_layer_norm_new (self->width, eps));
}

VardClipText *
vard_clip_text_new (VardConfigReader *config, GError **error)
{
  g_autoptr (VardClipText) self = g_object_new (VARD_TYPE_CLIP_TEXT, NULL);
  gint64 n_layers = vard_config_reader_get_int (config, "num_hidden_layers", 12, 1, 1000);
  gint64 n_heads = vard_config_reader_get_int (config, "num_attention_heads", 8, 1, 1024);
  gint64 inner = vard_config_reader_get_int (config, "intermediate_size", 2048, 1, MAX_WIDTH);
  double eps = vard_config_reader_get_double (config, "layer_norm_eps", 1e-5);
  const char *activation = vard_config_reader_get_string (config, "hidden_act", "quick_gelu");

  self->width = vard_config_reader_get_int (config, "hidden_size", 512, 1, MAX_WIDTH);
  self->n_positions = vard_config_reader_get_int (config, "max_position_embeddings", 77, 2, 4096);
  self->n_ids = vard_config_reader_get_int (config, "vocab_size", 49408, 1, 1 << 24);
  if (!g_str_equal (activation, "quick_gelu") && !g_str_equal (activation, "gelu"))
    vard_config_reader_refuse (config, "hidden_act", "quick_gelu or gelu");
  if (self->width % n_heads)
    vard_config_reader_refuse (config, "num_attention_heads", "a divisor of hidden_size");
  if (!vard_config_reader_finish (config, error))
    return NULL;
  vard_clip_text_build (self, n_layers, n_heads, inner, eps,
                        g_str_equal (activation, "quick_gelu"));

  return g_steal_pointer (&self);
}

gint64
vard_clip_text_get_width (VardClipText *self)
{
  g_return_val_if_fail (VARD_IS_CLIP_TEXT (self), 0);

  return self->width;
}

gint64
vard_clip_text_get_n_positions (VardClipText *self)
{
  g_return_val_if_fail (VARD_IS_CLIP_TEXT (self), 0);

  return self->n_positions;
}

guint
vard_clip_text_get_n_layers (VardClipText *self)
{
  g_return_val_if_fail (VARD_IS_CLIP_TEXT (self), 0);

  return self->layers->len;
}

gint64
vard_clip_text_get_n_ids (VardClipText *self)
{
  g_return_val_if_fail (VARD_IS_CLIP_TEXT (self), 0);

  return self->n_ids;
}

VardNode *
vard_clip_text_record (VardClipText *self, VardNode *ids)
{
  g_return_val_if_fail (VARD_IS_CLIP_TEXT (self), ids);

  VardGraph *graph = ids->graph;

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *x = vard_embedding_record (self->tokens, ids);
  VardNode *positions = vard_parameter_record (vard_embedding_peek_weight (self->positions), graph);

  x = vard_add (x, vard_slice (positions, 0, 0, ids->shape.dims[1]));
  for (guint i = 0; i < self->layers->len; i++)
    x = vard_clip_layer_record (self->layers->pdata[i], x, TRUE);
  x = vard_layer_norm_record (self->final_norm, x);
  vard_module_leave (VARD_MODULE (self), graph);

  return x;
}

static void
vard_clip_text_finalize (GObject *object)
{
  g_ptr_array_unref (VARD_CLIP_TEXT (object)->layers);
  G_OBJECT_CLASS (vard_clip_text_parent_class)->finalize (object);
}

static void
vard_clip_text_class_init (VardClipTextClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_clip_text_finalize;
}

static void
vard_clip_text_init (VardClipText *self)
{
  self->layers = g_ptr_array_new ();
}
