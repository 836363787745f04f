/* vard-reward-process.c - the process of an isolated reward
 *
 * Requests and answers are JSON on a socket pair (vard-reward-wire.c). Pictures stay in place
 * (vard-image-pool.c): the descriptor of a slab travels once. A thread reads the standard error of
 * the process, so a full pipe blocks nobody.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-process.h"

#include "base/vard-error.h"
#include "plugin/vard-plugin-private.h"
#include "reward/vard-reward-message.h"
#include "reward/vard-reward-wire.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long a reward has to answer a request to stop before its process is ended */
#define GRACE (2 * G_USEC_PER_SEC)
/* A line of standard error that is longer is cut */
#define LONGEST_LINE 2048

struct _VardRewardProcess
{
  VardReward *reward; /* it owns the process */
  GSubprocess *child;
  int socket_fd;
  gint64 id;         /* of the last question */
  GHashTable *slabs; /* set of guint64: what the child has mapped */
  VardRewardDeath death;
  char *epitaph;
  GThread *listener;
  int stop_fds[2]; /* closing the second one ends the listener */
};

/* ---- its standard error ---- */

static void
vard_reward_process_note (VardRewardProcess *self, GString *text, gboolean is_end)
{
  const char *end;

  while ((end = memchr (text->str, '\n', text->len)) != NULL || text->len > LONGEST_LINE
         || (is_end && text->len > 0))
    {
      gsize length = MIN (end != NULL ? (gsize) (end - text->str) : text->len, LONGEST_LINE);
      g_autofree char *line = g_utf8_make_valid (text->str, length);

      vard_reward_add_message (self->reward, g_strchomp (line));
      g_string_erase (text, 0, length + (end == text->str + length));
    }
}

static gpointer
vard_reward_process_listen (gpointer data)
{
  VardRewardProcess *self = data;
  g_autoptr (GString) text = g_string_new (NULL);
  int fd =
    g_unix_input_stream_get_fd (G_UNIX_INPUT_STREAM (g_subprocess_get_stderr_pipe (self->child)));
  struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
                           { .fd = self->stop_fds[0], .events = POLLIN } };
  char bytes[4096];

  /* What was written is read to its end even when the process is gone; a grandchild may keep the
   * pipe open. */
  while (poll (fds, 2, -1) >= 0 || errno == EINTR)
    {
      gssize n = fds[0].revents != 0 ? read (fd, bytes, sizeof bytes) : 0;

      if (n <= 0)
        break;
      g_string_append_len (text, bytes, n);
      vard_reward_process_note (self, text, FALSE);
    }
  vard_reward_process_note (self, text, TRUE);

  return NULL;
}

/* ---- birth and death ---- */

static gboolean
vard_reward_process_spawn (VardRewardProcess *self, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher =
    g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autofree char *helper = vard_plugin_find_helper ("vard-reward-host", "VARD_REWARD_HOST");
  int pair[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED,
                   "cannot create a socket for its own process: %s", g_strerror (errno));
      return FALSE;
    }
  self->socket_fd = pair[0];
  g_subprocess_launcher_take_fd (launcher, pair[1], 3);
  g_subprocess_launcher_unsetenv (launcher, "VARD_TRACE"); /* it is ours to write */
  self->child = g_subprocess_launcher_spawn (launcher, error, helper, NULL);
  if (self->child == NULL)
    return FALSE;
  if (!g_unix_open_pipe (self->stop_fds, FD_CLOEXEC, error))
    return FALSE;
  self->listener = g_thread_new ("listener", vard_reward_process_listen, self);

  return TRUE;
}

VardRewardProcess *
vard_reward_process_new (VardReward *reward, GError **error)
{
  g_autoptr (VardRewardProcess) self = g_new0 (VardRewardProcess, 1);

  self->reward = reward;
  self->socket_fd = self->stop_fds[0] = self->stop_fds[1] = -1;
  self->slabs = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);

  return vard_reward_process_spawn (self, error) ? g_steal_pointer (&self) : NULL;
}

static void
vard_reward_process_close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
vard_reward_process_end (VardRewardProcess *self)
{
  if (self->child != NULL)
    {
      g_subprocess_force_exit (self->child);
      g_subprocess_wait (self->child, NULL, NULL);
    }
  vard_reward_process_close_fd (&self->socket_fd);
  vard_reward_process_close_fd (&self->stop_fds[1]);
  if (self->listener != NULL)
    g_thread_join (g_steal_pointer (&self->listener));
  vard_reward_process_close_fd (&self->stop_fds[0]);
}

void
vard_reward_process_free (VardRewardProcess *self)
{
  if (self == NULL)
    return;
  vard_reward_process_end (self);
  g_clear_object (&self->child);
  g_hash_table_unref (self->slabs);
  g_free (self->epitaph);
  g_free (self);
}

