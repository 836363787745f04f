/* cuda-storage.h - chooses the storage type of each value
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-step.h"
#include "cuda-weights.h"

G_BEGIN_DECLS

/* A node that is a frozen weight, or a view of one: a param or constant, perhaps converted and put
 * in another order */
typedef struct
{
  VardNode *base; /* the node that has a place; NULL: not a weight */
  VardTensor *tensor;
  const VardPermuteAttrs *order; /* or NULL */
  gint64 offset;                 /* elements from the base's first */
  gboolean is_flat;              /* on the device already, in single precision, beside others */
} CudaWeightView;

struct _CudaStorage
{
  VardFusion *fusion;
  CudaProgram *program;
  CudaWeightView *weights; /* by node id */
  gboolean *may_be_half, *is_activation, *feeds_products;
  gboolean *is_half;      /* bf16, also where it never reaches memory */
  GHashTable *attentions; /* node -> the plan by which cuDNN computes it, both borrowed */
};

/* decides, tells the lowering, and collects the program's weights */
CudaStorage *cuda_storage_new (CudaProgram *program, VardFusion *fusion);
void cuda_storage_free (CudaStorage *self);
/* matmul, convolutions, attention */
gboolean cuda_op_is_product (const VardNode *node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CudaStorage, cuda_storage_free)

/* An operand as a product reads it. In bf16 it is stored so, is a weight that is kept so, or is
 * converted into scratch; in the other precisions it is where it is. */
typedef struct
{
  CudaWeight *weight; /* borrowed from the program */
  VardTensor *tensor; /* its place in a weight that is a whole buffer, or NULL */
  gint64 offset;      /* elements in the weight */
  gboolean converts;
  gint64 count;
  gsize at; /* in scratch */
} CudaOperand;

void cuda_operand_init (CudaOperand *self, CudaClaim *claim, VardNode *node);
gconstpointer cuda_operand_read (const CudaOperand *self,
                                 CudaDevice *device,
                                 gconstpointer in,
                                 gpointer scratch);

G_END_DECLS
