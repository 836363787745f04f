/* fake-communicator.c - several ranks as threads of one process
 *
 * Every call is a meeting: a rank says what it brings, waits for the others, and the last one to
 * come does the work for all. Nobody brings anything to the next meeting before all have left.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake-communicator.h"

#include "base/vard-error.h"

#include <string.h>

typedef enum
{
  ALL_REDUCE,
  BROADCAST,
  ALL_GATHER,
  BARRIER,
} Verb;

/* What a rank brings */
typedef struct
{
  Verb verb;
  gsize size; /* bytes */
  guint root;
  guint8 *from, *to;
} Call;

typedef struct
{
  gatomicrefcount ref_count;
  guint size;
  GMutex mutex;
  GCond cond;
  Call *calls; /* [size] */
  guint n_present;
  guint64 n_meetings;
  char *failure; /* of the first rank that gave up */
} Room;

struct _FakeCommunicator
{
  VardCommunicator parent_instance;

  Room *room;
  guint rank;
};

G_DEFINE_FINAL_TYPE (FakeCommunicator, fake_communicator, VARD_TYPE_COMMUNICATOR)

/* ---- the work of a meeting ---- */

static void
fake_room_reduce (Room *self)
{
  gsize count = self->calls[0].size / sizeof (float);
  float *sum = (float *) self->calls[0].from;

  for (guint r = 1; r < self->size; r++)
    for (gsize i = 0; i < count; i++)
      sum[i] += ((const float *) self->calls[r].from)[i];
  for (guint r = 1; r < self->size; r++)
    memcpy (self->calls[r].from, sum, self->calls[0].size);
}

static void
fake_room_work (Room *self)
{
  const Call *call = &self->calls[0];

  switch (call->verb)
    {
    case ALL_REDUCE: fake_room_reduce (self); break;
    case BROADCAST:
      for (guint r = 0; r < self->size; r++)
        if (r != call->root)
          memcpy (self->calls[r].from, self->calls[call->root].from, call->size);
      break;
    case ALL_GATHER:
      for (guint r = 0; r < self->size; r++)
        for (guint s = 0; s < self->size; s++)
          memcpy (self->calls[r].to + s * call->size, self->calls[s].from, call->size);
      break;
    case BARRIER:
    default: break;
    }
}

static gboolean
fake_room_agrees (Room *self)
{
  for (guint r = 1; r < self->size; r++)
    if (self->calls[r].verb != self->calls[0].verb || self->calls[r].size != self->calls[0].size
        || self->calls[r].root != self->calls[0].root)
      return FALSE;

  return TRUE;
}

/* The room is locked. The first reason counts. */
static void
fake_room_give_up (Room *self, const char *reason)
{
  if (self->failure == NULL)
    self->failure = g_strdup (reason);
  g_cond_broadcast (&self->cond);
}

/* The room is locked, and this rank is the last one to come */
static void
fake_room_meet (Room *self)
{
  if (!fake_room_agrees (self))
    {
      g_autofree char *reason =
        g_strdup_printf ("the ranks met in different calls: %d of %" G_GSIZE_FORMAT
                         " bytes, and %d of %" G_GSIZE_FORMAT,
                         self->calls[0].verb, self->calls[0].size, self->calls[1].verb,
                         self->calls[1].size);

      fake_room_give_up (self, reason);
      return;
    }
  fake_room_work (self);
  self->n_present = 0;
  self->n_meetings++;
  g_cond_broadcast (&self->cond);
}

static gboolean
fake_communicator_meet (FakeCommunicator *self, Call call, GError **error)
{
  Room *room = self->room;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&room->mutex);
  guint64 meeting = room->n_meetings;

  room->calls[self->rank] = call;
  if (room->failure == NULL && ++room->n_present == room->size)
    fake_room_meet (room);
  while (room->failure == NULL && room->n_meetings == meeting)
    g_cond_wait (&room->cond, &room->mutex);
  if (room->n_meetings != meeting)
    return TRUE;

  g_set_error_literal (error, VARD_ERROR, VARD_ERROR_FAILED, room->failure);
  return FALSE;
}

