/* vard-plan.h - places memory blocks in one arena ahead of time
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A value that lives from step first to step last, both included */
typedef struct
{
  gsize size;
  guint first, last;
  gsize offset; /* the plan's answer */
} VardBlock;

#define VARD_BLOCK_ALIGNMENT 64

/* fills the offsets and returns the size of the arena */
gsize vard_plan_blocks (VardBlock *blocks, guint n_blocks);
/* no two blocks that live at one step overlap, and all are aligned */
gboolean vard_plan_verify (const VardBlock *blocks, guint n_blocks, GError **error);

G_END_DECLS
