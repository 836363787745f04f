/* vard-tracker-group.c - several trackers as one
 *
 * A run must not end because a curve cannot be drawn: a member that fails is dropped, with one
 * warning. The record that a run is resumed from is another matter. It is required, and its failure
 * is the group's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "track/vard-tracker-group.h"

typedef struct
{
  VardTracker *tracker;
  gboolean is_required;
} Member;

/**
 * VardTrackerGroup:
 *
 * A tracker that hands everything on to others, in the order in which they were added.
 *
 * A member that fails is dropped: it gets nothing more, and the signal `warning` says once which
 * one it was and why. Only the failure of a required member is an error of the group.
 */
struct _VardTrackerGroup
{
  VardTracker parent_instance;

  GArray *members; /* Member */
};

G_DEFINE_FINAL_TYPE (VardTrackerGroup, vard_tracker_group, VARD_TYPE_TRACKER)

static guint warning_signal;

/**
 * vard_tracker_group_new:
 *
 * Returns: (transfer full): a group without members: it takes everything and keeps nothing
 */
VardTrackerGroup *
vard_tracker_group_new (void)
{
  return g_object_new (VARD_TYPE_TRACKER_GROUP, NULL);
}

static void
vard_tracker_group_append (VardTrackerGroup *self, VardTracker *tracker, gboolean is_required)
{
  Member member = { g_object_ref (tracker), is_required };

  g_array_append_val (self->members, member);
}

/**
 * vard_tracker_group_add:
 * @self: a group
 * @tracker: a tracker
 *
 * Adds a member that is dropped with a warning once it fails.
 */
void
vard_tracker_group_add (VardTrackerGroup *self, VardTracker *tracker)
{
  g_return_if_fail (VARD_IS_TRACKER_GROUP (self));
  g_return_if_fail (VARD_IS_TRACKER (tracker) && tracker != VARD_TRACKER (self));

  vard_tracker_group_append (self, tracker, FALSE);
}

/**
 * vard_tracker_group_add_required:
 * @self: a group
 * @tracker: a tracker
 *
 * Adds a member whose failure is the group's: the record of a run.
 */
void
vard_tracker_group_add_required (VardTrackerGroup *self, VardTracker *tracker)
{
  g_return_if_fail (VARD_IS_TRACKER_GROUP (self));
  g_return_if_fail (VARD_IS_TRACKER (tracker) && tracker != VARD_TRACKER (self));

  vard_tracker_group_append (self, tracker, TRUE);
}

/**
 * vard_tracker_group_get_count:
 * @self: a group
 *
 * Returns: the number of members that have not failed
 */
guint
vard_tracker_group_get_count (VardTrackerGroup *self)
{
  g_return_val_if_fail (VARD_IS_TRACKER_GROUP (self), 0);

  return self->members->len;
}

/**
 * vard_tracker_group_takes_pictures:
 * @self: a group
 *
 * Returns: whether a member records pictures, so that it is worth while to make them
 */
gboolean
vard_tracker_group_takes_pictures (VardTrackerGroup *self)
{
  g_return_val_if_fail (VARD_IS_TRACKER_GROUP (self), FALSE);

  for (guint i = 0; i < self->members->len; i++)
    {
      VardTracker *tracker = g_array_index (self->members, Member, i).tracker;

      if (VARD_IS_TRACKER_GROUP (tracker)
            ? vard_tracker_group_takes_pictures (VARD_TRACKER_GROUP (tracker))
            : VARD_TRACKER_GET_CLASS (tracker)->write_picture != NULL)
        return TRUE;
    }

  return FALSE;
}

/* What a group does with each of its members */
typedef struct
{
  enum
  {
    WRITE,
    WRITE_PICTURE,
    FLUSH,
    CLOSE
  } verb;
  VardMetrics *metrics;
  guint64 step;
  const char *name;
  GBytes *png;
} Call;

