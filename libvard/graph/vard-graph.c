/* vard-graph.c - the arena of nodes, the merging of equal nodes, inputs and outputs
 *
 * Nodes live in blocks that are freed with the graph. Emitting a node first looks for an equal one
 * (same operation, inputs, attributes and generation), so common subexpressions are shared while
 * the graph is recorded. Errors do not interrupt a recording: the graph keeps the first one, and a
 * poison node stands for everything that depends on it, so model code needs no error handling.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/vard-graph-private.h"

#include "base/vard-error.h"
#include "graph/vard-ops.h"

#include <string.h>

#define BLOCK_SIZE (64 * 1024)

struct _VardGraph
{
  grefcount ref_count;

  GPtrArray *blocks;
  gsize block_used, block_size;

  GPtrArray *nodes;
  GHashTable *equal_nodes;
  GHashTable *params; /* VardTensor -> VardNode */
  GPtrArray *tensors; /* kept alive */
  GArray *outputs;
  GArray *assignments;
  GString *scope_path;
  GArray *scope_lengths;
  VardEmission emission;
  guint n_segments, n_generations, n_inputs;
  VardNode *poison;
  GError *error;
};

G_DEFINE_BOXED_TYPE (VardGraph, vard_graph, vard_graph_ref, vard_graph_unref)

static gpointer
vard_graph_alloc (VardGraph *self, gsize size)
{
  size = (size + 15) & ~(gsize) 15;
  if (self->block_used + size > self->block_size)
    {
      self->block_size = MAX (size, BLOCK_SIZE);
      self->block_used = 0;
      g_ptr_array_add (self->blocks, g_malloc0 (self->block_size));
    }

  guint8 *block = g_ptr_array_index (self->blocks, self->blocks->len - 1);
  gpointer data = block + self->block_used;

  self->block_used += size;

  return data;
}

static guint
vard_graph_hash_bytes (guint hash, gconstpointer data, gsize size)
{
  const guint8 *bytes = data;

  for (gsize i = 0; i < size; i++)
    hash = (hash ^ bytes[i]) * 16777619u;
  return hash;
}

static guint
vard_graph_node_hash (gconstpointer data)
{
  const VardNode *node = data;
  guint hash = vard_graph_hash_bytes (2166136261u, &node->op, sizeof node->op);

  hash = vard_graph_hash_bytes (hash, node->inputs, node->n_inputs * sizeof *node->inputs);
  hash = vard_graph_hash_bytes (hash, node->attrs, node->op->attrs_size);

  return vard_graph_hash_bytes (hash, &node->generation, sizeof node->generation);
}

static gboolean
vard_graph_node_equal (gconstpointer a, gconstpointer b)
{
  const VardNode *x = a, *y = b;

  return x->op == y->op && x->n_inputs == y->n_inputs && x->generation == y->generation
         && (x->n_inputs == 0
             || memcmp (x->inputs, y->inputs, x->n_inputs * sizeof *x->inputs) == 0)
         && (x->op->attrs_size == 0 || memcmp (x->attrs, y->attrs, x->op->attrs_size) == 0);
}

VardGraph *
vard_graph_new (void)
{
  VardGraph *self = g_new0 (VardGraph, 1);

  g_ref_count_init (&self->ref_count);
  self->blocks = g_ptr_array_new_with_free_func (g_free);
  self->nodes = g_ptr_array_new ();
  self->equal_nodes = g_hash_table_new (vard_graph_node_hash, vard_graph_node_equal);
  self->params = g_hash_table_new (NULL, NULL);
  self->tensors = g_ptr_array_new_with_free_func (g_object_unref);
  self->outputs = g_array_new (FALSE, FALSE, sizeof (VardOutput));
  self->assignments = g_array_new (FALSE, FALSE, sizeof (VardAssignment));
  self->scope_path = g_string_new (NULL);
  self->scope_lengths = g_array_new (FALSE, FALSE, sizeof (gsize));
  self->emission.scope = g_intern_static_string ("");

  return self;
}

VardGraph *
vard_graph_ref (VardGraph *self)
{
  g_ref_count_inc (&self->ref_count);
  return self;
}

