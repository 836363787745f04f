/* vard-trace.h - records named durations and notes if VARD_TRACE names a file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  const char *category;
  const char *name;
  gint64 begin; /* microseconds; 0 when nothing listens */
} VardTraceScope;

gboolean vard_trace_is_enabled (void);
gint64 vard_trace_begin (void);
void vard_trace_end (gint64 begin, const char *category, const char *name);
void vard_trace_end_with (gint64 begin, const char *category, const char *name, const char *args);
void vard_trace_note (const char *category, const char *name, const char *format, ...)
  G_GNUC_PRINTF (3, 4);
void vard_trace_flush (void);
gboolean vard_trace_open (const char *path, GError **error);
void vard_trace_close (void);

/**
 * vard_trace_scope_end: (skip)
 * @self: a scope
 *
 * Writes the duration of a scope; VARD_TRACE_SCOPE() calls it.
 */
static inline void
vard_trace_scope_end (VardTraceScope *self)
{
  if (self->begin != 0)
    vard_trace_end (self->begin, self->category, self->name);
}

/* Times from here to the end of the block. The strings must live that long. */
#define VARD_TRACE_SCOPE(category_, name_)                                      \
  __attribute__ ((cleanup (vard_trace_scope_end))) G_GNUC_UNUSED VardTraceScope \
  G_PASTE (vard_trace_scope_, __LINE__) = { (category_), (name_), vard_trace_begin () }

G_END_DECLS
