/* vard-embedding.c - looks up rows of a table by number
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "nn/vard-embedding.h"

struct _VardEmbedding
{
  VardModule parent_instance;

  VardParameter *weight; /* [rows, c] */
};

G_DEFINE_FINAL_TYPE (VardEmbedding, vard_embedding, VARD_TYPE_MODULE)

VardEmbedding *
vard_embedding_new (gint64 n_rows, gint64 n_channels)
{
  VardEmbedding *self = g_object_new (VARD_TYPE_EMBEDDING, NULL);

  self->weight = vard_module_add_parameter (VARD_MODULE (self), "weight",
                                            VARD_SHAPE (n_rows, n_channels), VARD_LAYOUT_PLAIN);
  return self;
}

VardNode *
vard_embedding_record (VardEmbedding *self, VardNode *ids)
{
  g_return_val_if_fail (VARD_IS_EMBEDDING (self), NULL);

  VardGraph *graph = ids->graph;

  vard_module_enter (VARD_MODULE (self), graph);

  /* of a stored table only the rows that are read become single precision */
  VardNode *y = vard_gather (vard_parameter_record_stored (self->weight, graph), ids);

  if (y->dtype != VARD_DTYPE_F32)
    y = vard_cast (y, VARD_DTYPE_F32);

  vard_module_leave (VARD_MODULE (self), graph);

  return y;
}

VardParameter *
vard_embedding_peek_weight (VardEmbedding *self)
{
  g_return_val_if_fail (VARD_IS_EMBEDDING (self), NULL);

  return self->weight;
}

static void
vard_embedding_class_init (VardEmbeddingClass *klass)
{
}

static void
vard_embedding_init (VardEmbedding *self)
{
}
