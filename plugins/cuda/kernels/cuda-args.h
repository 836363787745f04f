/* cuda-args.h - the arguments of each kernel, read by C and by the kernels
 *
 * Each kernel has one parameter, a struct by value, so that launching is the same for all of them.
 * Pointers are the device's addresses. Extents are in elements unless a comment says bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CUDA_ARGS_H
#define CUDA_ARGS_H

typedef long long CudaInt;

enum
{
  CUDA_TYPE_F32,
  CUDA_TYPE_F16,
  CUDA_TYPE_BF16,
  CUDA_TYPE_I32,
  CUDA_TYPE_I64,
  CUDA_TYPE_U8
};

#define CUDA_MAX_DIMS 6
#define CUDA_REGION_MAX_INPUTS 16
#define CUDA_REGION_MAX_MAPS 12
#define CUDA_REGION_MAX_OUTPUTS 4
#define CUDA_REGION_MAX_NUMBERS 64

/* Element i of a walk over extents (outermost first) lies at offset + the indices times the
 * strides */
typedef struct
{
  CudaInt extents[CUDA_MAX_DIMS], strides[CUDA_MAX_DIMS];
  CudaInt offset;
} CudaMap;

/* [outer, rows, groups, width]; types are CUDA_TYPE_F32 or CUDA_TYPE_BF16 */
typedef struct
{
  const void *x, *dy;
  void *y;
  CudaInt rows, groups, width;
  float eps;
  int x_type, dy_type, y_type;
} CudaNormalizeArgs;

/* elementwise regions; the source is generated */
typedef struct
{
  CudaInt count;
  const void *in[CUDA_REGION_MAX_INPUTS]; /* of floats, or bf16 where the text says so */
  void *out[CUDA_REGION_MAX_OUTPUTS];
  float numbers[CUDA_REGION_MAX_NUMBERS];
  CudaMap maps[CUDA_REGION_MAX_MAPS];
  CudaNormalizeArgs normalize; /* of a region that begins with one */
  int is_wide;                 /* four elements a thread */
} CudaRegionArgs;

/* rows of bytes from one pitch to another; unit 1, 2, 4, 8 or 16 divides all of them and the
 * addresses. Types that differ, of floats: the unit is the source's, to_stride is in bytes of the
 * target. */
typedef struct
{
  const void *from;
  void *to;
  CudaInt rows, run, from_stride, to_stride; /* bytes but for rows */
  int unit, from_type, to_type;
} CudaCopyRowsArgs;

/* kept [n_out] and reduced [n_reduced] indices are walked by maps of n_dims; piece p of n_pieces
 * goes to out + p n_out */
typedef struct
{
  const void *x;
  float *out;
  int x_type;
  CudaInt n_out, n_reduced, n_pieces;
  CudaMap kept, reduced;
  int n_kept_dims, n_reduced_dims;
} CudaSumArgs;

/* softmax (scale x) of rows of n. With causal: row r is query first + r % n_queries and sees that
 * many keys and one. */
/* The result goes to y, and as bf16 to half, each unless it is NULL. */
typedef struct
{
  const float *x;
  float *y;
  unsigned short *half;
  CudaInt n, first, n_queries;
  float scale;
  int is_causal;
} CudaSoftmaxArgs;

/* ds = scale p (dp - sum (p dp)), over dp, or as bf16 to half unless that is NULL */
typedef struct
{
  const float *p;
  float *dp;
  unsigned short *half;
  CudaInt n;
  float scale;
} CudaSoftmaxGradientArgs;

/* small [n, h, w, c], large [n, f h, f w, c] */
typedef struct
{
  const void *x;
  void *y;
  CudaInt count, h, w, c, factor;
  int x_type, y_type;
} CudaResampleArgs;

/* table [n_rows, c], ids [n_ids] */
typedef struct
{
  const float *values;
  const int *ids;
  float *out;
  CudaInt n_ids, n_rows, c;
} CudaGatherArgs;

typedef struct
{
  const void *x;
  void *y;
  CudaInt count;
  int from, to;
} CudaCastArgs;

/* element i of y is the map's element of x */
typedef struct
{
  const void *x;
  void *y;
  CudaInt count;
  CudaMap map;
  int n_dims, from, to;
} CudaConvertArgs;

typedef struct
{
  const unsigned long long *counters; /* key, counter of each row */
  float *out;
  CudaInt n_rows, row; /* elements of a row */
} CudaRandomArgs;

/* pictures [n, h, w, c] and their patches [n oh ow, kh kw c], each f32 or bf16 */
typedef struct
{
  const void *from;
  void *to;
  CudaInt n, h, w, c, oh, ow, kh, kw, stride, top, left;
  int from_type, to_type;
} CudaPatchesArgs;

#endif
