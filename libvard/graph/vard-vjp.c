/* vard-vjp.c - reverse mode: emits the backward pass as graph nodes
 *
 * Each op's rule emits ordinary nodes, so gradients are planned, fused and differentiated again
 * like anything else. Cotangents are kept per original node; when the sweep first enters a segment,
 * the segment is emitted once more under a new generation and its rules read those copies, so that
 * nothing inside has to stay alive from the forward pass (gradient checkpointing, arXiv
 * 1604.06174).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/vard-graph-private.h"

#include "base/vard-error.h"
#include "graph/vard-ops.h"

enum
{
  REACHES = TRUE,
  REACHES_END
};

typedef struct
{
  VardGraph *graph;
  guint n_nodes;         /* of the graph when the sweep began */
  VardNode **cotangents; /* by id */
  /* by id: depends on a wrt node; REACHES_END: and is not to be entered */
  guint8 *reaches;
  GHashTable *copies;   /* original node -> its copy in a newer generation */
  GHashTable *segments; /* segments that have been emitted again */
  guint generation;
} Sweep;

/* marks nodes through which a wrt node influences the outputs */
static void
sweep_mark (Sweep *self, VardNode *const *wrt, guint n_wrt)
{
  for (guint i = 0; i < n_wrt; i++)
    if (wrt[i]->id < self->n_nodes)
      self->reaches[wrt[i]->id] = TRUE;
  for (guint id = 0; id < self->n_nodes; id++)
    {
      const VardNode *node = vard_graph_get_node (self->graph, id);

      if (node->op->flags & VARD_OP_FLAG_NO_GRADIENT)
        continue;
      for (guint k = 0; k < node->n_inputs && !self->reaches[id]; k++)
        self->reaches[id] = self->reaches[node->inputs[k]->id];
    }
}

static void
sweep_add (Sweep *self, const VardNode *node, VardNode *cotangent)
{
  VardNode **slot = &self->cotangents[node->id];

  *slot = *slot != NULL ? vard_add (*slot, cotangent) : cotangent;
}

/* emits a segment again: its own nodes as copies, what it reads from outside as it is */
static void
sweep_copy_segment (Sweep *self, guint segment)
{
  VardEmission before = vard_graph_get_emission (self->graph), emission = before;

  emission.segment = 0;
  emission.generation = self->generation = vard_graph_new_generation (self->graph);
  for (guint id = 0; id < self->n_nodes; id++)
    {
      VardNode *node = vard_graph_get_node (self->graph, id);

      if (node->segment != segment || node->generation != 0)
        continue;

      g_autofree VardNode **inputs = g_new (VardNode *, node->n_inputs + 1);

      for (guint k = 0; k < node->n_inputs; k++)
        {
          VardNode *copy = g_hash_table_lookup (self->copies, node->inputs[k]);

          inputs[k] = copy != NULL && node->inputs[k]->segment == segment ? copy : node->inputs[k];
        }
      emission.scope = node->scope;
      vard_graph_set_emission (self->graph, &emission);
      g_hash_table_insert (self->copies, node,
                           vard_node_emit (self->graph, node->op, inputs, node->n_inputs,
                                           node->attrs));
    }
  vard_graph_set_emission (self->graph, &before);
}

/* the node whose values the rule may read */
static VardNode *
sweep_get_primal (Sweep *self, VardNode *node)
{
  if (node->segment == 0 || node->generation != 0)
    return node;
  if (g_hash_table_add (self->segments, GUINT_TO_POINTER (node->segment)))
    sweep_copy_segment (self, node->segment);

  VardNode *copy = g_hash_table_lookup (self->copies, node);

  return copy != NULL ? copy : node;
}

static void sweep_run (VardNode *const *outputs,
                       VardNode *const *cotangents,
                       guint n_outputs,
                       VardNode *const *wrt,
                       guint n_wrt,
                       gboolean is_partial,
                       VardNode **gradients);

/* An op without a rule is differentiated through its composition from simpler ones. The sweep ends
 * at the inputs even where one depends on another: the outer sweep goes on from there. */
