/* cpu-attention.h - softmax attention and its derivatives, by tiles of queries and keys
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-pool.h"

G_BEGIN_DECLS

/* q, y, dy [b, tq, heads, d]; k, v [b, tk, heads, d] */
typedef struct
{
  gint64 b, tq, tk, heads, d;
  float scale;
  gboolean is_causal;
} CpuAttention;

gsize cpu_attention_get_scratch_size (const CpuAttention *self, guint n_threads);
void cpu_attention_run (CpuPool *pool,
                        const CpuAttention *self,
                        const float *q,
                        const float *k,
                        const float *v,
                        float *y,
                        float *scratch);
gsize cpu_attention_gradient_get_scratch_size (const CpuAttention *self, guint n_threads);
/* any of dq, dk and dv may be NULL */
void cpu_attention_gradient_run (CpuPool *pool,
                                 const CpuAttention *self,
                                 const float *q,
                                 const float *k,
                                 const float *v,
                                 const float *dy,
                                 float *dq,
                                 float *dk,
                                 float *dv,
                                 float *scratch);

G_END_DECLS
