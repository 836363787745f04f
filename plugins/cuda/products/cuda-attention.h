/* cuda-attention.h - shared by the two implementations of attention
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-step.h"

G_BEGIN_DECLS

/* queries [b, n_queries, n_heads, d], keys and values [b, n_keys, n_heads, d] */
typedef struct
{
  gint64 b, n_queries, n_keys, n_heads, d;
  float scale;
  gboolean is_causal;
} CudaAttentionShape;

CudaAttentionShape cuda_attention_get_shape (const VardNode *node);
double cuda_attention_count_flops (const CudaAttentionShape *shape, gboolean is_gradient);
/* One step computes the gradients for q, k and v: those that somebody reads become the claim's
 * outputs. outputs gets each one's place among them, or -1. */
void cuda_attention_find_gradients (CudaClaim *claim, gint outputs[3]);

/* ---- by cuDNN, in bf16; FALSE: it is not there, or has no way ---- */
gboolean cuda_claim_attention_cudnn (CudaClaim *claim);
gboolean cuda_claim_attention_gradient_cudnn (CudaClaim *claim);

G_END_DECLS
