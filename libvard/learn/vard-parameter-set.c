/* vard-parameter-set.c - keeps parameters and gradients in two flat tensors
 *
 * With flat tensors, clipping, Adam and an all-reduce are one call each, and saving is one loop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-parameter-set.h"

#include "base/vard-error.h"

/* floats: parameters begin on cache lines */
#define ALIGNMENT 16

typedef struct
{
  VardParameterPlaceFunc func;
  gpointer data;
  gint64 count;
} Layout;

static void
vard_parameter_set_place (const char *path, VardParameter *parameter, gpointer data)
{
  Layout *layout = data;
  gint64 count = vard_tensor_get_count (parameter->tensor);

  if (!parameter->is_trainable)
    return;
  if (layout->func != NULL)
    layout->func (path, parameter, layout->count, layout->data);
  layout->count += (count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

gint64
vard_parameter_set_foreach (VardModule *root, VardParameterPlaceFunc func, gpointer data)
{
  Layout layout = { func, data, 0 };

  vard_module_foreach_parameter (root, vard_parameter_set_place, &layout);

  return layout.count;
}

static void
vard_parameter_set_collect (const char *path, VardParameter *parameter, gint64 at, gpointer data)
{
  VardParameterSet *self = data;

  g_ptr_array_add (self->parameters, parameter);
  g_ptr_array_add (self->paths, g_strdup (path));
  g_array_append_val (self->offsets, at);
  self->n_trainable += vard_tensor_get_count (parameter->tensor);
}

static gint64
vard_parameter_set_get_offset (VardParameterSet *self, guint i)
{
  return g_array_index (self->offsets, gint64, i);
}

static VardTensor *
vard_parameter_set_new_flat (VardParameterSet *self, GError **error)
{
  VardShape shape = VARD_SHAPE (self->count);
  g_autoptr (VardTensor) flat = vard_tensor_new (VARD_DTYPE_F32, &shape);

  return vard_engine_adopt (self->engine, flat, error) ? g_steal_pointer (&flat) : NULL;
}

/* Copies every parameter into the flat tensor and turns its own tensor into a view of it */
static gboolean
vard_parameter_set_gather (VardParameterSet *self, GError **error)
{
  VardBuffer *flat = vard_tensor_peek_buffer (self->weights);
  gsize base = vard_tensor_get_offset (self->weights);

  for (guint i = 0; i < self->parameters->len; i++)
    {
      VardParameter *parameter = self->parameters->pdata[i];
      gsize offset = base + vard_parameter_set_get_offset (self, i) * sizeof (float);
      g_autoptr (VardTensor) host = vard_engine_fetch (self->engine, parameter->tensor, error);

      if (host == NULL
          || !vard_engine_write (self->engine, flat, offset, vard_tensor_peek_data (host),
                                 vard_tensor_get_n_bytes (host), error))
        return FALSE;
      vard_tensor_set_storage (parameter->tensor, flat, offset);
    }

  return TRUE;
}

VardParameterSet *
vard_parameter_set_new (VardEngine *engine, VardModule *root, GError **error)
{
  g_autoptr (VardParameterSet) self = g_new0 (VardParameterSet, 1);

  self->engine = g_object_ref (engine);
  self->root = g_object_ref (root);
  self->parameters = g_ptr_array_new ();
  self->paths = g_ptr_array_new_with_free_func (g_free);
  self->offsets = g_array_new (FALSE, FALSE, sizeof (gint64));
  self->count = vard_parameter_set_foreach (root, vard_parameter_set_collect, self);

  if (self->count == 0)
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_USAGE,
                           "no weight of the model is trainable");
      return NULL;
    }
  self->weights = vard_parameter_set_new_flat (self, error);
  self->gradients = self->weights != NULL ? vard_parameter_set_new_flat (self, error) : NULL;
  if (self->gradients == NULL || !vard_parameter_set_gather (self, error))
    return NULL;

  return g_steal_pointer (&self);
}

void
vard_parameter_set_free (VardParameterSet *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->weights);
  g_clear_object (&self->gradients);
  g_clear_pointer (&self->parameters, g_ptr_array_unref);
  g_clear_pointer (&self->paths, g_ptr_array_unref);
  g_clear_pointer (&self->offsets, g_array_unref);
  g_clear_object (&self->root);
  g_clear_object (&self->engine);
  g_free (self);
}

static VardNode *
vard_parameter_set_record_sum (VardParameterSet *self, VardGraph *graph, guint i)
{
  VardParameter *parameter = self->parameters->pdata[i];
  gsize offset = vard_tensor_get_offset (self->gradients)
                 + vard_parameter_set_get_offset (self, i) * sizeof (float);
  g_autofree char *name = g_strconcat ("gradient/", self->paths->pdata[i], NULL);
  g_autoptr (VardTensor) view = vard_tensor_new_view (vard_tensor_peek_buffer (self->gradients),
                                                      offset, VARD_DTYPE_F32,
                                                      vard_tensor_peek_shape (parameter->tensor));

  return vard_param (graph, name, view);
}

void
vard_parameter_set_record_gradients (VardParameterSet *self, VardNode *loss)
{
  guint n = self->parameters->len;
  g_autofree VardNode **weights = g_new (VardNode *, n);
  g_autofree VardNode **gradients = g_new (VardNode *, n);

  for (guint i = 0; i < n; i++)
    weights[i] = vard_parameter_record (self->parameters->pdata[i], loss->graph);

  vard_vjp (&loss, NULL, 1, weights, n, gradients);

  for (guint i = 0; i < n; i++)
    {
      VardNode *sum = vard_parameter_set_record_sum (self, loss->graph, i);

      vard_assign (sum, vard_add (sum, gradients[i]));
    }
}
