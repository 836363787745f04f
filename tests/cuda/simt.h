/* simt.h - what a kernel's text finds when it is compiled for the host: indices, barriers,
 * shuffles, mathematics
 *
 * The threads of a block take turns on one processor (see fake-threads.c). Plain C.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SIMT_H
#define SIMT_H

typedef struct
{
  unsigned x, y, z;
} SimtIndex;

typedef struct
{
  SimtIndex thread, block, block_size, grid_size;
  void (*wait_for_block) (void);
  /* all threads of a warp give a value and get that of another lane */
  unsigned (*exchange) (unsigned value, unsigned lane);
} Simt;

#ifdef VARD_EMULATED
#include <math.h>

/* set by who loads the module */
Simt *simt;

#define threadIdx (simt->thread)
#define blockIdx (simt->block)
#define blockDim (simt->block_size)
#define gridDim (simt->grid_size)
#define __device__ __attribute__ ((unused))
#define __shared__ static
#define __align__(n) __attribute__ ((aligned (n)))
#define __syncthreads() simt->wait_for_block ()

static inline float
simt_shuffle_xor (float value, unsigned step)
{
  union
  {
    float value;
    unsigned bits;
  } u = { value };

  u.bits = simt->exchange (u.bits, (threadIdx.x % 32) ^ step);
  return u.value;
}

#define __shfl_xor_sync(mask, value, step) simt_shuffle_xor (value, step)
#endif

#endif
