/* cuda-args.h - what each kernel is given: read by the plugin's C and by the kernels alike
 *
 * Each kernel has one parameter, a struct by value, so that launching is the same for all of them. Pointers are the
 * device's addresses. Extents are in elements unless a comment says bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CUDA_ARGS_H
#define CUDA_ARGS_H

typedef long long CudaInt;

#define CUDA_MAX_DIMS 6
#define CUDA_REGION_MAX_INPUTS 16
#define CUDA_REGION_MAX_MAPS 12
#define CUDA_REGION_MAX_OUTPUTS 4
#define CUDA_REGION_MAX_NUMBERS 64

/* Element i of a walk over extents (outermost first) lies at offset + the indices times the strides */
typedef struct
{
  CudaInt extents[CUDA_MAX_DIMS], strides[CUDA_MAX_DIMS];
  CudaInt offset;
} CudaMap;

/* elementwise regions; the source is generated */
typedef struct
{
  CudaInt count;
  const float *in[CUDA_REGION_MAX_INPUTS];
  float *out[CUDA_REGION_MAX_OUTPUTS];
  float numbers[CUDA_REGION_MAX_NUMBERS];
  CudaMap maps[CUDA_REGION_MAX_MAPS];
} CudaRegionArgs;

/* rows of bytes from one pitch to another; unit 1, 2, 4 or 8 divides all of them */
typedef struct
{
  const void *from;
  void *to;
  CudaInt rows, run, from_stride, to_stride;  /* bytes but for rows */
  int unit;
} CudaCopyRowsArgs;

/* kept [n_out] and reduced [n_reduced] indices are walked by maps of n_dims; piece p of n_pieces goes to out + p n_out */
typedef struct
{
  const float *x;
  float *out;
  CudaInt n_out, n_reduced, n_pieces;
  CudaMap kept, reduced;
  int n_kept_dims, n_reduced_dims;
} CudaSumArgs;

/* softmax (scale x) of rows of n. With causal: row r is query first + r % n_queries and sees that many keys and one. */
typedef struct
{
  const float *x;
  float *y;
  CudaInt n, first, n_queries;
  float scale;
  int is_causal;
} CudaSoftmaxArgs;

/* ds = scale p (dp - sum (p dp)), over dp */
typedef struct
{
  const float *p;
  float *dp;
  CudaInt n;
  float scale;
} CudaSoftmaxGradientArgs;

/* [outer, rows, groups, width] */
typedef struct
{
  const float *x, *dy;
  float *y;
  CudaInt rows, groups, width;
  float eps;
} CudaNormalizeArgs;

/* small [n, h, w, c], large [n, f h, f w, c] */
typedef struct
{
  const float *x;
  float *y;
  CudaInt count, h, w, c, factor;
} CudaResampleArgs;

/* table [n_rows, c], ids [n_ids] */
typedef struct
{
  const float *values;
  const int *ids;
  float *out;
  CudaInt n_ids, n_rows, c;
} CudaGatherArgs;

enum { CUDA_TYPE_F32, CUDA_TYPE_F16, CUDA_TYPE_BF16, CUDA_TYPE_I32, CUDA_TYPE_I64, CUDA_TYPE_U8 };

typedef struct
{
  const void *x;
  void *y;
  CudaInt count;
  int from, to;
} CudaCastArgs;

typedef struct
{
  const unsigned long long *counter;   /* key, counter */
  float *out;
  CudaInt count;
} CudaRandomArgs;

/* pictures [n, h, w, c] and their patches [n oh ow, kh kw c]; patches are f32, or bf16 when is_half */
typedef struct
{
  const void *from;
  void *to;
  CudaInt n, h, w, c, oh, ow, kh, kw, stride, top, left;
  int is_half;
} CudaPatchesArgs;

#endif