/* Why no answer came */
static void
vard_reward_process_bury (VardRewardProcess *self, guint seconds, const GError *why)
{
  gboolean is_closed = g_error_matches (why, G_IO_ERROR, G_IO_ERROR_CLOSED);

  /* The socket closes when the process ends, or when somebody closes what is not theirs. */
  for (guint i = 0;
       is_closed && i < GRACE / 1000 && g_subprocess_get_identifier (self->child) != NULL; i++)
    g_usleep (1000);
  gboolean was_alive = g_subprocess_get_identifier (self->child) != NULL;
  vard_reward_process_end (self);
  self->death = VARD_REWARD_DEATH_ENDED;
  if (g_error_matches (why, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    {
      self->death = VARD_REWARD_DEATH_SILENT;
      self->epitaph = g_strdup_printf ("did not answer within %u s and was killed", seconds);
    }
  else if (!is_closed || was_alive)
    self->epitaph = g_strdup_printf ("broke the protocol (%s) and was killed", why->message);
  else if (g_subprocess_get_if_signaled (self->child))
    self->epitaph =
      g_strdup_printf ("crashed (%s)", g_strsignal (g_subprocess_get_term_sig (self->child)));
  else
    self->epitaph =
      g_strdup_printf ("ended with status %d", g_subprocess_get_exit_status (self->child));
}

VardRewardDeath
vard_reward_process_get_death (VardRewardProcess *self)
{
  return self->death;
}

const char *
vard_reward_process_get_epitaph (VardRewardProcess *self)
{
  return self->epitaph;
}

/* ---- questions ---- */

/* An answer that is an error takes the place of the reward's own. */
static gboolean
vard_reward_process_check (JsonObject *answer, GError **error)
{
  const char *message = json_object_get_string_member_with_default (answer, "error", NULL);

  if (message == NULL)
    return TRUE;
  if (json_object_get_boolean_member_with_default (answer, "cancelled", FALSE))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, message);
  else
    g_set_error_literal (error, VARD_ERROR,
                         json_object_get_int_member_with_default (answer, "code",
                                                                  VARD_ERROR_REWARD),
                         message);

  return FALSE;
}

/* Asks the reward to stop; one that does not soon enough loses its process. */
static void
vard_reward_process_stop (VardRewardProcess *self)
{
  g_autoptr (JsonObject) message = json_object_new ();
  g_autoptr (JsonObject) answer = NULL;
  gint64 deadline = g_get_monotonic_time () + GRACE;

  json_object_set_int_member (message, "cancel", self->id);
  if (vard_reward_wire_send (self->socket_fd, message, deadline, NULL))
    answer = vard_reward_wire_receive (self->socket_fd, NULL, deadline, NULL, NULL);
  if (answer != NULL)
    return;
  vard_reward_process_end (self);
  self->death = VARD_REWARD_DEATH_STOPPED;
  self->epitaph = g_strdup ("did not listen to a request to stop, and was ended");
}

JsonObject *
vard_reward_process_ask (VardRewardProcess *self,
                         JsonObject *message,
                         guint seconds,
                         GCancellable *cancellable,
                         GError **error)
{
  g_autoptr (JsonObject) answer = NULL;
  g_autoptr (GError) inner = NULL;
  gint64 deadline = g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC;

  json_object_set_int_member (message, "id", ++self->id);
  if (vard_reward_wire_send (self->socket_fd, message, deadline, &inner))
    answer = vard_reward_wire_receive (self->socket_fd, NULL, deadline, cancellable, &inner);
  if (answer != NULL)
    return vard_reward_process_check (answer, error) ? g_steal_pointer (&answer) : NULL;
  if (g_error_matches (inner, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    vard_reward_process_stop (self);
  else if (!g_error_matches (inner, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE))
    {
      vard_reward_process_bury (self, seconds, inner);
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "its own process %s", self->epitaph);
      return NULL;
    }
  g_propagate_error (error, g_steal_pointer (&inner));

  return NULL;
}

/* ---- shared memory ---- */

/* Slabs that are gone from the pool */
static gboolean
vard_reward_process_unshare (VardRewardProcess *self, VardImagePool *pool, GError **error)
{
  g_autoptr (JsonObject) message = json_object_new ();
  JsonArray *gone = json_array_new ();
  GHashTableIter iter;
  gpointer slab;

  json_object_set_array_member (message, "unmap", gone);
  g_hash_table_iter_init (&iter, self->slabs);
  while (g_hash_table_iter_next (&iter, &slab, NULL))
    if (!vard_image_pool_has_slab (pool, *(guint64 *) slab))
      {
        json_array_add_int_element (gone, *(gint64 *) slab);
        g_hash_table_iter_remove (&iter);
      }

  return json_array_get_length (gone) == 0
         || vard_reward_wire_send (self->socket_fd, message, g_get_monotonic_time () + GRACE,
                                   error);
}

static gboolean
vard_reward_process_send_slabs (VardRewardProcess *self,
                                JsonArray *slabs,
                                GArray *fds,
                                GError **error)
{
  g_autoptr (JsonObject) message = json_object_new ();

  if (fds->len == 0)
    return TRUE;
  json_object_set_array_member (message, "map", json_array_ref (slabs));

  return vard_reward_wire_send_fds (self->socket_fd, message, (const int *) fds->data, fds->len,
                                    g_get_monotonic_time () + GRACE, error);
}

gboolean
vard_reward_process_share (VardRewardProcess *self,
                           VardImagePool *pool,
                           const VardImagePlace *places,
                           guint n_places,
                           GError **error)
{
  g_autoptr (JsonArray) slabs = json_array_new (); /* id, size, id, size ... */
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));

  if (!vard_reward_process_unshare (self, pool, error))
    return FALSE;
  for (guint i = 0; i < n_places; i++)
    {
      if (!g_hash_table_add (self->slabs, g_memdup2 (&places[i].slab, sizeof (guint64))))
        continue;
      json_array_add_int_element (slabs, places[i].slab);
      json_array_add_int_element (slabs, places[i].size);
      g_array_append_val (fds, places[i].fd);
      if (fds->len < VARD_REWARD_WIRE_MAX_FDS)
        continue;
      if (!vard_reward_process_send_slabs (self, slabs, fds, error))
        return FALSE;
      json_array_unref (slabs);
      slabs = json_array_new ();
      g_array_set_size (fds, 0);
    }

  return vard_reward_process_send_slabs (self, slabs, fds, error);
}
