/* vard-lowering.c - records how an engine claims the nodes of a graph
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine/vard-engine-private.h"

#include "base/vard-error.h"

/* how many unsupported nodes an error names before it only counts */
#define MAX_NAMED 12

static void
vard_lowering_step_clear (gpointer data)
{
  VardStep *step = data;

  if (step->free_data != NULL)
    step->free_data (step->data);
  g_free (step->in);
  g_free (step->out);
}

static void
vard_lowering_add_use (VardLowering *self, VardNode *node, VardNode *reader)
{
  self->readers[node->id] = self->n_uses[node->id] == 0 ? reader : NULL;
  self->n_uses[node->id]++;
}

static void
vard_lowering_count_uses (VardLowering *self)
{
  guint n_outputs, n_assignments;
  const VardOutput *outputs = vard_graph_get_outputs (self->graph, &n_outputs);
  const VardAssignment *assignments = vard_graph_get_assignments (self->graph, &n_assignments);

  for (guint id = 0; id < self->n_nodes; id++)
    {
      VardNode *node = vard_graph_get_node (self->graph, id);

      for (guint k = 0; self->live[id] && k < node->n_inputs; k++)
        vard_lowering_add_use (self, node->inputs[k], node);
    }
  for (guint i = 0; i < n_outputs; i++)
    vard_lowering_add_use (self, outputs[i].node, NULL);
  for (guint i = 0; i < n_assignments; i++)
    vard_lowering_add_use (self, assignments[i].value, NULL);
}

VardLowering *
vard_lowering_new (VardEngine *engine, VardGraph *graph)
{
  VardLowering *self = g_new0 (VardLowering, 1);

  self->engine = engine;
  self->graph = vard_graph_ref (graph);
  self->n_nodes = vard_graph_get_n_nodes (graph);
  self->live = vard_graph_mark_live (graph);
  self->n_uses = g_new0 (guint, self->n_nodes + 1);
  self->readers = g_new0 (VardNode *, self->n_nodes + 1);
  self->claims = g_new0 (VardClaim, self->n_nodes + 1);
  self->steps = g_array_new (FALSE, FALSE, sizeof (VardStep));
  g_array_set_clear_func (self->steps, vard_lowering_step_clear);
  vard_lowering_count_uses (self);

  return self;
}

void
vard_lowering_free (VardLowering *self)
{
  g_clear_pointer (&self->steps, g_array_unref);
  g_free (self->live);
  g_free (self->n_uses);
  g_free (self->readers);
  g_free (self->claims);
  vard_graph_unref (self->graph);
  g_free (self);
}

/**
 * vard_lowering_get_graph: (skip)
 * @self: a lowering
 *
 * Returns: (transfer none): the graph to lower
 */
VardGraph *
vard_lowering_get_graph (VardLowering *self)
{
  return self->graph;
}

/**
 * vard_lowering_is_live: (skip)
 * @self: a lowering
 * @node: a node of its graph
 *
 * Returns: whether an output or an assignment needs @node
 */
gboolean
vard_lowering_is_live (VardLowering *self, const VardNode *node)
{
  return self->live[node->id];
}

/**
 * vard_lowering_is_claimed: (skip)
 * @self: a lowering
 * @node: a node of its graph
 *
 * Returns: whether a step, a view or vard_lowering_absorb() has claimed @node
 */
gboolean
vard_lowering_is_claimed (VardLowering *self, const VardNode *node)
{
  return self->claims[node->id].is_claimed;
}

/**
 * vard_lowering_get_n_uses: (skip)
 * @self: a lowering
 * @node: a node of its graph
 *
 * Returns: the number of live nodes, outputs and assignments that read @node; 1 means that it may
 *   be fused into its reader
 */
guint
vard_lowering_get_n_uses (VardLowering *self, const VardNode *node)
{
  return self->n_uses[node->id];
}

/**
 * vard_lowering_get_reader: (skip)
 * @self: a lowering
 * @node: a node of its graph
 *
 * Returns: (transfer none) (nullable): the only live reader, if it is a node
 */
VardNode *
vard_lowering_get_reader (VardLowering *self, const VardNode *node)
{
  return self->n_uses[node->id] == 1 ? self->readers[node->id] : NULL;
}

/**
 * vard_lowering_add_step: (skip)
 * @self: a lowering
 * @step: the step; copied
 *
 * Adds a step that computes one or more nodes. Steps execute in the order they are added.
 */
void
vard_lowering_add_step (VardLowering *self, const VardStep *step)
{
  VardStep copy = *step;

  copy.engine = self->engine;
  copy.in = g_memdup2 (step->in, step->n_in * sizeof *step->in);
  copy.out = g_memdup2 (step->out, step->n_out * sizeof *step->out);
  for (guint i = 0; i < copy.n_out; i++)
    {
      g_assert (!self->claims[copy.out[i]->id].is_claimed);
      self->claims[copy.out[i]->id].is_claimed = TRUE;
    }
  g_array_append_val (self->steps, copy);
}

