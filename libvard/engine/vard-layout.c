/* vard-layout.c - assigns memory to every node of a lowered graph
 *
 * Inputs and outputs have buffers of their own, and steps read parameters where their tensors are.
 * All other values share the engine's arena by liveness. A step writes an output directly to its
 * buffer. It also writes an update directly over its parameter (a sum of gradients, an optimizer
 * step) if no later step reads the parameter. Other updates are copied after the last step, so
 * every read of a parameter sees the value from before the execution.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine/vard-engine-private.h"

#include "base/vard-error.h"

#include <string.h>

#define NO_BLOCK G_MAXUINT

typedef struct
{
  VardProgram *program;
  VardLowering *lowering;
  GArray *blocks;       /* VardBlock */
  guint *block_of;      /* by node id */
  guint *scratch_block; /* by step */
  guint *last_use;      /* by node id: the last step that reads it or a view of it */
} Layout;

static gsize
vard_layout_node_get_size (const VardNode *node)
{
  return vard_node_get_count (node) * vard_dtype_get_size (node->dtype);
}

/* bytes of a computed node, as the engine stores it */
static gsize
layout_get_size (Layout *self, const VardNode *node)
{
  return vard_node_get_count (node)
         * vard_dtype_get_size (vard_lowering_get_storage (self->lowering, node));
}

static const VardStep *
layout_get_step (VardProgram *program, guint i)
{
  return &g_array_index (program->steps, VardStep, i);
}

static VardBuffer *
vard_layout_program_add_port (VardProgram *self,
                              GArray *ports,
                              const char *name,
                              VardNode *node,
                              GError **error)
{
  VardPort port = { .name = name, .node = node };

  port.buffer = vard_engine_alloc (self->engine, vard_layout_node_get_size (node), error);
  if (port.buffer != NULL)
    g_array_append_val (ports, port);

  return port.buffer;
}

static gboolean
vard_layout_program_place_constant (VardProgram *self,
                                    VardNode *node,
                                    VardTensor *tensor,
                                    GError **error)
{
  VardBuffer *buffer = vard_engine_alloc (self->engine, vard_layout_node_get_size (node), error);

  if (buffer == NULL)
    return FALSE;
  g_ptr_array_add (self->constants, buffer);
  self->places[node->id] = (VardPlace) { VARD_PLACE_BUFFER, 0, buffer, NULL };

  return vard_engine_write (self->engine, buffer, 0, vard_tensor_peek_data (tensor),
                            vard_layout_node_get_size (node), error);
}

static gboolean
vard_layout_program_place_source (VardProgram *self, VardNode *node, GError **error)
{
  const VardSourceAttrs *source = node->attrs;
  VardBuffer *buffer;

  switch (source->kind)
    {
    case VARD_SOURCE_INPUT:
      buffer = vard_layout_program_add_port (self, self->inputs, source->name, node, error);
      self->places[node->id] = (VardPlace) { VARD_PLACE_BUFFER, 0, buffer, NULL };
      return buffer != NULL;
    case VARD_SOURCE_PARAM:
      self->places[node->id] = (VardPlace) { VARD_PLACE_TENSOR, 0, NULL, source->tensor };
      return vard_engine_adopt (self->engine, source->tensor, error);
    case VARD_SOURCE_CONST:
    default: return vard_layout_program_place_constant (self, node, source->tensor, error);
    }
}

static gboolean
layout_place_sources (Layout *self, GError **error)
{
  for (guint id = 0; id < self->lowering->n_nodes; id++)
    {
      VardNode *node = vard_graph_get_node (self->program->graph, id);
      const VardSourceAttrs *source = node->attrs;

      if (node->op != &vard_op_source)
        continue;
      /* an input that nothing reads may still be set: callers need not know what was swept */
      if (!self->lowering->live[id]
          && (source->kind != VARD_SOURCE_INPUT || source->index == G_MAXUINT))
        continue;
      if (!self->lowering->claims[id].is_kept
          && !vard_layout_program_place_source (self->program, node, error))
        return FALSE;
    }

  return TRUE;
}

static void
layout_place_kept (Layout *self)
{
  for (guint id = 0; id < self->lowering->n_nodes; id++)
    if (self->lowering->claims[id].kept_in != NULL)
      self->program->places[id] =
        (VardPlace) { VARD_PLACE_BUFFER, 0, self->lowering->claims[id].kept_in, NULL };
}

/* a computed node that has storage of its own and no place yet */
static gboolean
layout_is_free (Layout *self, VardNode *node)
{
  return node->op != &vard_op_source && self->lowering->claims[node->id].view_of == NULL
         && self->program->places[node->id].kind == VARD_PLACE_NONE;
}

