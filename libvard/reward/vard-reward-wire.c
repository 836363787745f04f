/* vard-reward-wire.c - JSON messages between an isolated reward and the run
 *
 * A message is its length in bytes (32 bits, the machine's order: both ends are on one machine) and
 * a JSON object; file descriptors come along with its first byte. Neither end waits for ever: the
 * other one may be stopped, or may never have been what it said.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-wire.h"

#include "base/vard-json.h"
#include "base/vard-json-parse.h"
#include "base/vard-poll.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Prompts and metadata of a batch; pictures do not travel here. */
#define MAX_LENGTH (64u * 1024 * 1024)

/* Waits until the socket can be read or written */
static gboolean
vard_reward_wire_wait (int fd,
                       short events,
                       gint64 deadline,
                       GCancellable *cancellable,
                       GError **error)
{
  struct pollfd fds[2] = { { .fd = fd, .events = events }, { .fd = -1, .events = POLLIN } };

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (cancellable != NULL)
    fds[1].fd = g_cancellable_get_fd (cancellable);

  int n = vard_poll_until (fds, 2, &deadline);

  if (n == 0)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in time");
  else if (n < 0)
    g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), g_strerror (errno));
  if (cancellable != NULL && fds[1].fd >= 0)
    g_cancellable_release_fd (cancellable);

  return n > 0 && !g_cancellable_set_error_if_cancelled (cancellable, error);
}

/* Writes what fits; n_fds descriptors go with it */
static gssize
vard_reward_wire_put (int fd, const guint8 *bytes, gsize length, const int *fds, guint n_fds)
{
  union
  {
    char bytes[CMSG_SPACE (VARD_REWARD_WIRE_MAX_FDS * sizeof (int))];
    struct cmsghdr header;
  } control = { { 0 } };
  struct iovec data = { (gpointer) bytes, length };
  struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

  if (n_fds > 0)
    {
      message.msg_control = control.bytes;
      message.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
      control.header.cmsg_level = SOL_SOCKET;
      control.header.cmsg_type = SCM_RIGHTS;
      control.header.cmsg_len = CMSG_LEN (n_fds * sizeof (int));
      memcpy (CMSG_DATA (&control.header), fds, n_fds * sizeof (int));
    }

  return sendmsg (fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Descriptors that nobody wants are closed. */
static void
vard_reward_wire_keep_fds (struct msghdr *message, GArray *fds)
{
  for (struct cmsghdr *header = CMSG_FIRSTHDR (message); header != NULL;
       header = CMSG_NXTHDR (message, header))
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
      for (gsize i = 0; i < (header->cmsg_len - CMSG_LEN (0)) / sizeof (int); i++)
        {
          int received;

          memcpy (&received, CMSG_DATA (header) + i * sizeof (int), sizeof received);
          if (fds != NULL)
            g_array_append_val (fds, received);
          else
            close (received);
        }
}

static gssize
vard_reward_wire_get (int fd, guint8 *bytes, gsize length, GArray *fds)
{
  union
  {
    char bytes[CMSG_SPACE (VARD_REWARD_WIRE_MAX_FDS * sizeof (int))];
    struct cmsghdr header;
  } control;
  struct iovec data = { bytes, length };
  struct msghdr message = {
    .msg_iov = &data,
    .msg_iovlen = 1,
    .msg_control = control.bytes,
    .msg_controllen = sizeof control.bytes,
  };
  gssize n = recvmsg (fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

  if (n > 0)
    vard_reward_wire_keep_fds (&message, fds);

  return n;
}

/* Of a call that moved nothing; FALSE when it is not worth another try */
static gboolean
vard_reward_wire_retry (int fd,
                        gssize n,
                        short events,
                        gint64 deadline,
                        GCancellable *cancellable,
                        GError **error)
{
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return vard_reward_wire_wait (fd, events, deadline, cancellable, error);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED,
                       n == 0 ? "the other end is closed" : g_strerror (errno));
  return FALSE;
}

static gboolean
vard_reward_wire_read (int fd,
                       guint8 *bytes,
                       gsize length,
                       GArray *fds,
                       gint64 deadline,
                       GCancellable *cancellable,
                       GError **error)
{
  for (gsize done = 0; done < length;)
    {
      gssize n = vard_reward_wire_get (fd, bytes + done, length - done, fds);

      if (n > 0)
        done += n;
      else if (!vard_reward_wire_retry (fd, n, POLLIN, deadline, cancellable, error))
        return FALSE;
    }

  return TRUE;
}

gboolean
vard_reward_wire_send_fds (int fd,
                           JsonObject *message,
                           const int *fds,
                           guint n_fds,
                           gint64 deadline,
                           GError **error)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), message);
  g_autofree char *text = vard_json_to_text (node, FALSE);
  gsize length = strlen (text), total = sizeof (guint32) + length;

  g_assert (n_fds <= VARD_REWARD_WIRE_MAX_FDS);
  if (length > MAX_LENGTH)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                   "prompts and metadata of a batch have %" G_GSIZE_FORMAT
                   " bytes; at most %u are allowed",
                   length, MAX_LENGTH);
      return FALSE;
    }

  g_autofree guint8 *frame = g_malloc (total);
  memcpy (frame, &(guint32) { (guint32) length }, sizeof (guint32));
  memcpy (frame + sizeof (guint32), text, length);
  for (gsize done = 0; done < total;)
    {
      gssize n = vard_reward_wire_put (fd, frame + done, total - done, fds, done == 0 ? n_fds : 0);

      if (n > 0)
        done += n;
      else if (!vard_reward_wire_retry (fd, n, POLLOUT, deadline, NULL, error))
        return FALSE;
    }

  return TRUE;
}

gboolean
vard_reward_wire_send (int fd, JsonObject *message, gint64 deadline, GError **error)
{
  return vard_reward_wire_send_fds (fd, message, NULL, 0, deadline, error);
}

JsonObject *
vard_reward_wire_receive (int fd,
                          GArray *fds,
                          gint64 deadline,
                          GCancellable *cancellable,
                          GError **error)
{
  guint32 length;

  if (!vard_reward_wire_read (fd, (guint8 *) &length, sizeof length, fds, deadline, cancellable,
                              error))
    return NULL;
  if (length > MAX_LENGTH)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a message claims to have %u bytes",
                   length);
      return NULL;
    }

  g_autofree guint8 *text = g_malloc (length + 1);
  if (!vard_reward_wire_read (fd, text, length, fds, deadline, cancellable, error))
    return NULL;
  text[length] = 0;

  g_autoptr (JsonNode) node = vard_json_parse ((const char *) text, -1, NULL);
  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                           "a message is not a JSON object");
      return NULL;
    }

  return json_object_ref (json_node_get_object (node));
}
