/* vard-run-files.c - a run's checkpoints and log, and the metrics that a resume cuts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-run-private.h"

#include "base/vard-error.h"
#include "run/vard-folder.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define STEP_PREFIX "step-"

static char *
vard_run_files_build_checkpoint_path (VardRun *self, guint64 step)
{
  g_autofree char *name = g_strdup_printf (STEP_PREFIX "%06" G_GUINT64_FORMAT, step);

  return g_build_filename (self->path, "checkpoints", name, NULL);
}

static gint
vard_run_files_compare_steps (gconstpointer a, gconstpointer b)
{
  guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return (x > y) - (x < y);
}

/**
 * vard_run_list_checkpoints:
 * @self: a run
 * @n_checkpoints: (out): how many there are
 *
 * Returns: (array length=n_checkpoints) (transfer full): the steps that have a checkpoint, oldest
 * first
 */
guint64 *
vard_run_list_checkpoints (VardRun *self, guint *n_checkpoints)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && n_checkpoints != NULL, NULL);

  g_autofree char *folder = vard_run_build_path (self, "checkpoints");
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autoptr (GArray) steps = g_array_new (FALSE, FALSE, sizeof (guint64));
  const char *name;
  gsize n;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      guint64 step;

      if (g_str_has_prefix (name, STEP_PREFIX)
          && g_ascii_string_to_unsigned (name + strlen (STEP_PREFIX), 10, 0, G_MAXUINT64, &step,
                                         NULL))
        g_array_append_val (steps, step);
    }
  g_array_sort (steps, vard_run_files_compare_steps);

  guint64 *found = g_array_steal (steps, &n);

  *n_checkpoints = n;

  return found;
}

/**
 * vard_run_find_checkpoint:
 * @self: a run
 * @step: the step that is wanted, or %VARD_CHECKPOINT_NEWEST
 * @found: (out) (optional): the step of the checkpoint that was found
 * @error: return location for an error
 *
 * Finds a checkpoint that is whole. Of the newest ones, damaged ones are passed over.
 *
 * Returns: (transfer full) (type filename): its folder, or %NULL
 */
char *
vard_run_find_checkpoint (VardRun *self, guint64 step, guint64 *found, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self), NULL);

  guint n;
  g_autofree guint64 *steps = vard_run_list_checkpoints (self, &n);
  g_autoptr (GError) first = NULL;

  for (guint i = n; i-- > 0;)
    {
      g_autofree char *path = vard_run_files_build_checkpoint_path (self, steps[i]);

      if (step != VARD_CHECKPOINT_NEWEST && step != steps[i])
        continue;
      if (vard_folder_check (path, first != NULL ? NULL : &first))
        {
          if (found != NULL)
            *found = steps[i];
          return g_steal_pointer (&path);
        }
    }
  if (first != NULL)
    g_propagate_prefixed_error (error, g_steal_pointer (&first),
                                "%s has no complete checkpoint: ", self->path);
  else if (step != VARD_CHECKPOINT_NEWEST)
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                 "%s has no checkpoint of step %" G_GUINT64_FORMAT, self->path, step);
  else
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s has no checkpoint yet", self->path);

  return NULL;
}

/**
 * vard_run_begin_checkpoint:
 * @self: a run that this process holds
 * @step: the step
 * @error: return location for an error
 *
 * Returns: (transfer full) (type filename): an empty folder to fill, or %NULL
 */
char *
vard_run_begin_checkpoint (VardRun *self, guint64 step, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && self->lock >= 0, NULL);

  g_autofree char *path = vard_run_files_build_checkpoint_path (self, step);

  return vard_folder_begin (path, error);
}

/**
 * vard_run_commit_checkpoint:
 * @self: a run that this process holds
 * @step: the step
 * @n_kept: how many checkpoints to keep at most; 0 for all
 * @error: return location for an error
 *
 * Flushes what was filled in, puts it in its place, and removes the oldest ones over @n_kept.
 *
 * Returns: whether the checkpoint is in its place and whole
 */
