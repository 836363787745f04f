/* vard-graph-dump.c - prints a graph as text, one line a node
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/vard-graph.h"

static const char *const source_names[] = { "input", "param", "const" };

static void
vard_graph_dump_dump_node (const VardNode *node, GString *text)
{
  g_autofree char *shape = vard_shape_to_string (&node->shape);
  const VardSourceAttrs *source = node->op == &vard_op_source ? node->attrs : NULL;

  g_string_append_printf (text, "%%%u = %s %s %s", node->id,
                          source != NULL ? source_names[source->kind] : node->op->name,
                          vard_dtype_get_name (node->dtype), shape);
  for (guint i = 0; i < node->n_inputs; i++)
    g_string_append_printf (text, i ? ", %%%u" : " (%%%u", node->inputs[i]->id);
  if (node->n_inputs)
    g_string_append_c (text, ')');
  if (source != NULL)
    g_string_append_printf (text, " \"%s\"", source->name);
  if (node->op->describe != NULL)
    {
      g_string_append_c (text, ' ');
      node->op->describe (node, text);
    }
  if (*node->scope)
    g_string_append_printf (text, "  # %s", node->scope);
  if (node->segment)
    g_string_append_printf (text, " segment %u", node->segment);
  if (node->generation)
    g_string_append_printf (text, " generation %u", node->generation);
  g_string_append_c (text, '\n');
}

char *
vard_graph_dump (VardGraph *self)
{
  GString *text = g_string_new (NULL);
  guint n_outputs, n_assignments;
  const VardOutput *outputs = vard_graph_get_outputs (self, &n_outputs);
  const VardAssignment *assignments = vard_graph_get_assignments (self, &n_assignments);

  for (guint i = 0; i < vard_graph_get_n_nodes (self); i++)
    vard_graph_dump_dump_node (vard_graph_get_node (self, i), text);
  for (guint i = 0; i < n_outputs; i++)
    g_string_append_printf (text, "output \"%s\" = %%%u\n", outputs[i].name, outputs[i].node->id);
  for (guint i = 0; i < n_assignments; i++)
    g_string_append_printf (text, "assign %%%u = %%%u\n", assignments[i].param->id,
                            assignments[i].value->id);

  return g_string_free (text, FALSE);
}
