/* cuda-fuse.h - which elementwise nodes become one step
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-step.h"

G_BEGIN_DECLS

/* Nodes whose values meet in a root. The step runs when the root is due, the last of its nodes. */
typedef struct
{
  VardNode *root;
  GPtrArray *members;     /* from the root backwards */
  VardNode *outputs[CUDA_REGION_MAX_OUTPUTS];
  guint n_outputs;        /* the root is the first */
  guint n_arguments;
  guint n_numbers;        /* attributes of members */
} CudaGroup;

typedef struct
{
  VardLowering *lowering;
  VardGraph *graph;
  guint n_nodes;
  guint *first_reader;    /* by node id, into readers; n_nodes + 1 entries */
  VardNode **readers;
  gboolean *is_sink;      /* an output or a value to assign */
  CudaGroup **group_of;   /* by node id, or NULL */
  GPtrArray *groups;
} CudaFusion;

CudaFusion *cuda_fusion_new       (VardLowering   *lowering);
void        cuda_fusion_free      (CudaFusion     *self);
/* somebody reads the pattern as a whole */
gboolean    cuda_fusion_is_needed (CudaFusion     *self,
                                   const VardNode *node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CudaFusion, cuda_fusion_free)

G_END_DECLS
