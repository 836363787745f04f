/* cuda-storage.c - chooses the storage type of each value
 *
 * The engine keeps frozen weights in the layout and type that the steps read. With bf16 it stores
 * an activation as bf16 if the activation only reaches products and normalisations, directly or
 * through elementwise steps and moves. Such a step computes in single precision and rounds the
 * value whether or not it stores it, so results do not depend on which nodes share a step. Values
 * on the path from a product to a loss or an output stay in single precision, and so do values that
 * no product made: times, coefficients, noise. Sums over channels are the gradients of biases and
 * scales; they read what they find. A trained policy must have the storage types of its reference,
 * or the two would differ by rounding alone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-storage.h"

#include "cuda-gemm.h"
#include "cuda-region.h"

gboolean
cuda_op_is_product (const VardNode *node)
{
  static const VardOpClass *const products[] = { &vard_op_matmul,
                                                 &vard_op_conv2d,
                                                 &vard_op_conv2d_input_gradient,
                                                 &vard_op_conv2d_weight_gradient,
                                                 &vard_op_attention,
                                                 &vard_op_attention_gradient };

  for (guint i = 0; i < G_N_ELEMENTS (products); i++)
    if (node->op == products[i])
      return TRUE;

  return FALSE;
}

/* ---- weights ---- */

static gboolean
cuda_is_assigned (VardGraph *graph, const VardNode *node)
{
  guint n;
  const VardAssignment *assignments = vard_graph_get_assignments (graph, &n);

  for (guint i = 0; i < n; i++)
    if (assignments[i].param == node)
      return TRUE;

  return FALSE;
}

static gboolean
cuda_is_frozen (VardGraph *graph, const VardNode *node)
{
  const VardSourceAttrs *source = node->attrs;

  return node->op == &vard_op_source && source->kind != VARD_SOURCE_INPUT
         && vard_tensor_peek_buffer (source->tensor)->is_host
         && (node->dtype == VARD_DTYPE_F32 || node->dtype == VARD_DTYPE_F16
             || node->dtype == VARD_DTYPE_BF16)
         && !cuda_is_assigned (graph, node);
}

/* a piece of the same elements in the same order */
static gboolean
cuda_is_view (const VardNode *node, gint64 *offset)
{
  const VardSliceAttrs *slice = node->attrs;

  *offset = 0;
  if (node->op->flags & VARD_OP_FLAG_VIEW || vard_fusion_passes_through (node))
    return TRUE;
  if (node->op != &vard_op_slice
      || vard_shape_get_span (&node->inputs[0]->shape, 0, slice->axis) != 1)
    return FALSE;
  *offset = slice->start * vard_shape_get_span (&node->shape, slice->axis + 1, node->shape.n_dims);

  return TRUE;
}

/* what is trained, on the device */
static gboolean
cuda_is_flat (const VardNode *node)
{
  const VardSourceAttrs *source = node->attrs;

  return node->op == &vard_op_source && source->kind == VARD_SOURCE_PARAM
         && node->dtype == VARD_DTYPE_F32 && !vard_tensor_peek_buffer (source->tensor)->is_host;
}

static void
cuda_find_weight (CudaStorage *self, VardNode *node)
{
  CudaWeightView *view = &self->weights[node->id];
  const CudaWeightView *from;
  gint64 offset;

  if (cuda_is_frozen (self->fusion->graph, node) || cuda_is_flat (node))
    *view = (CudaWeightView) { node, ((const VardSourceAttrs *) node->attrs)->tensor, NULL, 0,
                               cuda_is_flat (node) };
  if (node->n_inputs != 1)
    return;
  from = &self->weights[node->inputs[0]->id];
  if (from->base == NULL)
    return;
  if (cuda_is_view (node, &offset))
    {
      *view = *from;
      view->offset += offset;
    }
  else if (from->base != node->inputs[0] || from->order != NULL || from->is_flat
           || node->dtype != VARD_DTYPE_F32)
    return;
  else if (node->op == &vard_op_cast)
    *view = (CudaWeightView) { node, from->tensor, NULL, 0 };
  else if (node->op == &vard_op_permute)
    *view = (CudaWeightView) { node, from->tensor, node->attrs, 0 };
}

/* products in bf16 have a copy of their own, or everybody else. A reader that is another weight is
 * made from the file's values: it needs no place for its input. */
