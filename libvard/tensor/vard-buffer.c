/* vard-buffer.c - a counted block of memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-buffer.h"

#include <string.h>

/* Cache lines, and the widest vector registers, are 64 bytes */
#define ALIGNMENT 64

G_DEFINE_BOXED_TYPE (VardBuffer, vard_buffer, vard_buffer_ref, vard_buffer_unref)

/**
 * vard_buffer_new_wrapped: (skip)
 * @data: the memory; a device address when @is_host is %FALSE
 * @size: in bytes
 * @is_host: whether the processor can follow @data
 * @owner: (nullable): what @destroy is called with
 * @destroy: (nullable): called with @owner when the last reference is dropped
 *
 * Returns: (transfer full): a buffer on memory that somebody else allocated
 */
VardBuffer *
vard_buffer_new_wrapped (gpointer data,
                         gsize size,
                         gboolean is_host,
                         gpointer owner,
                         GDestroyNotify destroy)
{
  VardBuffer *self = g_new0 (VardBuffer, 1);

  g_ref_count_init (&self->ref_count);
  self->data = data;
  self->size = size;
  self->is_host = is_host;
  self->owner = owner;
  self->destroy = destroy;

  return self;
}

/**
 * vard_buffer_new: (skip)
 * @size: in bytes
 *
 * Large blocks come from the system as untouched pages, so that parameters cost nothing until they
 * are read from a file.
 *
 * Returns: (transfer full): zeroed host memory, aligned to 64 bytes
 */
VardBuffer *
vard_buffer_new (gsize size)
{
  guint8 *block = g_malloc0 (size + ALIGNMENT);
  gsize misfit = (gsize) block % ALIGNMENT;

  return vard_buffer_new_wrapped (block + (ALIGNMENT - misfit), size, TRUE, block, g_free);
}

/**
 * vard_buffer_new_for_bytes: (skip)
 * @bytes: the contents
 *
 * Returns: (transfer full): a read-only buffer on the memory of @bytes, to which it keeps a
 *   reference
 */
VardBuffer *
vard_buffer_new_for_bytes (GBytes *bytes)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);
  VardBuffer *self = vard_buffer_new_wrapped ((gpointer) data, size, TRUE, g_bytes_ref (bytes),
                                              (GDestroyNotify) g_bytes_unref);

  self->is_read_only = TRUE;

  return self;
}

/**
 * vard_buffer_ref: (skip)
 * @self: a buffer
 *
 * Returns: (transfer full): @self
 */
VardBuffer *
vard_buffer_ref (VardBuffer *self)
{
  g_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * vard_buffer_unref: (skip)
 * @self: (nullable) (transfer full): a buffer
 *
 * Drops a reference. The last one frees the memory.
 */
void
vard_buffer_unref (VardBuffer *self)
{
  if (self == NULL || !g_ref_count_dec (&self->ref_count))
    return;
  if (self->destroy != NULL)
    self->destroy (self->owner);
  g_free (self);
}
