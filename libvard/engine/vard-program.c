/* vard-program.c - steps with their storage, and their execution
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine/vard-engine-private.h"

#include "base/vard-trace.h"

static const VardStep *
vard_program_program_step (VardProgram *self, guint i)
{
  return &g_array_index (self->steps, VardStep, i);
}

static void
vard_program_port_clear (gpointer data)
{
  vard_buffer_unref (((VardPort *) data)->buffer);
}

static void
vard_program_program_allocate_addresses (VardProgram *self)
{
  guint n_steps = self->steps->len;

  self->in = g_new0 (gpointer *, n_steps + 1);
  self->out = g_new0 (gpointer *, n_steps + 1);
  self->scratch_address = g_new0 (gpointer, n_steps + 1);
  for (guint i = 0; i < n_steps; i++)
    {
      self->in[i] = g_new0 (gpointer, vard_program_program_step (self, i)->n_in + 1);
      self->out[i] = g_new0 (gpointer, vard_program_program_step (self, i)->n_out + 1);
    }
}

VardProgram *
vard_program_new (VardLowering *lowering, GError **error)
{
  g_autoptr (VardProgram) self = g_new0 (VardProgram, 1);

  vard_lowering_advance_updates (lowering);
  self->engine = g_object_ref (lowering->engine);
  self->graph = vard_graph_ref (lowering->graph);
  self->steps = g_array_ref (lowering->steps);
  self->inputs = g_array_new (FALSE, FALSE, sizeof (VardPort));
  self->outputs = g_array_new (FALSE, FALSE, sizeof (VardPort));
  g_array_set_clear_func (self->inputs, vard_program_port_clear);
  g_array_set_clear_func (self->outputs, vard_program_port_clear);
  self->copies = g_array_new (FALSE, FALSE, sizeof (VardCopy));
  self->staged = g_array_new (FALSE, FALSE, sizeof (VardCopy));
  self->constants = g_ptr_array_new_with_free_func ((GDestroyNotify) vard_buffer_unref);
  self->places = g_new0 (VardPlace, lowering->n_nodes + 1);
  self->scratch = g_new0 (VardPlace, lowering->steps->len + 1);
  vard_program_program_allocate_addresses (self);
  if (!vard_program_lay_out (self, lowering, error))
    return NULL;

  return g_steal_pointer (&self);
}

void
vard_program_free (VardProgram *self)
{
  for (guint i = 0; i < self->steps->len; i++)
    {
      g_free (self->in[i]);
      g_free (self->out[i]);
    }
  g_free (self->in);
  g_free (self->out);
  g_free (self->scratch_address);
  g_free (self->places);
  g_free (self->scratch);
  g_array_unref (self->inputs);
  g_array_unref (self->outputs);
  g_array_unref (self->copies);
  g_array_unref (self->staged);
  g_array_unref (self->steps);
  g_ptr_array_unref (self->constants);
  vard_graph_unref (self->graph);
  g_object_unref (self->engine);
  g_free (self);
}

/* the buffer and the offset in it; resolved at each execution, because arenas grow and tensors
 * move */
static VardBuffer *
vard_program_program_resolve (VardProgram *self, const VardPlace *place, gsize *offset)
{
  *offset = place->offset;
  switch (place->kind)
    {
    case VARD_PLACE_ARENA: return vard_engine_peek_arena (self->engine);
    case VARD_PLACE_BUFFER: return place->buffer;
    case VARD_PLACE_TENSOR:
      *offset += vard_tensor_get_offset (place->tensor);
      return vard_tensor_peek_buffer (place->tensor);
    case VARD_PLACE_NONE:
    default: return NULL;
    }
}

static gpointer
vard_program_program_address (VardProgram *self, const VardPlace *place)
{
  gsize offset;
  VardBuffer *buffer = vard_program_program_resolve (self, place, &offset);

  return buffer != NULL ? buffer->data + offset : NULL;
}

