/* vard-jsonl-tracker.c - writes metrics as lines of JSON to an append-only file
 *
 * A line is written by one call, and taken back where the disk took only a part of it: a reader
 * never meets half a line but at the end of a file whose writer was killed inside that call.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "track/vard-jsonl-tracker.h"

#include "base/vard-error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/**
 * VardJsonlTracker:
 *
 * Appends one JSON object a step to a file.
 */
struct _VardJsonlTracker
{
  VardTracker parent_instance;

  char *path;
  int fd;
};

G_DEFINE_FINAL_TYPE (VardJsonlTracker, vard_jsonl_tracker, VARD_TYPE_TRACKER)

static gboolean
vard_jsonl_tracker_fail (VardJsonlTracker *self, const char *verb, int code, GError **error)
{
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "cannot %s %s: %s", verb,
               self->path, g_strerror (code));
  return FALSE;
}

/**
 * vard_jsonl_tracker_new:
 * @path: the file; made where it is missing, appended to where it is there
 * @error: return location for an error
 *
 * Returns: (transfer full): a tracker, or %NULL
 */
VardTracker *
vard_jsonl_tracker_new (const char *path, GError **error)
{
  g_return_val_if_fail (path != NULL, NULL);

  g_autoptr (VardJsonlTracker) self = g_object_new (VARD_TYPE_JSONL_TRACKER, NULL);

  self->path = g_strdup (path);
  self->fd = open (path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (self->fd < 0)
    {
      vard_jsonl_tracker_fail (self, "open", errno, error);
      return NULL;
    }

  return VARD_TRACKER (g_steal_pointer (&self));
}

static gboolean
vard_jsonl_tracker_write (VardTracker *tracker, VardMetrics *metrics, GError **error)
{
  VardJsonlTracker *self = VARD_JSONL_TRACKER (tracker);
  g_autofree char *json = vard_metrics_to_json (metrics);
  g_autofree char *line = g_strconcat (json, "\n", NULL);
  size_t length = strlen (line);
  struct stat before;

  if (self->fd < 0)
    return vard_jsonl_tracker_fail (self, "write", EBADF, error);
  if (fstat (self->fd, &before) != 0)
    return vard_jsonl_tracker_fail (self, "write", errno, error);

  ssize_t written;

  do
    written = write (self->fd, line, length);
  while (written < 0 && errno == EINTR);
  if (written == (ssize_t) length)
    return TRUE;

  int code = written < 0 ? errno : ENOSPC;

  if (written > 0 && ftruncate (self->fd, before.st_size) != 0)
    g_debug ("the half line at the end of %s stays: %s", self->path, g_strerror (errno));

  return vard_jsonl_tracker_fail (self, "write", code, error);
}

/* A pipe or a device cannot be flushed, and need not be */
static gboolean
vard_jsonl_tracker_flush (VardTracker *tracker, GError **error)
{
  VardJsonlTracker *self = VARD_JSONL_TRACKER (tracker);

  if (self->fd < 0)
    return vard_jsonl_tracker_fail (self, "flush", EBADF, error);

  return fsync (self->fd) == 0 || errno == EINVAL
         || vard_jsonl_tracker_fail (self, "flush", errno, error);
}

static gboolean
vard_jsonl_tracker_close (VardTracker *tracker, GError **error)
{
  VardJsonlTracker *self = VARD_JSONL_TRACKER (tracker);

  if (self->fd < 0)
    return TRUE;

  gboolean ok = vard_jsonl_tracker_flush (tracker, error);

  close (self->fd);
  self->fd = -1;

  return ok;
}

static void
vard_jsonl_tracker_finalize (GObject *object)
{
  VardJsonlTracker *self = VARD_JSONL_TRACKER (object);

  if (self->fd >= 0)
    close (self->fd);
  g_free (self->path);
  G_OBJECT_CLASS (vard_jsonl_tracker_parent_class)->finalize (object);
}

static void
vard_jsonl_tracker_class_init (VardJsonlTrackerClass *klass)
{
  VardTrackerClass *tracker_class = VARD_TRACKER_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = vard_jsonl_tracker_finalize;
  tracker_class->write = vard_jsonl_tracker_write;
  tracker_class->flush = vard_jsonl_tracker_flush;
  tracker_class->close = vard_jsonl_tracker_close;
}

static void
vard_jsonl_tracker_init (VardJsonlTracker *self)
{
  self->fd = -1;
}
