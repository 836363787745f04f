/* vard-reward-helper.c - the helper program vard-reward-host, which runs one isolated reward
 *
 * It gets a socket as descriptor 3. What the reward prints goes to standard error.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-child.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* One line a message: whoever reads them adds whose they are. */
static GLogWriterOutput
vard_reward_helper_write_log (GLogLevelFlags level,
                              const GLogField *log_fields,
                              gsize n_fields,
                              gpointer data)
{
  const char *text = NULL;

  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (log_fields[i].key, "MESSAGE") && log_fields[i].length < 0)
      text = log_fields[i].value;
  if (text == NULL || (level & G_LOG_LEVEL_DEBUG) != 0)
    return g_log_writer_default (level, log_fields, n_fields, data);
  fprintf (stderr, "%s%s\n",
           (level & G_LOG_LEVEL_ERROR) != 0      ? "error: "
           : (level & G_LOG_LEVEL_CRITICAL) != 0 ? "critical: "
           : (level & G_LOG_LEVEL_WARNING) != 0  ? "warning: "
                                                 : "",
           text);

  return G_LOG_WRITER_HANDLED;
}

int
main (int argc, char **argv)
{
  if (fcntl (3, F_SETFD, FD_CLOEXEC) < 0 || dup2 (STDERR_FILENO, STDOUT_FILENO) < 0)
    return 2;
  g_log_set_writer_func (vard_reward_helper_write_log, NULL, NULL);
  vard_reward_child_serve (3);
  return 0;
}
