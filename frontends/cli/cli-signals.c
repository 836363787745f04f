/* cli-signals.c - what Ctrl-C does
 *
 * Signals are waited for in a thread of their own: nothing that a signal handler may call could stop a trainer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static GCancellable *cancellable;
static VardRunner *served;   /* atomic */
static gint n_left = 0;      /* atomic: signals that do not end the process yet */

static void
leave (int number)
{
  _exit (CLI_CANCELLED);
}

void
cli_signals_begin (void)
{
  signal (SIGINT, leave);
  signal (SIGTERM, leave);
  signal (SIGXFSZ, SIG_IGN);
}

static void
fill_set (sigset_t *set)
{
  sigemptyset (set);
  sigaddset (set, SIGINT);
  sigaddset (set, SIGTERM);
}

static void
handle (void)
{
  static const char text[] = "\nfinishing the step and saving; once more stops now\n";
  VardRunner *runner = g_atomic_pointer_get (&served);

  switch (g_atomic_int_add (&n_left, -1))
    {
    case 2:
      vard_runner_stop (runner);
      if (write (STDERR_FILENO, text, sizeof text - 1) < 0)
        return;
      break;
    case 1:
      g_cancellable_cancel (cancellable);
      break;
    default:
      _exit (CLI_CANCELLED);
    }
}

static gpointer
wait_for_signals (gpointer data)
{
  sigset_t set;
  int number;

  fill_set (&set);
  while (sigwait (&set, &number) == 0)
    handle ();
  return NULL;
}

GCancellable *
cli_signals_catch (void)
{
  sigset_t set;

  fill_set (&set);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  cancellable = g_cancellable_new ();
  g_thread_unref (g_thread_new ("signals", wait_for_signals, NULL));
  return cancellable;
}

void
cli_signals_serve (VardRunner *runner)
{
  /* The thread lives as long as the process, and the runner with it */
  g_atomic_pointer_set (&served, runner ? g_object_ref (runner) : NULL);
  g_atomic_int_set (&n_left, runner ? 2 : 1);
}
