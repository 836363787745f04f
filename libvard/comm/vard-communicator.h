/* vard-communicator.h - the seam between a trainer and the other ranks of its run
 *
 * A rank is a process (or a thread) with a trainer of its own. All ranks do the same steps, each on
 * its share of every batch. Trainable gradients sit in one flat buffer, so an update is one
 * all_reduce between two executables. A run on its own has the solo communicator.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "tensor/vard-buffer.h"
#include <gio/gio.h>

G_BEGIN_DECLS

#define VARD_TYPE_COMMUNICATOR (vard_communicator_get_type ())
G_DECLARE_DERIVABLE_TYPE (VardCommunicator, vard_communicator, VARD, COMMUNICATOR, GObject)

/**
 * VardCommunicatorClass:
 * @get_rank: the number of this rank, below the size
 * @get_size: the number of ranks
 * @all_reduce: @count f32 values from a byte @offset on become their sum over the ranks, the same
 *   bits on every rank; added in rank order where a run shall not depend on how many ranks it has
 * @broadcast: @size bytes from @offset on, of rank @root, to all others
 * @all_gather: @size bytes of every rank, in rank order, into @to (size times the number of ranks)
 * @barrier: returns once every rank has called it
 * @abort: this rank gives up: what the other ranks wait for, and whatever they call later, returns
 *   an error with the reason; may be left out by a communicator of one rank
 *
 * All ranks call the same functions in the same order, with the same sizes. Buffers are memory of
 * the host. A call that cannot be completed returns %FALSE on every rank; it never waits for ever.
 */
struct _VardCommunicatorClass
{
  GObjectClass parent_class;

  guint (*get_rank) (VardCommunicator *self);
  guint (*get_size) (VardCommunicator *self);
  gboolean (*all_reduce) (VardCommunicator *self,
                          VardBuffer *buffer,
                          gsize offset,
                          gsize count,
                          GError **error);
  gboolean (*broadcast) (VardCommunicator *self,
                         VardBuffer *buffer,
                         gsize offset,
                         gsize size,
                         guint root,
                         GError **error);
  gboolean (*all_gather) (VardCommunicator *self,
                          VardBuffer *from,
                          gsize offset,
                          gsize size,
                          VardBuffer *to,
                          GError **error);
  gboolean (*barrier) (VardCommunicator *self, GError **error);
  void (*abort) (VardCommunicator *self, const char *reason);

  /*< private >*/
  gpointer padding[7];
};

guint vard_communicator_get_rank (VardCommunicator *self);
guint vard_communicator_get_size (VardCommunicator *self);
gboolean vard_communicator_all_reduce (VardCommunicator *self,
                                       VardBuffer *buffer,
                                       gsize offset,
                                       gsize count,
                                       GError **error);
gboolean vard_communicator_broadcast (VardCommunicator *self,
                                      VardBuffer *buffer,
                                      gsize offset,
                                      gsize size,
                                      guint root,
                                      GError **error);
gboolean vard_communicator_all_gather (VardCommunicator *self,
                                       VardBuffer *from,
                                       gsize offset,
                                       gsize size,
                                       VardBuffer *to,
                                       GError **error);
gboolean vard_communicator_barrier (VardCommunicator *self, GError **error);
void vard_communicator_abort (VardCommunicator *self, const char *reason);

G_END_DECLS