void
vard_graph_unref (VardGraph *self)
{
  if (self == NULL || !g_ref_count_dec (&self->ref_count))
    return;
  g_hash_table_unref (self->equal_nodes);
  g_hash_table_unref (self->params);
  g_ptr_array_unref (self->nodes);
  g_ptr_array_unref (self->tensors);
  g_ptr_array_unref (self->blocks);
  g_array_unref (self->outputs);
  g_array_unref (self->assignments);
  g_array_unref (self->scope_lengths);
  g_string_free (self->scope_path, TRUE);
  g_clear_error (&self->error);
  g_free (self);
}

/**
 * vard_graph_get_n_nodes: (skip)
 * @self: a graph
 *
 * Returns: the number of nodes; ids run from 0
 */
guint
vard_graph_get_n_nodes (VardGraph *self)
{
  return self->nodes->len;
}

/**
 * vard_graph_get_node: (skip)
 * @self: a graph
 * @id: below vard_graph_get_n_nodes()
 *
 * Returns: (transfer none): the node
 */
VardNode *
vard_graph_get_node (VardGraph *self, guint id)
{
  g_return_val_if_fail (id < self->nodes->len, NULL);

  return g_ptr_array_index (self->nodes, id);
}

const GError *
vard_graph_peek_error (VardGraph *self)
{
  return self->error;
}

gboolean
vard_graph_has_failed (VardGraph *self)
{
  return self->error != NULL;
}

/* the first error is the cause; later ones are its consequences */
void
vard_graph_take_error (VardGraph *self, GError *error)
{
  if (self->error != NULL)
    g_error_free (error);
  else
    self->error = error;
}

VardEmission
vard_graph_get_emission (VardGraph *self)
{
  return self->emission;
}

void
vard_graph_set_emission (VardGraph *self, const VardEmission *emission)
{
  self->emission = *emission;
}

guint
vard_graph_new_generation (VardGraph *self)
{
  return ++self->n_generations;
}

static gboolean
vard_graph_source_infer (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error)
{
  g_assert_not_reached ();
}

const VardOpClass vard_op_source = {
  .name = "source",
  .flags = VARD_OP_FLAG_SOURCE,
  .attrs_size = sizeof (VardSourceAttrs),
  .infer = vard_graph_source_infer,
};

static VardNode *
vard_graph_append (VardGraph *self, const VardNode *draft)
{
  VardNode *node = vard_graph_alloc (self, sizeof *node);

  *node = *draft;
  node->id = self->nodes->len;
  node->inputs = vard_graph_alloc (self, draft->n_inputs * sizeof *draft->inputs);
  if (draft->n_inputs)
    memcpy (node->inputs, draft->inputs, draft->n_inputs * sizeof *draft->inputs);
  if (draft->op->attrs_size)
    node->attrs =
      memcpy (vard_graph_alloc (self, draft->op->attrs_size), draft->attrs, draft->op->attrs_size);
  g_ptr_array_add (self->nodes, node);

  return node;
}

static VardNode *
vard_graph_append_source (VardGraph *self,
                          const VardSourceAttrs *attrs,
                          VardDType dtype,
                          VardShape shape)
{
  VardNode draft = {
    .graph = self,
    .op = &vard_op_source,
    .dtype = dtype,
    .shape = shape,
    .attrs = attrs,
    .scope = self->emission.scope,
  };

  if (attrs->tensor != NULL)
    g_ptr_array_add (self->tensors, g_object_ref (attrs->tensor));

  return vard_graph_append (self, &draft);
}

/* stands for every node that could not be made; failed graphs are never compiled */
static VardNode *
vard_graph_get_poison (VardGraph *self)
{
  VardSourceAttrs attrs = { .kind = VARD_SOURCE_INPUT, .index = G_MAXUINT, .name = "poison" };

  if (self->poison == NULL)
    self->poison = vard_graph_append_source (self, &attrs, VARD_DTYPE_F32, VARD_SCALAR);
  return self->poison;
}

