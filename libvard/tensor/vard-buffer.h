/* vard-buffer.h - a counted block of memory, on the host or on a device
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

#define VARD_TYPE_BUFFER (vard_buffer_get_type ())

typedef struct _VardBuffer VardBuffer;

/* @data of a device buffer is the device's address: only its engine may follow it */
struct _VardBuffer
{
  grefcount ref_count;
  guint8 *data;
  gsize size;
  gboolean is_host;
  gboolean is_read_only;
  gboolean is_file; /* a mapped file: its pages can be read again */
  gpointer owner;
  GDestroyNotify destroy;
};

GType vard_buffer_get_type (void) G_GNUC_CONST;
VardBuffer *vard_buffer_new (gsize size);
VardBuffer *vard_buffer_new_for_bytes (GBytes *bytes);
VardBuffer *vard_buffer_new_wrapped (gpointer data,
                                     gsize size,
                                     gboolean is_host,
                                     gpointer owner,
                                     GDestroyNotify destroy);
VardBuffer *vard_buffer_ref (VardBuffer *self);
void vard_buffer_unref (VardBuffer *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardBuffer, vard_buffer_unref)

G_END_DECLS
