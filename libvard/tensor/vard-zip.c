/* vard-zip.c - finds the uncompressed members of a zip archive in memory
 *
 * An archive is read from its end: a record there says where the list of members is. Each entry of
 * the list says where the member's own header is, and only that one says how long it is itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-zip.h"

#include "base/vard-error.h"

#include <string.h>

#define END_SIGNATURE 0x06054b50u
#define END_SIZE 22
#define END64_SIGNATURE 0x06064b50u
#define END64_SIZE 56
#define LOCATOR_SIGNATURE 0x07064b50u
#define LOCATOR_SIZE 20
#define ENTRY_SIGNATURE 0x02014b50u
#define ENTRY_SIZE 46
#define LOCAL_SIGNATURE 0x04034b50u
#define LOCAL_SIZE 30
#define MAX_COMMENT 65535
#define MAX_MEMBERS 1000000
#define EXTRA_ZIP64 1
#define IN_EXTRA 0xffffffffu /* a 32-bit field whose value is in the zip64 extra field */

typedef struct
{
  const char *path;
  const guint8 *data;
  gsize size;
} Archive;

static guint64
vard_zip_get (const Archive *self, guint64 at, guint n_bytes)
{
  guint64 value = 0;

  for (guint i = n_bytes; i-- > 0;)
    value = value << 8 | self->data[at + i];
  return value;
}

static gboolean
vard_zip_has (const Archive *self, guint64 at, guint64 n_bytes)
{
  return at <= self->size && n_bytes <= self->size - at;
}

static gboolean
vard_zip_fail (const Archive *self, GError **error, const char *what)
{
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: the zip archive is damaged: %s",
               self->path, what);
  return FALSE;
}

/* where the record at the end is, or -1 */
static gint64
vard_zip_find_end (const Archive *self)
{
  gint64 lowest = self->size > END_SIZE + MAX_COMMENT ? self->size - END_SIZE - MAX_COMMENT : 0;

  for (gint64 at = (gint64) self->size - END_SIZE; at >= lowest; at--)
    if (vard_zip_get (self, at, 4) == END_SIGNATURE)
      return at;

  return -1;
}

/* the list's place and length, from the record at the end or its zip64 double */
static gboolean
vard_zip_find_list (const Archive *self, guint64 *at, guint64 *n_members, GError **error)
{
  gint64 end = vard_zip_find_end (self);

  if (end < 0)
    return vard_zip_fail (self, error, "its end record is missing");
  *n_members = vard_zip_get (self, end + 10, 2);
  *at = vard_zip_get (self, end + 16, 4);
  if (end < LOCATOR_SIZE || vard_zip_get (self, end - LOCATOR_SIZE, 4) != LOCATOR_SIGNATURE)
    return TRUE;

  guint64 end64 = vard_zip_get (self, end - LOCATOR_SIZE + 8, 8);

  if (!vard_zip_has (self, end64, END64_SIZE) || vard_zip_get (self, end64, 4) != END64_SIGNATURE)
    return vard_zip_fail (self, error, "its zip64 record is missing or misplaced");
  *n_members = vard_zip_get (self, end64 + 32, 8);
  *at = vard_zip_get (self, end64 + 48, 8);

  return TRUE;
}

/* replaces sizes and offset by those of the zip64 extra field, which has only the ones that are
 * missing */
static gboolean
vard_zip_read_extra (const Archive *self,
                     guint64 at,
                     guint64 length,
                     guint64 **fields,
                     guint n_fields)
{
  for (guint64 end = at + length; at + 4 <= end;)
    {
      guint64 size = vard_zip_get (self, at + 2, 2), value = at + 4;

      if (value + size > end)
        return FALSE;
      for (guint i = 0; vard_zip_get (self, at, 2) == EXTRA_ZIP64 && i < n_fields; i++)
        if (*fields[i] == IN_EXTRA)
          {
            if (value + 8 > at + 4 + size)
              return FALSE;
            *fields[i] = vard_zip_get (self, value, 8);
            value += 8;
          }
      at += 4 + size;
    }

  return TRUE;
}

static gboolean
vard_zip_check_member (const Archive *self,
                       const char *name,
                       guint64 local,
                       VardZipMember *member,
                       GError **error)
{
  if (!vard_zip_has (self, local, LOCAL_SIZE) || vard_zip_get (self, local, 4) != LOCAL_SIGNATURE)
    return vard_zip_fail (self, error, "a member is not where its directory says");
  member->offset = local + LOCAL_SIZE + vard_zip_get (self, local + 26, 2)
                   + vard_zip_get (self, local + 28, 2);
  if (vard_zip_has (self, member->offset, member->size))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s is truncated: %s should end at byte %" G_GUINT64_FORMAT
               ", and there are %" G_GSIZE_FORMAT,
               self->path, name, member->offset + member->size, self->size);

  return FALSE;
}

/* one entry of the list; moves @at behind it */
static gboolean
vard_zip_read_entry (const Archive *self, guint64 *at, GHashTable *members, GError **error)
{
  if (!vard_zip_has (self, *at, ENTRY_SIZE) || vard_zip_get (self, *at, 4) != ENTRY_SIGNATURE)
    return vard_zip_fail (self, error, "its directory ends early");

  guint64 stored = vard_zip_get (self, *at + 20, 4), size = vard_zip_get (self, *at + 24, 4),
          local = vard_zip_get (self, *at + 42, 4);
  guint64 n_name = vard_zip_get (self, *at + 28, 2), n_extra = vard_zip_get (self, *at + 30, 2),
          n_comment = vard_zip_get (self, *at + 32, 2);
  guint64 *fields[] = { &size, &stored, &local };
  guint64 name_at = *at + ENTRY_SIZE;

  if (!vard_zip_has (self, name_at, n_name + n_extra + n_comment)
      || !vard_zip_read_extra (self, name_at + n_name, n_extra, fields, G_N_ELEMENTS (fields)))
    return vard_zip_fail (self, error, "its directory ends early");

  g_autofree char *name = g_strndup ((const char *) self->data + name_at, n_name);
  VardZipMember member = { 0, size };

  if (vard_zip_get (self, *at + 10, 2) != 0 || stored != size
      || (vard_zip_get (self, *at + 8, 2) & 1))
    return vard_zip_fail (self, error,
                          "a member is compressed or encrypted, which PyTorch never does");
  if (!vard_zip_check_member (self, name, local, &member, error))
    return FALSE;
  if (g_hash_table_contains (members, name))
    return vard_zip_fail (self, error, "two of its members have the same name");
  g_hash_table_insert (members, g_steal_pointer (&name), g_memdup2 (&member, sizeof member));
  *at = name_at + n_name + n_extra + n_comment;

  return TRUE;
}

GHashTable *
vard_zip_list (const char *path, const guint8 *data, gsize size, GError **error)
{
  Archive self = { path, data, size };
  g_autoptr (GHashTable) members = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  guint64 at, n_members;

  if (!vard_zip_find_list (&self, &at, &n_members, error))
    return NULL;
  if (n_members > MAX_MEMBERS)
    {
      vard_zip_fail (&self, error, "it claims to have more than a million members");
      return NULL;
    }
  for (guint64 i = 0; i < n_members; i++)
    if (!vard_zip_read_entry (&self, &at, members, error))
      return NULL;

  return g_steal_pointer (&members);
}
