/* cpu-fuse.c - which elementwise nodes become one step
 *
 * From the last node backwards: an elementwise node joins the group of its readers when all of them are in that group,
 * and is then never written to memory. It also joins, and is written, when its other readers come after the group's
 * root, since the group runs when its root is due. Otherwise it is the root of a new group. No circle can form: what
 * a group reads comes before its root, and what reads a group's inner value from outside comes after it.
 *
 * Broadcasts, fills, slices and pads are not members: each group reads them as patterns and immediates. A product, convolution
 * or normalisation that a group reads becomes its producer: the group then runs on each block of the result while
 * the block is in the cache.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-fuse.h"

#define MAX_MEMBERS 48

gboolean
cpu_op_passes_through (const VardNode *node)
{
  return node->op == &vard_op_reshape || node->op == &vard_op_stop;
}

static gboolean
can_join (const VardNode *node)
{
  return node->dtype == VARD_DTYPE_F32 && (cpu_op_is_elementwise (node) || cpu_op_passes_through (node));
}

/* ---- readers ---- */

static void
cpu_fusion_find_readers (CpuFusion *self)
{
  guint *count = self->first_reader;

  for (guint pass = 0; pass < 2; pass++)
    {
      for (guint id = 0; id < self->n_nodes; id++)
        {
          VardNode *node = vard_graph_get_node (self->graph, id);

          for (guint k = 0; k < node->n_inputs && vard_lowering_is_live (self->lowering, node); k++)
            if (pass == 0)
              count[node->inputs[k]->id + 1]++;
            else
              self->readers[count[node->inputs[k]->id]++] = node;
        }
      if (pass == 0)
        {
          for (guint id = 0; id < self->n_nodes; id++)
            count[id + 1] += count[id];
          self->readers = g_new0 (VardNode *, count[self->n_nodes] + 1);
        }
    }
  /* the second pass moved each start to the next node's */
  for (guint id = self->n_nodes; id > 0; id--)
    count[id] = count[id - 1];
  count[0] = 0;
}

static void
cpu_fusion_find_sinks (CpuFusion *self)
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
n_readers (CpuFusion *self, const VardNode *node)
{
  return self->first_reader[node->id + 1] - self->first_reader[node->id];
}

static VardNode *
get_reader (CpuFusion *self, const VardNode *node, guint i)
{
  return self->readers[self->first_reader[node->id] + i];
}

/* ---- groups ---- */

static CpuGroup *
cpu_group_new (CpuFusion *self, VardNode *root)
{
  CpuGroup *group = g_new0 (CpuGroup, 1);

  group->root = root;
  group->members = g_ptr_array_new ();
  group->outputs[group->n_outputs++] = root;
  g_ptr_array_add (self->groups, group);
  return group;
}

static void
cpu_group_free (gpointer data)
{
  CpuGroup *group = data;

  g_ptr_array_unref (group->members);
  g_free (group);
}

static void
cpu_group_add (CpuFusion *self, CpuGroup *group, VardNode *node)
{
  g_ptr_array_add (group->members, node);
  group->n_arguments += node->n_inputs;
  self->group_of[node->id] = group;
}

/* each member but the root is an argument of another, so loads are at most the arguments that are left */
static gboolean
cpu_group_has_room (const CpuGroup *group, const VardNode *node)
{
  return group->members->len < MAX_MEMBERS
         && group->n_arguments + node->n_inputs - group->members->len <= CPU_REGION_MAX_LOADS;
}

