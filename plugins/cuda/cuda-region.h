/* cuda-region.h - elementwise nodes that become one generated kernel
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-fuse.h"

G_BEGIN_DECLS

/* adds the step of a group, or of a pattern that is needed as a whole (group NULL) */
gboolean cuda_region_lower (CudaProgram *program,
                            VardFusion *fusion,
                            VardFusionGroup *group,
                            VardNode *node);

G_END_DECLS
