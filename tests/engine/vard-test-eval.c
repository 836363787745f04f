/* vard-test-eval.c - nodes in order, each by its reference function, each with memory of its own
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "vard-test-eval.h"

#include <string.h>

static gpointer
read_source (const VardNode *node, gpointer *inputs, gsize size)
{
  const VardSourceAttrs *attrs = node->attrs;
  gconstpointer from = attrs->kind == VARD_SOURCE_INPUT ? inputs[attrs->index]
                                                        : vard_tensor_peek_data (attrs->tensor);

  return g_memdup2 (from, size);
}

static gpointer
compute (const VardNode *node, gpointer *values, gsize size)
{
  float *in[16];
  gpointer out = g_malloc (size);

  g_assert_cmpuint (node->n_inputs, <=, G_N_ELEMENTS (in));
  for (guint k = 0; k < node->n_inputs; k++)
    in[k] = values[node->inputs[k]->id];
  /* what a function forgets to write shows as NaN */
  memset (out, 0xff, size);
  node->op->reference (node, in, out);
  return out;
}

VardTestValues *
vard_test_eval (VardGraph *graph, gpointer *inputs)
{
  VardTestValues *self = g_new0 (VardTestValues, 1);
  g_autofree guint8 *live = vard_graph_mark_live (graph);

  self->n_nodes = vard_graph_get_n_nodes (graph);
  self->values = g_new0 (gpointer, self->n_nodes);
  for (guint id = 0; id < self->n_nodes; id++)
    {
      const VardNode *node = vard_graph_get_node (graph, id);
      gsize size = vard_node_get_count (node) * vard_dtype_get_size (node->dtype);

      if (live[id])
        self->values[id] = node->op == &vard_op_source ? read_source (node, inputs, size)
                                                       : compute (node, self->values, size);
    }
  return self;
}

void
vard_test_values_free (VardTestValues *self)
{
  for (guint id = 0; id < self->n_nodes; id++)
    g_free (self->values[id]);
  g_free (self->values);
  g_free (self);
}
