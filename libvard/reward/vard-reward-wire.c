/* vard-reward-wire.c - JSON messages between a reward's own process and who asks it
 *
 * A message is its length in bytes (32 bits, the machine's order: both ends are on one machine) and a JSON
 * object. Neither end waits for ever: the other one may be stopped, or may never have been what it said.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-wire.h"

#include "base/vard-json.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* Prompts and metadata of a batch; pictures do not travel here. */
#define MAX_LENGTH (64u * 1024 * 1024)

/* Waits until the socket can be read or written */
static gboolean
vard_reward_wire_wait (int           fd,
                       short         events,
                       gint64        deadline,
                       GCancellable *cancellable,
                       GError      **error)
{
  struct pollfd fds[2] = { { .fd = fd, .events = events }, { .fd = -1, .events = POLLIN } };

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (cancellable != NULL)
    fds[1].fd = g_cancellable_get_fd (cancellable);
  for (fds[0].revents = 0; fds[0].revents == 0;)
    {
      gint64 left = deadline == G_MAXINT64 ? G_MAXINT : (deadline - g_get_monotonic_time ()) / 1000;
      int n = left > 0 ? poll (fds, 2, (int) MIN (left, 3600 * 1000)) : 0;

      if (left <= 0)
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in time");
      else if (n < 0 && errno != EINTR)
        g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), g_strerror (errno));
      else if (!g_cancellable_set_error_if_cancelled (cancellable, error))
        continue;
      break;
    }
  if (cancellable != NULL && fds[1].fd >= 0)
    g_cancellable_release_fd (cancellable);
  return fds[0].revents != 0 && !g_cancellable_is_cancelled (cancellable);
}

static gboolean
vard_reward_wire_move (int           fd,
                       guint8       *bytes,
                       gsize         length,
                       gboolean      out,
                       gint64        deadline,
                       GCancellable *cancellable,
                       GError      **error)
{
  for (gsize done = 0; done < length;)
    {
      gssize n = out ? send (fd, bytes + done, length - done, MSG_DONTWAIT | MSG_NOSIGNAL)
                     : recv (fd, bytes + done, length - done, MSG_DONTWAIT);

      if (n > 0)
        done += n;
      else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        {
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED,
                               n == 0 ? "the other end is closed" : g_strerror (errno));
          return FALSE;
        }
      else if (!vard_reward_wire_wait (fd, out ? POLLOUT : POLLIN, deadline, cancellable, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
vard_reward_wire_send (int         fd,
                       JsonObject *message,
                       gint64      deadline,
                       GError    **error)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), message);
  g_autofree char *text = vard_json_to_text (node, FALSE);
  gsize length = strlen (text);

  if (length > MAX_LENGTH)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                   "prompts and metadata of a batch have %" G_GSIZE_FORMAT " bytes, and %u are the most", length,
                   MAX_LENGTH);
      return FALSE;
    }

  g_autofree guint8 *frame = g_malloc (sizeof (guint32) + length);
  memcpy (frame, &(guint32) { (guint32) length }, sizeof (guint32));
  memcpy (frame + sizeof (guint32), text, length);
  return vard_reward_wire_move (fd, frame, sizeof (guint32) + length, TRUE, deadline, NULL, error);
}

JsonObject *
vard_reward_wire_receive (int           fd,
                          gint64        deadline,
                          GCancellable *cancellable,
                          GError      **error)
{
  guint32 length;

  if (!vard_reward_wire_move (fd, (guint8 *) &length, sizeof length, FALSE, deadline, cancellable, error))
    return NULL;
  if (length > MAX_LENGTH)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a message says it has %u bytes", length);
      return NULL;
    }

  g_autofree guint8 *text = g_malloc (length + 1);
  if (!vard_reward_wire_move (fd, text, length, FALSE, deadline, cancellable, error))
    return NULL;
  text[length] = 0;

  g_autoptr (JsonNode) node = json_from_string ((const char *) text, NULL);
  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a message is no JSON object");
      return NULL;
    }
  return json_object_ref (json_node_get_object (node));
}
