/* normalize.cu - group and layer normalisation of one group by one block, and the gradient
 *
 * Elementwise nodes that read a normalised value are computed with it: cuda-region.c writes those
 * kernels.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

LARGE_KERNEL (normalize, CudaNormalizeArgs)
{
  Group group = find_group (&args);
  float r, mean = measure_group (&group, &args, &r);

  FOR_GROUP (i, group)
    store_value (args.y, args.y_type, i, (load_value (args.x, args.x_type, i) - mean) * r);
}

/* dx = r (dy - mean (dy) - y mean (dy y)) */
LARGE_KERNEL (normalize_gradient, CudaNormalizeArgs)
{
  Group group = find_group (&args);
  float r, mean = measure_group (&group, &args, &r), mean_dy = 0, mean_dy_y = 0;
  float count = (float) group.rows * (float) group.width;

  FOR_GROUP (i, group)
    {
      float dy = load_value (args.dy, args.dy_type, i);

      mean_dy += dy;
      mean_dy_y += dy * (load_value (args.x, args.x_type, i) - mean) * r;
    }
  mean_dy = block_sum (mean_dy) / count;
  mean_dy_y = block_sum (mean_dy_y) / count;
  FOR_GROUP (i, group)
    {
      float y = (load_value (args.x, args.x_type, i) - mean) * r;

      store_value (args.y, args.y_type, i,
                   r * (load_value (args.dy, args.dy_type, i) - mean_dy - y * mean_dy_y));
    }
}
