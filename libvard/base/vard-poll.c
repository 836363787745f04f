/* vard-poll.c - waits for file descriptors until a deadline, even across a stopped process
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-poll.h"

#include <errno.h>

/* A wait is cut into ticks; one that took longer than the tolerance beyond its tick was a stop, or
 * might as well be one */
#define TICK (G_USEC_PER_SEC / 4)
#define TOLERANCE (G_USEC_PER_SEC / 2)

int
vard_poll_until (struct pollfd *fds, guint n_fds, gint64 *deadline)
{
  for (gint64 now = g_get_monotonic_time (), after;; now = after)
    {
      gint64 wait = CLAMP (*deadline - now, 0, TICK);
      int n = poll (fds, n_fds, (int) ((wait + 999) / 1000));

      after = g_get_monotonic_time ();
      if (n > 0 || (n < 0 && errno != EINTR))
        return n;
      if (after - now > wait + TOLERANCE && *deadline < G_MAXINT64 - (after - now))
        *deadline += after - now;
      if (after >= *deadline)
        return 0;
    }
}
