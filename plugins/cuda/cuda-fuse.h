/* cuda-fuse.h - which nodes the CUDA engine computes in one kernel
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-step.h"

G_BEGIN_DECLS

/* an elementwise operation in C: $0 to $2 are operands, $p and $q attributes; NULL for any other */
const char *cuda_op_find_expression (const VardOpClass *op);
gboolean cuda_op_is_elementwise (const VardNode *node);
/* fills, broadcasts, slices, permutations: a region reads them where they are */
gboolean cuda_op_is_pattern (const VardNode *node);

VardFusion *cuda_fusion_new (VardLowering *lowering);
/* gives groups that have no producer yet the normalisation that they read */
void cuda_fusion_find_normalized (VardFusion *fusion);

G_END_DECLS
