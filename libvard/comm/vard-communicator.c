/* vard-communicator.c - argument checks that all communicators share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "comm/vard-communicator.h"

#include "base/vard-error.h"

G_DEFINE_ABSTRACT_TYPE (VardCommunicator, vard_communicator, G_TYPE_OBJECT)

static gboolean
vard_communicator_check_range (VardBuffer *buffer, gsize offset, gsize size, GError **error)
{
  if (offset <= buffer->size && size <= buffer->size - offset)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED,
               "communication of %" G_GSIZE_FORMAT " bytes from %" G_GSIZE_FORMAT
               " on, in a buffer of %" G_GSIZE_FORMAT,
               size, offset, buffer->size);

  return FALSE;
}

guint
vard_communicator_get_rank (VardCommunicator *self)
{
  g_return_val_if_fail (VARD_IS_COMMUNICATOR (self), 0);

  return VARD_COMMUNICATOR_GET_CLASS (self)->get_rank (self);
}

guint
vard_communicator_get_size (VardCommunicator *self)
{
  g_return_val_if_fail (VARD_IS_COMMUNICATOR (self), 1);

  return VARD_COMMUNICATOR_GET_CLASS (self)->get_size (self);
}

gboolean
vard_communicator_all_reduce (VardCommunicator *self,
                              VardBuffer *buffer,
                              gsize offset,
                              gsize count,
                              GError **error)
{
  g_return_val_if_fail (VARD_IS_COMMUNICATOR (self), FALSE);

  return vard_communicator_check_range (buffer, offset, count * sizeof (float), error)
         && VARD_COMMUNICATOR_GET_CLASS (self)->all_reduce (self, buffer, offset, count, error);
}

gboolean
vard_communicator_broadcast (VardCommunicator *self,
                             VardBuffer *buffer,
                             gsize offset,
                             gsize size,
                             guint root,
                             GError **error)
{
  g_return_val_if_fail (VARD_IS_COMMUNICATOR (self), FALSE);

  if (root >= vard_communicator_get_size (self))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "broadcast from rank %u of %u ranks", root,
                   vard_communicator_get_size (self));
      return FALSE;
    }

  return vard_communicator_check_range (buffer, offset, size, error)
         && VARD_COMMUNICATOR_GET_CLASS (self)->broadcast (self, buffer, offset, size, root, error);
}

gboolean
vard_communicator_all_gather (VardCommunicator *self,
                              VardBuffer *from,
                              gsize offset,
                              gsize size,
                              VardBuffer *to,
                              GError **error)
{
  g_return_val_if_fail (VARD_IS_COMMUNICATOR (self), FALSE);

  return vard_communicator_check_range (from, offset, size, error)
         && vard_communicator_check_range (to, 0, size * vard_communicator_get_size (self), error)
         && VARD_COMMUNICATOR_GET_CLASS (self)->all_gather (self, from, offset, size, to, error);
}

gboolean
vard_communicator_barrier (VardCommunicator *self, GError **error)
{
  g_return_val_if_fail (VARD_IS_COMMUNICATOR (self), FALSE);

  return VARD_COMMUNICATOR_GET_CLASS (self)->barrier (self, error);
}

static void
vard_communicator_class_init (VardCommunicatorClass *klass)
{
}

static void
vard_communicator_init (VardCommunicator *self)
{
}
