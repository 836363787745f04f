/* vard-fusion.c - decides which elementwise nodes an engine computes in one step
 *
 * The pass goes from the last node backwards. If all readers of an elementwise node are in one
 * group, the node joins that group and its value is never written to memory. If other readers come
 * after the root of the group, the node joins too, and its value is written, because the group runs
 * when its root is due. Otherwise the node becomes the root of a new group. No cycle can form: a
 * group's inputs come before its root, and outside readers of an inner value come after it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine/vard-fusion.h"

#include "graph/vard-ops.h"

/**
 * vard_fusion_passes_through: (skip)
 * @node: a node
 *
 * Returns: whether the value of @node is that of its input, so that a group looks through it
 */
gboolean
vard_fusion_passes_through (const VardNode *node)
{
  return node->op == &vard_op_reshape || node->op == &vard_op_stop;
}

static gboolean
vard_fusion_can_join (VardFusion *self, const VardNode *node)
{
  return node->dtype == VARD_DTYPE_F32
         && (self->rules->is_elementwise (node) || vard_fusion_passes_through (node));
}

/* ---- readers ---- */

static void
vard_fusion_find_readers (VardFusion *self)
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
vard_fusion_find_sinks (VardFusion *self)
{
  guint n_outputs, n_assignments;
  const VardOutput *outputs = vard_graph_get_outputs (self->graph, &n_outputs);
  const VardAssignment *assignments = vard_graph_get_assignments (self->graph, &n_assignments);

  for (guint i = 0; i < n_outputs; i++)
    self->is_sink[outputs[i].node->id] = TRUE;
  for (guint i = 0; i < n_assignments; i++)
    {
      self->is_sink[assignments[i].value->id] = TRUE;
      self->replaced[assignments[i].value->id] = assignments[i].param;
    }
}

/**
 * vard_fusion_count_readers: (skip)
 * @self: a fusion
 * @node: a node
 *
 * Returns: the number of live nodes that read @node
 */
guint
vard_fusion_count_readers (VardFusion *self, const VardNode *node)
{
  return self->first_reader[node->id + 1] - self->first_reader[node->id];
}

/**
 * vard_fusion_get_reader: (skip)
 * @self: a fusion
 * @node: a node
 * @index: below vard_fusion_count_readers()
 *
 * Returns: (transfer none): a reader of @node
 */
VardNode *
vard_fusion_get_reader (VardFusion *self, const VardNode *node, guint index)
{
  return self->readers[self->first_reader[node->id] + index];
}

/* ---- groups ---- */

static VardFusionGroup *
vard_fusion_group_new (VardFusion *self, VardNode *root)
{
  VardFusionGroup *group = g_new0 (VardFusionGroup, 1);

  group->root = root;
  group->members = g_ptr_array_new ();
  group->outputs[group->n_outputs++] = root;
  g_ptr_array_add (self->groups, group);

  return group;
}

static void
vard_fusion_group_free (gpointer data)
{
  VardFusionGroup *group = data;

  g_ptr_array_unref (group->members);
  g_free (group);
}

static void
vard_fusion_group_add (VardFusion *self, VardFusionGroup *group, VardNode *node)
{
  g_ptr_array_add (group->members, node);
  group->n_arguments += node->n_inputs;
  self->group_of[node->id] = group;
}

/**
 * vard_fusion_can_feed: (skip)
 * @self: a fusion
 * @node: a node that the group reads
 * @group: a group
 * @is_output: (out): whether others need the value of @node afterwards, and the group has room for
 *   it among its outputs
 *
 * Readers of @node outside the group must come after the group's step.
 *
 * Returns: whether the step that computes @node may compute @group along with it, element by
 *   element
 */
gboolean
vard_fusion_can_feed (VardFusion *self,
                      const VardNode *node,
                      const VardFusionGroup *group,
                      gboolean *is_output)
{
  *is_output = self->is_sink[node->id];
  if (vard_node_get_count (node) != vard_node_get_count (group->root))
    return FALSE;
  for (guint i = 0; i < vard_fusion_count_readers (self, node); i++)
    {
      const VardNode *reader = vard_fusion_get_reader (self, node, i);

      if (self->group_of[reader->id] == group)
        continue;
      if (reader->id < group->root->id)
        return FALSE;
      *is_output = TRUE;
    }

  return !*is_output || group->n_outputs < self->rules->max_outputs;
}

static gboolean
vard_fusion_group_reads (const VardFusionGroup *self, const VardNode *node)
{
  for (guint i = 0; i < self->members->len; i++)
    {
      const VardNode *member = self->members->pdata[i];

      for (guint k = 0; k < member->n_inputs; k++)
        if (member->inputs[k] == node)
          return TRUE;
    }

  return FALSE;
}

