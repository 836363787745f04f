/* random.cu - Philox 4x32-10 and Box-Muller: element i of a row is a function of its key, counter
 * and i, as in vard-random.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

static __device__ void
philox (unsigned long long key, unsigned long long counter, unsigned long long block, unsigned *out)
{
  unsigned c0 = (unsigned) block, c1 = (unsigned) (block >> 32);
  unsigned c2 = (unsigned) counter, c3 = (unsigned) (counter >> 32);
  unsigned k0 = (unsigned) key, k1 = (unsigned) (key >> 32);

  for (int round = 0; round < 10; round++)
    {
      unsigned long long p0 = (unsigned long long) 0xD2511F53u * c0,
                         p1 = (unsigned long long) 0xCD9E8D57u * c2;

      c0 = (unsigned) (p1 >> 32) ^ c1 ^ k0;
      c2 = (unsigned) (p0 >> 32) ^ c3 ^ k1;
      c1 = (unsigned) p1;
      c3 = (unsigned) p0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/* doubles, as the library does: the rounded float then hardly depends on whose logarithm it is */
KERNEL (random_normal, CudaRandomArgs)
{
  unsigned blocks = (args.row + 3) / 4; /* of a row */

  FOR_GRID (i, args.n_rows * blocks)
    {
      CudaInt row = i / blocks, block = i - row * blocks;
      const unsigned long long *counter = args.counters + 2 * row;
      float *out = args.out + row * args.row;
      unsigned words[4];

      philox (counter[0], counter[1], block, words);
      for (int pair = 0; pair < 2; pair++)
        {
          double radius = sqrt (-2.0 * log ((words[2 * pair] + 0.5) * 0x1p-32));
          double angle = 6.283185307179586476925 * (words[2 * pair + 1] * 0x1p-32);
          CudaInt at = 4 * block + 2 * pair;

          if (at < args.row)
            out[at] = (float) (radius * cos (angle));
          if (at + 1 < args.row)
            out[at + 1] = (float) (radius * sin (angle));
        }
    }
}