static VardNode *
vard_graph_fail (VardGraph *self, GError *error)
{
  vard_graph_take_error (self, error);
  return vard_graph_get_poison (self);
}

static gboolean
vard_graph_is_poisoned (VardGraph *self, VardNode *const *inputs, guint n_inputs)
{
  for (guint i = 0; i < n_inputs; i++)
    {
      g_assert (inputs[i]->graph == self);
      if (inputs[i] == self->poison)
        return TRUE;
    }

  return FALSE;
}

VardNode *
vard_node_emit (VardGraph *graph,
                const VardOpClass *op,
                VardNode *const *inputs,
                guint n_inputs,
                gconstpointer attrs)
{
  VardNode draft = {
    .graph = graph,
    .op = op,
    .n_inputs = n_inputs,
    .inputs = (VardNode **) inputs,
    .attrs = attrs,
    .scope = graph->emission.scope,
    .segment = graph->emission.segment,
    .generation = graph->emission.generation,
  };
  GError *error = NULL;

  if (vard_graph_is_poisoned (graph, inputs, n_inputs))
    return graph->poison;

  VardNode *node = g_hash_table_lookup (graph->equal_nodes, &draft);

  if (node != NULL)
    return node;
  if (!op->infer (&draft, &draft.shape, &draft.dtype, &error))
    {
      if (*draft.scope)
        g_prefix_error (&error, "%s: ", draft.scope);
      return vard_graph_fail (graph, error);
    }
  node = vard_graph_append (graph, &draft);
  g_hash_table_add (graph->equal_nodes, node);

  return node;
}

static gboolean
vard_graph_has_input_named (VardGraph *self, const char *name)
{
  for (guint i = 0; i < self->nodes->len; i++)
    {
      const VardNode *node = g_ptr_array_index (self->nodes, i);
      const VardSourceAttrs *source = node->attrs;

      if (node->op == &vard_op_source && source->kind == VARD_SOURCE_INPUT && source->name == name)
        return TRUE;
    }

  return FALSE;
}

VardNode *
vard_input (VardGraph *self, const char *name, VardDType dtype, VardShape shape)
{
  VardSourceAttrs attrs = { .kind = VARD_SOURCE_INPUT, .name = g_intern_string (name) };

  if (vard_graph_has_input_named (self, attrs.name))
    return vard_graph_fail (self,
                            g_error_new (VARD_ERROR, VARD_ERROR_GRAPH,
                                         "the graph already has an input named \"%s\"", name));
  attrs.index = self->n_inputs++;

  return vard_graph_append_source (self, &attrs, dtype, shape);
}

VardNode *
vard_param (VardGraph *self, const char *name, VardTensor *tensor)
{
  VardNode *node = g_hash_table_lookup (self->params, tensor);
  VardSourceAttrs attrs = { .kind = VARD_SOURCE_PARAM,
                            .name = g_intern_string (name),
                            .tensor = tensor };

  if (node != NULL)
    return node;
  attrs.index = g_hash_table_size (self->params);
  node = vard_graph_append_source (self, &attrs, vard_tensor_get_dtype (tensor),
                                   *vard_tensor_peek_shape (tensor));
  g_hash_table_insert (self->params, tensor, node);

  return node;
}

VardNode *
vard_constant (VardGraph *self, VardTensor *tensor)
{
  VardSourceAttrs attrs = { .kind = VARD_SOURCE_CONST, .name = "", .tensor = tensor };

  return vard_graph_append_source (self, &attrs, vard_tensor_get_dtype (tensor),
                                   *vard_tensor_peek_shape (tensor));
}

VardNode *
vard_constant_f32 (VardGraph *self, VardShape shape, const float *values)
{
  g_autoptr (VardTensor) tensor = vard_tensor_new (VARD_DTYPE_F32, &shape);

  memcpy (vard_tensor_peek_data (tensor), values, vard_tensor_get_n_bytes (tensor));
  return vard_constant (self, tensor);
}

