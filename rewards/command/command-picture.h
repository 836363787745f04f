/* command-picture.h - encodes a picture in the form that a program expects
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard.h>

G_BEGIN_DECLS

typedef enum
{
  COMMAND_FORM_PNG,
  COMMAND_FORM_RGB,
  COMMAND_FORM_PPM,
} CommandForm;

GType command_form_get_type (void);
gboolean command_picture_append (GString *line,
                                 CommandForm form,
                                 VardRewardBatch *batch,
                                 guint index,
                                 char **path,
                                 GError **error);
void command_picture_remove (char **path);

G_END_DECLS
