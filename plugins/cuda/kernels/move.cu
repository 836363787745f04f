/* move.cu - copies, resampling, gathers, conversions, patches of pictures
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

typedef struct __align__ (16)
{
  unsigned long long low, high;
}
Sixteen;

KERNEL (copy_rows, CudaCopyRowsArgs)
{
  CudaInt run = args.run / args.unit;

  FOR_GRID (i, args.rows * run)
    {
      CudaInt column, row = divide (i, run, &column);
      const char *from = (const char *) args.from + row * args.from_stride + column * args.unit;
      char *to = (char *) args.to + row * args.to_stride + column * args.unit;

      if (args.unit == 16)
        *(Sixteen *) to = *(const Sixteen *) from;
      else if (args.unit == 4)
        *(unsigned *) to = *(const unsigned *) from;
      else if (args.unit == 8)
        *(unsigned long long *) to = *(const unsigned long long *) from;
      else if (args.unit == 2)
        *(unsigned short *) to = *(const unsigned short *) from;
      else
        *to = *from;
    }
}

/* the same for floats, from one type to another */
KERNEL (convert_rows, CudaCopyRowsArgs)
{
  CudaInt run = args.run / args.unit, to_unit = args.to_type == CUDA_TYPE_BF16 ? 2 : 4;

  FOR_GRID (i, args.rows * run)
    {
      CudaInt column, row = divide (i, run, &column);

      store_value (args.to, args.to_type, row * args.to_stride / to_unit + column,
                   load_value (args.from, args.from_type,
                               row * args.from_stride / args.unit + column));
    }
}

/* one thread an element of the large picture */
KERNEL (upsample, CudaResampleArgs)
{
  FOR_GRID (i, args.count)
    {
      CudaInt channel, x, row = divide (divide (i, args.c, &channel), args.w * args.factor, &x),
                          rest;
      CudaInt from = divide (row, args.factor, &rest) * args.w + divide (x, args.factor, &rest);

      store_value (args.y, args.y_type, i,
                   load_value (args.x, args.x_type, from * args.c + channel));
    }
}

/* one thread an element of the small picture */
KERNEL (pool_sum, CudaResampleArgs)
{
  FOR_GRID (i, args.count)
    {
      CudaInt channel, x, row = divide (divide (i, args.c, &channel), args.w, &x);
      float sum = 0;

      for (CudaInt dy = 0; dy < args.factor; dy++)
        for (CudaInt dx = 0; dx < args.factor; dx++)
          sum +=
            load_value (args.x, args.x_type,
                        ((row * args.factor + dy) * args.w * args.factor + x * args.factor + dx)
                            * args.c
                          + channel);
      store_value (args.y, args.y_type, i, sum);
    }
}

KERNEL (gather, CudaGatherArgs)
{
  FOR_GRID (i, args.n_ids * args.c)
    {
      CudaInt column, id = args.ids[divide (i, args.c, &column)];

      args.out[i] = id >= 0 && id < args.n_rows ? args.values[id * args.c + column] : 0;
    }
}

/* One thread a column, ids in order: the sum does not depend on who comes first. The table is zero
 * before. */
KERNEL (gather_gradient, CudaGatherArgs)
{
  FOR_GRID (column, args.c)
    {
      for (CudaInt i = 0; i < args.n_ids; i++)
        if (args.ids[i] >= 0 && args.ids[i] < args.n_rows)
          args.out[args.ids[i] * args.c + column] += args.values[i * args.c + column];
    }
}

static __device__ float
load_as_float (const void *x, int type, CudaInt i)
{
  switch (type)
    {
    case CUDA_TYPE_F16: return half_to_float (((const unsigned short *) x)[i]);
    case CUDA_TYPE_BF16: return bf16_to_float (((const unsigned short *) x)[i]);
    case CUDA_TYPE_I32: return (float) ((const int *) x)[i];
    case CUDA_TYPE_I64: return (float) ((const long long *) x)[i];
    case CUDA_TYPE_U8: return ((const unsigned char *) x)[i];
    default: return ((const float *) x)[i];
    }
}

static __device__ void
store_float (void *y, int type, CudaInt i, float value)
{
  if (type == CUDA_TYPE_BF16)
    ((unsigned short *) y)[i] = float_to_bf16 (value);
  else if (type == CUDA_TYPE_F16)
    ((unsigned short *) y)[i] = float_to_half (value);
  else
    ((float *) y)[i] = value;
}

KERNEL (cast, CudaCastArgs)
{
  FOR_GRID (i, args.count)
    store_float (args.y, args.to, i, load_as_float (args.x, args.from, i));
}

/* a cast of elements in another order */
KERNEL (convert, CudaConvertArgs)
{
  FOR_GRID (i, args.count)
    store_float (args.y, args.to, i,
                 load_as_float (args.x, args.from, map_offset (&args.map, args.n_dims, i)));
}

/* Each output pixel's taps in one row, zeros where they fall outside: a convolution is then one
 * product */
KERNEL (patches, CudaPatchesArgs)
{
  CudaInt width = args.kh * args.kw * args.c;

  FOR_GRID (i, args.n * args.oh * args.ow * width)
    {
      CudaInt c, kx, ky, ox, oy,
        pixel = divide (divide (divide (i, args.c, &c), args.kw, &kx), args.kh, &ky);
      CudaInt picture = divide (divide (pixel, args.ow, &ox), args.oh, &oy);
      CudaInt y = oy * args.stride + ky - args.top, x = ox * args.stride + kx - args.left;
      int is_inside = y >= 0 && y < args.h && x >= 0 && x < args.w;
      float value = is_inside ? load_value (args.from, args.from_type,
                                            ((picture * args.h + y) * args.w + x) * args.c + c)
                              : 0;

      store_value (args.to, args.to_type, i, value);
    }
}

/* The adjoint: each pixel sums the taps that lie on it. One thread a pixel's channel, so that no
 * two write one place. */
KERNEL (patches_sum, CudaPatchesArgs)
{
  CudaInt width = args.kh * args.kw * args.c;

  FOR_GRID (i, args.n * args.h * args.w * args.c)
    {
      CudaInt c, x, y, picture = divide (divide (divide (i, args.c, &c), args.w, &x), args.h, &y);
      float sum = 0;

      for (CudaInt ky = 0; ky < args.kh; ky++)
        for (CudaInt kx = 0; kx < args.kw; kx++)
          {
            CudaInt oy = y + args.top - ky, ox = x + args.left - kx;
            CudaInt row = oy / args.stride, column = ox / args.stride;

            if (oy < 0 || ox < 0 || oy % args.stride || ox % args.stride || row >= args.oh
                || column >= args.ow)
              continue;
            sum +=
              ((const float *) args.from)[((picture * args.oh + row) * args.ow + column) * width
                                          + (ky * args.kw + kx) * args.c + c];
          }
      store_value (args.to, args.to_type, i, sum);
    }
}
