/* vard-reference-engine.c - computes every operation with its reference loop
 *
 * Slow and obvious on purpose: other engines are tested against it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine/vard-reference-engine.h"

struct _VardReferenceEngine
{
  VardEngine parent_instance;
};

G_DEFINE_FINAL_TYPE (VardReferenceEngine, vard_reference_engine, VARD_TYPE_ENGINE)

static char *
vard_reference_engine_describe (VardEngine *engine)
{
  return g_strdup ("reference: plain loops, one thread");
}

/* Reference functions move and compute elements of four bytes; cast alone reads and writes others,
 * and random_normal reads its counter */
static gboolean
vard_reference_engine_has_four_bytes (const VardNode *node)
{
  return vard_dtype_get_size (node->dtype) == sizeof (float);
}

static gboolean
vard_reference_engine_supports (const VardNode *node)
{
  if (node->op->flags & (VARD_OP_FLAG_SOURCE | VARD_OP_FLAG_VIEW))
    return TRUE;
  if (node->op->reference == NULL)
    return FALSE;
  if (node->op == &vard_op_cast || node->op == &vard_op_random_normal
      || node->op == &vard_op_gather)
    return TRUE;
  for (guint k = 0; k < node->n_inputs; k++)
    if (!vard_reference_engine_has_four_bytes (node->inputs[k]))
      return FALSE;

  return vard_reference_engine_has_four_bytes (node);
}

static void
vard_reference_engine_reference_kernel (const VardStep *step,
                                        gpointer *in,
                                        gpointer *out,
                                        gpointer scratch)
{
  step->out[0]->op->reference (step->out[0], (float **) in, out[0]);
}

static gboolean
vard_reference_engine_lower (VardEngine *engine, VardLowering *lowering, GError **error)
{
  VardGraph *graph = vard_lowering_get_graph (lowering);

  for (guint id = 0; id < vard_graph_get_n_nodes (graph); id++)
    {
      VardNode *node = vard_graph_get_node (graph, id);
      VardStep step = {
        .name = node->op->name,
        .kernel = vard_reference_engine_reference_kernel,
        .n_in = node->n_inputs,
        .in = node->inputs,
        .n_out = 1,
        .out = &node,
      };

      if (!vard_lowering_is_live (lowering, node) || (node->op->flags & VARD_OP_FLAG_SOURCE))
        continue;
      if (node->op->flags & VARD_OP_FLAG_VIEW)
        vard_lowering_add_view (lowering, node, node->inputs[0], 0);
      else if (vard_reference_engine_supports (node))
        vard_lowering_add_step (lowering, &step);
    }

  return TRUE;
}

static gboolean
vard_reference_engine_is_exact (VardEngine *engine)
{
  return TRUE;
}

static void
vard_reference_engine_class_init (VardReferenceEngineClass *klass)
{
  VardEngineClass *engine_class = VARD_ENGINE_CLASS (klass);

  engine_class->describe = vard_reference_engine_describe;
  engine_class->lower = vard_reference_engine_lower;
  engine_class->is_exact = vard_reference_engine_is_exact;
}

static void
vard_reference_engine_init (VardReferenceEngine *self)
{
}

VardEngine *
vard_reference_engine_new (void)
{
  return g_object_new (VARD_TYPE_REFERENCE_ENGINE, NULL);
}
