/* normalize.cu - group and layer normalisation of one group by one block, and the gradient
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

typedef struct
{
  CudaInt base, step, width, count;
} Group;

/* blocks are [outer, groups]; element i of a group is row i / width */
static __device__ Group
find_group (const CudaNormalizeArgs *normalize)
{
  Group group;
  CudaInt outer = blockIdx.x / normalize->groups, number = blockIdx.x % normalize->groups;

  group.width = normalize->width;
  group.step = normalize->groups * normalize->width;
  group.base = outer * normalize->rows * group.step + number * group.width;
  group.count = normalize->rows * group.width;
  return group;
}

static __device__ CudaInt
element (const Group *group, CudaInt i)
{
  return group->base + i / group->width * group->step + i % group->width;
}

/* the mean, and 1 / sqrt (variance + eps): two passes, since squares of large values would cancel */
static __device__ float
measure (const Group *group, const float *x, float eps, float *r)
{
  float mean = 0, variance = 0;

  FOR_BLOCK (i, group->count)
    mean += x[element (group, i)];
  mean = block_sum (mean) / group->count;
  FOR_BLOCK (i, group->count)
    {
      float d = x[element (group, i)] - mean;

      variance += d * d;
    }
  *r = 1 / sqrtf (block_sum (variance) / group->count + eps);
  return mean;
}

KERNEL (normalize, CudaNormalizeArgs)
{
  Group group = find_group (&args);
  float r, mean = measure (&group, args.x, args.eps, &r);

  FOR_BLOCK (i, group.count)
    {
      CudaInt at = element (&group, i);

      args.y[at] = (args.x[at] - mean) * r;
    }
}

/* dx = r (dy - mean (dy) - y mean (dy y)) */
KERNEL (normalize_gradient, CudaNormalizeArgs)
{
  Group group = find_group (&args);
  float r, mean = measure (&group, args.x, args.eps, &r), mean_dy = 0, mean_dy_y = 0;

  FOR_BLOCK (i, group.count)
    {
      CudaInt at = element (&group, i);

      mean_dy += args.dy[at];
      mean_dy_y += args.dy[at] * (args.x[at] - mean) * r;
    }
  mean_dy = block_sum (mean_dy) / group.count;
  mean_dy_y = block_sum (mean_dy_y) / group.count;
  FOR_BLOCK (i, group.count)
    {
      CudaInt at = element (&group, i);

      args.y[at] = r * (args.dy[at] - mean_dy - (args.x[at] - mean) * r * mean_dy_y);
    }
}
