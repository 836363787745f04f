/* vard-folder.c - writes folders that are complete or do not exist
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#define _GNU_SOURCE /* renameat2 */
#include "run/vard-folder.h"

#include "base/vard-error.h"
#include "base/vard-json.h"
#include "base/vard-json-parse.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define COMPLETE "COMPLETE"
/* With less free space than this, a failed write is blamed on a full disk */
#define LITTLE_SPACE (1 << 20)

static gboolean
vard_folder_fail (const char *verb, const char *path, int code, GError **error)
{
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "cannot %s %s: %s", verb, path,
               g_strerror (code));
  vard_folder_prefix_space (path, error);
  return FALSE;
}

gboolean
vard_folder_get_free_space (const char *path, guint64 *n_bytes)
{
  g_autofree char *place = g_strdup (path);
  struct statvfs info;

  while (statvfs (place, &info) != 0)
    {
      g_autofree char *parent = g_path_get_dirname (place);

      if (g_str_equal (parent, place))
        return FALSE;
      g_free (place);
      place = g_steal_pointer (&parent);
    }
  *n_bytes = (guint64) info.f_bavail * info.f_frsize;

  return TRUE;
}

void
vard_folder_prefix_space (const char *path, GError **error)
{
  guint64 n_bytes;

  if (error == NULL || *error == NULL || !vard_folder_get_free_space (path, &n_bytes))
    return;

  gboolean is_full = g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_NO_SPACE)
                     || g_error_matches (*error, G_FILE_ERROR, G_FILE_ERROR_NOSPC);

  if (!is_full && n_bytes >= LITTLE_SPACE)
    return;

  g_autofree char *size = g_format_size (n_bytes);
  g_autofree char *folder = g_path_get_dirname (path);

  g_prefix_error (error, "no space left for %s (%s free): ", folder, size);
}

static char *
vard_folder_build_place_beside (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *hidden = g_strdup_printf (".%s.new", name);

  return g_build_filename (folder, hidden, NULL);
}

gboolean
vard_folder_remove (const char *path, GError **error)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  if (!g_file_test (path, G_FILE_TEST_IS_DIR) || g_file_test (path, G_FILE_TEST_IS_SYMLINK))
    return g_unlink (path) == 0 || errno == ENOENT
           || vard_folder_fail ("remove", path, errno, error);

  dir = g_dir_open (path, 0, error);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (!vard_folder_remove (child, error))
        return FALSE;
    }

  return dir != NULL && (g_rmdir (path) == 0 || vard_folder_fail ("remove", path, errno, error));
}

char *
vard_folder_begin (const char *path, GError **error)
{
  g_autofree char *place = vard_folder_build_place_beside (path);

  if (!vard_folder_remove (place, error))
    return NULL;
  if (g_mkdir_with_parents (place, 0777) != 0)
    {
      vard_folder_fail ("create the folder", place, errno, error);
      return NULL;
    }

  return g_steal_pointer (&place);
}

void
vard_folder_abandon (const char *path)
{
  g_autofree char *place = vard_folder_build_place_beside (path);

  vard_folder_remove (place, NULL);
}

static gboolean
vard_folder_flush (const char *path, int flags, GError **error)
{
  int fd = open (path, flags | O_CLOEXEC);

  if (fd < 0)
    return vard_folder_fail ("flush", path, errno, error);

  /* Some file systems cannot flush a folder and return EINVAL */
  int code = fsync (fd) == 0 || errno == EINVAL ? 0 : errno;

  close (fd);

  return code == 0 || vard_folder_fail ("flush", path, code, error);
}

/* Flushes what is below a folder and lists its files with their sizes, names relative to it */
static gboolean
vard_folder_flush_files (const char *path, const char *prefix, JsonObject *sizes, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, error);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);
      g_autofree char *key = g_strconcat (prefix, name, NULL);
      g_autofree char *below = g_strconcat (key, "/", NULL);
      GStatBuf info;

      if (g_stat (child, &info) != 0)
        return vard_folder_fail ("read", child, errno, error);
      if (S_ISDIR (info.st_mode))
        {
          if (!vard_folder_flush_files (child, below, sizes, error))
            return FALSE;
          continue;
        }
      if (!vard_folder_flush (child, O_RDONLY, error))
        return FALSE;
      json_object_set_int_member (sizes, key, info.st_size);
    }

  return dir != NULL && vard_folder_flush (path, O_RDONLY | O_DIRECTORY, error);
}

gboolean
vard_folder_write_file (const char *path, const char *text, gssize length, GError **error)
{
  if (g_file_set_contents_full (path, text, length,
                                G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0666,
                                error))
    return TRUE;
  vard_folder_prefix_space (path, error);

  return FALSE;
}

static gboolean
vard_folder_write_sizes (const char *path, JsonObject *sizes, GError **error)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *file = g_build_filename (path, COMPLETE, NULL);

  json_node_set_object (node, sizes);

  g_autofree char *text = vard_json_to_text (node, TRUE);

  return vard_folder_write_file (file, text, -1, error);
}

/* If a folder of that name exists, the two are exchanged in one call, so one
 * exists at any time */
static gboolean
vard_folder_put_in_place (const char *place, const char *path, GError **error)
{
  if (renameat2 (AT_FDCWD, place, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
    return vard_folder_remove (place, error);
  if (errno != ENOENT && !vard_folder_remove (path, error))
    return FALSE;
  return g_rename (place, path) == 0 || vard_folder_fail ("rename", place, errno, error);
}

gboolean
vard_folder_commit (const char *path, GError **error)
{
  g_autofree char *place = vard_folder_build_place_beside (path);
  g_autofree char *parent = g_path_get_dirname (path);
  g_autoptr (JsonObject) sizes = json_object_new ();

  if (!vard_folder_flush_files (place, "", sizes, error)
      || !vard_folder_write_sizes (place, sizes, error))
    return FALSE;

  return vard_folder_put_in_place (place, path, error)
         && vard_folder_flush (parent, O_RDONLY | O_DIRECTORY, error);
}

static gboolean
vard_folder_check_size (const char *path, const char *name, gint64 size, GError **error)
{
  g_autofree char *file = g_build_filename (path, name, NULL);
  GStatBuf info;

  if (g_stat (file, &info) != 0)
    return vard_folder_fail ("read", file, errno, error);
  if (info.st_size == size)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s has %" G_GINT64_FORMAT " bytes, but had %" G_GINT64_FORMAT
               " when it was written",
               file, (gint64) info.st_size, size);

  return FALSE;
}

gboolean
vard_folder_check (const char *path, GError **error)
{
  g_autofree char *file = g_build_filename (path, COMPLETE, NULL);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (file, &text, NULL, error))
    return FALSE;

  g_autoptr (JsonNode) node = vard_json_parse (text, -1, NULL);

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s is damaged: it does not list the folder's files", file);
      return FALSE;
    }

  JsonObjectIter iter;
  const char *name;
  JsonNode *size;

  json_object_iter_init (&iter, json_node_get_object (node));
  while (json_object_iter_next (&iter, &name, &size))
    if (!JSON_NODE_HOLDS_VALUE (size)
        || !vard_folder_check_size (path, name, json_node_get_int (size), error))
      return FALSE;

  return TRUE;
}
