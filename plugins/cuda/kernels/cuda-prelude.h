/* cuda-prelude.h - the declarations and helpers before every kernel
 *
 * KERNEL (name, Args) declares a kernel with one parameter, args; LARGE_KERNEL one that is started
 * with up to 1024 threads a block, which the compiler must know to leave registers for all of them.
 * The tests compile the same text for the host, where simt.h stands before it and gives threadIdx,
 * barriers and shuffles.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CUDA_PRELUDE_H
#define CUDA_PRELUDE_H

/* clang-format off */
#ifdef VARD_EMULATED
#define KERNEL(name, Args) \
  static void name##_thread (const Args *args_); \
  const unsigned long name##_args_size = sizeof (Args); \
  void name (const void *args_) { name##_thread ((const Args *) args_); } \
  static void name##_thread (const Args *args_)
#define LARGE_KERNEL KERNEL
#define args (*args_)
#else
#define KERNEL(name, Args) extern "C" __global__ void name (const __grid_constant__ Args args)
#define LARGE_KERNEL(name, Args) \
  extern "C" __global__ void __launch_bounds__ (1024) name (const __grid_constant__ Args args)
#endif
/* clang-format on */

/* This thread's first element and its step when the grid walks over a range */
#define GRID_FIRST ((CudaInt) blockIdx.x * blockDim.x + threadIdx.x)
#define GRID_STEP ((CudaInt) gridDim.x * blockDim.x)
#define FOR_GRID(i, count) for (CudaInt i = GRID_FIRST; i < (count); i += GRID_STEP)
/* the same among the threads of a block */
#define FOR_BLOCK(i, count) for (CudaInt i = threadIdx.x; i < (count); i += blockDim.x)

#define FULL_WARP 0xffffffffu

/* Sums and maxima over a block of whole warps; every thread gets the result */
static __device__ float
block_sum (float value)
{
  __shared__ float parts[32];
  unsigned n_warps = blockDim.x / 32;
  float sum = 0;

  for (int step = 16; step > 0; step /= 2)
    value += __shfl_xor_sync (FULL_WARP, value, step);
  if (n_warps == 1)
    return value;
  if (threadIdx.x % 32 == 0)
    parts[threadIdx.x / 32] = value;
  __syncthreads ();
  for (unsigned i = 0; i < n_warps; i++)
    sum += parts[i];
  __syncthreads ();
  return sum;
}

static __device__ float
block_max (float value)
{
  __shared__ float parts[32];
  unsigned n_warps = blockDim.x / 32;

  for (int step = 16; step > 0; step /= 2)
    value = fmaxf (value, __shfl_xor_sync (FULL_WARP, value, step));
  if (n_warps == 1)
    return value;
  if (threadIdx.x % 32 == 0)
    parts[threadIdx.x / 32] = value;
  __syncthreads ();
  value = parts[0];
  for (unsigned i = 1; i < n_warps; i++)
    value = fmaxf (value, parts[i]);
  __syncthreads ();
  return value;
}

/* ---- half precision, by bits: no header is needed, and the host does the same ---- */

static __device__ float
bits_to_float (unsigned bits)
{
  union
  {
    unsigned bits;
    float value;
  } u;

  u.bits = bits;
  return u.value;
}

static __device__ unsigned
float_to_bits (float value)
{
  union
  {
    unsigned bits;
    float value;
  } u;

  u.value = value;
  return u.bits;
}

static __device__ float
bf16_to_float (unsigned short half)
{
  return bits_to_float ((unsigned) half << 16);
}

/* to nearest, ties to even */
static __device__ unsigned short
float_to_bf16 (float value)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  unsigned short half;

  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(half) : "f"(value));
  return half;
#else
  unsigned bits = float_to_bits (value);

  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return (unsigned short) (bits >> 16 | 0x40);
  return (unsigned short) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
#endif
}

/* A half's exponent and mantissa in a float's place are 2^112 too small, subnormal ones too */
static __device__ float
half_to_float (unsigned short half)
{
  unsigned sign = (unsigned) (half & 0x8000) << 16, rest = half & 0x7fff;

  if (rest >= 0x7c00)
    return bits_to_float (sign | 0x7f800000u | (rest & 0x3ff) << 13);
  return bits_to_float (sign | float_to_bits (bits_to_float (rest << 13) * 0x1p112f));
}

