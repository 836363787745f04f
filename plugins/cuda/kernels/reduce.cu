/* reduce.cu - sums over axes, softmax of rows and its gradient
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

static __device__ CudaInt
piece_start (const CudaSumArgs *sum, CudaInt piece)
{
  return sum->n_reduced * piece / sum->n_pieces;
}

/* One block an output and a piece: for sums along the last axis */
KERNEL (sum_rows, CudaSumArgs)
{
  CudaInt to = blockIdx.x, piece = blockIdx.y;
  CudaInt base = map_offset (&args.kept, args.n_kept_dims, to),
          end = piece_start (&args, piece + 1);
  float sum = 0;

  for (CudaInt i = piece_start (&args, piece) + threadIdx.x; i < end; i += blockDim.x)
    sum +=
      load_value (args.x, args.x_type, base + map_offset (&args.reduced, args.n_reduced_dims, i));
  sum = block_sum (sum);
  if (threadIdx.x == 0)
    args.out[piece * args.n_out + to] = sum;
}

/* One thread an output and a piece: neighbours read neighbours when the last axis is kept */
KERNEL (sum_columns, CudaSumArgs)
{
  CudaInt to = GRID_FIRST, piece = blockIdx.y, base, end;
  float sum = 0;

  if (to >= args.n_out)
    return;
  base = map_offset (&args.kept, args.n_kept_dims, to);
  end = piece_start (&args, piece + 1);
  for (CudaInt i = piece_start (&args, piece); i < end; i++)
    sum +=
      load_value (args.x, args.x_type, base + map_offset (&args.reduced, args.n_reduced_dims, i));
  args.out[piece * args.n_out + to] = sum;
}

/* one block a row */
KERNEL (softmax, CudaSoftmaxArgs)
{
  const float *x = args.x + blockIdx.x * args.n;
  CudaInt n = args.n, at = blockIdx.x * args.n;
  float largest = -3.4e38f, sum = 0;

  if (args.is_causal && args.first + blockIdx.x % args.n_queries + 1 < n)
    n = args.first + blockIdx.x % args.n_queries + 1;
  FOR_BLOCK (i, n)
    largest = fmaxf (largest, args.scale * x[i]);
  largest = block_max (largest);
  FOR_BLOCK (i, n)
    sum += expf (args.scale * x[i] - largest);
  sum = 1 / block_sum (sum);
  FOR_BLOCK (i, args.n)
    {
      float y = i < n ? expf (args.scale * x[i] - largest) * sum : 0;

      if (args.y != 0)
        args.y[at + i] = y;
      if (args.half != 0)
        args.half[at + i] = float_to_bf16 (y);
    }
}

KERNEL (softmax_gradient, CudaSoftmaxGradientArgs)
{
  const float *p = args.p + blockIdx.x * args.n;
  float *dp = args.dp + blockIdx.x * args.n;
  float mean = 0;

  FOR_BLOCK (i, args.n)
    mean += p[i] * dp[i];
  mean = block_sum (mean);
  FOR_BLOCK (i, args.n)
    {
      float ds = args.scale * p[i] * (dp[i] - mean);

      if (args.half != 0)
        args.half[blockIdx.x * args.n + i] = float_to_bf16 (ds);
      else
        dp[i] = ds;
    }
}
