/* command-picture.c - encodes a picture in the form that a program expects
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "command-picture.h"

#include "../wire/wire.h"

#include <glib/gstdio.h>
#include <unistd.h>

G_DEFINE_ENUM_TYPE (CommandForm,
                    command_form,
                    G_DEFINE_ENUM_VALUE (COMMAND_FORM_PNG, "png"),
                    G_DEFINE_ENUM_VALUE (COMMAND_FORM_RGB, "rgb"),
                    G_DEFINE_ENUM_VALUE (COMMAND_FORM_PPM, "ppm"))

/* A file in the folder for temporary ones, readable by this user alone */
static char *
command_picture_save (VardRewardBatch *batch, guint index, GError **error)
{
  gsize n_bytes;
  const guint8 *pixels = vard_reward_batch_peek_pixels (batch, index, &n_bytes);
  g_autoptr (GString) file = g_string_sized_new (n_bytes + 32);
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp ("vard-XXXXXX.ppm", &path, error);

  if (fd < 0)
    return NULL;
  close (fd);
  g_string_printf (file, "P6\n%u %u\n255\n", vard_reward_batch_get_width (batch, index),
                   vard_reward_batch_get_height (batch, index));
  g_string_append_len (file, (const char *) pixels, n_bytes);
  if (!g_file_set_contents_full (path, file->str, file->len, G_FILE_SET_CONTENTS_NONE, 0600, error))
    {
      g_unlink (path);
      return NULL;
    }

  return g_steal_pointer (&path);
}

/* One more member of the object in the line. The path is written for a form that has one. */
gboolean
command_picture_append (GString *line,
                        CommandForm form,
                        VardRewardBatch *batch,
                        guint index,
                        char **path,
                        GError **error)
{
  switch (form)
    {
    case COMMAND_FORM_PPM:
      *path = command_picture_save (batch, index, error);
      if (*path == NULL)
        return FALSE;
      g_string_append (line, ",\"ppm\":");
      wire_append_text (line, *path);
      return TRUE;
    case COMMAND_FORM_RGB:
      g_string_append (line, ",\"rgb\":\"");
      wire_append_rgb (line, batch, index);
      break;
    default:
      g_string_append (line, ",\"png\":\"");
      if (!wire_append_png (line, batch, index, error))
        return FALSE;
    }
  g_string_append_c (line, '"');

  return TRUE;
}

void
command_picture_remove (char **path)
{
  if (*path != NULL)
    g_unlink (*path);
  g_clear_pointer (path, g_free);
}
