/* cuda-fuse.h - what the device's engine computes as one kernel
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-step.h"

G_BEGIN_DECLS

VardFusion *cuda_fusion_new             (VardLowering *lowering);
/* gives groups that have no producer yet the normalisation that they read */
void        cuda_fusion_find_normalized (VardFusion   *fusion);

G_END_DECLS