/**
 * vard_fusion_is_update: (skip)
 * @self: a fusion
 * @group: a group
 *
 * Returns: whether a value of @group replaces a param that the group reads, so that a step of the
 *   group alone may write the param in place
 */
gboolean
vard_fusion_is_update (const VardFusion *self, const VardFusionGroup *group)
{
  for (guint i = 0; i < group->n_outputs; i++)
    {
      const VardNode *param = self->replaced[group->outputs[i]->id];

      if (param != NULL && vard_fusion_group_reads (group, param))
        return TRUE;
    }

  return FALSE;
}

/* the group that a node may join, and whether its value must be written */
static VardFusionGroup *
vard_fusion_find_group (VardFusion *self, const VardNode *node, gboolean *is_output)
{
  VardFusionGroup *found = NULL;

  for (guint i = 0; i < vard_fusion_count_readers (self, node); i++)
    {
      VardFusionGroup *group = self->group_of[vard_fusion_get_reader (self, node, i)->id];

      if (group != NULL && (found == NULL || group->root->id < found->root->id))
        found = group;
    }
  if (found == NULL || !vard_fusion_can_feed (self, node, found, is_output)
      || (*is_output && vard_fusion_passes_through (node)))
    return NULL;

  return self->rules->has_room (found, node) ? found : NULL;
}

static void
vard_fusion_place (VardFusion *self, VardNode *node)
{
  gboolean is_output;
  VardFusionGroup *group = vard_fusion_find_group (self, node, &is_output);

  if (group == NULL)
    {
      if (vard_fusion_passes_through (node))
        return;
      group = vard_fusion_group_new (self, node);
    }
  else if (is_output)
    group->outputs[group->n_outputs++] = node;
  vard_fusion_group_add (self, group, node);
}

/**
 * vard_fusion_new: (skip)
 * @lowering: a lowering
 * @rules: what the engine can put into one step; must outlive the fusion
 *
 * Groups the elementwise nodes of a graph into steps.
 *
 * Returns: (transfer full): the groups
 */
VardFusion *
vard_fusion_new (VardLowering *lowering, const VardFusionRules *rules)
{
  VardFusion *self = g_new0 (VardFusion, 1);

  self->rules = rules;
  self->lowering = lowering;
  self->graph = vard_lowering_get_graph (lowering);
  self->n_nodes = vard_graph_get_n_nodes (self->graph);
  self->first_reader = g_new0 (guint, self->n_nodes + 2);
  self->is_sink = g_new0 (gboolean, self->n_nodes + 1);
  self->replaced = g_new0 (VardNode *, self->n_nodes + 1);
  self->group_of = g_new0 (VardFusionGroup *, self->n_nodes + 1);
  self->groups = g_ptr_array_new_with_free_func (vard_fusion_group_free);
  vard_fusion_find_readers (self);
  vard_fusion_find_sinks (self);
  for (guint id = self->n_nodes; id-- > 0;)
    {
      VardNode *node = vard_graph_get_node (self->graph, id);

      if (vard_lowering_is_live (lowering, node) && vard_fusion_can_join (self, node))
        vard_fusion_place (self, node);
    }

  return self;
}

/**
 * vard_fusion_free: (skip)
 * @self: (nullable) (transfer full): a fusion
 *
 * Frees the groups.
 */
void
vard_fusion_free (VardFusion *self)
{
  g_free (self->first_reader);
  g_free (self->readers);
  g_free (self->is_sink);
  g_free (self->replaced);
  g_free (self->group_of);
  g_ptr_array_unref (self->groups);
  g_free (self);
}

/**
 * vard_fusion_set_producer: (skip)
 * @self: a fusion
 * @group: a group
 * @node: the node whose step computes the group as well
 * @is_output: whether the step also stores the value of @node
 *
 * Makes @node the producer of @group.
 */
void
vard_fusion_set_producer (VardFusion *self,
                          VardFusionGroup *group,
                          VardNode *node,
                          gboolean is_output)
{
  group->producer = node;
  group->producer_output = -1;
  self->group_of[node->id] = group;
  if (!is_output)
    return;
  group->producer_output = group->n_outputs;
  group->outputs[group->n_outputs++] = node;
}

/**
 * vard_fusion_is_needed: (skip)
 * @self: a fusion
 * @node: a node
 *
 * Returns: whether a step outside the groups reads the value of @node
 */
gboolean
vard_fusion_is_needed (VardFusion *self, const VardNode *node)
{
  if (self->is_sink[node->id])
    return TRUE;
  for (guint i = 0; i < vard_fusion_count_readers (self, node); i++)
    {
      const VardNode *reader = vard_fusion_get_reader (self, node, i);

      /* a producer is in a group too, but reads its inputs as a whole */
      if (self->group_of[reader->id] == NULL || !vard_fusion_can_join (self, reader))
        return TRUE;
    }

  return FALSE;
}
