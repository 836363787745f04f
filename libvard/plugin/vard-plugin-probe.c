/* vard-plugin-probe.c - inspects a plugin file in a child process
 *
 * The child (vard-plugin-scan) writes lines of JSON: {"stage": "..."} before each thing that may
 * kill it, and the plugin's description at the end. So a crash is known with the place where it
 * happened, and a file that hangs is ended without harm to the host.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#define _GNU_SOURCE /* dladdr */

#include "base/vard-error.h"
#include "base/vard-json.h"
#include "base/vard-json-parse.h"
#include "base/vard-poll.h"
#include "plugin/vard-plugin-module.h"
#include "plugin/vard-plugin-private.h"

#include <dlfcn.h>
#include <errno.h>
#include <gio/gunixinputstream.h>
#include <string.h>
#include <unistd.h>

/* A description is a few thousand bytes; what goes on for ever is no description. */
#define MAX_OUTPUT (4 * 1024 * 1024)

static void
vard_plugin_probe_write (int fd, JsonObject *json)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), json);
  g_autofree char *text = vard_json_to_text (node, FALSE);
  g_autofree char *line = g_strconcat (text, "\n", NULL);
  gsize length = strlen (line);

  for (gsize done = 0; done < length;)
    {
      gssize n = write (fd, line + done, length - done);

      if (n < 0 && errno != EINTR)
        return; /* nobody reads any more */
      done += MAX (n, 0);
    }
}

static void
vard_plugin_probe_tell_stage (const char *stage, gpointer data)
{
  g_autoptr (JsonObject) json = json_object_new ();

  json_object_set_string_member (json, "stage", stage);
  vard_plugin_probe_write (GPOINTER_TO_INT (data), json);
}

void
vard_plugin_probe_serve (const char *path, int fd)
{
  g_autoptr (VardPlugin) plugin = vard_plugin_new (path);
  g_autoptr (GError) error = NULL;
  VardPluginState state;

  if (!vard_plugin_module_open (plugin, vard_plugin_probe_tell_stage, GINT_TO_POINTER (fd), &state,
                                &error))
    vard_plugin_set_problem (plugin, state, "%s", error->message);

  g_autoptr (JsonObject) json = vard_plugin_to_json (plugin);
  vard_plugin_probe_write (fd, json);
}

char *
vard_plugin_find_helper (const char *name, const char *variable)
{
  const char *given = g_getenv (variable);
  Dl_info info;

  if (given != NULL && given[0] != 0)
    return g_strdup (given);
  if (dladdr ((gpointer) vard_plugin_probe_serve, &info) != 0 && info.dli_fname != NULL)
    {
      g_autofree char *folder = g_path_get_dirname (info.dli_fname);
      char *beside = g_build_filename (folder, name, NULL);

      if (g_file_test (beside, G_FILE_TEST_IS_EXECUTABLE))
        return beside;
      g_free (beside);
    }

  return g_build_filename (VARD_LIBEXEC_PATH, "vard-1", name, NULL);
}

/* Reads what there is; FALSE at the end of the stream. */
static gboolean
vard_plugin_probe_read (int fd, GString *text)
{
  char bytes[4096];
  gssize n = read (fd, bytes, sizeof bytes);

  if (n < 0)
    return errno == EINTR || errno == EAGAIN;
  if (text->len < MAX_OUTPUT)
    g_string_append_len (text, bytes, n);

  return n > 0;
}

/* Reads both streams until their ends; FALSE when the time is over first. */
static gboolean
vard_plugin_probe_collect (GSubprocess *child, guint seconds, GString *out, GString *err)
{
  GInputStream *streams[2] = { g_subprocess_get_stdout_pipe (child),
                               g_subprocess_get_stderr_pipe (child) };
  GString *texts[2] = { out, err };
  struct pollfd fds[2];
  gint64 deadline = g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC;
  guint n_open = 2;

  for (guint i = 0; i < 2; i++)
    {
      fds[i].fd = g_unix_input_stream_get_fd (G_UNIX_INPUT_STREAM (streams[i]));
      fds[i].events = POLLIN;
    }
  while (n_open > 0)
    {
      if (vard_poll_until (fds, 2, &deadline) <= 0)
        return FALSE;
      for (guint i = 0; i < 2; i++)
        if (fds[i].fd >= 0 && fds[i].revents != 0 && !vard_plugin_probe_read (fds[i].fd, texts[i]))
          {
            fds[i].fd = -1;
            n_open--;
          }
    }

  return TRUE;
}

