/* vard-frozen-weights.c - keeps the pretrained weights beside the trained ones
 *
 * A graph reads the tensor that a parameter has when the graph is recorded. One module tree
 * therefore also records the pretrained model, if its parameters hold frozen copies meanwhile or
 * its adapters are off.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-frozen-weights.h"

struct _VardFrozenWeights
{
  VardModule *root;
  gboolean only_adapters;
  GPtrArray *parameters; /* VardParameter, borrowed */
  GPtrArray *tensors;    /* the other tensor of each */
};

static void
vard_frozen_weights_collect (const char *path, VardParameter *parameter, gpointer data)
{
  if (parameter->is_trainable)
    g_ptr_array_add (data, parameter);
}

static gboolean
vard_frozen_weights_copy_tensors (VardFrozenWeights *self, VardEngine *engine, GError **error)
{
  vard_module_foreach_parameter (self->root, vard_frozen_weights_collect, self->parameters);
  for (guint i = 0; i < self->parameters->len; i++)
    {
      VardParameter *parameter = self->parameters->pdata[i];
      VardTensor *copy = vard_engine_fetch (engine, parameter->tensor, error);

      if (copy == NULL)
        return FALSE;
      g_ptr_array_add (self->tensors, copy);
    }

  return TRUE;
}

VardFrozenWeights *
vard_frozen_weights_new (VardEngine *engine,
                         VardModule *root,
                         gboolean only_adapters,
                         GError **error)
{
  g_autoptr (VardFrozenWeights) self = g_new0 (VardFrozenWeights, 1);

  self->root = g_object_ref (root);
  self->only_adapters = only_adapters;
  self->parameters = g_ptr_array_new ();
  self->tensors = g_ptr_array_new_with_free_func (g_object_unref);
  if (!only_adapters && !vard_frozen_weights_copy_tensors (self, engine, error))
    return NULL;

  return g_steal_pointer (&self);
}

void
vard_frozen_weights_free (VardFrozenWeights *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->root);
  g_clear_pointer (&self->parameters, g_ptr_array_unref);
  g_clear_pointer (&self->tensors, g_ptr_array_unref);
  g_free (self);
}

static void
vard_frozen_weights_exchange (VardFrozenWeights *self)
{
  for (guint i = 0; i < self->parameters->len; i++)
    {
      VardParameter *parameter = self->parameters->pdata[i];
      VardTensor *other = self->tensors->pdata[i];

      self->tensors->pdata[i] = parameter->tensor;
      parameter->tensor = other;
    }
}

void
vard_frozen_weights_enter (VardFrozenWeights *self)
{
  if (self->only_adapters)
    vard_module_set_adapters_enabled (self->root, FALSE);
  vard_frozen_weights_exchange (self);
}

void
vard_frozen_weights_leave (VardFrozenWeights *self)
{
  if (self->only_adapters)
    vard_module_set_adapters_enabled (self->root, TRUE);
  vard_frozen_weights_exchange (self);
}
