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
measure (const Group *group, const CudaNormalizeArgs *normalize, float *r)
{
  float mean = 0, variance = 0;

  FOR_BLOCK (i, group->count)
    mean += load_value (normalize->x, normalize->x_type, element (group, i));
  mean = block_sum (mean) / group->count;
  FOR_BLOCK (i, group->count)
    {
      float d = load_value (normalize->x, normalize->x_type, element (group, i)) - mean;

      variance += d * d;
    }
  *r = 1 / sqrtf (block_sum (variance) / group->count + normalize->eps);
  return mean;
}

KERNEL (normalize, CudaNormalizeArgs)
{
  Group group = find_group (&args);
  float r, mean = measure (&group, &args, &r);

  FOR_BLOCK (i, group.count)
    {
      CudaInt at = element (&group, i);

      store_value (args.y, args.y_type, at, (load_value (args.x, args.x_type, at) - mean) * r);
    }
}

/* dx = r (dy - mean (dy) - y mean (dy y)) */
KERNEL (normalize_gradient, CudaNormalizeArgs)
{
  Group group = find_group (&args);
  float r, mean = measure (&group, &args, &r), mean_dy = 0, mean_dy_y = 0;

  FOR_BLOCK (i, group.count)
    {
      CudaInt at = element (&group, i);

      float dy = load_value (args.dy, args.dy_type, at);

      mean_dy += dy;
      mean_dy_y += dy * (load_value (args.x, args.x_type, at) - mean) * r;
    }
  mean_dy = block_sum (mean_dy) / group.count;
  mean_dy_y = block_sum (mean_dy_y) / group.count;
  FOR_BLOCK (i, group.count)
    {
      CudaInt at = element (&group, i);

      float y = (load_value (args.x, args.x_type, at) - mean) * r;

      store_value (args.y, args.y_type, at, r * (load_value (args.dy, args.dy_type, at) - mean_dy - y * mean_dy_y));
    }
}