static __device__ unsigned short
float_to_half (float value)
{
  unsigned bits = float_to_bits (value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;

  if (rest > 0x7f800000u)
    return (unsigned short) (sign | 0x7e00);
  if (rest >= 0x477ff000u)
    return (unsigned short) (sign | 0x7c00);
  /* below 2^-14: adding a half puts the units of a subnormal half at the float's end, and rounds */
  if (rest < 0x38800000u)
    return (unsigned short) (sign | (float_to_bits (bits_to_float (rest) + 0.5f) - 0x3f000000u));
  return (unsigned short) (sign | (rest - 0x38000000u + 0xfff + (rest >> 13 & 1)) >> 13);
}

/* element i of floats, or of bf16 */
static __device__ float
load_value (const void *x, int type, CudaInt i)
{
  return type == CUDA_TYPE_BF16 ? bf16_to_float (((const unsigned short *) x)[i])
                                : ((const float *) x)[i];
}

static __device__ void
store_value (void *y, int type, CudaInt i, float value)
{
  if (type == CUDA_TYPE_BF16)
    ((unsigned short *) y)[i] = float_to_bf16 (value);
  else
    ((float *) y)[i] = value;
}

/* ---- four neighbours at once, from an address that 16 bytes divide ---- */

/* clang-format off */
typedef struct __align__ (16) { float values[4]; } FourFloats;
typedef struct __align__ (8) { unsigned pairs[2]; } FourHalves;
/* clang-format on */

static __device__ void
load_floats (const void *x, CudaInt i, float *values)
{
  FourFloats four = *(const FourFloats *) ((const float *) x + i);

  for (int k = 0; k < 4; k++)
    values[k] = four.values[k];
}

static __device__ void
load_halves (const void *x, CudaInt i, float *values)
{
  FourHalves four = *(const FourHalves *) ((const unsigned short *) x + i);

  for (int k = 0; k < 2; k++)
    {
      values[2 * k] = bits_to_float (four.pairs[k] << 16);
      values[2 * k + 1] = bits_to_float (four.pairs[k] & 0xffff0000u);
    }
}

static __device__ void
store_floats (void *y, CudaInt i, const float *values)
{
  FourFloats four;

  for (int k = 0; k < 4; k++)
    four.values[k] = values[k];
  *(FourFloats *) ((float *) y + i) = four;
}

static __device__ void
store_halves (void *y, CudaInt i, const float *values)
{
  FourHalves four;

  for (int k = 0; k < 2; k++)
    four.pairs[k] = float_to_bf16 (values[2 * k])
                    | (unsigned) float_to_bf16 (values[2 * k + 1]) << 16;
  *(FourHalves *) ((unsigned short *) y + i) = four;
}

/* ---- normalisation: one group of [outer, rows, groups, width] by one block ---- */

/* where the group is, and which of its elements this thread has: its columns of every few rows */
typedef struct
{
  CudaInt base, step; /* of the first row; from one row to the next */
  int rows, width, row, row_step, column, column_step;
} Group;

#define FOR_GROUP(i, group)                                                                  \
  for (int row_ = (group).row; row_ < (group).rows; row_ += (group).row_step)                \
    for (CudaInt column_ = (group).column, i = (group).base + row_ * (group).step + column_; \
         column_ < (group).width; column_ += (group).column_step, i += (group).column_step)

static __device__ Group
find_group (const CudaNormalizeArgs *normalize)
{
  Group group;
  int threads = blockDim.x, thread = threadIdx.x, n_groups = (int) normalize->groups;
  CudaInt outer = blockIdx.x / n_groups, number = blockIdx.x % n_groups;

  group.rows = (int) normalize->rows;
  group.width = (int) normalize->width;
  group.step = normalize->groups * normalize->width;
  group.base = outer * normalize->rows * group.step + number * normalize->width;
  if (group.width > threads)
    {
      group.row = 0;
      group.row_step = 1;
      group.column = thread;
      group.column_step = threads;
      return group;
    }
  group.row_step = threads / group.width;
  group.row = thread < group.row_step * group.width ? thread / group.width : group.rows;
  group.column = thread % group.width;
  group.column_step = group.width;
  return group;
}

/* the mean, and 1 / sqrt (variance + eps): two passes, since squares of large values would
 * cancel */
static __device__ float
measure_group (const Group *group, const CudaNormalizeArgs *normalize, float *r)
{
  float mean = 0, variance = 0, count = (float) group->rows * (float) group->width;

  FOR_GROUP (i, *group)
    mean += load_value (normalize->x, normalize->x_type, i);
  mean = block_sum (mean) / count;
  FOR_GROUP (i, *group)
    {
      float d = load_value (normalize->x, normalize->x_type, i) - mean;

      variance += d * d;
    }
  *r = 1 / sqrtf (block_sum (variance) / count + normalize->eps);
  return mean;
}

/* a / b, and what is left over, of numbers that are not negative: nearly all have 32 bits, for
 * which a division takes a quarter of the time */
static __device__ CudaInt
divide (CudaInt a, CudaInt b, CudaInt *rest)
{
  CudaInt quotient = (unsigned long long) (a | b) >> 32 == 0
                       ? (CudaInt) ((unsigned) a / (unsigned) b)
                       : (CudaInt) (a / b);

  *rest = a - quotient * b;
  return quotient;
}

static __device__ CudaInt
map_offset (const CudaMap *map, int n_dims, CudaInt i)
{
  CudaInt at = map->offset, index;

  for (int d = n_dims - 1; d >= 0; d--)
    {
      i = divide (i, map->extents[d], &index);
      at += index * map->strides[d];
    }
  return at;
}

#endif