gboolean
vard_run_commit_checkpoint (VardRun *self, guint64 step, guint n_kept, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && self->lock >= 0, FALSE);

  g_autofree char *path = vard_run_files_build_checkpoint_path (self, step);

  if (!vard_folder_commit (path, error))
    {
      vard_folder_abandon (path);
      return FALSE;
    }

  guint n;
  g_autofree guint64 *steps = vard_run_list_checkpoints (self, &n);

  for (guint i = 0; n_kept > 0 && i + n_kept < n; i++)
    {
      g_autofree char *old = vard_run_files_build_checkpoint_path (self, steps[i]);

      if (steps[i] != step && !vard_folder_remove (old, error))
        return FALSE;
    }

  return TRUE;
}

/**
 * vard_run_abandon_checkpoint:
 * @self: a run
 * @step: the step
 *
 * Removes what was begun and not committed.
 */
void
vard_run_abandon_checkpoint (VardRun *self, guint64 step)
{
  g_return_if_fail (VARD_IS_RUN (self));

  g_autofree char *path = vard_run_files_build_checkpoint_path (self, step);

  vard_folder_abandon (path);
}

/**
 * vard_run_append:
 * @self: a run
 * @name: (type filename): a file in its folder
 * @text: what to add at its end
 * @error: return location for an error
 *
 * Returns: whether all of it was written; where not, none of it stays
 */
gboolean
vard_run_append (VardRun *self, const char *name, const char *text, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && name != NULL && text != NULL, FALSE);

  g_autofree char *path = vard_run_build_path (self, name);
  gsize length = strlen (text);
  int fd = open (path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  off_t before = fd < 0 ? -1 : lseek (fd, 0, SEEK_END);
  gssize written = fd < 0 ? -1 : write (fd, text, length);
  int code = written < 0 ? errno : ENOSPC;

  if (written > 0 && written < (gssize) length && ftruncate (fd, before) != 0)
    code = errno;
  if (fd >= 0)
    close (fd);
  if (written == (gssize) length)
    return TRUE;
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "cannot write %s: %s", path,
               g_strerror (code));
  vard_folder_prefix_space (path, error);

  return FALSE;
}

/**
 * vard_run_log:
 * @self: a run
 * @text: what happened
 * @error: return location for an error
 *
 * Adds a line with the time to log.txt.
 *
 * Returns: whether it was written
 */
gboolean
vard_run_log (VardRun *self, const char *text, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && text != NULL, FALSE);

  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y-%m-%dT%H:%M:%SZ");
  g_autofree char *line = g_strdup_printf ("%s %s\n", stamp, text);

  return vard_run_append (self, "log.txt", line, error);
}

/**
 * vard_run_get_metrics_size:
 * @self: a run
 *
 * Returns: the bytes of metrics.jsonl: a checkpoint keeps it, for vard_run_cut_metrics()
 */
guint64
vard_run_get_metrics_size (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), 0);

  g_autofree char *path = vard_run_build_path (self, "metrics.jsonl");
  GStatBuf info;

  return g_stat (path, &info) == 0 ? info.st_size : 0;
}

/**
 * vard_run_cut_metrics:
 * @self: a run that this process holds
 * @size: the bytes to keep, from vard_run_get_metrics_size() at the checkpoint that training goes
 * on from
 * @error: return location for an error
 *
 * Cuts metrics.jsonl, and a half line with it where a kill left one. What is cut goes to log.txt.
 *
 * Returns: whether the file was cut
 */
gboolean
vard_run_cut_metrics (VardRun *self, guint64 size, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && self->lock >= 0, FALSE);

  g_autofree char *path = vard_run_build_path (self, "metrics.jsonl");
  g_autofree char *text = NULL;
  gsize length, kept;

  if (!g_file_get_contents (path, &text, &length, NULL))
    return TRUE;
  for (kept = MIN (size, length); kept > 0 && text[kept - 1] != '\n'; kept--)
    ;
  if (kept == length)
    return TRUE;

  g_autofree char *cut = g_strchomp (g_strndup (text + kept, length - kept));
  g_autofree char *note =
    g_strconcat ("metrics after the checkpoint that training goes on from:\n", cut, NULL);

  return vard_run_log (self, note, error) && vard_folder_write_file (path, text, kept, error);
}
