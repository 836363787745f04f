/* cpu-weight.h - weights that steps read in their stored type
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-pool.h"

#include <vard-engine-sdk.h>

G_BEGIN_DECLS

/* A matrix or a convolution's weight as a weight file has it */
typedef struct
{
  VardDType dtype;            /* f32, f16 or bf16 */
  gint64 rows, columns, taps; /* stored [rows, columns, taps]; used as [rows, taps, columns] */
} CpuWeight;

/* Whether @node only makes single precision in the graph's layout of a parameter, which it returns;
 * else NULL */
VardNode *cpu_weight_match (VardNode *node, CpuWeight *weight);
/* all of it as it is used: to[rows, taps, columns] */
void cpu_weight_widen (CpuPool *pool, const CpuWeight *self, gconstpointer from, float *to);
/* stored elements [at, at + n) as floats */
void cpu_weight_load (const CpuWeight *self, gconstpointer from, gint64 at, gint64 n, float *to);

G_END_DECLS
