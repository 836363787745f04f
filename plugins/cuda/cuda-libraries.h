/* cuda-libraries.h - the vendor's libraries as tables of functions, opened on first use
 *
 * The plugin links none of them, so it loads on a machine without a driver and can say what is
 * missing. VARD_CUDA_LIBRARIES names a folder to use instead of the system's libraries.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <cublasLt.h>
#include <cuda.h>
#include <nvrtc.h>
#include <vard-engine-sdk.h>

G_BEGIN_DECLS

/* clang-format off */
#define CUDA_DRIVER_FUNCTIONS(F) \
  F (cuInit) F (cuDriverGetVersion) F (cuDeviceGetCount) F (cuDeviceGet) F (cuDeviceGetName) \
  F (cuDeviceGetAttribute) F (cuDevicePrimaryCtxRetain) F (cuDevicePrimaryCtxRelease) \
  F (cuCtxSetCurrent) F (cuMemGetInfo) F (cuMemAlloc) F (cuMemFree) F (cuMemAllocHost) \
  F (cuMemFreeHost) F (cuMemcpyHtoDAsync) F (cuMemcpyDtoHAsync) F (cuMemcpyDtoDAsync) \
  F (cuMemsetD8Async) F (cuStreamCreate) F (cuStreamDestroy) F (cuStreamSynchronize) \
  F (cuStreamBeginCapture) F (cuStreamEndCapture) F (cuGraphInstantiate) F (cuGraphLaunch) \
  F (cuGraphDestroy) F (cuGraphExecDestroy) F (cuEventCreate) F (cuEventDestroy) F (cuEventRecord) \
  F (cuEventSynchronize) F (cuModuleLoadData) F (cuModuleUnload) F (cuModuleGetFunction) \
  F (cuLaunchKernel) F (cuGetErrorName) F (cuGetErrorString)

#define CUDA_COMPILER_FUNCTIONS(F) \
  F (nvrtcVersion) F (nvrtcCreateProgram) F (nvrtcDestroyProgram) F (nvrtcCompileProgram) \
  F (nvrtcGetCUBINSize) F (nvrtcGetCUBIN) F (nvrtcGetProgramLogSize) F (nvrtcGetProgramLog) \
  F (nvrtcGetErrorString)

#define CUDA_BLAS_FUNCTIONS(F) \
  F (cublasLtCreate) F (cublasLtDestroy) F (cublasLtMatmul) F (cublasLtMatmulDescCreate) \
  F (cublasLtMatmulDescDestroy) F (cublasLtMatmulDescSetAttribute) F (cublasLtMatrixLayoutCreate) \
  F (cublasLtMatrixLayoutDestroy) F (cublasLtMatrixLayoutSetAttribute) \
  F (cublasLtMatmulPreferenceCreate) F (cublasLtMatmulPreferenceDestroy) \
  F (cublasLtMatmulPreferenceSetAttribute) F (cublasLtMatmulAlgoGetHeuristic) \
  F (cublasLtMatmulAlgoCheck) F (cublasLtGetStatusString) F (cublasLtGetVersion)
/* clang-format on */

/* the headers rename functions to their current versions; members follow, and so do the names that
 * are looked up */
#define CUDA_MEMBER(name) __typeof__ (name) *name;

typedef struct
{
  CUDA_DRIVER_FUNCTIONS (CUDA_MEMBER)
  CUDA_COMPILER_FUNCTIONS (CUDA_MEMBER)
  CUDA_BLAS_FUNCTIONS (CUDA_MEMBER)
} CudaLibraries;

/* Opened once for the process and never closed; NULL with one sentence that says what is missing */
const CudaLibraries *cuda_libraries_open (GError **error);

G_END_DECLS
