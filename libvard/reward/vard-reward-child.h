/* vard-reward-child.h - an isolated reward: the side of the child process
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Answers until the other end closes, and then ends the process. */
void vard_reward_child_serve (int socket_fd);

G_END_DECLS
