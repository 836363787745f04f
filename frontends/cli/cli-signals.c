/* cli-signals.c - handles Ctrl-C
 *
 * A thread of its own waits for signals, because a signal handler may not call anything that would
 * stop a trainer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* What was told to stop now has this long; a reward that hangs would have for ever */
#define GRACE_SECONDS 10

static GCancellable *cancellable;
static VardRunner *served; /* atomic */
static gint n_left = 0;    /* atomic: signals that do not end the process yet */

static void
cli_leave (int number)
{
  _exit (CLI_CANCELLED);
}

void
cli_signals_begin (void)
{
  signal (SIGINT, cli_leave);
  signal (SIGTERM, cli_leave);
  signal (SIGXFSZ, SIG_IGN);
}

static void
cli_fill_set (sigset_t *set)
{
  sigemptyset (set);
  sigaddset (set, SIGINT);
  sigaddset (set, SIGTERM);
}

static void
cli_say (const char *text)
{
  if (write (STDERR_FILENO, text, strlen (text)) < 0)
    return; /* nobody listens */
}

/* The last words of a run; a sanitizer has better ones */
#ifndef __SANITIZE_ADDRESS__
static const int crashes[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV };

static void
cli_tell_crash (int number)
{
  cli_say (
    "\n"
    "vard: crashed. If a reward caused it, isolate=true protects the run from the next crash. "
    "vard resume continues from the newest checkpoint.\n");
  signal (number, SIG_DFL);
  raise (number);
}
#endif

/* FALSE when there is nothing left to ask for */
static gboolean
cli_handle (void)
{
  VardRunner *runner = g_atomic_pointer_get (&served);

  switch (g_atomic_int_add (&n_left, -1))
    {
    case 2:
      vard_runner_stop (runner);
      cli_say ("\nfinishing the step and saving; press Ctrl-C again to stop now\n");
      return TRUE;
    case 1: g_cancellable_cancel (cancellable); return FALSE;
    default: _exit (CLI_CANCELLED);
    }
}

static gpointer
cli_wait_for_signals (gpointer data)
{
  const struct timespec grace = { .tv_sec = GRACE_SECONDS };
  sigset_t set;
  int number;

  cli_fill_set (&set);
  while (sigwait (&set, &number) == 0 && cli_handle ())
    ;
  do
    number = sigtimedwait (&set, NULL, &grace);
  while (number < 0 && errno == EINTR);
  if (number < 0)
    cli_say (
      "\n"
      "vard: something did not stop when asked (a reward that hangs?): ended without saving\n");
  _exit (CLI_CANCELLED);
}

GCancellable *
cli_signals_catch (void)
{
  sigset_t set;

  cli_fill_set (&set);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  cancellable = g_cancellable_new ();
  g_thread_unref (g_thread_new ("signals", cli_wait_for_signals, NULL));

  return cancellable;
}

void
cli_signals_serve (VardRunner *runner)
{
  /* The thread lives as long as the process, and the runner with it */
  g_atomic_pointer_set (&served, runner ? g_object_ref (runner) : NULL);
  g_atomic_int_set (&n_left, runner ? 2 : 1);
#ifndef __SANITIZE_ADDRESS__
  for (guint i = 0; runner != NULL && i < G_N_ELEMENTS (crashes); i++)
    signal (crashes[i], cli_tell_crash);
#endif
}
