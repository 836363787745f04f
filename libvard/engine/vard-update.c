/* vard-update.c - decides when parameter updates run, and which of them run in place
 *
 * A graph records the sums of gradients after all gradients. If they ran in that order, every
 * gradient of the model would stay in memory until then. Each sum therefore runs directly after the
 * last step whose result it needs. An update that overwrites its parameter needs no memory at all.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine/vard-engine-private.h"

/* ---- order ---- */

typedef struct
{
  guint after; /* index of the step that it goes behind, its own for most */
  gboolean is_moved;
  guint index;
} Turn;

static int
vard_update_compare_turns (gconstpointer a, gconstpointer b)
{
  const Turn *x = a, *y = b;

  if (x->after != y->after)
    return x->after < y->after ? -1 : 1;
  if (x->is_moved != y->is_moved)
    return x->is_moved ? 1 : -1;

  return x->index < y->index ? -1 : x->index > y->index;
}

/* A step whose values are assigned, and nothing else becomes of them. Others that read a param
 * which it replaces must still find the old value. */
static gboolean
vard_update_step_is_update (const VardStep *self, VardLowering *lowering, VardNode *const *replaced)
{
  for (guint k = 0; k < self->n_out; k++)
    {
      const VardNode *param = replaced[self->out[k]->id];

      if (param == NULL || vard_lowering_get_n_uses (lowering, self->out[k]) != 1
          || vard_lowering_get_n_uses (lowering, param) > 1)
        return FALSE;
    }

  return TRUE;
}

static guint
vard_update_find_last_input (const VardStep *self, VardLowering *lowering, const guint *computed_by)
{
  guint last = 0;
  gsize offset;

  for (guint k = 0; k < self->n_in; k++)
    last = MAX (last, computed_by[vard_lowering_get_root (lowering, self->in[k], &offset)->id]);

  return last;
}

static void
vard_update_apply_turns (GArray *steps, const Turn *turns)
{
  g_autofree VardStep *before = g_memdup2 (steps->data, steps->len * sizeof (VardStep));

  for (guint i = 0; i < steps->len; i++)
    g_array_index (steps, VardStep, i) = before[turns[i].index];
}

/* by node id: the param that a value is assigned to, or NULL */
static VardNode **
vard_update_find_replaced (VardLowering *lowering)
{
  guint n;
  const VardAssignment *assignments = vard_graph_get_assignments (lowering->graph, &n);
  VardNode **replaced = g_new0 (VardNode *, lowering->n_nodes + 1);

  for (guint i = 0; i < n; i++)
    replaced[assignments[i].value->id] = assignments[i].param;

  return replaced;
}

void
vard_lowering_advance_updates (VardLowering *self)
{
  GArray *steps = self->steps;
  g_autofree VardNode **replaced = vard_update_find_replaced (self);
  g_autofree guint *computed_by = g_new0 (guint, self->n_nodes + 1);
  g_autofree Turn *turns = g_new (Turn, steps->len + 1);

  for (guint i = 0; i < steps->len; i++)
    {
      const VardStep *step = &g_array_index (steps, VardStep, i);

      turns[i] = (Turn) { i, FALSE, i };
      for (guint k = 0; k < step->n_out; k++)
        computed_by[step->out[k]->id] = i;
      if (step->n_in > 0 && vard_update_step_is_update (step, self, replaced))
        turns[i] = (Turn) { vard_update_find_last_input (step, self, computed_by), TRUE, i };
    }
  qsort (turns, steps->len, sizeof *turns, vard_update_compare_turns);
  if (steps->len > 0)
    vard_update_apply_turns (steps, turns);
}

/* ---- place ---- */

gboolean
vard_step_may_overwrite (const VardStep *self, const VardNode *out, guint in)
{
  for (guint k = 0; k < MIN (self->n_out, VARD_STEP_MAX_IN_PLACE); k++)
    if (self->out[k] == out)
      return in < 64 && (self->in_place[k] >> in & 1) != 0;
  return FALSE;
}

static const VardStep *
vard_update_find_step (VardProgram *program, const VardNode *node, guint *index)
{
  for (guint i = 0; i < program->steps->len; i++)
    {
      const VardStep *step = &g_array_index (program->steps, VardStep, i);

      for (guint k = 0; k < step->n_out; k++)
        if (step->out[k] == node)
          {
            *index = i;
            return step;
          }
    }

  return NULL;
}

static gboolean
vard_update_tensors_overlap (VardTensor *a, VardTensor *b)
{
  gsize a_begin = vard_tensor_get_offset (a), b_begin = vard_tensor_get_offset (b);

  return vard_tensor_peek_buffer (a) == vard_tensor_peek_buffer (b)
         && a_begin < b_begin + vard_tensor_get_n_bytes (b)
         && b_begin < a_begin + vard_tensor_get_n_bytes (a);
}

/* whether a step reads no more of a param than what its value may lie over, element by element */
static gboolean
vard_update_step_reads_in_place (const VardStep *self,
                                 VardLowering *lowering,
                                 const VardNode *param,
                                 const VardNode *value)
{
  for (guint k = 0; k < self->n_in; k++)
    {
      gsize offset;

      if (vard_lowering_get_root (lowering, self->in[k], &offset) == param
          && (offset != 0 || vard_node_get_count (self->in[k]) != vard_node_get_count (value)
              || self->in[k]->dtype != value->dtype || !vard_step_may_overwrite (self, value, k)))
        return FALSE;
    }

  return TRUE;
}

/* another param may lie in the same memory: parameters are views of one buffer */
static gboolean
vard_update_is_same_memory (const VardNode *node, VardTensor *tensor)
{
  const VardSourceAttrs *source = node->attrs;

  return node->op == &vard_op_source && source->kind == VARD_SOURCE_PARAM
         && vard_update_tensors_overlap (source->tensor, tensor);
}

gboolean
vard_update_may_overwrite (VardProgram *program,
                           VardLowering *lowering,
                           const guint *last_use,
                           const VardNode *param,
                           const VardNode *value)
{
  VardTensor *tensor = ((const VardSourceAttrs *) param->attrs)->tensor;
  guint at;
  const VardStep *step = vard_update_find_step (program, value, &at);

  for (guint id = 0; step != NULL && id < lowering->n_nodes; id++)
    {
      const VardNode *node = vard_graph_get_node (lowering->graph, id);

      if (last_use[id] < at || !vard_update_is_same_memory (node, tensor))
        continue;
      if (last_use[id] > at || node != param
          || !vard_update_step_reads_in_place (step, lowering, param, value))
        return FALSE;
    }

  return step != NULL;
}