static void
vard_vjp_decompose_vjp (VardNode *node, VardNode *bar, VardNode **out)
{
  VardNode *composed = node->op->decompose (node);

  sweep_run (&composed, &bar, 1, node->inputs, node->n_inputs, TRUE, out);
  for (guint k = 1; k < node->n_inputs; k++)
    for (guint j = 0; j < k; j++)
      if (node->inputs[j] == node->inputs[k])
        out[k] = NULL;
}

static void
sweep_visit (Sweep *self, VardNode *node)
{
  VardNode *bar = self->cotangents[node->id];
  gboolean is_needed = FALSE;

  for (guint k = 0; k < node->n_inputs; k++)
    is_needed |= self->reaches[node->inputs[k]->id];
  if (!is_needed || (node->op->flags & VARD_OP_FLAG_NO_GRADIENT))
    return;

  VardEmission before = vard_graph_get_emission (self->graph);
  VardNode *primal = sweep_get_primal (self, node);
  VardEmission emission = { node->scope, 0, MAX (before.generation, self->generation) };
  g_autofree VardNode **out = g_new0 (VardNode *, node->n_inputs);

  vard_graph_set_emission (self->graph, &emission);
  if (node->op->vjp != NULL)
    node->op->vjp (primal, bar, out);
  else if (node->op->decompose != NULL)
    vard_vjp_decompose_vjp (primal, bar, out);
  else
    vard_graph_take_error (self->graph, g_error_new (VARD_ERROR, VARD_ERROR_GRAPH,
                                                     "%s has no gradient", node->op->name));
  for (guint k = 0; k < node->n_inputs; k++)
    if (out[k] != NULL && self->reaches[node->inputs[k]->id])
      sweep_add (self, node->inputs[k], out[k]);
  vard_graph_set_emission (self->graph, &before);
}

/* partial: what a wrt node has through another wrt node is not followed */
static void
sweep_run (VardNode *const *outputs,
           VardNode *const *cotangents,
           guint n_outputs,
           VardNode *const *wrt,
           guint n_wrt,
           gboolean is_partial,
           VardNode **gradients)
{
  VardGraph *graph = outputs[0]->graph;
  guint n_nodes = vard_graph_get_n_nodes (graph);
  g_autofree VardNode **slots = g_new0 (VardNode *, n_nodes);
  g_autofree guint8 *reaches = g_new0 (guint8, n_nodes);
  g_autoptr (GHashTable) copies = g_hash_table_new (NULL, NULL);
  g_autoptr (GHashTable) segments = g_hash_table_new (NULL, NULL);
  Sweep sweep = { graph, n_nodes, slots, reaches, copies, segments, 0 };

  sweep_mark (&sweep, wrt, n_wrt);
  for (guint i = 0; i < n_wrt && is_partial; i++)
    if (wrt[i]->id < n_nodes)
      reaches[wrt[i]->id] = REACHES_END;
  for (guint i = 0; i < n_outputs; i++)
    sweep_add (&sweep, outputs[i],
               cotangents != NULL && cotangents[i] != NULL
                 ? cotangents[i]
                 : vard_fill (graph, 1.0, outputs[i]->shape));
  for (guint id = n_nodes; id-- > 0 && !vard_graph_has_failed (graph);)
    if (slots[id] != NULL && reaches[id] == REACHES)
      sweep_visit (&sweep, vard_graph_get_node (graph, id));
  for (guint i = 0; i < n_wrt; i++)
    {
      VardNode *gradient = wrt[i]->id < n_nodes ? slots[wrt[i]->id] : NULL;

      gradients[i] = gradient != NULL ? gradient : vard_fill (graph, 0.0, wrt[i]->shape);
    }
}

void
vard_vjp (VardNode *const *outputs,
          VardNode *const *cotangents,
          guint n_outputs,
          VardNode *const *wrt,
          guint n_wrt,
          VardNode **gradients)
{
  sweep_run (outputs, cotangents, n_outputs, wrt, n_wrt, FALSE, gradients);
}
