/* cuda-lower.c - lowers a graph to steps: regions, views, and the rest by the table
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-epilogue.h"
#include "cuda-region.h"
#include "cuda-storage.h"

/* members of a group are computed by its step; outputs have storage */
static void
cuda_lower_member (CudaProgram *program, VardFusion *fusion, VardFusionGroup *group, VardNode *node)
{
  if (group->root == node)
    {
      if (group->producer != NULL && group->producer->op != &vard_op_normalize)
        cuda_epilogue_lower (program, fusion, group);
      else
        cuda_region_lower (program, fusion, group, node);
      return;
    }
  for (guint i = 0; i < group->n_outputs; i++)
    if (group->outputs[i] == node)
      return;
  vard_lowering_absorb (fusion->lowering, node);
}

static void
cuda_lower_node (CudaProgram *program, VardFusion *fusion, VardNode *node)
{
  if (fusion->group_of[node->id] != NULL)
    cuda_lower_member (program, fusion, fusion->group_of[node->id], node);
  else if (cuda_op_is_pattern (node) && !vard_fusion_is_needed (fusion, node))
    vard_lowering_absorb (fusion->lowering, node);
  else if (vard_lowering_add_slice_view (fusion->lowering, node))
    return;
  else if (cuda_op_is_pattern (node))
    cuda_region_lower (program, fusion, NULL, node);
  else if (vard_fusion_passes_through (node) || (node->op->flags & VARD_OP_FLAG_VIEW))
    vard_lowering_add_view (fusion->lowering, node, node->inputs[0], 0);
  else
    cuda_claim_node (program, fusion->lowering, node);
}

static void
cuda_find_assigned (CudaProgram *program, VardGraph *graph)
{
  guint n;
  const VardAssignment *assignments = vard_graph_get_assignments (graph, &n);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (program->assigned,
                     ((const VardSourceAttrs *) assignments[i].param->attrs)->tensor);
}

gboolean
cuda_lower (CudaProgram *program, VardLowering *lowering, GError **error)
{
  g_autoptr (VardFusion) fusion = cuda_fusion_new (lowering);
  g_autoptr (CudaStorage) storage = cuda_storage_new (program, fusion);

  if (!cuda_device_enter (program->device, error))
    return FALSE;
  program->storage = storage;
  cuda_find_assigned (program, fusion->graph);
  cuda_epilogues_find (fusion);
  cuda_fusion_find_normalized (fusion);
  for (guint id = 0; id < fusion->n_nodes; id++)
    {
      VardNode *node = vard_graph_get_node (fusion->graph, id);

      if (vard_lowering_is_live (lowering, node) && !vard_lowering_is_claimed (lowering, node)
          && !(node->op->flags & VARD_OP_FLAG_SOURCE))
        cuda_lower_node (program, fusion, node);
    }
  program->storage = NULL;

  return cuda_device_report (program->device, error);
}