/* ---- the seam ---- */

static guint
fake_communicator_get_rank (VardCommunicator *self)
{
  return FAKE_COMMUNICATOR (self)->rank;
}

static guint
fake_communicator_get_size (VardCommunicator *self)
{
  return FAKE_COMMUNICATOR (self)->room->size;
}

static gboolean
fake_communicator_all_reduce (VardCommunicator *self,
                              VardBuffer *buffer,
                              gsize offset,
                              gsize count,
                              GError **error)
{
  Call call = { ALL_REDUCE, count * sizeof (float), 0, buffer->data + offset, NULL };

  return fake_communicator_meet (FAKE_COMMUNICATOR (self), call, error);
}

static gboolean
fake_communicator_broadcast (VardCommunicator *self,
                             VardBuffer *buffer,
                             gsize offset,
                             gsize size,
                             guint root,
                             GError **error)
{
  Call call = { BROADCAST, size, root, buffer->data + offset, NULL };

  return fake_communicator_meet (FAKE_COMMUNICATOR (self), call, error);
}

static gboolean
fake_communicator_all_gather (VardCommunicator *self,
                              VardBuffer *from,
                              gsize offset,
                              gsize size,
                              VardBuffer *to,
                              GError **error)
{
  Call call = { ALL_GATHER, size, 0, from->data + offset, to->data };

  return fake_communicator_meet (FAKE_COMMUNICATOR (self), call, error);
}

static gboolean
fake_communicator_barrier (VardCommunicator *self, GError **error)
{
  Call call = { BARRIER, 0, 0, NULL, NULL };

  return fake_communicator_meet (FAKE_COMMUNICATOR (self), call, error);
}

static void
fake_communicator_abort (VardCommunicator *self, const char *reason)
{
  Room *room = FAKE_COMMUNICATOR (self)->room;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&room->mutex);
  g_autofree char *text =
    g_strdup_printf ("rank %u gave up: %s", FAKE_COMMUNICATOR (self)->rank, reason);

  fake_room_give_up (room, text);
}

static void
fake_communicator_finalize (GObject *object)
{
  Room *room = FAKE_COMMUNICATOR (object)->room;

  if (g_atomic_ref_count_dec (&room->ref_count))
    {
      g_mutex_clear (&room->mutex);
      g_cond_clear (&room->cond);
      g_free (room->calls);
      g_free (room->failure);
      g_free (room);
    }

  G_OBJECT_CLASS (fake_communicator_parent_class)->finalize (object);
}

static void
fake_communicator_class_init (FakeCommunicatorClass *klass)
{
  VardCommunicatorClass *communicator_class = VARD_COMMUNICATOR_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = fake_communicator_finalize;
  communicator_class->get_rank = fake_communicator_get_rank;
  communicator_class->get_size = fake_communicator_get_size;
  communicator_class->all_reduce = fake_communicator_all_reduce;
  communicator_class->broadcast = fake_communicator_broadcast;
  communicator_class->all_gather = fake_communicator_all_gather;
  communicator_class->barrier = fake_communicator_barrier;
  communicator_class->abort = fake_communicator_abort;
}

static void
fake_communicator_init (FakeCommunicator *self)
{
}

GPtrArray *
fake_communicators_new (guint size)
{
  GPtrArray *ranks = g_ptr_array_new_with_free_func (g_object_unref);
  Room *room = g_new0 (Room, 1);

  g_atomic_ref_count_init (&room->ref_count);
  g_mutex_init (&room->mutex);
  g_cond_init (&room->cond);
  room->size = size;
  room->calls = g_new0 (Call, size);

  for (guint rank = 0; rank < size; rank++)
    {
      FakeCommunicator *self = g_object_new (FAKE_TYPE_COMMUNICATOR, NULL);

      self->room = room;
      self->rank = rank;
      if (rank > 0)
        g_atomic_ref_count_inc (&room->ref_count);
      g_ptr_array_add (ranks, self);
    }

  return ranks;
}