static gboolean
vard_tracker_group_call_member (VardTracker *tracker, const Call *call, GError **error)
{
  switch (call->verb)
    {
    case WRITE: return vard_tracker_write (tracker, call->metrics, error);
    case WRITE_PICTURE:
      return vard_tracker_write_picture (tracker, call->step, call->name, call->png, error);
    case FLUSH: return vard_tracker_flush (tracker, error);
    case CLOSE:
    default: return vard_tracker_close (tracker, error);
    }
}

static void
vard_tracker_group_drop (VardTrackerGroup *self, guint i, const GError *problem)
{
  const char *name = G_OBJECT_TYPE_NAME (g_array_index (self->members, Member, i).tracker);
  g_autofree char *message =
    g_strdup_printf ("the tracker %s failed and gets nothing more of this run: %s", name,
                     problem != NULL ? problem->message : "it gave no reason");

  g_array_remove_index (self->members, i);
  g_signal_emit (self, warning_signal, 0, message);
}

static gboolean
vard_tracker_group_call (VardTracker *tracker, const Call *call, GError **error)
{
  VardTrackerGroup *self = VARD_TRACKER_GROUP (tracker);

  for (guint i = 0; i < self->members->len;)
    {
      const Member *member = &g_array_index (self->members, Member, i);
      g_autoptr (GError) problem = NULL;

      if (vard_tracker_group_call_member (member->tracker, call, &problem))
        {
          i++;
          continue;
        }
      if (member->is_required)
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return FALSE;
        }
      vard_tracker_group_drop (self, i, problem);
    }

  return TRUE;
}

static gboolean
vard_tracker_group_write (VardTracker *tracker, VardMetrics *metrics, GError **error)
{
  Call call = { .verb = WRITE, .metrics = metrics };

  return vard_tracker_group_call (tracker, &call, error);
}

static gboolean
vard_tracker_group_write_picture (VardTracker *tracker,
                                  guint64 step,
                                  const char *name,
                                  GBytes *png,
                                  GError **error)
{
  Call call = { .verb = WRITE_PICTURE, .step = step, .name = name, .png = png };

  return vard_tracker_group_call (tracker, &call, error);
}

static gboolean
vard_tracker_group_flush (VardTracker *tracker, GError **error)
{
  Call call = { .verb = FLUSH };

  return vard_tracker_group_call (tracker, &call, error);
}

static gboolean
vard_tracker_group_close (VardTracker *tracker, GError **error)
{
  Call call = { .verb = CLOSE };

  return vard_tracker_group_call (tracker, &call, error);
}

static void
vard_tracker_group_clear_member (gpointer data)
{
  Member *member = data;

  g_object_unref (member->tracker);
}

static void
vard_tracker_group_finalize (GObject *object)
{
  VardTrackerGroup *self = VARD_TRACKER_GROUP (object);

  g_array_unref (self->members);

  G_OBJECT_CLASS (vard_tracker_group_parent_class)->finalize (object);
}

static void
vard_tracker_group_class_init (VardTrackerGroupClass *klass)
{
  VardTrackerClass *tracker_class = VARD_TRACKER_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = vard_tracker_group_finalize;
  tracker_class->write = vard_tracker_group_write;
  tracker_class->write_picture = vard_tracker_group_write_picture;
  tracker_class->flush = vard_tracker_group_flush;
  tracker_class->close = vard_tracker_group_close;

  /**
   * VardTrackerGroup::warning:
   * @self: the group
   * @message: which member failed and why
   *
   * A member failed and was dropped.
   */
  warning_signal = g_signal_new ("warning", VARD_TYPE_TRACKER_GROUP, G_SIGNAL_RUN_LAST, 0, NULL,
                                 NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
vard_tracker_group_init (VardTrackerGroup *self)
{
  self->members = g_array_new (FALSE, FALSE, sizeof (Member));
  g_array_set_clear_func (self->members, vard_tracker_group_clear_member);
}
