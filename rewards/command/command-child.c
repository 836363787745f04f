/* command-child.c - a program that reads and writes lines
 *
 * One thread, poll() over three pipes: whoever only writes and then only reads waits for ever as
 * soon as a pipe is full. The program leads a process group of its own, so that what it started
 * ends with it, and Ctrl-C reaches the run and not the program.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "command-child.h"

#include "../wire/wire.h"

#include <glib-unix.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define LONGEST_LINE (64 * 1024)
#define TAIL 400 /* bytes of the standard error output that are kept for a message */

struct _CommandChild
{
  GSubprocess *process;
  int input, output, errors; /* descriptors that the process's streams own */
  GString *unsent, *received, *complaints;
  gsize n_sent;     /* bytes of unsent */
  gboolean is_mute; /* its standard error output is closed */
};

static void
command_child_lead_group (gpointer data)
{
  setpgid (0, 0);
}

CommandChild *
command_child_new (const char *command, GError **error)
{
  g_auto (GStrv) argv = NULL;
  g_autoptr (GSubprocessLauncher) launcher =
    g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE
                               | G_SUBPROCESS_FLAGS_STDERR_PIPE);

  if (!g_shell_parse_argv (command, NULL, &argv, error))
    return NULL;
  g_subprocess_launcher_set_child_setup (launcher, command_child_lead_group, NULL, NULL);
  g_autoptr (GSubprocess) process =
    g_subprocess_launcher_spawnv (launcher, (const char *const *) argv, error);
  if (process == NULL)
    return NULL;

  CommandChild *self = g_new0 (CommandChild, 1);
  self->process = g_steal_pointer (&process);
  self->input = g_unix_output_stream_get_fd (
    G_UNIX_OUTPUT_STREAM (g_subprocess_get_stdin_pipe (self->process)));
  self->output =
    g_unix_input_stream_get_fd (G_UNIX_INPUT_STREAM (g_subprocess_get_stdout_pipe (self->process)));
  self->errors =
    g_unix_input_stream_get_fd (G_UNIX_INPUT_STREAM (g_subprocess_get_stderr_pipe (self->process)));
  g_unix_set_fd_nonblocking (self->input, TRUE, NULL);
  g_unix_set_fd_nonblocking (self->output, TRUE, NULL);
  g_unix_set_fd_nonblocking (self->errors, TRUE, NULL);
  self->unsent = g_string_new (NULL);
  self->received = g_string_new (NULL);
  self->complaints = g_string_new (NULL);

  return self;
}

/* Whether it wrote something that nobody has read */
gboolean
command_child_has_output (CommandChild *self)
{
  struct pollfd fd = { .fd = self->output, .events = POLLIN };

  return self->received->len > 0 || (poll (&fd, 1, 0) > 0 && fd.revents != 0);
}

/* Takes the line's text; the string is empty afterwards */
void
command_child_send (CommandChild *self, GString *line)
{
  g_string_append_len (self->unsent, line->str, line->len);
  g_string_truncate (line, 0);
}

/* write() without the SIGPIPE of a program that is gone, whatever this process does with signals */
static gssize
command_write (int fd, const char *bytes, gsize n_bytes)
{
  const struct timespec at_once = { 0, 0 };
  sigset_t pipe_signal, pending, former;

  sigemptyset (&pipe_signal);
  sigaddset (&pipe_signal, SIGPIPE);
  sigpending (&pending);
  pthread_sigmask (SIG_BLOCK, &pipe_signal, &former);
  gssize n = write (fd, bytes, n_bytes);
  int code = errno;
  if (n < 0 && code == EPIPE && !sigismember (&pending, SIGPIPE))
    while (sigtimedwait (&pipe_signal, NULL, &at_once) < 0 && errno == EINTR)
      ;
  pthread_sigmask (SIG_SETMASK, &former, NULL);
  errno = code;

  return n;
}

/* A program that does not read any more will soon close its output too: that is where it is
 * noticed. */
static void
command_child_write (CommandChild *self)
{
  gssize n =
    command_write (self->input, self->unsent->str + self->n_sent, self->unsent->len - self->n_sent);

  if (n > 0)
    self->n_sent += n;
  if (self->n_sent == self->unsent->len || (n < 0 && errno == EPIPE))
    {
      g_string_truncate (self->unsent, 0);
      self->n_sent = 0;
    }
}

/* Each whole line of the standard error output goes to the log; the last of it stays for a
 * message */
static void
command_child_log (CommandChild *self, const char *bytes, gsize n_bytes)
{
  g_autofree char *text = g_utf8_make_valid (bytes, n_bytes);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    if (*g_strstrip (lines[i]) != 0)
      g_info ("%s", lines[i]);
  g_string_append_len (self->complaints, bytes, n_bytes);
  if (self->complaints->len > TAIL)
    g_string_erase (self->complaints, 0, self->complaints->len - TAIL);
}

static void
command_child_read_errors (CommandChild *self)
{
  char bytes[4096];
  gssize n = read (self->errors, bytes, sizeof bytes);

  if (n > 0)
    command_child_log (self, bytes, n);
  else if (n == 0 || (errno != EAGAIN && errno != EINTR))
    self->is_mute = TRUE;
}

