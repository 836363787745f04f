/* vard-solo-communicator.c - a communicator of one process, where each sum is the value itself
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "comm/vard-solo-communicator.h"

#include <string.h>

struct _VardSoloCommunicator
{
  VardCommunicator parent_instance;
};

G_DEFINE_FINAL_TYPE (VardSoloCommunicator, vard_solo_communicator, VARD_TYPE_COMMUNICATOR)

VardCommunicator *
vard_solo_communicator_new (void)
{
  return g_object_new (VARD_TYPE_SOLO_COMMUNICATOR, NULL);
}

static guint
vard_solo_communicator_get_rank (VardCommunicator *self)
{
  return 0;
}

static guint
vard_solo_communicator_get_size (VardCommunicator *self)
{
  return 1;
}

static gboolean
vard_solo_communicator_all_reduce (VardCommunicator *self,
                                   VardBuffer *buffer,
                                   gsize offset,
                                   gsize count,
                                   GError **error)
{
  return TRUE;
}

static gboolean
vard_solo_communicator_broadcast (VardCommunicator *self,
                                  VardBuffer *buffer,
                                  gsize offset,
                                  gsize size,
                                  guint root,
                                  GError **error)
{
  return TRUE;
}

static gboolean
vard_solo_communicator_all_gather (VardCommunicator *self,
                                   VardBuffer *from,
                                   gsize offset,
                                   gsize size,
                                   VardBuffer *to,
                                   GError **error)
{
  memmove (to->data, from->data + offset, size);
  return TRUE;
}

static gboolean
vard_solo_communicator_barrier (VardCommunicator *self, GError **error)
{
  return TRUE;
}

static void
vard_solo_communicator_class_init (VardSoloCommunicatorClass *klass)
{
  VardCommunicatorClass *communicator_class = VARD_COMMUNICATOR_CLASS (klass);

  communicator_class->get_rank = vard_solo_communicator_get_rank;
  communicator_class->get_size = vard_solo_communicator_get_size;
  communicator_class->all_reduce = vard_solo_communicator_all_reduce;
  communicator_class->broadcast = vard_solo_communicator_broadcast;
  communicator_class->all_gather = vard_solo_communicator_all_gather;
  communicator_class->barrier = vard_solo_communicator_barrier;
}

static void
vard_solo_communicator_init (VardSoloCommunicator *self)
{
}
