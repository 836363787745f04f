/* vard-folder.h - writes folders that are complete or do not exist
 *
 * vard fills a folder next to its destination, under a name that begins with a dot, flushes it, and
 * renames it. The last file is COMPLETE, which lists the others with their sizes, so a torn copy
 * can be recognised.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* An empty folder beside the place of path; what an earlier writer left there is removed */
char *vard_folder_begin (const char *path, GError **error);
/* Flushes, marks and renames it; replaces an existing one */
gboolean vard_folder_commit (const char *path, GError **error);
void vard_folder_abandon (const char *path);

/* Whether every file that COMPLETE lists is there with its size */
gboolean vard_folder_check (const char *path, GError **error);
gboolean vard_folder_remove (const char *path, GError **error);

/* Writes a file atomically */
gboolean vard_folder_write_file (const char *path, const char *text, gssize length, GError **error);
/* The free bytes on the file system of a path. If the path does not exist, its nearest existing
 * parent counts. FALSE if the number is unknown. */
gboolean vard_folder_get_free_space (const char *path, guint64 *n_bytes);
/* Adds the free space to an error if there is hardly any */
void vard_folder_prefix_space (const char *path, GError **error);

G_END_DECLS
