/* cuda-epilogue.h - adds a bias and a residual within a product
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-step.h"

G_BEGIN_DECLS

/* gives groups that only add to a product that product; the storage of values must be chosen */
void cuda_epilogues_find (VardFusion *fusion);
/* adds the step of a group that has a producer */
void cuda_epilogue_lower (CudaProgram *program, VardFusion *fusion, VardFusionGroup *group);

G_END_DECLS