/* FALSE when the output is closed */
static gboolean
command_child_read_output (CommandChild *self)
{
  char bytes[16384];
  gssize n = read (self->output, bytes, sizeof bytes);

  if (n > 0)
    g_string_append_len (self->received, bytes, n);

  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* A line without its end; what is too long for one is handed over as it is */
static char *
command_child_take_line (CommandChild *self, gboolean is_last)
{
  const char *end = memchr (self->received->str, '\n', self->received->len);
  gsize length = end != NULL ? (gsize) (end - self->received->str) : self->received->len;

  if (end == NULL && length < LONGEST_LINE && !(is_last && length > 0))
    return NULL;
  char *line = g_strndup (self->received->str, length);
  g_string_erase (self->received, 0, length + (end != NULL));

  return line;
}

static int
command_get_wait (gint64 deadline)
{
  gint64 left = deadline - g_get_monotonic_time ();

  return CLAMP (left / 1000 + 1, 0, 1000);
}

/* One poll(), and what it found */
static gboolean
command_child_turn (CommandChild *self, gint64 deadline, GPollFD *cancel)
{
  gboolean is_open = TRUE;
  struct pollfd fds[] = {
    { .fd = self->output, .events = POLLIN },
    { .fd = self->is_mute ? -1 : self->errors, .events = POLLIN },
    { .fd = self->unsent->len > 0 ? self->input : -1, .events = POLLOUT },
    { .fd = cancel != NULL ? cancel->fd : -1, .events = POLLIN },
  };

  if (poll (fds, G_N_ELEMENTS (fds), command_get_wait (deadline)) <= 0)
    return TRUE;
  if (fds[1].revents != 0)
    command_child_read_errors (self);
  if (fds[2].revents != 0)
    command_child_write (self);
  if (fds[0].revents != 0)
    is_open = command_child_read_output (self);

  return is_open;
}

/* Sends what is to be sent until something happens */
CommandEvent
command_child_wait (CommandChild *self, gint64 deadline, GCancellable *cancellable, char **line)
{
  gboolean has_unsent = self->unsent->len > 0, is_open = TRUE, has_cancel;
  GPollFD cancel;
  CommandEvent event = COMMAND_EVENT_LINE;

  has_cancel = cancellable != NULL && g_cancellable_make_pollfd (cancellable, &cancel);
  while ((*line = command_child_take_line (self, !is_open)) == NULL)
    {
      if (!is_open)
        event = COMMAND_EVENT_ENDED;
      else if (g_cancellable_is_cancelled (cancellable))
        event = COMMAND_EVENT_CANCELLED;
      else if (has_unsent && self->unsent->len == 0)
        event = COMMAND_EVENT_SENT;
      else if (g_get_monotonic_time () >= deadline)
        event = COMMAND_EVENT_SILENT;
      if (event != COMMAND_EVENT_LINE)
        break;
      is_open = command_child_turn (self, deadline, has_cancel ? &cancel : NULL);
    }
  if (has_cancel)
    g_cancellable_release_fd (cancellable);

  return event;
}

/* Gives a program that ended by itself a moment to be gone and to have said why */
static void
command_child_listen (CommandChild *self, int milliseconds)
{
  gint64 deadline = g_get_monotonic_time () + milliseconds * G_TIME_SPAN_MILLISECOND;

  while (!self->is_mute && g_get_monotonic_time () < deadline)
    {
      struct pollfd fd = { .fd = self->errors, .events = POLLIN };

      if (poll (&fd, 1, command_get_wait (deadline)) > 0)
        command_child_read_errors (self);
    }
}

/* At once, without a word */
void
command_child_stop (CommandChild *self)
{
  const char *id = g_subprocess_get_identifier (self->process);

  /* The group is the program's own as long as the program has not been waited for. */
  if (id != NULL)
    kill (-(pid_t) g_ascii_strtoll (id, NULL, 10), SIGKILL);
  g_subprocess_force_exit (self->process);
  g_subprocess_wait (self->process, NULL, NULL);
}

/* Ends it, and says how it went and what it wrote last */
char *
command_child_kill (CommandChild *self)
{
  g_autoptr (GString) report = g_string_new (NULL);

  command_child_listen (self, 200);
  gboolean was_alive = g_subprocess_get_identifier (self->process) != NULL;
  command_child_stop (self);
  if (!was_alive || !g_subprocess_get_if_signaled (self->process)
      || g_subprocess_get_term_sig (self->process) != SIGKILL)
    {
      if (g_subprocess_get_if_exited (self->process))
        g_string_append_printf (report, " (exit status %d)",
                                g_subprocess_get_exit_status (self->process));
      else
        g_string_append_printf (report, " (signal %d, %s)",
                                g_subprocess_get_term_sig (self->process),
                                strsignal (g_subprocess_get_term_sig (self->process)));
    }

  g_autofree char *said = g_utf8_make_valid (self->complaints->str, self->complaints->len);
  g_strchomp (said);
  const char *last = strrchr (said, '\n');
  last = last != NULL ? last + 1 : said;
  g_autofree char *excerpt = wire_excerpt (last, strlen (last));
  if (*excerpt != 0)
    g_string_append_printf (report, "; the last line on its standard error is \"%s\"", excerpt);

  return g_string_free (g_steal_pointer (&report), FALSE);
}

/* The end of its input tells a program to end; one that does not within a second is killed. */
void
command_child_free (CommandChild *self)
{
  if (self == NULL)
    return;
  if (g_subprocess_get_identifier (self->process) != NULL)
    {
      g_output_stream_close (g_subprocess_get_stdin_pipe (self->process), NULL, NULL);
      struct pollfd fd = { .fd = self->output, .events = 0 }; /* POLLHUP alone */
      poll (&fd, 1, 1000);
      command_child_stop (self);
    }
  g_object_unref (self->process);
  g_string_free (self->unsent, TRUE);
  g_string_free (self->received, TRUE);
  g_string_free (self->complaints, TRUE);
  g_free (self);
}
