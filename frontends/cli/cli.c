/* cli.c - functions that the verbs share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static CliExit
cli_exit_of_vard_error (int code)
{
  switch (code)
    {
    case VARD_ERROR_USAGE: return CLI_USAGE;
    case VARD_ERROR_CONFIG:
    case VARD_ERROR_UNSUPPORTED:
    case VARD_ERROR_PLUGIN:
    case VARD_ERROR_EXISTS:
    case VARD_ERROR_BUSY:
    case VARD_ERROR_NOT_LIVE: return CLI_CONFIG;
    case VARD_ERROR_REWARD: return CLI_REWARD;
    case VARD_ERROR_DIVERGED: return CLI_DIVERGED;
    default: return CLI_FAILED;
    }
}

CliExit
cli_exit_of (const GError *error)
{
  if (error->domain == VARD_ERROR)
    return cli_exit_of_vard_error (error->code);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return CLI_CANCELLED;
  /* A folder that may not be written to */
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY)
      || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
    return CLI_CONFIG;
  /* A file that the user named is missing or cannot be read */
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)
      || g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT)
      || g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_ISDIR)
      || g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_ACCES))
    return CLI_CONFIG;

  return CLI_FAILED;
}

GError *
cli_blame_file (GError *error, const char *path)
{
  if (path != NULL && g_error_matches (error, VARD_ERROR, VARD_ERROR_USAGE))
    {
      error->code = VARD_ERROR_CONFIG;
      g_prefix_error (&error, "%s: ", path);
    }

  return error;
}

CliExit
cli_fail (const char *verb, GError *error)
{
  CliExit code = cli_exit_of (error);

  fprintf (stderr, "vard%s%s: %s\n", verb != NULL ? " " : "", verb != NULL ? verb : "",
           error->message);
  if (code == CLI_USAGE)
    fprintf (stderr, "Try 'vard%s%s --help'.\n", verb != NULL ? " " : "", verb != NULL ? verb : "");
  g_error_free (error);

  return code;
}

char *
cli_format_time (double seconds)
{
  guint64 whole = MAX (seconds, 0) + 0.5;

  if (seconds < 9.95)
    return g_strdup_printf ("%.1f s", MAX (seconds, 0));
  if (whole < 60)
    return g_strdup_printf ("%u s", (guint) whole);
  if (whole < 3600)
    return g_strdup_printf ("%u min %02u s", (guint) (whole / 60), (guint) (whole % 60));
  if (whole >= 10 * 86400)
    return g_strdup_printf ("%.0f days", seconds / 86400);
  if (whole >= 86400)
    return g_strdup_printf ("%.1f days", seconds / 86400);

  return g_strdup_printf ("%" G_GUINT64_FORMAT " h %02u min", whole / 3600,
                          (guint) (whole / 60 % 60));
}

int
cli_get_width (int fd)
{
  struct winsize size;

  return isatty (fd) && ioctl (fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col : 100;
}

void
cli_print_json (JsonNode *node)
{
  g_autofree char *text = vard_json_to_text (node, TRUE);

  puts (text);
}

void
cli_print_messages (VardRewardMix *rewards)
{
  g_auto (GStrv) messages = vard_reward_mix_take_messages (rewards);

  for (guint i = 0; messages[i] != NULL; i++)
    fprintf (stderr, "vard: %s\n", messages[i]);
}