/**
 * vard_lowering_add_view: (skip)
 * @self: a lowering
 * @node: the node that needs no step
 * @source: the node whose bytes it shares
 * @offset: where @node begins in @source, in bytes
 *
 * Declares @node to be the bytes of @source under another shape.
 */
void
vard_lowering_add_view (VardLowering *self, VardNode *node, VardNode *source, gsize offset)
{
  g_assert (!self->claims[node->id].is_claimed);

  self->claims[node->id] =
    (VardClaim) { .is_claimed = TRUE, .view_of = source, .view_offset = offset };
}

/**
 * vard_lowering_absorb: (skip)
 * @self: a lowering
 * @node: the node
 *
 * Claims a node that another step computes on the way and that has no storage.
 */
void
vard_lowering_absorb (VardLowering *self, VardNode *node)
{
  self->claims[node->id] = (VardClaim) { .is_claimed = TRUE, .is_absorbed = TRUE };
}

/**
 * vard_lowering_set_storage: (skip)
 * @self: a lowering
 * @node: a computed node that is neither an output nor assigned
 * @dtype: the type that it has in memory
 *
 * Stores a value as another type than its own. All steps of the engine that touch @node must write
 * and read that type. Views of it follow.
 */
void
vard_lowering_set_storage (VardLowering *self, VardNode *node, VardDType dtype)
{
  self->claims[node->id].has_storage = TRUE;
  self->claims[node->id].storage = dtype;
}

/**
 * vard_lowering_get_storage: (skip)
 * @self: a lowering
 * @node: a node of its graph
 *
 * Returns: the type that @node has in memory
 */
VardDType
vard_lowering_get_storage (VardLowering *self, const VardNode *node)
{
  while (self->claims[node->id].view_of != NULL)
    node = self->claims[node->id].view_of;
  return self->claims[node->id].has_storage ? self->claims[node->id].storage : node->dtype;
}

/**
 * vard_lowering_add_slice_view: (skip)
 * @self: a lowering
 * @node: a live node that no step claims yet
 *
 * Adds a view for a slice along the first axis that is longer than one: such a slice is a piece of
 * the same bytes.
 *
 * Returns: whether @node is such a slice; nothing happens to any other node
 */
gboolean
vard_lowering_add_slice_view (VardLowering *self, VardNode *node)
{
  if (node->op != &vard_op_slice)
    return FALSE;

  const VardSliceAttrs *attrs = node->attrs;
  const VardShape *x = &node->inputs[0]->shape;
  gsize unit = vard_shape_get_span (x, attrs->axis + 1, x->n_dims)
               * vard_dtype_get_size (vard_lowering_get_storage (self, node->inputs[0]));

  if (vard_shape_get_span (x, 0, attrs->axis) != 1)
    return FALSE;
  vard_lowering_add_view (self, node, node->inputs[0], attrs->start * unit);

  return TRUE;
}

/**
 * vard_lowering_keep: (skip)
 * @self: a lowering
 * @node: a param, a constant, or a node computed from these alone
 * @buffer: (nullable): the engine's own copy, which must outlive the program; %NULL when no step
 *   reads the node
 *
 * Tells the core that the engine keeps the value of @node itself. The core does not adopt a param
 * that is kept.
 */
void
vard_lowering_keep (VardLowering *self, VardNode *node, VardBuffer *buffer)
{
  g_assert (!self->claims[node->id].is_claimed);

  self->claims[node->id] = (VardClaim) { .is_claimed = TRUE, .is_kept = TRUE, .kept_in = buffer };
}

VardNode *
vard_lowering_get_root (VardLowering *self, VardNode *node, gsize *offset)
{
  *offset = 0;
  while (self->claims[node->id].view_of != NULL)
    {
      *offset += self->claims[node->id].view_offset;
      node = self->claims[node->id].view_of;
    }

  return node;
}

/* an engine must claim every live node: there is no silent fallback */
gboolean
vard_lowering_check (VardLowering *self, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);
  guint n_missing = 0;

  for (guint id = 0; id < self->n_nodes; id++)
    {
      const VardNode *node = vard_graph_get_node (self->graph, id);

      if (!self->live[id] || self->claims[id].is_claimed || node->op == &vard_op_source)
        continue;
      if (n_missing++ < MAX_NAMED)
        {
          g_autofree char *shape = vard_shape_to_string (&node->shape);

          g_string_append_printf (names, "%s%s %s %s%s%s", names->len ? ", " : "", node->op->name,
                                  vard_dtype_get_name (node->dtype), shape,
                                  *node->scope ? " in " : "", node->scope);
        }
    }
  if (n_missing == 0)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED, "%s cannot run %u operations: %s%s",
               G_OBJECT_TYPE_NAME (self->engine), n_missing, names->str,
               n_missing > MAX_NAMED ? ", ..." : "");

  return FALSE;
}