static void
vard_program_program_resolve_steps (VardProgram *self)
{
  for (guint i = 0; i < self->steps->len; i++)
    {
      const VardStep *step = vard_program_program_step (self, i);

      for (guint k = 0; k < step->n_in; k++)
        self->in[i][k] = vard_program_program_address (self, &self->places[step->in[k]->id]);
      for (guint k = 0; k < step->n_out; k++)
        self->out[i][k] = vard_program_program_address (self, &self->places[step->out[k]->id]);
      self->scratch_address[i] = vard_program_program_address (self, &self->scratch[i]);
    }
}

static gboolean
vard_program_program_copy_all (VardProgram *self, GArray *copies, GError **error)
{
  for (guint i = 0; i < copies->len; i++)
    {
      const VardCopy *copy = &g_array_index (copies, VardCopy, i);
      gsize from_offset, to_offset;
      VardBuffer *from = vard_program_program_resolve (self, &copy->from, &from_offset);
      VardBuffer *to = vard_program_program_resolve (self, &copy->to, &to_offset);

      if (!vard_engine_copy (self->engine, from, from_offset, to, to_offset, copy->size, error))
        return FALSE;
    }

  return TRUE;
}

/* the caller holds the engine's lock */
gboolean
vard_program_run (VardProgram *self, GCancellable *cancellable, GError **error)
{
  if (!vard_engine_prepare (self->engine, self, error)
      || !vard_engine_reserve (self->engine, self->arena_size, error))
    return FALSE;
  vard_program_program_resolve_steps (self);

  return vard_engine_execute (self->engine, self, cancellable, error)
         && vard_program_program_copy_all (self, self->copies, error)
         && vard_program_program_copy_all (self, self->staged, error);
}

/**
 * vard_program_get_n_steps: (skip)
 * @self: a program
 *
 * Returns: the number of steps
 */
guint
vard_program_get_n_steps (VardProgram *self)
{
  return self->steps->len;
}

/**
 * vard_program_get_step: (skip)
 * @self: a program
 * @i: a step
 *
 * Returns: (transfer none): step @i
 */
const VardStep *
vard_program_get_step (VardProgram *self, guint i)
{
  return vard_program_program_step (self, i);
}

/**
 * vard_program_get_in: (skip)
 * @self: a program
 * @i: a step
 *
 * Returns: (transfer none): the addresses of what step @i reads, valid for this execution
 */
gpointer *
vard_program_get_in (VardProgram *self, guint i)
{
  return self->in[i];
}

/**
 * vard_program_get_out: (skip)
 * @self: a program
 * @i: a step
 *
 * Returns: (transfer none): the addresses of what step @i computes, valid for this execution
 */
gpointer *
vard_program_get_out (VardProgram *self, guint i)
{
  return self->out[i];
}

/**
 * vard_program_get_scratch: (skip)
 * @self: a program
 * @i: a step
 *
 * Returns: (transfer none) (nullable): the scratch memory that step @i asked for
 */
gpointer
vard_program_get_scratch (VardProgram *self, guint i)
{
  return self->scratch_address[i];
}

static char *
vard_program_join_shapes (VardNode **nodes, guint n)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *shape = vard_shape_to_string (&nodes[i]->shape);

      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", shape);
    }

  return g_string_free (g_steal_pointer (&text), FALSE);
}

/**
 * vard_step_trace: (skip)
 * @self: a step
 * @begin: the return value of vard_trace_begin() before the step ran
 * @category: the engine's name
 *
 * Ends a duration of the trace, with the shapes and the operations of the step.
 */
void
vard_step_trace (const VardStep *self, gint64 begin, const char *category)
{
  if (begin == 0)
    return;

  char flops[G_ASCII_DTOSTR_BUF_SIZE];
  g_autofree char *in = vard_program_join_shapes (self->in, self->n_in),
                  *out = vard_program_join_shapes (self->out, self->n_out);
  g_autofree char *args = g_strdup_printf ("{\"in\":\"%s\",\"out\":\"%s\",\"flops\":%s}", in, out,
                                           g_ascii_dtostr (flops, sizeof flops, self->flops));

  vard_trace_end_with (begin, category, self->name, args);
}
