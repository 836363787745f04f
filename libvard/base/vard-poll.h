/* vard-poll.h - waits for file descriptors until a deadline, even across a stopped process
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <poll.h>

G_BEGIN_DECLS

/* poll() until something happens: its value, 0 when the deadline (g_get_monotonic_time) has passed,
 * or -1 with errno. When this process was stopped (Ctrl-Z, SIGSTOP) for longer than a moment, so
 * may what it waits for have been: the deadline moves by that long. */
int vard_poll_until (struct pollfd *fds, guint n_fds, gint64 *deadline);

G_END_DECLS
