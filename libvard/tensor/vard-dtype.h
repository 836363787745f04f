/* vard-dtype.h - element types of tensors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/**
 * VardDType:
 * @VARD_DTYPE_F32: IEEE single precision
 * @VARD_DTYPE_F16: IEEE half precision
 * @VARD_DTYPE_BF16: the upper half of a single
 * @VARD_DTYPE_I32: signed 32 bits
 * @VARD_DTYPE_I64: signed 64 bits
 * @VARD_DTYPE_U8: a byte
 *
 * The type of a tensor's elements.
 */
typedef enum
{
  VARD_DTYPE_F32,
  VARD_DTYPE_F16,
  VARD_DTYPE_BF16,
  VARD_DTYPE_I32,
  VARD_DTYPE_I64,
  VARD_DTYPE_U8,
} VardDType;

gsize vard_dtype_get_size (VardDType dtype);
const char *vard_dtype_get_name (VardDType dtype);

float vard_half_to_float (guint16 half);
guint16 vard_float_to_half (float value);
float vard_bf16_to_float (guint16 half);
guint16 vard_float_to_bf16 (float value);

G_END_DECLS
