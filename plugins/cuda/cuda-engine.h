/* cuda-engine.h - the CUDA engine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard-engine-sdk.h>

G_BEGIN_DECLS

#define VARD_TYPE_CUDA_ENGINE (vard_cuda_engine_get_type ())
G_DECLARE_FINAL_TYPE (VardCudaEngine, vard_cuda_engine, VARD, CUDA_ENGINE, VardEngine)

/* modules that were compiled, and that came from the cache on disk */
void vard_cuda_engine_get_modules (VardCudaEngine *self, guint *n_compiled, guint *n_cached);
/* algorithms that were measured, and that came from the disk */
void vard_cuda_engine_get_choices (VardCudaEngine *self, guint *n_measured, guint *n_recalled);

/* operands that products converted to bf16 since the device was opened, in captures too */
guint vard_cuda_engine_get_conversions (VardCudaEngine *self);
/* bytes of device memory that are held, and the most there were */
void vard_cuda_engine_get_memory (VardCudaEngine *self, gsize *allocated, gsize *peak);
/* bytes that cuDNN may take beside its tensors, in programs compiled from now on; 256 MB at
 * first */
void vard_cuda_engine_set_dnn_workspace (VardCudaEngine *self, gsize size);

G_END_DECLS
