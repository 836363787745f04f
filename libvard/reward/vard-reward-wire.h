/* vard-reward-wire.h - JSON messages between a reward's own process and who asks it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* deadlines are of g_get_monotonic_time(); G_MAXINT64 is none */
gboolean    vard_reward_wire_send    (int            fd,
                                      JsonObject    *message,
                                      gint64         deadline,
                                      GError       **error);
JsonObject *vard_reward_wire_receive (int            fd,
                                      gint64         deadline,
                                      GCancellable  *cancellable,
                                      GError       **error);

G_END_DECLS
