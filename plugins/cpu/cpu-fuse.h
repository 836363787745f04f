/* cpu-fuse.h - which nodes the CPU engine computes in one step
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-step.h"

G_BEGIN_DECLS

/* groups with their producers and consumers */
VardFusion *cpu_fusion_new (VardLowering *lowering);
/* nodes that regions read as a pattern or an immediate: broadcasts, fills, slices, pads */
gboolean cpu_fusion_is_pattern (const VardNode *node);

G_END_DECLS