static void
layout_add_copy (Layout *self, VardNode *from, VardPlace to)
{
  gsize offset;
  VardNode *root = vard_lowering_get_root (self->lowering, from, &offset);
  VardCopy copy = { .to = to, .size = vard_layout_node_get_size (from) };

  /* the root's place is known only after the plan: remember the node, resolve later */
  copy.from.offset = offset;
  copy.from.tensor = (gpointer) root;
  g_array_append_val (self->program->copies, copy);
  self->last_use[root->id] = self->program->steps->len;
}

static gboolean
layout_place_outputs (Layout *self, GError **error)
{
  guint n_outputs;
  const VardOutput *outputs = vard_graph_get_outputs (self->program->graph, &n_outputs);

  for (guint i = 0; i < n_outputs; i++)
    {
      VardNode *node = outputs[i].node;
      VardBuffer *buffer = vard_layout_program_add_port (self->program, self->program->outputs,
                                                         outputs[i].name, node, error);
      VardPlace place = { VARD_PLACE_BUFFER, 0, buffer, NULL };

      if (buffer == NULL)
        return FALSE;
      if (layout_is_free (self, node))
        self->program->places[node->id] = place;
      else
        layout_add_copy (self, node, place);
    }

  return TRUE;
}

/* a value that is another param: read before any assignment writes, through a buffer of its own */
static gboolean
layout_stage_param (Layout *self, VardNode *value, VardPlace to, GError **error)
{
  VardBuffer *buffer =
    vard_engine_alloc (self->program->engine, vard_layout_node_get_size (value), error);
  VardPlace staging = { VARD_PLACE_BUFFER, 0, buffer, NULL };
  guint last = self->program->copies->len;

  if (buffer == NULL)
    return FALSE;
  g_ptr_array_add (self->program->constants, buffer);
  layout_add_copy (self, value, staging);

  VardCopy first = g_array_index (self->program->copies, VardCopy, last);

  g_array_remove_index (self->program->copies, last);
  g_array_prepend_val (self->program->copies, first);
  g_array_append_val (self->program->staged, ((VardCopy) { staging, to, first.size }));

  return TRUE;
}

/* a param whose old value goes elsewhere after the last step */
static void
layout_find_staged (Layout *self)
{
  guint n_assignments;
  const VardAssignment *assignments =
    vard_graph_get_assignments (self->program->graph, &n_assignments);

  for (guint i = 0; i < n_assignments; i++)
    {
      gsize offset;
      VardNode *root = vard_lowering_get_root (self->lowering, assignments[i].value, &offset);

      if (root->op == &vard_op_source)
        self->last_use[root->id] = self->program->steps->len;
    }
}

static gboolean
layout_place_assignments (Layout *self, GError **error)
{
  guint n_assignments;
  const VardAssignment *assignments =
    vard_graph_get_assignments (self->program->graph, &n_assignments);

  layout_find_staged (self);
  for (guint i = 0; i < n_assignments; i++)
    {
      VardNode *param = assignments[i].param, *value = assignments[i].value;
      VardPlace place = { VARD_PLACE_TENSOR, 0, NULL,
                          ((const VardSourceAttrs *) param->attrs)->tensor };
      gsize offset;
      VardNode *root = vard_lowering_get_root (self->lowering, value, &offset);

      if (layout_is_free (self, value)
          && vard_update_may_overwrite (self->program, self->lowering, self->last_use, param,
                                        value))
        self->program->places[value->id] = place;
      else if (root->op != &vard_op_source)
        layout_add_copy (self, value, place);
      else if (!layout_stage_param (self, value, place, error))
        return FALSE;
    }

  return TRUE;
}

static void
layout_find_last_uses (Layout *self)
{
  for (guint i = 0; i < self->program->steps->len; i++)
    {
      const VardStep *step = layout_get_step (self->program, i);

      for (guint k = 0; k < step->n_in; k++)
        {
          gsize offset;
          VardNode *root = vard_lowering_get_root (self->lowering, step->in[k], &offset);

          self->last_use[root->id] = MAX (self->last_use[root->id], i);
        }
      for (guint k = 0; k < step->n_out; k++)
        self->last_use[step->out[k]->id] = MAX (self->last_use[step->out[k]->id], i);
    }
}

/* the block that out[0] may take over, or NO_BLOCK */
static guint
layout_find_in_place (Layout *self, const VardStep *step, guint i)
{
  gsize offset, other_offset;

  if (step->n_in == 0 || !vard_step_may_overwrite (step, step->out[0], 0))
    return NO_BLOCK;

  VardNode *root = vard_lowering_get_root (self->lowering, step->in[0], &offset);

  if (self->block_of[root->id] == NO_BLOCK || self->last_use[root->id] != i || offset != 0
      || layout_get_size (self, root) != layout_get_size (self, step->out[0]))
    return NO_BLOCK;
  for (guint k = 1; k < step->n_in; k++)
    if (step->in[k] != step->in[0]
        && vard_lowering_get_root (self->lowering, step->in[k], &other_offset) == root)
      return NO_BLOCK;

  return self->block_of[root->id];
}

