/* vard-condition.c - a model's named inputs, and what one prompt puts into them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-condition.h"

#include <string.h>

struct _VardCondition
{
  gatomicrefcount n_refs;
  VardConditionLayout layout;
  gpointer values[VARD_CONDITION_MAX_SLOTS];
  float *summary;
};

G_DEFINE_BOXED_TYPE (VardCondition, vard_condition, vard_condition_ref, vard_condition_unref)

/* ---- layouts ---- */

/**
 * vard_condition_layout_add: (skip)
 * @self: a layout, all zeros at first
 * @name: the slot's name, interned or static
 * @dtype: the type of its numbers: F32 or I32
 * @shape: its shape for one prompt, without the batch
 *
 * Adds a slot after those that are there.
 */
void
vard_condition_layout_add (VardConditionLayout *self,
                           const char *name,
                           VardDType dtype,
                           VardShape shape)
{
  g_return_if_fail (self->n_slots < VARD_CONDITION_MAX_SLOTS);
  g_return_if_fail (name != NULL && shape.n_dims < VARD_MAX_DIMS);
  g_return_if_fail (dtype == VARD_DTYPE_F32 || dtype == VARD_DTYPE_I32);

  self->slots[self->n_slots++] = (VardConditionSlot) { name, dtype, shape };
}

/**
 * vard_condition_layout_get_size: (skip)
 * @self: a layout
 * @slot: the index of a slot
 *
 * Returns: the bytes of one prompt's numbers for the slot
 */
gsize
vard_condition_layout_get_size (const VardConditionLayout *self, guint slot)
{
  g_return_val_if_fail (slot < self->n_slots, 0);

  const VardConditionSlot *s = &self->slots[slot];

  return vard_shape_get_count (&s->shape) * vard_dtype_get_size (s->dtype);
}

/* [n, shape] */
static VardShape
vard_condition_slot_get_batch_shape (const VardConditionSlot *self, gint64 n)
{
  VardShape shape = { .n_dims = self->shape.n_dims + 1, .dims = { n } };

  memcpy (shape.dims + 1, self->shape.dims, self->shape.n_dims * sizeof *shape.dims);

  return shape;
}

/* Slots have a name space of their own among a graph's inputs: a model may call one "x" */
static char *
vard_condition_slot_dup_input_name (const VardConditionSlot *self, const char *prefix)
{
  return g_strconcat (prefix, "/", self->name, NULL);
}

/**
 * vard_condition_layout_record_inputs: (skip)
 * @self: a layout
 * @graph: where to record
 * @prefix: the inputs are called prefix "/" slot
 * @n: prompts at once
 * @nodes: (out caller-allocates): gets a node for each slot, [n, shape]
 *
 * Gives a graph one input for each slot. vard_condition_bind() writes them.
 */
void
vard_condition_layout_record_inputs (const VardConditionLayout *self,
                                     VardGraph *graph,
                                     const char *prefix,
                                     guint n,
                                     VardNode **nodes)
{
  for (guint i = 0; i < self->n_slots; i++)
    {
      const VardConditionSlot *slot = &self->slots[i];
      g_autofree char *name = vard_condition_slot_dup_input_name (slot, prefix);

      nodes[i] =
        vard_input (graph, name, slot->dtype, vard_condition_slot_get_batch_shape (slot, n));
    }
}

/* ---- conditions ---- */

/**
 * vard_condition_new: (skip)
 * @layout: what a model's prompts become
 *
 * Returns: (transfer full): a condition whose numbers are all zero
 */
VardCondition *
vard_condition_new (const VardConditionLayout *layout)
{
  g_return_val_if_fail (layout->n_slots <= VARD_CONDITION_MAX_SLOTS, NULL);

  VardCondition *self = g_new0 (VardCondition, 1);

  g_atomic_ref_count_init (&self->n_refs);
  self->layout = *layout;
  for (guint i = 0; i < layout->n_slots; i++)
    self->values[i] = g_malloc0 (vard_condition_layout_get_size (layout, i));
  self->summary = g_new0 (float, layout->summary_width);

  return self;
}

/**
 * vard_condition_ref: (skip)
 * @self: a condition
 *
 * Returns: (transfer full): the same condition, with one owner more
 */
VardCondition *
vard_condition_ref (VardCondition *self)
{
  g_atomic_ref_count_inc (&self->n_refs);

  return self;
}

/**
 * vard_condition_unref: (skip)
 * @self: (transfer full): a condition
 *
 * Frees the condition when its last owner lets go of it.
 */
void
vard_condition_unref (VardCondition *self)
{
  if (!g_atomic_ref_count_dec (&self->n_refs))
    return;
  for (guint i = 0; i < self->layout.n_slots; i++)
    g_free (self->values[i]);
  g_free (self->summary);
  g_free (self);
}

/**
 * vard_condition_peek_values: (skip)
 * @self: a condition
 * @slot: the index of a slot
 *
 * Returns: (transfer none): the slot's numbers, of its shape and type. Only the model that encodes
 *   a prompt writes there.
 */
gpointer
vard_condition_peek_values (const VardCondition *self, guint slot)
{
  g_return_val_if_fail (slot < self->layout.n_slots, NULL);

  return self->values[slot];
}

/**
 * vard_condition_peek_summary: (skip)
 * @self: a condition
 *
 * Returns: (transfer none): what a value network is told of the prompt, [summary_width]
 */
float *
vard_condition_peek_summary (const VardCondition *self)
{
  return self->summary;
}

/**
 * vard_condition_record_constants: (skip)
 * @self: a condition
 * @graph: where to record
 * @nodes: (out caller-allocates): gets a node for each slot, [1, shape]
 *
 * Puts a condition into a graph for good, where it never changes: the empty prompt of guidance.
 */
void
vard_condition_record_constants (const VardCondition *self, VardGraph *graph, VardNode **nodes)
{
  for (guint i = 0; i < self->layout.n_slots; i++)
    {
      const VardConditionSlot *slot = &self->layout.slots[i];
      VardShape shape = vard_condition_slot_get_batch_shape (slot, 1);
      g_autoptr (VardTensor) tensor = vard_tensor_new (slot->dtype, &shape);

      memcpy (vard_tensor_peek_data (tensor), self->values[i], vard_tensor_get_n_bytes (tensor));
      nodes[i] = vard_constant (graph, tensor);
    }
}

/**
 * vard_condition_bind: (skip)
 * @conditions: (array length=n): one condition for each row of the batch, all of one layout
 * @n: how many, at least one
 * @executable: a program with the inputs of vard_condition_layout_record_inputs(), for as many rows
 * @prefix: what its inputs are called by
 * @error: where to put an error
 *
 * Writes a program's condition inputs.
 *
 * Returns: %TRUE when all inputs are written
 */
gboolean
vard_condition_bind (const VardCondition *const *conditions,
                     guint n,
                     VardExecutable *executable,
                     const char *prefix,
                     GError **error)
{
  g_return_val_if_fail (n > 0, FALSE);

  const VardConditionLayout *layout = &conditions[0]->layout;

  for (guint i = 0; i < layout->n_slots; i++)
    {
      g_autofree char *name = vard_condition_slot_dup_input_name (&layout->slots[i], prefix);
      gsize size = vard_condition_layout_get_size (layout, i);
      g_autofree guint8 *rows = g_malloc (n * size);

      for (guint k = 0; k < n; k++)
        memcpy (rows + k * size, conditions[k]->values[i], size);
      if (!vard_executable_set_input (executable, name, rows, n * size, error))
        return FALSE;
    }

  return TRUE;
}
