/* verb-new-reward.c - vard new-reward: writes the source of a new reward
 *
 * The files are in cli-template.c, with @name@ (sunny-sky), @Name@ (SunnySky), @name_@ (sunny_sky)
 * and @NAME@ (SUNNY_SKY) in place of the name.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-options.h"
#include "cli-template.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

/* The errors speak of the name as the user typed it */
static gboolean
cli_check_name (const char *name, GError **error)
{
  gboolean ok = g_ascii_islower (name[0]) && strlen (name) <= 40 && !g_str_has_suffix (name, "-")
                && strstr (name, "--") == NULL;

  for (const char *p = name; *p; p++)
    ok = ok && (g_ascii_islower (*p) || g_ascii_isdigit (*p) || *p == '-');
  if (!ok)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 "\"%s\" cannot be a reward's name: use at most 40 lower-case letters, digits and "
                 "single '-', beginning with a letter",
                 name);

  return ok;
}

/* Two rewards of one name are one too many, and so are a target of meson's own, or a type of
 * vard's */
static gboolean
cli_check_is_free (const char *name, GError **error)
{
  static const char *const taken[] = { "all",       "benchmark",   "clean",      "dist",
                                       "install",   "reconfigure", "scan-build", "test",
                                       "uninstall", "vard",        NULL };
  VardPluginManager *manager = vard_plugin_manager_get_default ();
  g_autoptr (VardPluginFeature) feature = vard_plugin_manager_find (manager, "reward", name, NULL);

  if (g_strv_contains (taken, name))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "\"%s\" cannot be a reward's name: meson or vard uses it already", name);
      return FALSE;
    }
  if (feature != NULL)
    {
      g_autoptr (VardPlugin) plugin = vard_plugin_manager_find_plugin (manager, feature);

      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "there is already a reward \"%s\", in %s",
                   name, vard_plugin_get_path (plugin));
    }

  return feature == NULL;
}

/* sunny-sky: SunnySky, or with a separator sunny_sky and SUNNY_SKY */
static char *
cli_respell (const char *name, gboolean is_camel, gboolean is_upper)
{
  GString *text = g_string_new (NULL);

  for (const char *p = name; *p; p++)
    if (*p != '-')
      g_string_append_c (text, is_upper || (is_camel && (p == name || p[-1] == '-'))
                                 ? g_ascii_toupper (*p)
                                 : *p);
    else if (!is_camel)
      g_string_append_c (text, '_');

  return g_string_free (text, FALSE);
}

static char *
cli_fill_in (const char *template, const char *name)
{
  g_autofree char *camel = cli_respell (name, TRUE, FALSE);
  g_autofree char *under = cli_respell (name, FALSE, FALSE);
  g_autofree char *upper = cli_respell (name, FALSE, TRUE);
  GString *text = g_string_new (template);

  g_string_replace (text, "@name@", name, 0);
  g_string_replace (text, "@Name@", camel, 0);
  g_string_replace (text, "@name_@", under, 0);
  g_string_replace (text, "@NAME@", upper, 0);

  return g_string_free (text, FALSE);
}

static gboolean
cli_write_files (const char *name, GError **error)
{
  if (g_mkdir (name, 0777) != 0)
    {
      g_set_error (error, VARD_ERROR, errno == EEXIST ? VARD_ERROR_EXISTS : VARD_ERROR_FAILED,
                   errno == EEXIST ? "%s exists, and vard does not overwrite it"
                                   : "cannot create the folder %s: %s",
                   name, g_strerror (errno));
      return FALSE;
    }
  for (const CliTemplate *file = cli_templates; file->path != NULL; file++)
    {
      g_autofree char *file_name = cli_fill_in (file->path, name);
      g_autofree char *path = g_build_filename (name, file_name, NULL);
      g_autofree char *text = cli_fill_in (file->text, name);

      if (!g_file_set_contents (path, text, -1, error))
        return FALSE;
      printf ("%s\n", path);
    }

  return TRUE;
}

static CliExit
cli_new_reward (int argc, char **argv)
{
  g_autoptr (CliOptions) options =
    cli_options_new ("new-reward NAME",
                     "Writes a new folder NAME with a reward that builds and passes its test. "
                     "Change its score function to make it yours. The folder must not exist.");
  g_autoptr (GError) error = NULL;

  if (!cli_options_parse (options, argc, argv, &error))
    return error != NULL ? cli_fail ("new-reward", g_steal_pointer (&error)) : CLI_DONE;

  const char *const *words = cli_options_get_words (options);

  if (words[0] == NULL || words[1] != NULL)
    g_set_error_literal (&error, VARD_ERROR, VARD_ERROR_USAGE, "name one reward");
  else if (cli_check_name (words[0], &error) && cli_check_is_free (words[0], &error)
           && cli_write_files (words[0], &error))
    fprintf (stderr, "Next: cd %s && meson setup build && meson test -C build\n", words[0]);

  return error != NULL ? cli_fail ("new-reward", g_steal_pointer (&error)) : CLI_DONE;
}

const CliVerb cli_verb_new_reward = { "new-reward", "writes the source of a new reward",
                                      cli_new_reward };
