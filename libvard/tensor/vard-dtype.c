/* vard-dtype.c - element types: sizes, names, half precision
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-dtype.h"

#include <string.h>

static const struct
{
  const char *name;
  gsize size;
} dtypes[] = {
  [VARD_DTYPE_F32] = { "f32", 4 },   [VARD_DTYPE_F16] = { "f16", 2 },
  [VARD_DTYPE_BF16] = { "bf16", 2 }, [VARD_DTYPE_I32] = { "i32", 4 },
  [VARD_DTYPE_I64] = { "i64", 8 },   [VARD_DTYPE_U8] = { "u8", 1 },
};

/**
 * vard_dtype_get_size: (skip)
 * @dtype: an element type
 *
 * Returns: the bytes of one element
 */
gsize
vard_dtype_get_size (VardDType dtype)
{
  g_return_val_if_fail (dtype < G_N_ELEMENTS (dtypes), 0);

  return dtypes[dtype].size;
}

/**
 * vard_dtype_get_name: (skip)
 * @dtype: an element type
 *
 * Returns: (transfer none): its name: "f32"
 */
const char *
vard_dtype_get_name (VardDType dtype)
{
  g_return_val_if_fail (dtype < G_N_ELEMENTS (dtypes), NULL);

  return dtypes[dtype].name;
}

/**
 * vard_half_to_float: (skip)
 * @half: the bits of an IEEE half
 *
 * Returns: its value, exactly
 */
float
vard_half_to_float (guint16 half)
{
  guint32 sign = (guint32) (half & 0x8000) << 16;
  guint32 exponent = (half >> 10) & 0x1f;
  guint32 mantissa = half & 0x3ff;
  guint32 bits;
  float value;

  if (exponent == 0)
    {
      /* zero and subnormals: mantissa x 2^-24 is exact in single precision */
      value = mantissa * 0x1p-24f;
      return sign ? -value : value;
    }
  if (exponent == 31)
    bits = sign | 0x7f800000 | (mantissa << 13);
  else
    bits = sign | ((exponent + 112) << 23) | (mantissa << 13);
  memcpy (&value, &bits, sizeof value);

  return value;
}

/**
 * vard_float_to_half: (skip)
 * @value: a number
 *
 * Returns: the bits of the nearest IEEE half, ties to even; infinity above the range
 */
guint16
vard_float_to_half (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);

  guint16 sign = (bits >> 16) & 0x8000;
  guint32 magnitude = bits & 0x7fffffff;

  if (magnitude > 0x7f800000)
    return sign | 0x7e00;
  if (magnitude >= 0x47800000)
    return sign | 0x7c00;
  if (magnitude < 0x38800000)
    {
      /* below the smallest normal: adding this constant lets the FPU round to nearest even at
       * 2^-24 */
      float rounded;
      guint32 out;

      memcpy (&rounded, &magnitude, sizeof rounded);
      rounded += 0.5f;
      memcpy (&out, &rounded, sizeof out);
      return sign | (out - 0x3f000000);
    }

  return sign | ((magnitude + 0xc8000fff + ((magnitude >> 13) & 1)) >> 13);
}

/**
 * vard_bf16_to_float:
 * @half: the bits of a bfloat16
 *
 * Returns: the same number, exactly
 */
float
vard_bf16_to_float (guint16 half)
{
  guint32 bits = (guint32) half << 16;
  float value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

/**
 * vard_float_to_bf16:
 * @value: a number
 *
 * Rounds to the nearest bfloat16, ties to even. Infinities and NaN stay what they are.
 *
 * Returns: the bits of a bfloat16
 */
guint16
vard_float_to_bf16 (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return (bits >> 16) | 0x40;

  return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}
