/* vard-reward-call.h - calls a function in a main context and waits for it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef gboolean (*VardRewardCallFunc) (gpointer data, GError **error);

/* data may be used after this returns when it was cancelled: `release` says when it is no
 * longer. */
gboolean vard_reward_call_in (GMainContext *context,
                              const char *who,
                              VardRewardCallFunc function,
                              gpointer data,
                              GDestroyNotify release,
                              GCancellable *cancellable,
                              GError **error);

G_END_DECLS
