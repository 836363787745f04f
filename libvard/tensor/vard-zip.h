/* vard-zip.h - finds the uncompressed members of a zip archive in memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct
{
  guint64 offset, size;
} VardZipMember;

/* The members' names with their places in @data; zip64 too. A compressed or encrypted member, or
 * one that does not lie within the data, fails the whole. @path is for messages. (transfer full)
 * (element-type utf8 VardZipMember) */
GHashTable *vard_zip_list (const char *path, const guint8 *data, gsize size, GError **error);

G_END_DECLS