/* the group that a node may join, and whether its value must be written */
static CpuGroup *
find_group (CpuFusion *self, const VardNode *node, gboolean *is_output)
{
  CpuGroup *found = NULL;

  for (guint i = 0; i < n_readers (self, node); i++)
    {
      CpuGroup *group = self->group_of[get_reader (self, node, i)->id];

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
  if (*is_output && (cpu_op_passes_through (node) || found->n_outputs == CPU_REGION_MAX_OUTPUTS))
    return NULL;
  return cpu_group_has_room (found, node) ? found : NULL;
}

static void
cpu_fusion_place (CpuFusion *self, VardNode *node)
{
  gboolean is_output;
  CpuGroup *group = find_group (self, node, &is_output);

  if (group == NULL)
    {
      if (cpu_op_passes_through (node))
        return;
      group = cpu_group_new (self, node);
    }
  else if (is_output)
    group->outputs[group->n_outputs++] = node;
  cpu_group_add (self, group, node);
}

/* ---- producers ---- */

/* whether a group may run on a producer's blocks, and whether the producer's value is needed after that */
static gboolean
can_feed_group (CpuFusion *self, const VardNode *node, const CpuGroup *group, gboolean *is_output)
{
  *is_output = self->is_sink[node->id];
  if (vard_node_get_count (node) != vard_node_get_count (group->root))
    return FALSE;
  for (guint i = 0; i < n_readers (self, node); i++)
    {
      const VardNode *reader = get_reader (self, node, i);

      if (self->group_of[reader->id] == group)
        continue;
      if (reader->id < group->root->id)
        return FALSE;
      *is_output = TRUE;
    }
  return !*is_output || group->n_outputs < CPU_REGION_MAX_OUTPUTS;
}

/* the last of the producers that a group reads: the others come before it anyway */
static void
cpu_group_find_producer (CpuFusion *self, CpuGroup *group)
{
  gboolean is_output = FALSE, found_output = FALSE;

  for (guint i = 0; i < group->members->len; i++)
    {
      const VardNode *member = group->members->pdata[i];

      for (guint k = 0; k < member->n_inputs; k++)
        {
          VardNode *input = member->inputs[k];
          const CpuOpRule *rule = cpu_find_rule (input->op);

          if (rule == NULL || !rule->is_producer || self->group_of[input->id] != NULL
              || !can_feed_group (self, input, group, &is_output))
            continue;
          if (group->producer == NULL || input->id > group->producer->id)
            {
              group->producer = input;
              found_output = is_output;
            }
        }
    }
  group->producer_output = -1;
  if (group->producer == NULL)
    return;
  self->group_of[group->producer->id] = group;
  if (found_output)
    {
      group->producer_output = group->n_outputs;
      group->outputs[group->n_outputs++] = group->producer;
    }
}

/* A cotangent that a normalisation's gradient alone reads is computed picture by picture as that goes */
static void
cpu_group_find_consumer (CpuFusion *self, CpuGroup *group)
{
  VardNode *reader;

  if (group->producer != NULL || group->n_outputs > 1 || self->is_sink[group->root->id]
      || n_readers (self, group->root) != 1)
    return;
  reader = get_reader (self, group->root, 0);
  if (reader->op == &vard_op_normalize_gradient && reader->inputs[0] != group->root
      && reader->inputs[1] == group->root)
    group->consumer = reader;
}

/* ---- the whole ---- */

CpuFusion *
cpu_fusion_new (VardLowering *lowering)
{
  CpuFusion *self = g_new0 (CpuFusion, 1);

  self->lowering = lowering;
  self->graph = vard_lowering_get_graph (lowering);
  self->n_nodes = vard_graph_get_n_nodes (self->graph);
  self->first_reader = g_new0 (guint, self->n_nodes + 2);
  self->is_sink = g_new0 (gboolean, self->n_nodes + 1);
  self->group_of = g_new0 (CpuGroup *, self->n_nodes + 1);
  self->groups = g_ptr_array_new_with_free_func (cpu_group_free);
  cpu_fusion_find_readers (self);
  cpu_fusion_find_sinks (self);
  for (guint id = self->n_nodes; id-- > 0;)
    {
      VardNode *node = vard_graph_get_node (self->graph, id);

      if (vard_lowering_is_live (lowering, node) && can_join (node))
        cpu_fusion_place (self, node);
    }
  for (guint i = 0; i < self->groups->len; i++)
    cpu_group_find_producer (self, self->groups->pdata[i]);
  for (guint i = 0; i < self->groups->len; i++)
    cpu_group_find_consumer (self, self->groups->pdata[i]);
  return self;
}

void
cpu_fusion_free (CpuFusion *self)
{
  g_free (self->first_reader);
  g_free (self->readers);
  g_free (self->is_sink);
  g_free (self->group_of);
  g_ptr_array_unref (self->groups);
  g_free (self);
}

gboolean
cpu_fusion_is_pattern (const VardNode *node)
{
  if (node->dtype != VARD_DTYPE_F32)
    return FALSE;
  return node->op == &vard_op_broadcast || node->op == &vard_op_fill || node->op == &vard_op_pad
         || (node->op == &vard_op_slice && node->shape.dims[node->shape.n_dims - 1] > 1);
}

gboolean
cpu_fusion_is_needed (CpuFusion      *self,
                      const VardNode *node)
{
  if (self->is_sink[node->id])
    return TRUE;
  for (guint i = 0; i < n_readers (self, node); i++)
    {
      const VardNode *reader = get_reader (self, node, i);

      /* a producer is in a group too, but reads its inputs as a whole */
      if (self->group_of[reader->id] == NULL || !can_join (reader))
        return TRUE;
    }
  return FALSE;
}
