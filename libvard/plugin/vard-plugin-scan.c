/* vard-plugin-scan.c - the helper program that opens a plugin file to describe it
 *
 * usage: vard-plugin-scan FILE. The answer goes to what was standard output; what the plugin itself
 * prints goes to standard error.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/vard-plugin-private.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

int
main (int argc, char **argv)
{
  if (argc != 2)
    return 2;
  prctl (PR_SET_PDEATHSIG, SIGKILL); /* a plugin that hangs does not outlive who asked */

  int fd = fcntl (STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (fd < 0 || dup2 (STDERR_FILENO, STDOUT_FILENO) < 0)
    return 1;

  vard_plugin_probe_serve (argv[1], fd);
  _exit (0); /* a plugin's exit handlers prove nothing */
}
