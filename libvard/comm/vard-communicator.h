/* vard-communicator.h - the seam between a trainer and the other processes of its run
 *
 * Trainable gradients sit in one flat buffer, so a training step is one all_reduce between two
 * executables. A run alone has a solo communicator of size one, so that nobody asks whether a run
 * is distributed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "tensor/vard-buffer.h"
#include <gio/gio.h>

G_BEGIN_DECLS

#define VARD_TYPE_COMMUNICATOR (vard_communicator_get_type ())
G_DECLARE_DERIVABLE_TYPE (VardCommunicator, vard_communicator, VARD, COMMUNICATOR, GObject)

/* Every function is called by all ranks, in the same order, or none returns. */
struct _VardCommunicatorClass
{
  GObjectClass parent_class;

  guint (*get_rank) (VardCommunicator *self);
  guint (*get_size) (VardCommunicator *self);
  /* count f32 values from a byte offset on become their sum over the ranks, the same bits on every
   * rank */
  gboolean (*all_reduce) (VardCommunicator *self,
                          VardBuffer *buffer,
                          gsize offset,
                          gsize count,
                          GError **error);
  /* bytes of rank root to all others */
  gboolean (*broadcast) (VardCommunicator *self,
                         VardBuffer *buffer,
                         gsize offset,
                         gsize size,
                         guint root,
                         GError **error);
  /* size bytes of every rank, in rank order, into to (size times the number of ranks) */
  gboolean (*all_gather) (VardCommunicator *self,
                          VardBuffer *from,
                          gsize offset,
                          gsize size,
                          VardBuffer *to,
                          GError **error);
  gboolean (*barrier) (VardCommunicator *self, GError **error);

  gpointer padding[8];
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

G_END_DECLS