static guint
layout_add_block (Layout *self, gsize size, guint first, guint last)
{
  VardBlock block = { size, first, last, 0 };

  g_array_append_val (self->blocks, block);
  return self->blocks->len - 1;
}

static void
layout_add_step_blocks (Layout *self, guint i)
{
  const VardStep *step = layout_get_step (self->program, i);

  for (guint k = 0; k < step->n_out; k++)
    {
      VardNode *node = step->out[k];
      guint block = k == 0 ? layout_find_in_place (self, step, i) : NO_BLOCK;

      if (self->program->places[node->id].kind != VARD_PLACE_NONE)
        continue;
      if (block == NO_BLOCK)
        block = layout_add_block (self, layout_get_size (self, node), i, self->last_use[node->id]);
      else
        {
          VardBlock *shared = &g_array_index (self->blocks, VardBlock, block);

          shared->last = MAX (shared->last, self->last_use[node->id]);
        }
      self->block_of[node->id] = block;
    }
  if (step->scratch_size)
    self->scratch_block[i] = layout_add_block (self, step->scratch_size, i, i);
}

static gboolean
layout_check_order (Layout *self, guint i, GError **error)
{
  const VardStep *step = layout_get_step (self->program, i);

  for (guint k = 0; k < step->n_in; k++)
    {
      gsize offset;
      VardNode *root = vard_lowering_get_root (self->lowering, step->in[k], &offset);

      if (root->op != &vard_op_source && self->block_of[root->id] == NO_BLOCK
          && self->program->places[root->id].kind == VARD_PLACE_NONE)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                       "step %u (%s) reads %%%u %s, which no earlier step computes", i, step->name,
                       root->id, root->op->name);
          return FALSE;
        }
    }

  return TRUE;
}

static gboolean
layout_plan (Layout *self, GError **error)
{
  VardProgram *program = self->program;
  VardBlock *blocks;

  for (guint i = 0; i < program->steps->len; i++)
    {
      if (!layout_check_order (self, i, error))
        return FALSE;
      layout_add_step_blocks (self, i);
    }
  blocks = (VardBlock *) self->blocks->data;
  program->arena_size = vard_plan_blocks (blocks, self->blocks->len);
  if (vard_engine_poisons (program->engine) && !vard_plan_verify (blocks, self->blocks->len, error))
    return FALSE;
  for (guint id = 0; id < self->lowering->n_nodes; id++)
    if (self->block_of[id] != NO_BLOCK)
      program->places[id] =
        (VardPlace) { VARD_PLACE_ARENA, blocks[self->block_of[id]].offset, NULL, NULL };
  for (guint i = 0; i < program->steps->len; i++)
    if (self->scratch_block[i] != NO_BLOCK)
      program->scratch[i] =
        (VardPlace) { VARD_PLACE_ARENA, blocks[self->scratch_block[i]].offset, NULL, NULL };

  return TRUE;
}

static void
layout_finish (Layout *self)
{
  for (guint id = 0; id < self->lowering->n_nodes; id++)
    {
      gsize offset;
      VardNode *node = vard_graph_get_node (self->program->graph, id);
      VardNode *root = vard_lowering_get_root (self->lowering, node, &offset);

      if (root == node)
        continue;
      self->program->places[id] = self->program->places[root->id];
      self->program->places[id].offset += offset;
    }
  for (guint i = 0; i < self->program->copies->len; i++)
    {
      VardCopy *copy = &g_array_index (self->program->copies, VardCopy, i);
      VardPlace from = self->program->places[((VardNode *) (gpointer) copy->from.tensor)->id];

      from.offset += copy->from.offset;
      copy->from = from;
    }
}

static gboolean
layout_run (Layout *self, GError **error)
{
  layout_place_kept (self);
  layout_find_last_uses (self);
  if (!layout_place_sources (self, error) || !layout_place_outputs (self, error))
    return FALSE;
  if (!layout_place_assignments (self, error))
    return FALSE;
  if (!layout_plan (self, error))
    return FALSE;
  layout_finish (self);

  return TRUE;
}

/* fills places, scratch, ports and copies of a program whose steps are known */
gboolean
vard_program_lay_out (VardProgram *program, VardLowering *lowering, GError **error)
{
  guint n_steps = program->steps->len;
  g_autoptr (GArray) blocks = g_array_new (FALSE, FALSE, sizeof (VardBlock));
  g_autofree guint *block_of = g_new (guint, lowering->n_nodes + 1);
  g_autofree guint *scratch_block = g_new (guint, n_steps + 1);
  g_autofree guint *last_use = g_new0 (guint, lowering->n_nodes + 1);
  Layout layout = { program, lowering, blocks, block_of, scratch_block, last_use };

  memset (block_of, 0xff, (lowering->n_nodes + 1) * sizeof *block_of);
  memset (scratch_block, 0xff, (n_steps + 1) * sizeof *scratch_block);

  return layout_run (&layout, error);
}
