/* vard-reward-wire.h - JSON messages between an isolated reward and the run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Descriptors of one message */
#define VARD_REWARD_WIRE_MAX_FDS 128

/* deadlines are of g_get_monotonic_time(); G_MAXINT64 is none */
gboolean vard_reward_wire_send (int fd, JsonObject *message, gint64 deadline, GError **error);
/* The other side gets copies of the descriptors */
gboolean vard_reward_wire_send_fds (int fd,
                                    JsonObject *message,
                                    const int *fds,
                                    guint n_fds,
                                    gint64 deadline,
                                    GError **error);
/* fds (of int) gets the descriptors that came along, for the caller to close; NULL when none may
 * come */
JsonObject *vard_reward_wire_receive (int fd,
                                      GArray *fds,
                                      gint64 deadline,
                                      GCancellable *cancellable,
                                      GError **error);

G_END_DECLS
