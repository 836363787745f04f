/* vard-executable.c - a compiled graph with its inputs and outputs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine/vard-engine-private.h"

#include "base/vard-error.h"

struct _VardExecutable
{
  GObject parent_instance;

  VardEngine *engine;
  VardProgram *program;
};

G_DEFINE_FINAL_TYPE (VardExecutable, vard_executable, G_TYPE_OBJECT)

static void
vard_executable_finalize (GObject *object)
{
  VardExecutable *self = VARD_EXECUTABLE (object);

  g_clear_pointer (&self->program, vard_program_free);
  g_clear_object (&self->engine);
  G_OBJECT_CLASS (vard_executable_parent_class)->finalize (object);
}

static void
vard_executable_class_init (VardExecutableClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_executable_finalize;
}

static void
vard_executable_init (VardExecutable *self)
{
}

VardExecutable *
vard_engine_compile (VardEngine *engine, VardGraph *graph, GError **error)
{
  g_return_val_if_fail (VARD_IS_ENGINE (engine), NULL);

  if (vard_graph_peek_error (graph) != NULL)
    {
      g_propagate_error (error, g_error_copy (vard_graph_peek_error (graph)));
      return NULL;
    }

  g_autoptr (VardLowering) lowering = vard_lowering_new (engine, graph);
  g_autoptr (VardProgram) program = NULL;

  if (!VARD_ENGINE_GET_CLASS (engine)->lower (engine, lowering, error)
      || !vard_lowering_check (lowering, error))
    return NULL;
  program = vard_program_new (lowering, error);
  if (program == NULL)
    return NULL;

  vard_engine_expect_arena (engine, program->arena_size);

  VardExecutable *self = g_object_new (VARD_TYPE_EXECUTABLE, NULL);

  self->engine = g_object_ref (engine);
  self->program = g_steal_pointer (&program);

  return self;
}

static const VardPort *
vard_executable_find_port (GArray *ports,
                           const char *kind,
                           const char *name,
                           gsize size,
                           GError **error)
{
  for (guint i = 0; i < ports->len; i++)
    {
      const VardPort *port = &g_array_index (ports, VardPort, i);
      g_autofree char *shape = NULL;
      gsize expected = vard_node_get_count (port->node) * vard_dtype_get_size (port->node->dtype);

      if (!g_str_equal (port->name, name))
        continue;
      if (size == expected)
        return port;
      shape = vard_shape_to_string (&port->node->shape);
      g_set_error (error, VARD_ERROR, VARD_ERROR_GRAPH,
                   "%s \"%s\" is %s %s, %" G_GSIZE_FORMAT " bytes, but was given %" G_GSIZE_FORMAT,
                   kind, name, vard_dtype_get_name (port->node->dtype), shape, expected, size);
      return NULL;
    }
  g_set_error (error, VARD_ERROR, VARD_ERROR_GRAPH, "the graph has no %s named \"%s\"", kind, name);

  return NULL;
}

gboolean
vard_executable_set_input (VardExecutable *self,
                           const char *name,
                           gconstpointer data,
                           gsize size,
                           GError **error)
{
  g_return_val_if_fail (VARD_IS_EXECUTABLE (self), FALSE);

  const VardPort *port =
    vard_executable_find_port (self->program->inputs, "input", name, size, error);

  return port != NULL && vard_engine_write (self->engine, port->buffer, 0, data, size, error);
}

gboolean
vard_executable_run (VardExecutable *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_EXECUTABLE (self), FALSE);

  vard_engine_lock (self->engine);
  gboolean is_done = vard_program_run (self->program, cancellable, error);

  vard_engine_unlock (self->engine);

  return is_done;
}

gboolean
vard_executable_get_output (VardExecutable *self,
                            const char *name,
                            gpointer data,
                            gsize size,
                            GError **error)
{
  g_return_val_if_fail (VARD_IS_EXECUTABLE (self), FALSE);

  const VardPort *port =
    vard_executable_find_port (self->program->outputs, "output", name, size, error);

  return port != NULL && vard_engine_read (self->engine, port->buffer, 0, data, size, error);
}

gsize
vard_executable_get_workspace_size (VardExecutable *self)
{
  g_return_val_if_fail (VARD_IS_EXECUTABLE (self), 0);

  return self->program->arena_size;
}

double
vard_executable_count_flops (VardExecutable *self)
{
  double flops = 0;

  g_return_val_if_fail (VARD_IS_EXECUTABLE (self), 0);

  for (guint i = 0; i < vard_program_get_n_steps (self->program); i++)
    flops += vard_program_get_step (self->program, i)->flops;

  return flops;
}

gsize
vard_executable_get_ports_size (VardExecutable *self)
{
  g_return_val_if_fail (VARD_IS_EXECUTABLE (self), 0);

  GArray *const kinds[] = { self->program->inputs, self->program->outputs };
  gsize size = 0;

  for (guint kind = 0; kind < G_N_ELEMENTS (kinds); kind++)
    for (guint i = 0; i < kinds[kind]->len; i++)
      {
        const VardNode *node = g_array_index (kinds[kind], VardPort, i).node;

        size += vard_node_get_count (node) * vard_dtype_get_size (node->dtype);
      }

  return size;
}

VardProgram *
vard_executable_peek_program (VardExecutable *self)
{
  g_return_val_if_fail (VARD_IS_EXECUTABLE (self), NULL);

  return self->program;
}