static gboolean
cuda_is_read (CudaStorage *self, const VardNode *node, gboolean by_products)
{
  if (self->fusion->is_sink[node->id])
    return !by_products;
  for (guint i = 0; i < vard_fusion_count_readers (self->fusion, node); i++)
    {
      const VardNode *reader = vard_fusion_get_reader (self->fusion, node, i);
      const CudaWeightView *view = &self->weights[reader->id];

      if (view->base == NULL
            ? by_products
                == (self->program->precision == CUDA_PRECISION_BF16 && cuda_op_is_product (reader))
            : view->base == self->weights[node->id].base
                && cuda_is_read (self, reader, by_products))
        return TRUE;
    }

  return FALSE;
}

static CudaWeight *
cuda_take_weight (CudaStorage *self, CudaWeight *weight)
{
  g_ptr_array_add (self->program->weights, weight);
  return weight;
}

/* In single precision where a step reads it so. Products in bf16 ask for theirs when they are
 * claimed. */
static void
cuda_keep_weight (CudaStorage *self, VardNode *node)
{
  const CudaWeightView *view = &self->weights[node->id];
  CudaWeight *weight;
  gboolean is_read_here = cuda_is_read (self, node, FALSE);

  if (view->base != node || view->is_flat)
    return;
  if (!is_read_here && !cuda_is_read (self, node, TRUE))
    {
      vard_lowering_keep (self->fusion->lowering, node, NULL);
      return;
    }
  weight = cuda_weight_get (self->program->device, view->tensor, view->order,
                            is_read_here ? node->dtype : VARD_DTYPE_BF16);
  vard_lowering_keep (self->fusion->lowering, node, cuda_take_weight (self, weight)->values);
}

/* ---- activations ---- */

static gboolean
cuda_moves_elements (const VardNode *node)
{
  gint64 offset;

  return cuda_is_view (node, &offset) || node->op == &vard_op_slice || node->op == &vard_op_pad
         || node->op == &vard_op_concat || node->op == &vard_op_upsample
         || node->op == &vard_op_pool_sum || node->op == &vard_op_permute
         || node->op == &vard_op_broadcast;
}

static gboolean
cuda_normalizes (const VardNode *node)
{
  return node->op == &vard_op_normalize || node->op == &vard_op_normalize_gradient;
}

/* not one over channels, which is a loss or a part of one */
static gboolean
cuda_sums_for_channels (const VardNode *node)
{
  const VardReduceAttrs *attrs = node->attrs;
  const VardShape *x = node->n_inputs == 1 ? &node->inputs[0]->shape : NULL;

  return node->op == &vard_op_sum && x->n_dims > 1 && x->dims[x->n_dims - 1] > 1
         && !(attrs->axes_mask & 1u << (x->n_dims - 1));
}

static gboolean
cuda_can_be_half (const VardNode *node)
{
  /* sums over pieces of a batch are added up where they lie */
  return node->dtype == VARD_DTYPE_F32 && node->op != &vard_op_conv2d_weight_gradient
         && (cuda_op_is_product (node) || cuda_normalizes (node) || cuda_moves_elements (node)
             || cuda_op_is_elementwise (node));
}

/* readers come after what they read, so from the last node backwards */
static void
cuda_find_readers_needs (CudaStorage *self, const VardNode *node)
{
  guint n = vard_fusion_count_readers (self->fusion, node);
  gboolean may = !self->fusion->is_sink[node->id] && n > 0, feeds = may;
  gint64 offset;

  for (guint i = 0; i < n; i++)
    {
      const VardNode *reader = vard_fusion_get_reader (self->fusion, node, i);

      may = may
            && (cuda_op_is_product (reader) || cuda_normalizes (reader)
                || cuda_sums_for_channels (reader)
                || (cuda_can_be_half (reader) && self->may_be_half[reader->id]));
      feeds = feeds
              && (cuda_op_is_product (reader)
                  || (cuda_is_view (reader, &offset) && self->feeds_products[reader->id]));
    }
  self->may_be_half[node->id] = may;
  self->feeds_products[node->id] = feeds;
}

