/* vard-engine-buffers.h - memory of an engine, for the floors above
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine-class.h"
#include "graph/vard-ops.h"

G_BEGIN_DECLS

/* The host memory defaults of alloc, write, read, copy, fill and wait serve any engine on the
 * CPU. */
VardBuffer *vard_engine_alloc (VardEngine *self, gsize size, GError **error);
gboolean vard_engine_write (VardEngine *self,
                            VardBuffer *to,
                            gsize offset,
                            gconstpointer from,
                            gsize size,
                            GError **error);
gboolean vard_engine_read (VardEngine *self,
                           VardBuffer *from,
                           gsize offset,
                           gpointer to,
                           gsize size,
                           GError **error);
gboolean vard_engine_is_exact (VardEngine *self);
/* FALSE: it computes in the host's memory, or has no device */
gboolean vard_engine_describe_memory (VardEngine *self, VardDeviceMemory *memory);

/* Makes the tensor's storage the engine's own (for an engine on the host: nothing to do) */
gboolean vard_engine_adopt (VardEngine *self, VardTensor *tensor, GError **error);
/* A host copy of a tensor's contents wherever they are; (transfer full) */
VardTensor *vard_engine_fetch (VardEngine *self, VardTensor *tensor, GError **error);

G_END_DECLS
