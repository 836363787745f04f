/* vard-run-control.c - takes the requests in a run's folder, for the process that trains it
 *
 * A thread looks into the folder and takes what it finds, whatever the trainer is doing; the
 * trainer's thread collects these requests at its safe points. The thread itself obeys only
 * stop-now, because nothing else can be done while a reward or a long step occupies the trainer.
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
#include <sys/stat.h>
#include <unistd.h>

/* Microseconds between two looks into the folder */
#define LOOK_INTERVAL (G_USEC_PER_SEC / 4)
/* Longer files are not requests */
#define MAX_LENGTH 64

struct _VardRunControl
{
  VardRun *run;
  char *folder;
  GCancellable *cancellable; /* what stop-now cancels */
  GThread *thread;
  GMutex mutex; /* of what follows */
  GCond cond;
  GQueue orders; /* taken and not yet asked for */
  guint64 step;  /* that the trainer has done */
  gboolean is_woken, is_ending;
};

void
vard_run_order_free (VardRunOrder *self)
{
  g_free (self->id);
  g_free (self->text);
  g_free (self);
}

static void
vard_run_control_log (VardRunControl *self, const char *text, const char *note)
{
  g_autofree char *line = g_strdup_printf ("request %s: %s", text, note);

  vard_run_log (self->run, line, NULL);
}

/* ---- files ---- */

static gint
vard_run_control_compare (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* The ids of all files with an ending, in the order of their names */
static GStrv
vard_run_control_list (VardRunControl *self, const char *ending)
{
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  GPtrArray *ids = g_ptr_array_new ();
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (*name != '.' && g_str_has_suffix (name, ending))
      g_ptr_array_add (ids, g_strndup (name, strlen (name) - strlen (ending)));
  g_ptr_array_sort (ids, vard_run_control_compare);
  g_ptr_array_add (ids, NULL);

  return (GStrv) g_ptr_array_free (ids, FALSE);
}

/* The first line, or NULL. Anyone with write permission may have put anything into the folder, so
 * neither a pipe nor a link nor a long file may block the thread. */
static char *
vard_run_control_read (const char *path)
{
  char text[MAX_LENGTH + 1];
  GStatBuf info;
  int fd = open (path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  gssize length =
    fd >= 0 && fstat (fd, &info) == 0 && S_ISREG (info.st_mode) ? read (fd, text, MAX_LENGTH) : -1;

  if (fd >= 0)
    close (fd);
  if (length < 0)
    return NULL;
  text[length] = 0;
  text[strcspn (text, "\r\n")] = 0;

  return g_utf8_make_valid (g_strstrip (text), -1);
}

/* Writes the reason to the file. The sender reads and removes it, or else the next process that
 * trains removes it. */
static void
vard_run_control_refuse_file (VardRunControl *self,
                              const char *id,
                              const char *ending,
                              const char *reason)
{
  g_autofree char *from = vard_run_request_build_path (self->run, id, ending);
  g_autofree char *to = vard_run_request_build_path (self->run, id, VARD_RUN_REFUSED_ENDING);

  /* first the answer, because the sender looks for it as soon as the request is gone */
  vard_folder_write_file (to, reason, -1, NULL);
  g_unlink (from);
}

/* Discards the requests to an earlier process, and its leftovers */
static void
vard_run_control_discard (VardRunControl *self)
{
  static const char *const endings[] = {
    VARD_RUN_REQUEST_ENDING,
    VARD_RUN_TAKEN_ENDING,
    VARD_RUN_REFUSED_ENDING,
  };

  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    {
      g_auto (GStrv) ids = vard_run_control_list (self, endings[i]);

      for (guint j = 0; ids[j] != NULL; j++)
        {
          g_autofree char *path = vard_run_request_build_path (self->run, ids[j], endings[i]);
          g_autofree char *text = vard_run_control_read (path);

          if (text != NULL && i < 2)
            vard_run_control_log (self, text,
                                  "discarded, because it is older than the process that trains "
                                  "now");
          g_unlink (path);
        }
    }
}

/* ---- the thread ---- */

static gboolean
vard_run_control_check (VardRunControl *self, VardRunOrder *order, GError **error)
{
  if (!vard_run_request_parse (order->text, &order->kind, &order->n_steps, error))
    return FALSE;
  if (order->kind != VARD_RUN_REQUEST_STEPS || order->n_steps >= self->step)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
               "step %" G_GUINT64_FORMAT " is already done, so the run cannot end after step %u",
               self->step, order->n_steps);

  return FALSE;
}

static void
vard_run_control_take (VardRunControl *self, const char *id)
{
  g_autofree char *from = vard_run_request_build_path (self->run, id, VARD_RUN_REQUEST_ENDING);
  g_autofree char *to = vard_run_request_build_path (self->run, id, VARD_RUN_TAKEN_ENDING);
  g_autofree char *text = vard_run_control_read (from);
  g_autoptr (GError) error = NULL;
  VardRunOrder *order;

  if (text == NULL)
    {
      g_unlink (from); /* not a text file, or withdrawn */
      return;
    }
  order = g_new0 (VardRunOrder, 1);
  order->id = g_strdup (id);
  order->text = g_steal_pointer (&text);
  if (!vard_run_control_check (self, order, &error))
    {
      vard_run_control_log (self, order->text, error->message);
      vard_run_control_refuse_file (self, id, VARD_RUN_REQUEST_ENDING, error->message);
      vard_run_order_free (order);
      return;
    }
  if (g_rename (from, to) != 0)
    {
      vard_run_order_free (order);
      return;
    }
  if (order->kind == VARD_RUN_REQUEST_STOP_NOW)
    g_cancellable_cancel (self->cancellable);
  g_queue_push_tail (&self->orders, order);
  self->is_woken = TRUE;
  g_cond_broadcast (&self->cond);
}

static gpointer
vard_run_control_watch (gpointer data)
{
  VardRunControl *self = data;

  g_mutex_lock (&self->mutex);
  while (!self->is_ending)
    {
      gint64 until = g_get_monotonic_time () + LOOK_INTERVAL;
      g_auto (GStrv) ids = vard_run_control_list (self, VARD_RUN_REQUEST_ENDING);

      for (guint i = 0; ids[i] != NULL; i++)
        vard_run_control_take (self, ids[i]);
      while (!self->is_ending && g_cond_wait_until (&self->cond, &self->mutex, until))
        ;
    }
  g_mutex_unlock (&self->mutex);

  return NULL;
}

/* ---- for the trainer's thread ---- */

VardRunControl *
vard_run_control_new (VardRun *run, GCancellable *cancellable, GError **error)
{
  VardRunControl *self = g_new0 (VardRunControl, 1);

  self->run = g_object_ref (run);
  self->folder = vard_run_build_path (run, VARD_RUN_CONTROL_FOLDER);
  self->cancellable = g_object_ref (cancellable);
  self->step = vard_run_get_step (run);
  g_mutex_init (&self->mutex);
  g_cond_init (&self->cond);
  if (g_mkdir_with_parents (self->folder, 0777) != 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
                   "cannot create the folder %s: %s", self->folder, g_strerror (errno));
      vard_folder_prefix_space (self->folder, error);
      vard_run_control_free (self);
      return NULL;
    }
  vard_run_control_discard (self);
  self->thread = g_thread_new ("vard-control", vard_run_control_watch, self);

  return self;
}