static void
cuda_set_storage (CudaStorage *self, VardNode *node)
{
  gboolean *is_activation = &self->is_activation[node->id];
  gint64 offset;

  *is_activation = cuda_op_is_product (node);
  for (guint k = 0; k < node->n_inputs; k++)
    *is_activation = *is_activation || self->is_activation[node->inputs[k]->id];
  if (!cuda_can_be_half (node) || !self->may_be_half[node->id]
      || self->weights[node->id].base != NULL || cuda_is_view (node, &offset))
    return;
  self->is_half[node->id] = *is_activation || self->feeds_products[node->id];
  if (self->is_half[node->id])
    vard_lowering_set_storage (self->fusion->lowering, node, VARD_DTYPE_BF16);
}

static void
cuda_choose_activations (CudaStorage *self)
{
  for (guint id = self->fusion->n_nodes; id-- > 0;)
    {
      VardNode *node = vard_graph_get_node (self->fusion->graph, id);

      if (vard_lowering_is_live (self->fusion->lowering, node))
        cuda_find_readers_needs (self, node);
    }
  for (guint id = 0; id < self->fusion->n_nodes; id++)
    {
      VardNode *node = vard_graph_get_node (self->fusion->graph, id);

      if (vard_lowering_is_live (self->fusion->lowering, node))
        cuda_set_storage (self, node);
    }
}

CudaStorage *
cuda_storage_new (CudaProgram *program, VardFusion *fusion)
{
  CudaStorage *self = g_new0 (CudaStorage, 1);

  self->program = program;
  self->fusion = fusion;
  self->weights = g_new0 (CudaWeightView, fusion->n_nodes + 1);
  self->may_be_half = g_new0 (gboolean, fusion->n_nodes + 1);
  self->is_activation = g_new0 (gboolean, fusion->n_nodes + 1);
  self->feeds_products = g_new0 (gboolean, fusion->n_nodes + 1);
  self->is_half = g_new0 (gboolean, fusion->n_nodes + 1);
  self->attentions = g_hash_table_new (NULL, NULL);
  for (guint pass = 0; pass < 2; pass++)
    for (guint id = 0; id < fusion->n_nodes; id++)
      {
        VardNode *node = vard_graph_get_node (fusion->graph, id);

        if (vard_lowering_is_live (fusion->lowering, node))
          (pass == 0 ? cuda_find_weight : cuda_keep_weight) (self, node);
      }
  if (program->precision == CUDA_PRECISION_BF16)
    cuda_choose_activations (self);

  return self;
}

void
cuda_storage_free (CudaStorage *self)
{
  g_free (self->weights);
  g_free (self->may_be_half);
  g_free (self->is_activation);
  g_free (self->feeds_products);
  g_free (self->is_half);
  g_hash_table_unref (self->attentions);
  g_free (self);
}

/* ---- operands ---- */

static void
cuda_find_operand_weight (CudaOperand *self, CudaStorage *storage, const CudaWeightView *view)
{
  CudaDevice *device = storage->program->device;

  self->offset = view->offset;
  if (view->is_flat)
    {
      self->tensor = view->tensor;
      self->weight =
        cuda_weight_get_flat (device, vard_tensor_peek_buffer (view->tensor), VARD_DTYPE_BF16);
    }
  else
    self->weight = cuda_weight_get (device, view->tensor, view->order, VARD_DTYPE_BF16);
  cuda_take_weight (storage, self->weight);
}

void
cuda_operand_init (CudaOperand *self, CudaClaim *claim, VardNode *node)
{
  CudaStorage *storage = claim->program->storage;

  *self = (CudaOperand) { .count = vard_node_get_count (node) };
  if (claim->program->precision != CUDA_PRECISION_BF16)
    return;
  if (storage->weights[node->id].base != NULL)
    cuda_find_operand_weight (self, storage, &storage->weights[node->id]);
  else if (vard_lowering_get_storage (claim->lowering, node) != VARD_DTYPE_BF16)
    {
      self->converts = TRUE;
      self->at = cuda_scratch_add (&claim->step.scratch_size, self->count * sizeof (guint16));
    }
}

gconstpointer
cuda_operand_read (const CudaOperand *self, CudaDevice *device, gconstpointer in, gpointer scratch)
{
  gint64 first = self->offset;

  if (self->converts)
    {
      cuda_to_half (device, in, (guint8 *) scratch + self->at, self->count);
      return (guint8 *) scratch + self->at;
    }
  if (self->weight == NULL)
    return in;
  if (self->tensor != NULL)
    first += vard_tensor_get_offset (self->tensor) / sizeof (float);

  return self->weight->values->data + first * sizeof (guint16);
}
