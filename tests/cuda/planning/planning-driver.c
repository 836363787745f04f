/* planning-driver.c - as much of libcuda as the real cuDNN needs to plan for a device that is not
 * there
 *
 * It compiles kernels for what is described to it and gives them to the driver before a plan is
 * made. This one takes them, says that there is no device, and runs nothing. Arguments do not
 * matter, but for where a kernel's handle goes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stddef.h>

#define SUCCESS 0
#define NO_DEVICE 100

/* clang-format off */
#define ANSWER(name, result) int name (void); int name (void) { return result; }
#define ANSWERS(F) \
  F (cuCtxGetCurrent, NO_DEVICE) F (cuCtxGetLimit, NO_DEVICE) F (cuCtxPopCurrent, NO_DEVICE) \
  F (cuCtxPushCurrent, NO_DEVICE) F (cuDeviceGet, NO_DEVICE) F (cuDeviceGetCount, NO_DEVICE) \
  F (cuDriverGetVersion, NO_DEVICE) F (cuGetErrorName, NO_DEVICE) F (cuGetErrorString, NO_DEVICE) \
  F (cuInit, NO_DEVICE) F (cuKernelGetAttribute, SUCCESS) F (cuKernelSetAttribute, SUCCESS) \
  F (cuLaunchCooperativeKernel, NO_DEVICE) F (cuLaunchKernel, NO_DEVICE) \
  F (cuLaunchKernelEx, NO_DEVICE) F (cuLibraryUnload, SUCCESS) F (cuLinkAddData, NO_DEVICE) \
  F (cuLinkComplete, NO_DEVICE) F (cuLinkCreate, NO_DEVICE) F (cuLinkDestroy, NO_DEVICE) \
  F (cuOccupancyMaxPotentialClusterSize, SUCCESS) F (cuStreamGetCtx, NO_DEVICE)

ANSWERS (ANSWER)

/* a handle that is not NULL is all that is asked of it */
#define HANDLE(name) \
  int name (void **handle); \
  int name (void **handle) { *handle = &anything; return SUCCESS; }
#define HANDLES(F) \
  F (cuKernelGetFunction) F (cuLibraryGetKernel) F (cuLibraryLoadData) F (cuLibraryLoadFromFile)

static char anything;

HANDLES (HANDLE)
/* clang-format on */