/* The last complete line with "state" is the answer; the last with "stage" tells where it was. */
static JsonObject *
vard_plugin_probe_parse (const char *text, char **stage)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  JsonObject *answer = NULL;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autoptr (JsonNode) node = vard_json_parse (lines[i], -1, NULL);

      if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
        continue;
      JsonObject *json = json_node_get_object (node);
      if (json_object_has_member (json, "stage"))
        {
          g_free (*stage);
          *stage = g_strdup (json_object_get_string_member_with_default (json, "stage", "?"));
        }
      else if (answer == NULL && json_object_has_member (json, "state"))
        answer = json_object_ref (json);
    }

  return answer;
}

/* The last line that the dying process said */
static char *
vard_plugin_probe_get_last_words (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_auto (GStrv) lines = g_strsplit (g_strchomp (valid), "\n", -1);
  guint n = g_strv_length (lines);

  return n > 0 && lines[n - 1][0] != 0 ? g_strdup_printf (" (%.300s)", lines[n - 1])
                                       : g_strdup ("");
}

static void
vard_plugin_probe_set_crashed (VardPlugin *self,
                               GSubprocess *child,
                               const char *stage,
                               const char *err)
{
  g_autofree char *words = vard_plugin_probe_get_last_words (err);

  if (g_subprocess_get_if_signaled (child))
    vard_plugin_set_problem (self, VARD_PLUGIN_STATE_CRASHED, "%s while %s%s",
                             g_strsignal (g_subprocess_get_term_sig (child)), stage, words);
  else
    vard_plugin_set_problem (self, VARD_PLUGIN_STATE_CRASHED,
                             "it ended the process with status %d while %s%s",
                             g_subprocess_get_exit_status (child), stage, words);
}

static GSubprocess *
vard_plugin_probe_start (const char *path, GError **error)
{
  g_autofree char *helper = vard_plugin_find_helper ("vard-plugin-scan", "VARD_PLUGIN_SCAN");
  g_autoptr (GSubprocessLauncher) launcher =
    g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);

  g_subprocess_launcher_unsetenv (launcher, "VARD_TRACE"); /* it is ours to write */
  g_subprocess_launcher_unsetenv (launcher, "G_DEBUG");

  return g_subprocess_launcher_spawn (launcher, error, helper, path, NULL);
}

void
vard_plugin_probe (VardPlugin *self, guint seconds)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) child = vard_plugin_probe_start (vard_plugin_get_path (self), &error);
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (GString) err = g_string_new (NULL);
  g_autofree char *stage = g_strdup ("starting");

  if (child == NULL)
    {
      vard_plugin_set_problem (self, VARD_PLUGIN_STATE_UNAVAILABLE,
                               "the plugin scanner did not start: %s", error->message);
      return;
    }

  gboolean in_time = vard_plugin_probe_collect (child, seconds, out, err);
  if (!in_time)
    g_subprocess_force_exit (child);
  g_subprocess_wait (child, NULL, NULL);

  g_autoptr (JsonObject) answer = vard_plugin_probe_parse (out->str, &stage);
  if (!in_time)
    vard_plugin_set_problem (self, VARD_PLUGIN_STATE_TOO_SLOW, "no answer within %u s while %s",
                             seconds, stage);
  else if (answer == NULL || !g_subprocess_get_successful (child))
    vard_plugin_probe_set_crashed (self, child, answer != NULL ? "ending" : stage, err->str);
  else if (!vard_plugin_read_json (self, answer, &error))
    vard_plugin_set_problem (self, VARD_PLUGIN_STATE_REFUSED, "its description cannot be read: %s",
                             error->message);
}
