/* vard-host-weights.c - copies a device's weights to host memory while files are written
 *
 * Programs look up the addresses of their tensors at each execution, so no program may run in
 * between.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-host-weights.h"

typedef struct
{
  VardTensor *tensor;
  VardBuffer *buffer; /* on the device */
  gsize offset;
} Home;

struct _VardHostWeights
{
  VardEngine *engine;
  GArray *homes;
  GError *error;
};

static void
home_clear (gpointer data)
{
  Home *home = data;

  vard_tensor_set_storage (home->tensor, home->buffer, home->offset);
  vard_buffer_unref (home->buffer);
  g_object_unref (home->tensor);
}

VardHostWeights *
vard_host_weights_new (VardEngine *engine)
{
  VardHostWeights *self = g_new0 (VardHostWeights, 1);

  self->engine = g_object_ref (engine);
  self->homes = g_array_new (FALSE, FALSE, sizeof (Home));
  g_array_set_clear_func (self->homes, home_clear);

  return self;
}

static void
vard_host_weights_fetch (const char *path, VardParameter *parameter, gpointer data)
{
  VardHostWeights *self = data;
  VardTensor *tensor = parameter->tensor;
  VardBuffer *buffer = vard_tensor_peek_buffer (tensor);

  if (self->error != NULL || buffer->is_host)
    return;

  g_autoptr (VardTensor) copy = vard_engine_fetch (self->engine, tensor, &self->error);

  if (copy == NULL)
    return;

  Home home = { g_object_ref (tensor), vard_buffer_ref (buffer), vard_tensor_get_offset (tensor) };

  g_array_append_val (self->homes, home);
  vard_tensor_set_storage (tensor, vard_tensor_peek_buffer (copy), 0);
}

gboolean
vard_host_weights_add (VardHostWeights *self, VardModule *module, GError **error)
{
  if (module != NULL)
    vard_module_foreach_parameter (module, vard_host_weights_fetch, self);
  if (self->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&self->error));

  return FALSE;
}

void
vard_host_weights_free (VardHostWeights *self)
{
  g_array_unref (self->homes);
  g_clear_error (&self->error);
  g_object_unref (self->engine);
  g_free (self);
}
