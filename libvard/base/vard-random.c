/* vard-random.c - random numbers as a function of (key, counter, index), without state or order
 *
 * Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3"
 * (SC 2011). One block is four words. Here a block's 128-bit counter is
 *
 *     word 0, 1: number of the block     word 2, 3: the caller's counter
 *
 * so that element i of a draw depends on (key, counter, i) alone, whoever computes it. Functions
 * that need one number each take their block from the top half of the block numbers, and never
 * share words with a fill.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-random.h"

#include <math.h>

#define SINGLE_BLOCKS (G_GUINT64_CONSTANT (1) << 63)

/**
 * vard_philox4x32: (skip)
 * @counter: the counter, 4 words
 * @key: the key, 2 words
 * @out: 4 random words
 *
 * Computes one block of Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011).
 */
void
vard_philox4x32 (const guint32 counter[4], const guint32 key[2], guint32 out[4])
{
  guint32 c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  guint32 k0 = key[0], k1 = key[1];

  for (guint round = 0; round < 10; round++)
    {
      guint64 p0 = (guint64) 0xD2511F53u * c0, p1 = (guint64) 0xCD9E8D57u * c2;

      c0 = (guint32) (p1 >> 32) ^ c1 ^ k0;
      c2 = (guint32) (p0 >> 32) ^ c3 ^ k1;
      c1 = (guint32) p1;
      c3 = (guint32) p0;
      k0 += 0x9E3779B9u; /* the golden ratio, and the square root of 3 minus 1 */
      k1 += 0xBB67AE85u;
    }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

static void
vard_random_block (guint64 key, guint64 counter, guint64 block, guint32 out[4])
{
  const guint32 words[4] = { (guint32) block, (guint32) (block >> 32), (guint32) counter,
                             (guint32) (counter >> 32) };
  const guint32 keys[2] = { (guint32) key, (guint32) (key >> 32) };

  vard_philox4x32 (words, keys, out);
}

/**
 * vard_random_derive_key: (skip)
 * @seed: the seed of the run or picture
 * @stream: the name of one use of randomness
 * @number: tells several keys of a stream apart
 *
 * Returns: a key; equal for equal arguments, unrelated otherwise
 */
guint64
vard_random_derive_key (guint64 seed, const char *stream, guint64 number)
{
  guint64 hash = G_GUINT64_CONSTANT (0xcbf29ce484222325); /* FNV-1a of the name */
  guint32 out[4];

  for (const char *p = stream; *p != 0; p++)
    hash = (hash ^ (guint8) *p) * G_GUINT64_CONSTANT (0x100000001b3);
  vard_random_block (seed, hash, number, out);

  return (guint64) out[1] << 32 | out[0];
}

/* Box-Muller on two words. Doubles, so that the float result does not depend on the libm;
 * the half keeps the logarithm finite: |z| <= 6.8. */
static void
vard_random_normal_pair (guint32 a, guint32 b, float *out)
{
  double radius = sqrt (-2.0 * log ((a + 0.5) * 0x1p-32));
  double angle = 2.0 * G_PI * (b * 0x1p-32);

  out[0] = (float) (radius * cos (angle));
  out[1] = (float) (radius * sin (angle));
}

/**
 * vard_random_fill_normal_at: (skip)
 * @key: the key of the draw
 * @counter: tells draws with the same key apart
 * @first: the index of the first element
 * @out: (out caller-allocates) (array length=n): elements @first to @first + @n - 1 of the draw
 * @n: how many
 *
 * Fills @out with a piece of a draw, so that several threads can share one.
 */
void
vard_random_fill_normal_at (guint64 key, guint64 counter, guint64 first, float *out, gsize n)
{
  for (gsize i = 0; i < n;)
    {
      guint32 words[4];
      float normals[4];

      vard_random_block (key, counter, (first + i) / 4, words);
      vard_random_normal_pair (words[0], words[1], normals);
      vard_random_normal_pair (words[2], words[3], normals + 2);
      for (guint lane = (first + i) % 4; lane < 4 && i < n; lane++)
        out[i++] = normals[lane];
    }
}

/**
 * vard_random_fill_normal: (skip)
 * @key: the key of the draw
 * @counter: tells draws with the same key apart
 * @out: (out caller-allocates) (array length=n): the numbers
 * @n: how many
 *
 * Fills @out with standard normal numbers. Element i depends on @key, @counter and i alone.
 */
void
vard_random_fill_normal (guint64 key, guint64 counter, float *out, gsize n)
{
  vard_random_fill_normal_at (key, counter, 0, out, n);
}

/**
 * vard_random_bits: (skip)
 * @key: the key of the draw
 * @counter: tells draws with the same key apart
 * @index: the element
 *
 * Returns: 64 random bits
 */
guint64
vard_random_bits (guint64 key, guint64 counter, guint64 index)
{
  guint32 out[4];

  vard_random_block (key, counter, SINGLE_BLOCKS | index, out);
  return (guint64) out[1] << 32 | out[0];
}

/**
 * vard_random_uniform: (skip)
 * @key: the key of the draw
 * @counter: tells draws with the same key apart
 * @index: the element
 *
 * Returns: a uniform number, at least 0 and below 1
 */
double
vard_random_uniform (guint64 key, guint64 counter, guint64 index)
{
  return (double) (vard_random_bits (key, counter, index) >> 11) * 0x1p-53;
}

/**
 * vard_random_uniform_int: (skip)
 * @key: the key of the draw
 * @counter: tells draws with the same key apart
 * @index: the element
 * @n: the number of values; above 0
 *
 * Takes the high word of a product. The bias is below 2^-32.
 *
 * Returns: a number from 0 to @n - 1
 */
guint
vard_random_uniform_int (guint64 key, guint64 counter, guint64 index, guint n)
{
  g_return_val_if_fail (n > 0, 0);

  return (guint) (((unsigned __int128) vard_random_bits (key, counter, index) * n) >> 64);
}

/**
 * vard_random_permutation: (skip)
 * @key: the key of the draw
 * @counter: tells draws with the same key apart
 * @out: (out caller-allocates) (array length=n): the numbers 0 to @n - 1 in random order
 * @n: how many
 *
 * Shuffles as Fisher and Yates do.
 */
void
vard_random_permutation (guint64 key, guint64 counter, guint *out, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      guint j = vard_random_uniform_int (key, counter, i, i + 1);

      out[i] = out[j];
      out[j] = i;
    }
}
