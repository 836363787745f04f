/* command-child.h - a program that reads and writes lines
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard.h>

G_BEGIN_DECLS

typedef struct _CommandChild CommandChild;

typedef enum
{
  COMMAND_EVENT_LINE,   /* it wrote a line */
  COMMAND_EVENT_SENT,   /* what was to be written is gone */
  COMMAND_EVENT_ENDED,  /* it closed its output */
  COMMAND_EVENT_SILENT, /* the deadline came */
  COMMAND_EVENT_CANCELLED,
} CommandEvent;

CommandChild *command_child_new (const char *command, GError **error);
void command_child_free (CommandChild *self);
gboolean command_child_has_output (CommandChild *self);
void command_child_send (CommandChild *self, GString *line);
CommandEvent command_child_wait (CommandChild *self,
                                 gint64 deadline,
                                 GCancellable *cancellable,
                                 char **line);
void command_child_stop (CommandChild *self);
char *command_child_kill (CommandChild *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CommandChild, command_child_free)

G_END_DECLS