void
vard_run_control_free (VardRunControl *self)
{
  VardRunOrder *order;
  g_auto (GStrv) ids = NULL;

  if (self->thread != NULL)
    {
      g_mutex_lock (&self->mutex);
      self->is_ending = TRUE;
      g_cond_broadcast (&self->cond);
      g_mutex_unlock (&self->mutex);
      g_thread_join (self->thread);
    }
  while ((order = vard_run_control_pop (self)) != NULL)
    vard_run_control_refuse (self, order, "the run ended first");
  ids = vard_run_control_list (self, VARD_RUN_REQUEST_ENDING);
  for (guint i = 0; ids[i] != NULL; i++)
    vard_run_control_refuse_file (self, ids[i], VARD_RUN_REQUEST_ENDING, "the run ended first");
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->cond);
  g_object_unref (self->cancellable);
  g_object_unref (self->run);
  g_free (self->folder);
  g_free (self);
}

VardRunOrder *
vard_run_control_pop (VardRunControl *self)
{
  VardRunOrder *order;

  g_mutex_lock (&self->mutex);
  order = g_queue_pop_head (&self->orders);
  g_mutex_unlock (&self->mutex);

  return order;
}

void
vard_run_control_finish (VardRunControl *self, VardRunOrder *order, const char *note)
{
  g_autofree char *path = vard_run_request_build_path (self->run, order->id, VARD_RUN_TAKEN_ENDING);

  vard_run_control_log (self, order->text, note);
  g_unlink (path);
  vard_run_order_free (order);
}

void
vard_run_control_refuse (VardRunControl *self, VardRunOrder *order, const char *reason)
{
  vard_run_control_log (self, order->text, reason);
  vard_run_control_refuse_file (self, order->id, VARD_RUN_TAKEN_ENDING, reason);
  vard_run_order_free (order);
}

void
vard_run_control_set_step (VardRunControl *self, guint64 step)
{
  g_mutex_lock (&self->mutex);
  self->step = step;
  g_mutex_unlock (&self->mutex);
}

void
vard_run_control_wake (VardRunControl *self)
{
  g_mutex_lock (&self->mutex);
  self->is_woken = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
}

void
vard_run_control_wait (VardRunControl *self, gint64 n_microseconds)
{
  gint64 until = g_get_monotonic_time () + n_microseconds;

  g_mutex_lock (&self->mutex);
  while (!self->is_woken && g_cond_wait_until (&self->cond, &self->mutex, until))
    ;
  self->is_woken = FALSE;
  g_mutex_unlock (&self->mutex);
}