void
vard_graph_add_output (VardGraph *self, const char *name, VardNode *node)
{
  VardOutput output = { g_intern_string (name), node };

  for (guint i = 0; i < self->outputs->len; i++)
    if (g_array_index (self->outputs, VardOutput, i).name == output.name)
      {
        vard_graph_fail (self, g_error_new (VARD_ERROR, VARD_ERROR_GRAPH,
                                            "the graph already has an output named \"%s\"", name));
        return;
      }
  g_array_append_val (self->outputs, output);
}

void
vard_assign (VardNode *param, VardNode *value)
{
  VardGraph *self = param->graph;
  VardAssignment assignment = { param, value };
  const VardSourceAttrs *source = param->attrs;

  if (param == self->poison || value == self->poison)
    return;
  if (param->op != &vard_op_source || source->kind != VARD_SOURCE_PARAM
      || param->dtype != value->dtype || !vard_shape_equal (&param->shape, &value->shape))
    {
      g_autofree char *to = vard_shape_to_string (&param->shape);
      g_autofree char *from = vard_shape_to_string (&value->shape);

      vard_graph_fail (self, g_error_new (VARD_ERROR, VARD_ERROR_GRAPH,
                                          "cannot assign %s %s to %s %s: it must be a param of the "
                                          "same shape and type",
                                          vard_dtype_get_name (value->dtype), from,
                                          vard_dtype_get_name (param->dtype), to));
      return;
    }
  g_array_append_val (self->assignments, assignment);
}

void
vard_graph_push_scope (VardGraph *self, const char *name)
{
  gsize length = self->scope_path->len;

  g_array_append_val (self->scope_lengths, length);
  if (length)
    g_string_append_c (self->scope_path, '.');
  g_string_append (self->scope_path, name);
  self->emission.scope = g_intern_string (self->scope_path->str);
}

void
vard_graph_pop_scope (VardGraph *self)
{
  g_return_if_fail (self->scope_lengths->len > 0);

  guint last = self->scope_lengths->len - 1;

  g_string_truncate (self->scope_path, g_array_index (self->scope_lengths, gsize, last));
  g_array_set_size (self->scope_lengths, last);
  self->emission.scope = g_intern_string (self->scope_path->str);
}

void
vard_graph_begin_segment (VardGraph *self)
{
  g_return_if_fail (self->emission.segment == 0);

  self->emission.segment = ++self->n_segments;
}

void
vard_graph_end_segment (VardGraph *self)
{
  self->emission.segment = 0;
}

/**
 * vard_graph_get_outputs: (skip)
 * @self: a graph
 * @n_outputs: (out): how many
 *
 * Returns: (transfer none) (array length=n_outputs): the values that are kept for reading after an
 *   execution
 */
const VardOutput *
vard_graph_get_outputs (VardGraph *self, guint *n_outputs)
{
  *n_outputs = self->outputs->len;
  return (const VardOutput *) self->outputs->data;
}

/**
 * vard_graph_get_assignments: (skip)
 * @self: a graph
 * @n_assignments: (out): how many
 *
 * Returns: (transfer none) (array length=n_assignments): the params that an execution replaces, and
 *   with what
 */
const VardAssignment *
vard_graph_get_assignments (VardGraph *self, guint *n_assignments)
{
  *n_assignments = self->assignments->len;
  return (const VardAssignment *) self->assignments->data;
}

guint8 *
vard_graph_mark_live (VardGraph *self)
{
  guint8 *marks = g_new0 (guint8, self->nodes->len + 1);

  for (guint i = 0; i < self->outputs->len; i++)
    marks[g_array_index (self->outputs, VardOutput, i).node->id] = TRUE;
  for (guint i = 0; i < self->assignments->len; i++)
    {
      marks[g_array_index (self->assignments, VardAssignment, i).param->id] = TRUE;
      marks[g_array_index (self->assignments, VardAssignment, i).value->id] = TRUE;
    }
  for (guint id = self->nodes->len; id-- > 0;)
    {
      const VardNode *node = g_ptr_array_index (self->nodes, id);

      for (guint k = 0; marks[id] && k < node->n_inputs; k++)
        marks[node->inputs[k]->id] = TRUE;
    }

  return marks;
}
