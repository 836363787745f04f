/* cuda-fuse.c - which elementwise nodes become one step
 *
 * From the last node backwards: an elementwise node joins the group of its readers when all of them are in that group,
 * and is then never written to memory. It also joins, and is written, when its other readers come after the group's
 * root, since the group runs when its root is due. Otherwise it is the root of a new group. No circle can form: what
 * a group reads comes before its root, and what reads a group's inner value from outside comes after it.
 *
 * Fills, broadcasts, slices and permutations are not members: each group reads them as numbers and index maps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-fuse.h"
#include "cuda-region.h"

#define MAX_MEMBERS 32

static gboolean
can_join (const VardNode *node)
{
  return node->dtype == VARD_DTYPE_F32 && (cuda_op_is_elementwise (node) || cuda_op_passes_through (node));
}

/* ---- readers ---- */

static void
cuda_fusion_find_readers (CudaFusion *self)
{
  g_autofree guint *filled = g_new0 (guint, self->n_nodes + 1);

  for (guint id = 0; id < self->n_nodes; id++)
    {
      VardNode *node = vard_graph_get_node (self->graph, id);

      for (guint k = 0; k < node->n_inputs && vard_lowering_is_live (self->lowering, node); k++)
        self->first_reader[node->inputs[k]->id + 1]++;
    }
  for (guint id = 0; id < self->n_nodes; id++)
    self->first_reader[id + 1] += self->first_reader[id];
  self->readers = g_new0 (VardNode *, self->first_reader[self->n_nodes] + 1);
  for (guint id = 0; id < self->n_nodes; id++)
    {
      VardNode *node = vard_graph_get_node (self->graph, id);

      for (guint k = 0; k < node->n_inputs && vard_lowering_is_live (self->lowering, node); k++)
        {
          guint from = node->inputs[k]->id;

          self->readers[self->first_reader[from] + filled[from]++] = node;
        }
    }
}

static void
cuda_fusion_find_sinks (CudaFusion *self)
{
  guint n_outputs, n_assignments;
  const VardOutput *outputs = vard_graph_get_outputs (self->graph, &n_outputs);
  const VardAssignment *assignments = vard_graph_get_assignments (self->graph, &n_assignments);

  for (guint i = 0; i < n_outputs; i++)
    self->is_sink[outputs[i].node->id] = TRUE;
  for (guint i = 0; i < n_assignments; i++)
    self->is_sink[assignments[i].value->id] = TRUE;
}

static guint
n_readers (CudaFusion *self, const VardNode *node)
{
  return self->first_reader[node->id + 1] - self->first_reader[node->id];
}

static VardNode *
get_reader (CudaFusion *self, const VardNode *node, guint i)
{
  return self->readers[self->first_reader[node->id] + i];
}

/* ---- groups ---- */

static CudaGroup *
cuda_group_new (CudaFusion *self, VardNode *root)
{
  CudaGroup *group = g_new0 (CudaGroup, 1);

  group->root = root;
  group->members = g_ptr_array_new ();
  group->outputs[group->n_outputs++] = root;
  g_ptr_array_add (self->groups, group);
  return group;
}

static void
cuda_group_free (gpointer data)
{
  CudaGroup *group = data;

  g_ptr_array_unref (group->members);
  g_free (group);
}

static guint
count_numbers (const VardNode *node)
{
  return node->op == &vard_op_affine || node->op == &vard_op_clamp ? 2 : 0;
}

static void
cuda_group_add (CudaFusion *self, CudaGroup *group, VardNode *node)
{
  g_ptr_array_add (group->members, node);
  group->n_arguments += node->n_inputs;
  group->n_numbers += count_numbers (node);
  self->group_of[node->id] = group;
}

/* Each member but the root is an argument of another, so loads are at most the arguments that are left: any of them may
 * be an input, an index map, or a number */
static gboolean
cuda_group_has_room (const CudaGroup *group, const VardNode *node)
{
  guint n_loads = group->n_arguments + node->n_inputs - group->members->len;

  return group->members->len < MAX_MEMBERS && n_loads <= CUDA_REGION_MAX_MAPS
         && group->n_numbers + count_numbers (node) + n_loads <= CUDA_REGION_MAX_NUMBERS;
}

/* the group that a node may join, and whether its value must be written */
static CudaGroup *
find_group (CudaFusion *self, const VardNode *node, gboolean *is_output)
{
  CudaGroup *found = NULL;

  for (guint i = 0; i < n_readers (self, node); i++)
    {
      CudaGroup *group = self->group_of[get_reader (self, node, i)->id];

      if (group != NULL && (found == NULL || group->root->id < found->root->id))
        found = group;
    }
  *is_output = self->is_sink[node->id];
  if (found == NULL || vard_node_get_count (found->root) != vard_node_get_count (node))
    return NULL;
  for (guint i = 0; i < n_readers (self, node); i++)
    {
      const VardNode *reader = get_reader (self, node, i);

      if (self->group_of[reader->id] == found)
        continue;
      if (reader->id < found->root->id)
        return NULL;
      *is_output = TRUE;
    }
  if (*is_output && (cuda_op_passes_through (node) || found->n_outputs == CUDA_REGION_MAX_OUTPUTS))
    return NULL;
  return cuda_group_has_room (found, node) ? found : NULL;
}

static void
cuda_fusion_place (CudaFusion *self, VardNode *node)
{
  gboolean is_output;
  CudaGroup *group = find_group (self, node, &is_output);

  if (group == NULL)
    {
      if (cuda_op_passes_through (node))
        return;
      group = cuda_group_new (self, node);
    }
  else if (is_output)
    group->outputs[group->n_outputs++] = node;
  cuda_group_add (self, group, node);
}

CudaFusion *
cuda_fusion_new (VardLowering *lowering)
{
  CudaFusion *self = g_new0 (CudaFusion, 1);

  self->lowering = lowering;
  self->graph = vard_lowering_get_graph (lowering);
  self->n_nodes = vard_graph_get_n_nodes (self->graph);
  self->first_reader = g_new0 (guint, self->n_nodes + 2);
  self->is_sink = g_new0 (gboolean, self->n_nodes + 1);
  self->group_of = g_new0 (CudaGroup *, self->n_nodes + 1);
  self->groups = g_ptr_array_new_with_free_func (cuda_group_free);
  cuda_fusion_find_readers (self);
  cuda_fusion_find_sinks (self);
  for (guint id = self->n_nodes; id-- > 0;)
    {
      VardNode *node = vard_graph_get_node (self->graph, id);

      if (vard_lowering_is_live (lowering, node) && can_join (node))
        cuda_fusion_place (self, node);
    }
  return self;
}

void
cuda_fusion_free (CudaFusion *self)
{
  g_free (self->first_reader);
  g_free (self->readers);
  g_free (self->is_sink);
  g_free (self->group_of);
  g_ptr_array_unref (self->groups);
  g_free (self);
}

gboolean
cuda_fusion_is_needed (CudaFusion     *self,
                       const VardNode *node)
{
  if (self->is_sink[node->id])
    return TRUE;
  for (guint i = 0; i < n_readers (self, node); i++)
    if (self->group_of[get_reader (self, node, i)->id] == NULL)
      return TRUE;
  return FALSE;
}
