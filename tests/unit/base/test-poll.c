/* test-poll.c - waiting: for what comes, for a deadline, and through a stop
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-poll.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int
wait_for (int fd, gint64 microseconds)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
  gint64 deadline = g_get_monotonic_time () + microseconds;

  return vard_poll_until (&poll_fd, 1, &deadline);
}

static void
test_poll_ends (void)
{
  int ends[2];
  gint64 begin = g_get_monotonic_time ();

  g_assert_cmpint (pipe (ends), ==, 0);
  g_assert_cmpint (wait_for (ends[0], 300000), ==, 0);
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, 300000);
  g_assert_cmpint (wait_for (ends[0], -1), ==, 0);
  g_assert_cmpint (write (ends[1], "x", 1), ==, 1);
  g_assert_cmpint (wait_for (ends[0], 60 * G_USEC_PER_SEC), ==, 1);
  /* what is there is taken even when the time is over */
  g_assert_cmpint (wait_for (ends[0], -1), ==, 1);
  close (ends[0]);
  close (ends[1]);
}

/* A child that waits one second is stopped for two; the answer comes after that */
static void
test_poll_stop (void)
{
  int ends[2], status;
  pid_t child;

  g_assert_cmpint (pipe (ends), ==, 0);
  child = fork ();
  if (child == 0)
    _exit (wait_for (ends[0], G_USEC_PER_SEC) == 1 ? 0 : 1);
  g_usleep (100000);
  kill (child, SIGSTOP);
  g_usleep (2 * G_USEC_PER_SEC);
  kill (child, SIGCONT);
  g_usleep (100000);
  g_assert_cmpint (write (ends[1], "x", 1), ==, 1);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
  close (ends[0]);
  close (ends[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/poll/ends", test_poll_ends);
  g_test_add_func ("/poll/stop", test_poll_stop);
  return g_test_run ();
}
