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

/**
 * vard_communicator_get_rank:
 * @self: a communicator
 *
 * Returns: the number of this rank, below the size; rank 0 writes the run's folder
 */
guint
vard_communicator_get_rank (VardCommunicator *self)
{
  g_return_val_if_fail (VARD_IS_COMMUNICATOR (self), 0);

  return VARD_COMMUNICATOR_GET_CLASS (self)->get_rank (self);
}

/**
 * vard_communicator_get_size:
 * @self: a communicator
 *
 * Returns: the number of ranks; 1 for a run on its own
 */
guint
vard_communicator_get_size (VardCommunicator *self)
{
  g_return_val_if_fail (VARD_IS_COMMUNICATOR (self), 1);

  return VARD_COMMUNICATOR_GET_CLASS (self)->get_size (self);
}

/**
 * vard_communicator_all_reduce:
 * @self: a communicator
 * @buffer: memory of the host
 * @offset: bytes before the first value
 * @count: f32 values, the same on every rank
 * @error: return location for an error
 *
 * Replaces each value by its sum over the ranks.
 *
 * Returns: %FALSE when the range is outside of the buffer or another rank gave up
 */
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

/**
 * vard_communicator_broadcast:
 * @self: a communicator
 * @buffer: memory of the host
 * @offset: bytes before the first
 * @size: bytes, the same on every rank
 * @root: the rank whose bytes all others get
 * @error: return location for an error
 *
 * Returns: %FALSE when there is no such rank, the range is outside of the buffer or another rank
 *   gave up
 */
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

/**
 * vard_communicator_all_gather:
 * @self: a communicator
 * @from: memory of the host
 * @offset: bytes before the first
 * @size: bytes of this rank, the same on every rank
 * @to: memory of the host, @size times the number of ranks
 * @error: return location for an error
 *
 * Collects the bytes of all ranks, in rank order.
 *
 * Returns: %FALSE when a range is outside of its buffer or another rank gave up
 */
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

/**
 * vard_communicator_barrier:
 * @self: a communicator
 * @error: return location for an error
 *
 * Returns: %TRUE once every rank has come here, %FALSE when another rank gave up
 */
gboolean
vard_communicator_barrier (VardCommunicator *self, GError **error)
{
  g_return_val_if_fail (VARD_IS_COMMUNICATOR (self), FALSE);

  return VARD_COMMUNICATOR_GET_CLASS (self)->barrier (self, error);
}

/**
 * vard_communicator_abort:
 * @self: a communicator
 * @reason: what went wrong on this rank
 *
 * Tells the other ranks that this one does not go on: their calls return an error with @reason,
 * those that wait now and all later ones. A trainer does so when anything fails.
 */
void
vard_communicator_abort (VardCommunicator *self, const char *reason)
{
  g_return_if_fail (VARD_IS_COMMUNICATOR (self) && reason != NULL);

  VardCommunicatorClass *klass = VARD_COMMUNICATOR_GET_CLASS (self);

  if (klass->abort != NULL)
    klass->abort (self, reason);
}

static void
vard_communicator_class_init (VardCommunicatorClass *klass)
{
}

static void
vard_communicator_init (VardCommunicator *self)
{
}
