/* vard-reward-child.h - a reward in a process of its own: the side of the child
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Answers until the other end closes, and then ends the process. memory_fd holds the pictures. */
void vard_reward_child_serve (int socket_fd,
                              int memory_fd);

G_END_DECLS
