/* vard-reward-helper.c - the helper program vard-reward-host: one reward, apart from the run
 *
 * It gets a socket as descriptor 3 and the pictures' memory as 4. What the reward prints goes to standard error.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-child.h"

#include <fcntl.h>
#include <unistd.h>

int
main (int    argc,
      char **argv)
{
  if (fcntl (3, F_SETFD, FD_CLOEXEC) < 0 || fcntl (4, F_SETFD, FD_CLOEXEC) < 0
      || dup2 (STDERR_FILENO, STDOUT_FILENO) < 0)
    return 2;
  vard_reward_child_serve (3, 4);
  return 0;
}
