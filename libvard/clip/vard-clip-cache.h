/* vard-clip-cache.h - shares one encoder among the rewards of a process that use the same weights
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "clip/vard-clip.h"

G_BEGIN_DECLS

/* The encoder that somebody in this process has already of the same files (by their real paths) on
 * an engine of this name with as many threads, or a new one; (transfer full) */
VardClip *vard_load_clip (const VardClipFiles *files,
                          const char *engine,
                          guint threads,
                          GError **error);

G_END_DECLS
